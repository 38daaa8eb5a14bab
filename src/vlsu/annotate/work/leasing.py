"""The next item of a grader."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, or_, select, update

from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.settings import Bounds, Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, State, is_state
from vlsu.annotate.store.tables import (
    bins,
    grades,
    items,
    opt_outs,
    people,
    slots,
)
from vlsu.annotate.work.candidates import Wanted, lease
from vlsu.annotate.work.days import Seen, only_lighter, seen_on, working_since
from vlsu.policy import MODALITIES

__all__ = [
    "Lease",
    "Nothing",
    "extend_leases",
    "locked_person",
    "next_item",
    "sweep",
]

#: Blocks by modality, in turn: parts in either order, pairs after both.
CYCLE = tuple(
    MODALITY_NUMBERS[name] for name in ("image", "text", "joint", "text", "image", "joint")
)
#: Leases that ended and are put back by one call.
_SWEPT = 100

# Statements of every request, built once: building takes longer than running them does.
_PERSON = select(people).where(people.c.id == bindparam("person")).with_for_update(key_share=True)
_HELD = (
    select(slots, items.c.sample_id, items.c.alias)
    .join(items)
    .where(is_state(State.LEASED), slots.c.owner_id == bindparam("person"))
    .order_by(slots.c.leased_at, slots.c.id)
)
_LAST = (
    select(grades.c.slot_id, grades.c.id, grades.c.given_at, grades.c.seconds)
    .where(grades.c.person_id == bindparam("person"))
    .order_by(grades.c.id.desc())
    .limit(bindparam("number"))
    .subquery()
)
_RECENT = (
    select(slots.c.item_id, slots.c.cluster, slots.c.hard, _LAST.c.given_at, _LAST.c.seconds)
    .join(_LAST, _LAST.c.slot_id == slots.c.id)
    .order_by(_LAST.c.id.desc())
)
_OPTED_OUT = select(opt_outs.c.stratum).where(opt_outs.c.person_id == bindparam("person"))
_ADVANCE = (
    update(people)
    .where(people.c.id == bindparam("person"))
    .values(
        draws=people.c.draws + 1,
        block=bindparam("new_block"),
        block_left=bindparam("left"),
        active_at=bindparam("now"),
        working_since=bindparam("since"),
    )
)


class Nothing(enum.StrEnum):
    """Why a grader gets no item now."""

    #: There is nothing left for them, and will not be unless somebody leaves.
    FINISHED = "finished"
    #: Others hold what is left; some of it may come back.
    WAIT = "wait"
    #: They hold as many items as they may.
    HELD = "held"
    #: A bound of the day.
    MINUTES = "minutes"
    HARD_ITEMS = "hard_items"
    #: They have not agreed yet, are paused, or do not grade.
    CONSENT = "consent"
    PAUSED = "paused"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class Lease:
    """An item before a grader.

    Attributes:
        slot: The slot.
        token: To be sent with the answer.
        item: Number of the sample.
        sample_id: Its identifier in the dataset.
        alias: What the grader's page calls it.
        modality: ``"image"``, ``"text"`` or ``"joint"``.
        until: When it ends, in milliseconds, unless it is extended.
    """

    slot: int
    token: str
    item: int
    sample_id: str
    alias: str
    modality: str
    until: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """One item that a grader has just seen, or holds."""

    item: int
    cluster: int | None
    hard: bool
    given_at: int = 0
    seconds: float = 0.0


def next_item(
    connection: Connection, plan: Plan, person_id: int, now: int, *, holds: Iterable[int] = ()
) -> Lease | Nothing:
    """Lease a grader's next item.

    An item that they hold and that their page does not know of comes first: a page that was loaded
    anew goes on where it was.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The grader.
        now: Milliseconds.
        holds: Slots that the page has already.
    """
    person = locked_person(connection, person_id)
    if (refusal := _refusal(person)) is not None:
        return refusal
    until = now + plan.order.lease_minutes * 60_000
    held = connection.execute(_HELD, {"person": person_id}).all()
    for row in held:
        if row.id not in set(holds):
            _extend(connection, [row.id], until)
            return _lease(row, row.token, until)
    if len(held) >= plan.order.held:
        return Nothing.HELD
    today = seen_on(connection, person, now)
    if 0 < plan.bounds.minutes_a_day * 60 <= today.seconds:
        return Nothing.MINUTES
    leased = [_Seen(row.item_id, row.cluster, row.hard) for row in held]
    seen = leased + _recent(connection, person_id, max(plan.order.apart, plan.bounds.spacing, 1))
    today = Seen(
        today.items + len(leased), today.hard + sum(each.hard for each in leased), today.seconds
    )
    found = _draw(connection, plan, person, seen, today, now, until)
    if found is Nothing.WAIT and sweep(connection, now):
        found = _draw(connection, plan, person, seen, today, now, until)
    return found


def extend_leases(
    connection: Connection, plan: Plan, person_id: int, now: int, held: Sequence[int]
) -> list[int]:
    """Heartbeat of a page: extend its leases; those that are still the grader's.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The grader.
        now: Milliseconds.
        held: The slots that the page holds.
    """
    until = now + plan.order.lease_minutes * 60_000
    still = select(slots.c.id).where(
        slots.c.id.in_(held), slots.c.owner_id == person_id, is_state(State.LEASED)
    )
    found = list(connection.scalars(still.order_by(slots.c.id).with_for_update()))
    _extend(connection, found, until)
    return found


def locked_person(connection: Connection, person_id: int) -> Row[Any]:
    """A person's row, locked: what one person does is done one after another."""
    return connection.execute(_PERSON, {"person": person_id}).one()


