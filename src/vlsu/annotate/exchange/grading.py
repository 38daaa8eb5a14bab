"""A project's grades sample by sample, as exports need them: in constant memory, of one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, case, func, select, text

from vlsu.annotate.consensus.majority import Vote, majority, soft_label
from vlsu.annotate.plan.settings import ConsensusRules
from vlsu.annotate.store.database import Database
from vlsu.annotate.store.states import OPEN, State, is_state
from vlsu.annotate.store.tables import (
    adjudications,
    disputes,
    gold,
    grades,
    items,
    people,
    policy_versions,
    slots,
)
from vlsu.annotate.work.importing import import_id
from vlsu.policy import MODALITIES, NOT_SURE, Policy, Severity

__all__ = ["Decision", "Given", "Graded", "Outcome", "Unit", "one_moment", "outcome", "read_graded"]

#: Samples whose grades are in memory at once.
_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Given:
    """A grade, by pseudonym.

    Attributes:
        policy_version: Label of the version that the grader had before them.
        set_aside: Whether it counts no longer.
        imported: Whether it was given elsewhere and imported.
    """

    grader: str
    grade: str
    category: str | None
    confidence: int | None
    admissible: tuple[str, ...]
    refers: str | None
    because: str | None
    revealed: bool | None
    note: str | None
    seconds: float
    policy_version: str
    given_at: int
    set_aside: bool
    imported: bool

    @property
    def vote(self) -> Vote:
        """The grade without its grader."""
        return Vote(self.grade, self.category, self.admissible)


@dataclass(frozen=True, slots=True)
class Decision:
    """What an adjudicator decided last."""

    grade: str
    category: str | None
    contested: bool
    decided_at: int


@dataclass(slots=True)
class Unit:
    """A sample in one modality.

    Attributes:
        wanted: Grades that are asked for; none where a pre-grader left the sample out.
        missing: Of these, the ones still to be given.
        given: Grades, those set aside among them, in the order they were given.
        disputed: Whether an adjudicator is still to decide.
        decision: The last one, if there is any.
        known: Grade and category given with the project, for which no grades are asked.
    """

    wanted: int = 0
    missing: int = 0
    given: list[Given] = field(default_factory=list)
    disputed: bool = False
    decision: Decision | None = None
    known: tuple[str, str | None] | None = None

    @property
    def live(self) -> list[Given]:
        """The grades that count."""
        return [each for each in self.given if not each.set_aside]


@dataclass(frozen=True, slots=True)
class Graded:
    """A sample with its grades, by modality; a modality without any slot or known answer lacks.

    Attributes:
        number: Of the sample, from 0, in the dataset's order.
    """

    number: int
    sample_id: str
    stopped: bool
    units: Mapping[str, Unit]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is exported of a sample in one modality.

    Attributes:
        severity: `None` where nothing is decided.
        decided_by: ``"majority"``, ``"adjudicator"`` or ``"known_answer"``; `None` if undecided.
        undecided: ``"dispute"``, ``"unfinished"`` or ``"not_selected"`` (a pre-grader left it out);
            `None` if it is decided.
        contested: That graders differ, or, of what an adjudicator decided, that they said so.
        soft: Share of each severity; `None` without a grade that is one.
        votes: Grade -> how many gave it.
        agreement: Share of the pairs of grades that are the same severity; `None` below two.
    """

    severity: Severity | None
    category: str | None
    decided_by: str | None
    undecided: str | None
    contested: bool
    soft: Mapping[str, float] | None
    votes: Mapping[str, int]
    agreement: float | None

    def tree(self) -> dict[str, object]:
        """Ready for JSON, without grade and category, which have columns of their own."""
        return {
            "soft": None if self.soft is None else {k: round(v, 4) for k, v in self.soft.items()},
            "votes": dict(self.votes),
            "grades": sum(self.votes.values()),
            "agreement": None if self.agreement is None else round(self.agreement, 4),
            "contested": self.contested,
            "decided_by": self.decided_by,
            **({"undecided": self.undecided} if self.undecided else {}),
        }


@contextmanager
def one_moment(database: Database) -> Iterator[Connection]:
    """A connection that sees the database as of one moment, whatever is written meanwhile.

    Raises:
        VlsuError: The database cannot be used.
    """
    with database.read() as connection:
        if not database.sqlite:  # SQLite's transactions see one moment by themselves
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield connection


def read_graded(connection: Connection) -> Iterator[Graded]:
    """Every sample with its grades, in the dataset's order.

    Args:
        connection: Of `one_moment`.
    """
    last = connection.scalar(select(func.max(items.c.id)))
    for start in range(0, -1 if last is None else last + 1, _CHUNK):
        yield from _chunk(connection, start)


