"""Seats that change hands: what is left of one becomes a seat for somebody else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, OPEN, State, is_state
from vlsu.annotate.store.tables import (
    exclusions,
    items,
    people,
    slots,
)

__all__ = ["exclude", "lock_items", "release_absent", "release_seats", "reopen_seats"]

_LOCK = (
    select(items.c.id)
    .where(items.c.id.in_(bindparam("numbers", expanding=True)))
    .order_by(items.c.id)
    .with_for_update(key_share=True)
)
#: Slots of absent graders that one call gives to others.
_RELEASED = 1000


def lock_items(connection: Connection, numbers: Iterable[int]) -> None:
    """Lock samples, in the order that everybody locks them in."""
    wanted = sorted(set(numbers))
    for start in range(0, len(wanted), 1000):
        part = wanted[start : start + 1000]
        connection.execute(_LOCK, {"numbers": part}).all()


def exclude(connection: Connection, person_id: int, item_id: int, why: str, now: int) -> None:
    """Never offer a sample to a person again."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(exclusions).values(person_id=person_id, item_id=item_id, why=why, since=now)
    connection.execute(statement.on_conflict_do_nothing())


def release_seats(
    connection: Connection, plan: Plan, person_id: int, item_ids: Iterable[int]
) -> int:
    """Free what a person has not graded yet of the seats they have on some samples.

    A seat of which they graded nothing is free again. Of others, what is left becomes part of a
    free seat that lacks it, so that one person can do both, or a seat of its own.

    Args:
        connection: In a transaction that writes; the samples are locked here.
        plan: Of the project.
        person_id: Whose seats.
        item_ids: Numbers of the samples.

    Returns:
        Slots that were before the person or kept for them.
    """
    return _vacate(connection, plan, person_id, item_ids, done=False)


def reopen_seats(
    connection: Connection, plan: Plan, person_id: int, item_ids: Iterable[int]
) -> int:
    """As `release_seats`, with what they have graded: somebody else grades it again."""
    return _vacate(connection, plan, person_id, item_ids, done=True)


def release_absent(connection: Connection, plan: Plan, now: int) -> int:
    """Give to others what is kept for graders who have been away, or are paused.

    Returns:
        How many slots that were; call it again if there are any.
    """
    since = now - plan.order.absent_hours * 3_600_000
    gone = select(people.c.id).where(
        (people.c.paused_at.is_not(None)) | (func.coalesce(people.c.active_at, 0) < since)
    )
    kept = (
        select(slots.c.owner_id, slots.c.item_id)
        .where(is_state(State.KEPT), slots.c.owner_id.in_(gone))
        .order_by(slots.c.owner_id, slots.c.item_id)
        .limit(_RELEASED)
    )
    by_person: dict[int, list[int]] = {}
    for owner, item in connection.execute(kept):
        by_person.setdefault(owner, []).append(item)
    return sum(release_seats(connection, plan, owner, found) for owner, found in by_person.items())


def _vacate(
    connection: Connection, plan: Plan, person_id: int, item_ids: Iterable[int], *, done: bool
) -> int:
    numbers = sorted(set(item_ids))
    lock_items(connection, numbers)
    return sum(_vacate_one(connection, plan, person_id, item, done=done) for item in numbers)


def _vacate_one(
    connection: Connection, plan: Plan, person_id: int, item_id: int, *, done: bool
) -> int:
    stopped = connection.scalar(select(items.c.stopped_at).where(items.c.id == item_id))
    rows = connection.execute(
        select(
            *(slots.c.id, slots.c.modality, slots.c.seat, slots.c.place),
            *(slots.c.state, slots.c.owner_id),
        )
        .where(slots.c.item_id == item_id)
        .order_by(slots.c.seat, slots.c.place)
        .with_for_update()
    ).all()
    own = {row.seat for row in rows if row.owner_id == person_id}  # one, or none
    if stopped is not None:
        if done:  # nobody grades it again
            connection.execute(
                update(slots)
                .where(slots.c.item_id == item_id, slots.c.owner_id == person_id)
                .values(state=int(State.CLOSED), token=None, lease_until=None)
            )
        return 0
    if not own:
        return 0
    (seat,) = own
    of_seat = [row for row in rows if row.seat == seat]
    left = [row for row in of_seat if row.state in OPEN or (done and row.state == State.DONE)]
    if not left:
        return 0
    others = [row for row in rows if row.seat != seat]
    joined = _free_seat_without(others, {row.modality for row in left}, disjoint=plan.disjoint)
    if joined:
        target = joined[0].seat
    elif len(left) == len(of_seat):
        target = seat
    else:
        target = max(row.seat for row in rows) + 1
    pair = MODALITY_NUMBERS["joint"]
    ordered = sorted([*left, *joined], key=lambda row: (row.modality == pair, row.place))
    for place, row in enumerate(ordered):
        connection.execute(
            update(slots)
            .where(slots.c.id == row.id)
            .values(
                seat=target,
                place=place,
                state=int(State.WAITING if place else State.FREE),
                owner_id=None,
                token=None,
                leased_at=None,
                lease_until=None,
            )
        )
    return sum(row.owner_id == person_id for row in left)


def _free_seat_without(rows: Sequence[Any], modalities: set[int], *, disjoint: bool) -> list[Any]:
    """The slots of the first seat that nobody has and that lacks some modalities."""
    pair = MODALITY_NUMBERS["joint"]
    for number in sorted({row.seat for row in rows}):
        of_seat = [row for row in rows if row.seat == number]
        held = {row.modality for row in of_seat}
        mixes = len({modality == pair for modality in held | modalities}) > 1
        free = all(row.state in (State.FREE, State.WAITING) for row in of_seat)
        if free and not held & modalities and not (disjoint and mixes):
            return of_seat
    return []