def sweep(connection: Connection, now: int) -> int:
    """Put back what was leased and is overdue: to its seat's owner if the seat was begun.

    The token stays, so that an answer that comes late still counts if nobody else took the slot.

    Args:
        connection: In a transaction that writes.
        now: Milliseconds.

    Returns:
        How many slots; a bounded number, so call it again if there were any.
    """
    overdue = (
        select(slots.c.id)
        .where(is_state(State.LEASED), slots.c.lease_until < now)
        .order_by(slots.c.lease_until)
        .limit(_SWEPT)
        .with_for_update(skip_locked=True)
    )
    begun = slots.c.place > 0
    done = connection.execute(
        update(slots)
        .where(slots.c.id.in_(overdue.scalar_subquery()), is_state(State.LEASED))
        .values(
            state=case((begun, int(State.KEPT)), else_=int(State.FREE)),
            owner_id=case((begun, slots.c.owner_id), else_=None),
        )
    )
    return done.rowcount


def _refusal(person: Row[Any]) -> Nothing | None:
    if person.role != "grader":
        return Nothing.ROLE
    if person.paused_at is not None:
        return Nothing.PAUSED
    if person.consented_at is None or not person.adult:
        return Nothing.CONSENT
    return None


def _recent(connection: Connection, person_id: int, number: int) -> list[_Seen]:
    rows = connection.execute(_RECENT, {"person": person_id, "number": number})
    return [_Seen(*row) for row in rows]


def _draw(
    connection: Connection,
    plan: Plan,
    person: Row[Any],
    seen: Sequence[_Seen],
    today: Seen,
    now: int,
    until: int,
) -> Lease | Nothing:
    point = integer(plan.seed, "draw", person.id, person.draws)
    token = secrets.token_hex(16)
    near = seen[: plan.order.apart]
    clusters = sorted({each.cluster for each in near if each.cluster is not None})
    allowed = _allowed(connection, plan, person)
    bound = 0 < plan.bounds.hard_a_day <= today.hard
    for apart, hard in _levels(plan.bounds, seen, today, bound):
        for step, modality in _blocks(person, allowed):
            for kept in (True, False):
                wanted = Wanted(
                    person=person.id,
                    modality=modality,
                    kept=kept,
                    hard=hard,
                    bins=allowed[modality],
                    avoid_items=sorted({each.item for each in near}) if apart else (),
                    avoid_clusters=clusters if apart else (),
                    point=point,
                )
                row = lease(connection, wanted, token=token, now=now, until=until)
                if row is not None:
                    _advance(connection, plan, person, step, now, seen)
                    return _lease(row, token, until)
    others = select(slots.c.id).where(is_state(State.LEASED), slots.c.owner_id != person.id)
    of_theirs = and_(is_state(State.KEPT), slots.c.owner_id == person.id)
    if bound and _any(connection, and_(slots.c.hard, or_(is_state(State.FREE), of_theirs))):
        return Nothing.HARD_ITEMS
    return Nothing.WAIT if connection.execute(others.limit(1)).first() else Nothing.FINISHED


