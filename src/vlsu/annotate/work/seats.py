"""Seats that change hands: what is left of one becomes a seat for somebody else."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import OPEN, State, is_state
from vlsu.annotate.store.tables import (
    exclusions,
    items,
    people,
    slots,
)

__all__ = ["exclude", "lock_items", "release_absent", "release_seats", "reopen_seats"]

#: Slots of absent graders that one call gives to others.
_RELEASED = 1000


def lock_items(connection: Connection, numbers: Iterable[int]) -> None:
    """Lock samples, in the order that everybody locks them in."""
    wanted = sorted(set(numbers))
    for start in range(0, len(wanted), 1000):
        part = wanted[start : start + 1000]
        connection.execute(
            select(items.c.id)
            .where(items.c.id.in_(part))
            .order_by(items.c.id)
            .with_for_update(key_share=True)
        ).all()


def exclude(connection: Connection, person_id: int, item_id: int, why: str, now: int) -> None:
    """Never offer a sample to a person again."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(exclusions).values(person_id=person_id, item_id=item_id, why=why, since=now)
    connection.execute(statement.on_conflict_do_nothing())


def release_seats(connection: Connection, person_id: int, item_ids: Iterable[int]) -> int:
    """Free what a person has not graded yet of the seats they have on some samples.

    A seat of which they graded nothing is free again; of others, what is left is a new seat.

    Args:
        connection: In a transaction that writes; the samples are locked here.
        person_id: Whose seats.
        item_ids: Numbers of the samples.

    Returns:
        Slots that were before the person or kept for them.
    """
    return _vacate(connection, person_id, item_ids, done=False)


def reopen_seats(connection: Connection, person_id: int, item_ids: Iterable[int]) -> int:
    """As `release_seats`, with what they have graded: somebody else grades it again."""
    return _vacate(connection, person_id, item_ids, done=True)


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
    return sum(release_seats(connection, owner, found) for owner, found in by_person.items())


def _vacate(connection: Connection, person_id: int, item_ids: Iterable[int], *, done: bool) -> int:
    numbers = sorted(set(item_ids))
    lock_items(connection, numbers)
    return sum(_vacate_one(connection, person_id, item, done=done) for item in numbers)


def _vacate_one(connection: Connection, person_id: int, item_id: int, *, done: bool) -> int:
    rows = connection.execute(
        select(slots.c.id, slots.c.seat, slots.c.place, slots.c.state, slots.c.owner_id)
        .where(slots.c.item_id == item_id)
        .order_by(slots.c.seat, slots.c.place)
        .with_for_update()
    ).all()
    stopped = connection.scalar(select(items.c.stopped_at).where(items.c.id == item_id))
    if stopped is not None:
        return 0
    seats = {row.seat for row in rows if row.owner_id == person_id}
    new = max((row.seat for row in rows), default=0)
    released = 0
    for seat in sorted(seats):
        of_seat = [row for row in rows if row.seat == seat]
        left = [row for row in of_seat if row.state in OPEN or (done and row.state == State.DONE)]
        stays = len(left) < len(of_seat)
        new += stays  # a seat that is left whole keeps its number
        for place, row in enumerate(left):
            released += row.owner_id == person_id
            connection.execute(
                update(slots)
                .where(slots.c.id == row.id)
                .values(
                    seat=new if stays else seat,
                    place=place,
                    state=int(State.WAITING if place else State.FREE),
                    owner_id=None,
                    token=None,
                    leased_at=None,
                    lease_until=None,
                )
            )
    return released