def outcome(unit: Unit, rules: ConsensusRules, policy: Policy) -> Outcome:
    """What the grades of a unit come to.

    An adjudicator's last decision stands above the majority as long as a grade that it was about
    still counts; once others have graded the unit anew throughout, their majority does.

    Args:
        unit: A sample in one modality.
        rules: When votes do not settle a severity.
        policy: Of the grades.
    """
    live = unit.live
    votes = [each.vote for each in live]
    counts = Counter(vote.grade for vote in votes)
    shown = {g: counts[g] for g in (*(s.label for s in Severity), NOT_SURE) if counts[g]}
    found = majority(votes, rules) if votes else None
    severity: Severity | None = None
    category = decided_by = undecided = None
    contested = found is not None and found.contested
    decision = unit.decision
    if unit.known is not None and not votes:
        severity, category = Severity.parse(unit.known[0]), unit.known[1]
        decided_by = "known_answer"
    elif unit.missing or found is None:
        undecided = "unfinished" if unit.wanted else "not_selected"
    elif unit.disputed:
        undecided = "dispute"
    elif decision is not None and any(each.given_at <= decision.decided_at for each in live):
        severity, category = Severity.parse(decision.grade), decision.category
        decided_by, contested = "adjudicator", decision.contested
    elif found.dispute is not None:
        undecided = "dispute"
    else:
        severity, category, decided_by = found.severity, found.category, "majority"
    return Outcome(
        severity=severity,
        category=category,
        decided_by=decided_by,
        undecided=undecided,
        contested=contested,
        soft=soft_label(votes, (severity.label for severity in policy.severities)),
        votes=shown,
        agreement=_agreement(counts),
    )


def _agreement(counts: Counter[str]) -> float | None:
    given = [counts[severity.label] for severity in Severity]
    n = sum(given)
    return sum(k * (k - 1) for k in given) / (n * (n - 1)) if n > 1 else None


def _chunk(connection: Connection, start: int) -> Iterator[Graded]:
    rows = connection.execute(
        select(items.c.id, items.c.sample_id, items.c.stopped_at)
        .where(items.c.id >= start, items.c.id < start + _CHUNK)
        .order_by(items.c.id)
    ).all()
    units: dict[int, dict[str, Unit]] = {row.id: {} for row in rows}

    def found(statement: Any) -> Iterable[Any]:
        return connection.execute(statement)

    def unit(row: Any) -> Unit:
        return units[row.item_id].setdefault(MODALITIES[row.modality], Unit())

    def inside(column: Any) -> tuple[Any, Any]:
        return column >= start, column < start + _CHUNK

    missing = func.sum(case((is_state(*OPEN), 1), else_=0)).label("missing")
    wanted = func.sum(case((is_state(State.CLOSED), 0), else_=1)).label("wanted")
    for row in found(
        select(slots.c.item_id, slots.c.modality, wanted, missing)
        .where(*inside(slots.c.item_id))
        .group_by(slots.c.item_id, slots.c.modality)
        .order_by(slots.c.item_id, slots.c.modality)
    ):
        unit(row).wanted, unit(row).missing = int(row.wanted), int(row.missing)
    for row in found(select(gold).where(*inside(gold.c.item_id))):
        unit(row).known = row.grade, row.category
    for row in found(_grades(*inside(grades.c.item_id))):
        unit(row).given.append(_given(row))
    for row in found(
        select(disputes.c.item_id, disputes.c.modality).where(
            *inside(disputes.c.item_id), disputes.c.closed_at.is_(None)
        )
    ):
        unit(row).disputed = True
    for row in found(
        select(disputes.c.item_id, disputes.c.modality, adjudications)
        .join(disputes, disputes.c.id == adjudications.c.dispute_id)
        .where(*inside(disputes.c.item_id), adjudications.c.live.is_(True))
        .order_by(adjudications.c.id)
    ):
        unit(row).decision = Decision(row.grade, row.category, row.contested, row.decided_at)
    for row in rows:
        yield Graded(row.id, row.sample_id, row.stopped_at is not None, units[row.id])


def _grades(*where: Any) -> Any:
    """Grades that count or do no longer; what a grader took back was never given."""
    return (
        select(grades, people.c.pseudonym, policy_versions.c.label)
        .join(people, people.c.id == grades.c.person_id)
        .join(policy_versions, policy_versions.c.id == grades.c.policy_version)
        .where(
            *where,
            grades.c.live.is_(True) | grades.c.withdrawn_as.in_(("set_aside", "superseded")),
        )
        .order_by(grades.c.item_id, grades.c.modality, grades.c.id)
    )


def _given(row: Any) -> Given:
    return Given(
        grader=row.pseudonym,
        grade=row.grade,
        category=row.category,
        confidence=row.confidence,
        admissible=tuple(filter(None, (row.admissible or "").split(","))),
        refers=row.refers,
        because=row.because,
        revealed=row.revealed,
        note=row.note,
        seconds=row.seconds,
        policy_version=row.label,
        given_at=row.given_at,
        set_aside=not row.live,
        imported=row.client_id == import_id(row.item_id, row.modality),
    )