def _levels(
    bounds: Bounds, seen: Sequence[_Seen], today: Seen, bound: bool
) -> Iterator[tuple[bool, tuple[bool, ...]]]:
    """What is wished for, the most first: apart from others like it, and its hardness.

    The bound of the day holds at every level; spacing, the share of hard items, the calm end of a
    day and distance hold while there is anything else to grade.
    """
    hard_before = any(each.hard for each in seen[: bounds.spacing])
    both, lighter = (False, True), (False,)
    wished = lighter if bound or hard_before or only_lighter(bounds, today) else both
    possible = lighter if bound else both
    for hardness in dict.fromkeys((wished, possible)):
        yield True, hardness
        yield False, hardness


def _blocks(
    person: Row[Any], allowed: dict[int, tuple[int, ...] | None]
) -> Iterator[tuple[int, int]]:
    """Modalities in the order of a grader's blocks, each with the steps to its block."""
    first = 0 if person.block_left > 0 else 1
    tried: set[int] = set()
    for step in range(first, first + len(CYCLE)):
        modality = CYCLE[(person.block + step) % len(CYCLE)]
        if modality in tried or modality not in allowed or allowed[modality] == ():
            continue
        tried.add(modality)
        yield step, modality


def _advance(
    connection: Connection,
    plan: Plan,
    person: Row[Any],
    step: int,
    now: int,
    seen: Sequence[_Seen],
) -> None:
    connection.execute(
        _ADVANCE,
        {
            "person": person.id,
            "new_block": (person.block + step) % len(CYCLE),
            "left": (person.block_left if step == 0 else plan.order.block) - 1,
            "now": now,
            "since": working_since(
                plan.bounds, person, [(e.given_at, e.seconds) for e in seen if e.given_at][:1], now
            ),
        },
    )


def _allowed(
    connection: Connection, plan: Plan, person: Row[Any]
) -> dict[int, tuple[int, ...] | None]:
    """Bins that a grader may see, by modality; `None` for all.

    A language keeps from images, too, where the seat has a text or a pair: whoever takes the image
    grades these as well.
    """
    wanted = [n for name, n in MODALITY_NUMBERS.items() if plan.graders.get(name)]
    out = set(connection.scalars(_OPTED_OUT, {"person": person.id}))
    reads = set(person.languages.split(",")) if person.languages else None
    if not out and reads is None:
        return dict.fromkeys(wanted)
    known = connection.execute(select(bins).order_by(bins.c.id)).all()

    image_alone = wanted == [MODALITY_NUMBERS["image"]]

    def suits(row: Row[Any]) -> bool:
        language = (row.language or "").lower().partition("-")[0]
        readable = reads is None or not language or language in reads
        return row.stratum not in out and (readable or image_alone)

    return dict.fromkeys(wanted, tuple(row.id for row in known if suits(row)))


def _any(connection: Connection, condition: Any) -> bool:
    return connection.execute(select(slots.c.id).where(condition).limit(1)).first() is not None


def _extend(connection: Connection, ids: Sequence[int], until: int) -> None:
    if ids:
        connection.execute(
            update(slots)
            .where(and_(slots.c.id.in_(ids), is_state(State.LEASED)))
            .values(lease_until=bindparam("ends", until))
        )


def _lease(row: Row[Any], token: str, until: int) -> Lease:
    return Lease(
        slot=row.id,
        token=token,
        item=row.item_id,
        sample_id=row.sample_id,
        alias=row.alias,
        modality=MODALITIES[row.modality],
        until=until,
    )
