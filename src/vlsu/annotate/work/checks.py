"""Items that a grader is shown beside their slots: training, hidden known items, hidden repeats.

A check is leased, answered, taken back, skipped and stopped as a slot is, and its page cannot tell
the two apart (training says what it is). Its answer is never a grade.

While a check is open, its sample is kept from its grader's queue, so that no order of answers
breaks the rules of `vlsu.annotate.work.permitting`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, insert, not_, select

from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.tables import checks, gold, grades, slots
from vlsu.annotate.work.check_rows import lease_check, open_checks, withdraw
from vlsu.annotate.work.leases import Lease
from vlsu.annotate.work.permitting import Unit, permitted
from vlsu.policy import Severity

__all__ = ["Circumstances", "first_open", "hidden_check", "known_units", "new_checks"]

#: Candidates that are looked at for one check.
_CANDIDATES = 60
#: Grades of a person that are looked at for a repeat, the latest that are old enough.
_REPEATABLE = 1000
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a grader may be shown now.

    Attributes:
        allowed: Modality -> bins that they may see; `None` for all.
        modality: Of their block.
        near_items: Samples they have just seen.
        near_clusters: Clusters of these.
        lighter: Whether a hard item should not come now.
        bound: Whether they have seen as many hard items as a day allows.
        now: Milliseconds.
        until: When a lease ends.
    """

    allowed: Mapping[int, Collection[int] | None]
    modality: int
    near_items: Collection[int]
    near_clusters: Collection[int]
    lighter: bool
    bound: bool
    now: int
    until: int


def hidden_check(
    connection: Connection, plan: Plan, person: Row[Any], about: Circumstances
) -> Lease | None:
    """A hidden known item or a hidden repeat, where one is due and something suits.

    Args:
        connection: In a transaction that holds the person's lock.
        plan: Of the project.
        person: The grader's row.
        about: What they may be shown.
    """
    hidden = [row for row in open_checks(connection, person.id) if row.kind != "training"]
    overdue = [row for row in hidden if row.token is None or row.lease_until < about.now]
    if (again := first_open(connection, plan, person.id, overdue, about)) is not None:
        return again
    if not person.draws:  # the first item of all is real, so that the block's modality is known
        return None
    for kind, every in (("gold", plan.checks.gold), ("repeat", plan.checks.repeats)):
        if every and (lease := _due(connection, plan, person, about, kind, every)) is not None:
            return lease
    return None


def _due(
    connection: Connection,
    plan: Plan,
    person: Row[Any],
    about: Circumstances,
    kind: str,
    every: int,
) -> Lease | None:
    point = _last_point(plan.seed, kind, person.id, person.draws, every)
    of_kind = and_(checks.c.person_id == person.id, checks.c.kind == kind, checks.c.live.is_(True))
    last = connection.scalar(select(func.max(checks.c.due_after)).where(of_kind))
    if point is None or (last is not None and last >= point):
        return None
    if kind == "gold":
        found = known_units(connection, person.id, about.allowed)
    else:
        found = _repeatable(connection, plan, person.id, about)
    suiting = [unit for unit in found if _suits(unit, about)]
    suiting.sort(key=lambda unit: integer(plan.seed, kind, person.id, unit.item, unit.modality))
    for unit in permitted(connection, plan, person.id, suiting[:_CANDIDATES], about.allowed):
        row = {**_row(person.id, unit, kind, point), "round": 0}
        if (lease := lease_check(connection, person.id, row, about.now, about.until)) is not None:
            return lease
    return None


def _last_point(seed: int, kind: str, person: int, draws: int, every: int) -> int | None:
    """The last draw so far before which a check is due: one is drawn of every so many.

    The first `every` draws have one too, so nobody can count on a beginning without.
    """
    for stretch in (draws // every, draws // every - 1):
        if stretch < 0:
            return None
        point = stretch * every + integer(seed, "due", kind, person, stretch) % every
        if point <= draws:
            return point
    return None


def _suits(unit: Unit, about: Circumstances) -> bool:
    """A check is of the grader's block, so that nothing tells it apart; and not near its like."""
    return (
        unit.modality == about.modality
        and unit.item not in about.near_items
        and (unit.cluster is None or unit.cluster not in about.near_clusters)
        and not (unit.hard and (about.lighter or about.bound))
    )


def first_open(
    connection: Connection,
    plan: Plan,
    person_id: int,
    rows: Sequence[Row[Any]],
    about: Circumstances,
) -> Lease | None:
    """The first check that may still be shown; others are released."""
    for row in rows:
        unit = Unit(row.item_id, row.modality, row.hard, row.cluster, row.grade_id)
        if unit.hard and about.bound:
            continue
        if permitted(connection, plan, person_id, [unit], about.allowed, but=row.id):
            lease = lease_check(connection, person_id, row._asdict(), about.now, about.until)
            if lease is not None:
                return lease
        withdraw(connection, plan, row, "released")
    return None


def known_units(
    connection: Connection, person_id: int, allowed: Mapping[int, Collection[int] | None]
) -> list[Unit]:
    """Known items that a person was not shown."""
    shown = exists().where(
        checks.c.person_id == person_id,
        checks.c.item_id == gold.c.item_id,
        checks.c.modality == gold.c.modality,
    )
    found = connection.execute(select(gold).where(not_(shown)))
    return [
        Unit(row.item_id, row.modality, row.grade == Severity.UNSAFE.label, row.cluster)
        for row in found
        if row.modality in allowed
    ]


def _repeatable(
    connection: Connection, plan: Plan, person_id: int, about: Circumstances
) -> list[Unit]:
    """What a person graded some time ago and was not asked again; of other days if there are."""
    own = grades.c.person_id == person_id
    newest = (
        select(grades.c.id)
        .where(own)
        .order_by(grades.c.id.desc())
        .offset(max(plan.checks.repeat_after - 1, 0))
        .limit(1)
    )
    before = connection.scalar(newest)
    if before is None:
        return []
    again = exists().where(
        checks.c.person_id == person_id,
        checks.c.item_id == grades.c.item_id,
        checks.c.modality == grades.c.modality,
        checks.c.kind == "repeat",
    )
    rows = connection.execute(
        select(grades.c.id, grades.c.item_id, grades.c.modality, grades.c.given_at,
               slots.c.hard, slots.c.cluster)
        .join(slots, slots.c.id == grades.c.slot_id)
        .where(
            own,
            grades.c.live.is_(True),
            grades.c.modality == about.modality,
            grades.c.id <= before,
            not_(again),
        )
        .order_by(grades.c.id.desc())
        .limit(_REPEATABLE)
    ).all()  # fmt: skip
    since = about.now - plan.checks.repeat_hours * _HOUR_MS
    old = [row for row in rows if row.given_at <= since]
    return [Unit(row.item_id, row.modality, row.hard, row.cluster, row.id) for row in old or rows]


def _row(person_id: int, unit: Unit, kind: str, due_after: int) -> dict[str, Any]:
    return {
        "person_id": person_id,
        "item_id": unit.item,
        "modality": unit.modality,
        "kind": kind,
        "due_after": due_after,
        "grade_id": unit.grade,
        "hard": unit.hard,
        "cluster": unit.cluster,
        "live": True,
    }


def new_checks(
    connection: Connection, person_id: int, units: Iterable[Unit], kind: str, round_: int
) -> int:
    """Checks that are to be shown in this order; how many."""
    rows = [
        {**_row(person_id, unit, kind, place), "round": round_} for place, unit in enumerate(units)
    ]
    if rows:
        connection.execute(insert(checks), rows)
    return len(rows)
