"""Cases: disputes before an adjudicator, who sees the grades and notes without names."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, not_, or_, select, update

from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.tables import (
    adjudications,
    disputes,
    exclusions,
    grades,
    items,
    policy_versions,
)
from vlsu.annotate.work.leases import Shown
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.units import live_grades
from vlsu.errors import AnnotationError
from vlsu.policy import MODALITIES

__all__ = [
    "Case",
    "Decision",
    "Opinion",
    "case_shown_to",
    "decided_by",
    "extend_cases",
    "locked_adjudicator",
    "next_case",
    "open_again",
    "open_disputes",
]

#: Decisions that are listed.
_LISTED = 200


@dataclass(frozen=True, slots=True)
class Opinion:
    """A grade and its note, of nobody: the order is drawn anew for each case."""

    grade: str
    category: str | None
    confidence: int | None
    admissible: tuple[str, ...]
    refers: str | None
    because: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What an adjudicator has decided.

    Attributes:
        dispute: Number of the dispute.
        alias: What pages call the sample.
        modality: ``"image"``, ``"text"`` or ``"joint"``.
        grade: A severity's label.
        category: Identifier, unless it is safe.
        contested: Whether careful people differ.
        reason: Why it was decided so.
        version: Label of the policy version.
        decided_at: Milliseconds.
        live: Whether it counts: it was not revised, and its grades were not opened again.
        revisable: Whether it may be revised: it counts, and the sample was not stopped.
    """

    dispute: int
    alias: str
    modality: str
    grade: str
    category: str | None
    contested: bool
    reason: str
    version: str
    decided_at: int
    live: bool
    revisable: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A dispute before an adjudicator.

    Attributes:
        dispute: Its number.
        item: Number of the sample.
        sample_id: Its identifier in the dataset.
        alias: What pages call it.
        modality: ``"image"``, ``"text"`` or ``"joint"``.
        reason: A `vlsu.annotate.consensus.majority.Dispute`.
        opinions: The grades that count.
        token: Of the lease.
        until: When the lease ends, in milliseconds, unless it is extended.
        decision: What the adjudicator has decided before, and may revise.
    """

    dispute: int
    item: int
    sample_id: str
    alias: str
    modality: str
    reason: str
    opinions: tuple[Opinion, ...]
    token: str = ""
    until: int = 0
    decision: Decision | None = None


def next_case(
    connection: Connection,
    plan: Plan,
    person_id: int,
    now: int,
    *,
    holds: Collection[int] = (),
) -> Case | None:
    """The oldest dispute that no other adjudicator has, of a sample that this one did not grade.

    One that they have and that their page does not know of comes first: a page that was loaded anew
    goes on where it was.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The adjudicator.
        now: Milliseconds.
        holds: Disputes that the page has already; with as many as `Order.held` there is no other.

    Raises:
        AnnotationError: The person is no adjudicator, or paused.
    """
    locked_adjudicator(connection, person_id)
    if len(holds) >= plan.order.held:
        return None
    own = exists().where(grades.c.item_id == disputes.c.item_id, grades.c.person_id == person_id)
    skipped = exists().where(
        exclusions.c.item_id == disputes.c.item_id, exclusions.c.person_id == person_id
    )
    chosen = (
        select(disputes.c.id)
        .where(
            disputes.c.closed_at.is_(None),
            disputes.c.id.not_in(list(holds)),
            or_(
                disputes.c.adjudicator_id == person_id,
                disputes.c.lease_until.is_(None),
                disputes.c.lease_until < now,
            ),
            not_(own),
            not_(skipped),
        )
        .order_by(disputes.c.adjudicator_id.is_distinct_from(person_id), disputes.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(
        update(disputes)
        .where(disputes.c.id == chosen.scalar_subquery())
        .values(adjudicator_id=person_id, **_lease(plan, now))
        .returning(disputes)
    ).first()
    return None if row is None else _case(connection, plan, row)


def open_again(
    connection: Connection, plan: Plan, person_id: int, dispute_id: int, now: int
) -> Case:
    """Put a case that an adjudicator has decided before them again, to be revised.

    Until they decide anew, the decision stays as it is.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The adjudicator.
        dispute_id: The dispute.
        now: Milliseconds.

    Raises:
        AnnotationError: They have not decided it, or it is no longer to be decided.
    """
    locked_adjudicator(connection, person_id)
    found = decided_by(connection, person_id, dispute_id=dispute_id)
    decision = next((each for each in found if each.revisable), None)
    if decision is None:
        raise AnnotationError("this decision is not yours, or can no longer be revised")
    row = connection.execute(
        update(disputes)
        .where(disputes.c.id == dispute_id)
        .values(**_lease(plan, now))
        .returning(disputes)
    ).one()
    return _case(connection, plan, row, decision)


def extend_cases(
    connection: Connection, plan: Plan, person_id: int, now: int, held: Sequence[int]
) -> list[int]:
    """Heartbeat of a page: extend the leases of its cases; those that are still the adjudicator's.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The adjudicator.
        now: Milliseconds.
        held: The disputes that the page holds.
    """
    locked_adjudicator(connection, person_id)
    done = connection.execute(
        update(disputes)
        .where(disputes.c.id.in_(list(held)), _is_held_by(person_id))
        .values(lease_until=now + plan.order.lease_minutes * 60_000)
        .returning(disputes.c.id)
    )
    return sorted(done.scalars())


def open_disputes(connection: Connection) -> int:
    """How many disputes are open."""
    number = select(func.count()).select_from(disputes).where(disputes.c.closed_at.is_(None))
    return connection.scalar(number) or 0


def case_shown_to(
    connection: Connection, person_id: int, dispute_id: int, token: str, now: int
) -> Shown | None:
    """What a case shows the adjudicator who has its lease; `None` if the lease is over."""
    row = connection.execute(
        select(items.c.sample_id, disputes.c.modality, disputes.c.lease_until)
        .join(disputes, disputes.c.item_id == items.c.id)
        .where(
            disputes.c.id == dispute_id,
            disputes.c.token == token,
            disputes.c.lease_until >= now,
            _is_held_by(person_id),
            items.c.stopped_at.is_(None),
        )
    ).first()
    return None if row is None else Shown(row.sample_id, MODALITIES[row.modality], row.lease_until)


def decided_by(
    connection: Connection, person_id: int, *, dispute_id: int | None = None
) -> list[Decision]:
    """The last decisions of an adjudicator, the latest first; revised ones are among them.

    Args:
        connection: For reading.
        person_id: The adjudicator.
        dispute_id: Of this dispute alone; all of them if none is given.
    """
    statement = (
        select(
            adjudications,
            items.c.alias,
            items.c.stopped_at,
            disputes.c.modality,
            policy_versions.c.label,
        )
        .join(disputes, disputes.c.id == adjudications.c.dispute_id)
        .join(items, items.c.id == disputes.c.item_id)
        .join(policy_versions, policy_versions.c.id == adjudications.c.policy_version)
        .where(adjudications.c.person_id == person_id)
        .order_by(adjudications.c.id.desc())
        .limit(_LISTED)
    )
    if dispute_id is not None:
        statement = statement.where(adjudications.c.dispute_id == dispute_id)
    return [
        Decision(
            dispute=row.dispute_id,
            alias=row.alias,
            modality=MODALITIES[row.modality],
            grade=row.grade,
            category=row.category,
            contested=row.contested,
            reason=row.reason,
            version=row.label,
            decided_at=row.decided_at,
            live=bool(row.live),
            revisable=bool(row.live) and row.stopped_at is None,
        )
        for row in connection.execute(statement)
    ]


def locked_adjudicator(connection: Connection, person_id: int) -> Row[Any]:
    """The row of an adjudicator, locked.

    Raises:
        AnnotationError: The person is no adjudicator, or paused.
    """
    person = locked_person(connection, person_id)
    if person.role not in ("adjudicator", "lead") or person.paused_at is not None:
        raise AnnotationError("only an adjudicator who is not paused decides disputes")
    return person


def _lease(plan: Plan, now: int) -> dict[str, Any]:
    until = now + plan.order.lease_minutes * 60_000
    return {"token": secrets.token_hex(16), "leased_at": now, "lease_until": until}


def _is_held_by(person_id: int) -> Any:
    """That a dispute is before somebody: to be decided, or to be decided anew."""
    return and_(
        disputes.c.adjudicator_id == person_id,
        disputes.c.lease_until.is_not(None),
        or_(disputes.c.closed_at.is_(None), disputes.c.closed_as == "decided"),
    )


def _case(
    connection: Connection, plan: Plan, row: Row[Any], decision: Decision | None = None
) -> Case:
    item = connection.execute(select(items).where(items.c.id == row.item_id)).one()
    found = sorted(
        live_grades(connection, row.item_id, row.modality),
        key=lambda grade: integer(plan.seed, "opinion", row.id, grade.id),
    )
    return Case(
        dispute=row.id,
        item=row.item_id,
        sample_id=item.sample_id,
        alias=item.alias,
        modality=MODALITIES[row.modality],
        reason=row.reason,
        opinions=tuple(map(_opinion, found)),
        token=row.token,
        until=row.lease_until,
        decision=decision,
    )


def _opinion(row: Row[Any]) -> Opinion:
    return Opinion(
        grade=row.grade,
        category=row.category,
        confidence=row.confidence,
        admissible=tuple(filter(None, (row.admissible or "").split(","))),
        refers=row.refers,
        because=row.because,
        note=row.note or "",
    )
