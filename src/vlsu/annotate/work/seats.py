"""Seats that change hands: what is left of one becomes a seat for somebody else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, OPEN, State, is_state
from vlsu.annotate.store.tables import (
    bins,
    exclusions,
    items,
    opt_outs,
    people,
    slots,
)
from vlsu.annotate.work.records import insert_into
from vlsu.annotate.work.sightings import has_seen_pair, record_seat

__all__ = [
    "KEPT_FOR_CHECK",
    "exclude",
    "lock_items",
    "release_absent",
    "release_seats",
    "reopen_seats",
    "reopen_slots",
    "slots_of",
]

_LOCK = (
    select(items.c.id)
    .where(items.c.id.in_(bindparam("numbers", expanding=True)))
    .order_by(items.c.id)
    .with_for_update(key_share=True)
)
_PAIR = MODALITY_NUMBERS["joint"]
#: Why a sample is kept from a grader while a check shows it, and for good with a disjoint plan.
KEPT_FOR_CHECK = "check"
#: All reasons, what lasts longest last: they have seen its pair, skipped it (until health data are
#: deleted), their grades of it were set aside.
_REASONS = (KEPT_FOR_CHECK, "seen", "skip", "set_aside")
#: Slots of absent graders that one call gives to others.
_RELEASED = 1000


def lock_items(connection: Connection, numbers: Iterable[int]) -> None:
    """Lock samples, in the order that everybody locks them in."""
    wanted = sorted(set(numbers))
    for start in range(0, len(wanted), 1000):
        part = wanted[start : start + 1000]
        connection.execute(_LOCK, {"numbers": part}).all()


def exclude(connection: Connection, person_id: int, item_id: int, why: str, now: int) -> None:
    """Never offer a sample to a person again.

    Of two reasons the one that lasts longer is kept.
    """
    values = {"person_id": person_id, "item_id": item_id, "why": why, "since": now}
    weaker = _REASONS[: _REASONS.index(why)]
    connection.execute(
        insert_into(connection.dialect.name, exclusions)
        .values(values)
        .on_conflict_do_update(
            index_elements=[exclusions.c.person_id, exclusions.c.item_id],
            set_={"why": why, "since": now},
            where=exclusions.c.why.in_(weaker),
        )
    )


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


def reopen_slots(
    connection: Connection, plan: Plan, item_id: int, slot_ids: Collection[int], now: int
) -> None:
    """Ask again for grades of a sample that no longer count, of whoever may give them.

    A grader grades their own again, after what else they have graded of the seat. A part goes to
    somebody else if they have seen the pair since: they no longer judge the part by itself. So does
    whatever is of a grader who is paused, was never here, or does not want to see the sample.

    Args:
        connection: In a transaction that writes and holds the sample's lock.
        plan: Of the project.
        item_id: The sample, which was not stopped.
        slot_ids: Slots that are done and whose grades count no longer.
        now: Milliseconds.
    """
    seats = sorted({row.seat for row in slots_of(connection, item_id) if row.id in slot_ids})
    for seat in seats:
        rows = slots_of(connection, item_id)
        of_seat = [row for row in rows if row.seat == seat]
        opened = [row for row in of_seat if row.id in slot_ids]
        owner = opened[0].owner_id
        seen = bool(connection.scalar(select(has_seen_pair(owner, item_id))))
        left = [row for row in opened if seen and row.modality != _PAIR]
        if _is_away(connection, owner, item_id):
            left = opened
        if seen and left:
            exclude(connection, owner, item_id, "seen", now)
        stay = [row for row in of_seat if row not in left]
        _stay(connection, owner, stay, {row.id for row in opened})
        if left:
            _leave(connection, plan, item_id, rows, left)


def _is_away(connection: Connection, person_id: int, item_id: int) -> bool:
    """Whether somebody is paused, never came, or is kept from a sample by a skip or an opt-out.

    Those whose grades were imported never came: nothing is to be kept for them.
    """
    absent = people.c.paused_at.is_not(None) | people.c.joined_at.is_(None)
    away = (
        select(people.c.id).where(people.c.id == person_id, absent),
        select(exclusions.c.why).where(
            exclusions.c.person_id == person_id,
            exclusions.c.item_id == item_id,
            exclusions.c.why != "seen",
        ),
        select(opt_outs.c.stratum)
        .join(bins, bins.c.stratum == opt_outs.c.stratum)
        .join(items, items.c.bin == bins.c.id)
        .where(opt_outs.c.person_id == person_id, items.c.id == item_id),
    )
    return any(connection.execute(each).first() is not None for each in away)


def _stay(connection: Connection, owner: int, rows: Sequence[Any], opened: set[int]) -> None:
    """Order what stays of a seat anew: done, then what comes next, the pair last."""

    def later(row: Any) -> tuple[int, bool, int]:
        done = row.state == State.DONE and row.id not in opened
        step = 0 if done else 1 if row.state == State.LEASED else 2
        return step, row.modality == _PAIR, row.place

    next_ = True
    for place, row in enumerate(sorted(rows, key=later)):
        values: dict[str, Any] = {"place": place}
        if later(row)[0] == 2:
            values |= {
                "state": int(State.KEPT if next_ else State.WAITING),
                "owner_id": owner if next_ else None,
                "token": None,
                "lease_until": None,
            }
        next_ = next_ and later(row)[0] == 0
        connection.execute(update(slots).where(slots.c.id == row.id).values(**values))


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
    rows = slots_of(connection, item_id)
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
    _leave(connection, plan, item_id, rows, left)
    return sum(row.owner_id == person_id for row in left)


def slots_of(connection: Connection, item_id: int) -> Sequence[Any]:
    """The slots of a sample, locked."""
    return connection.execute(
        select(
            *(slots.c.id, slots.c.modality, slots.c.seat, slots.c.place),
            *(slots.c.state, slots.c.owner_id, slots.c.leased_at),
        )
        .where(slots.c.item_id == item_id)
        .order_by(slots.c.seat, slots.c.place)
        .with_for_update()
    ).all()


def _leave(
    connection: Connection, plan: Plan, item_id: int, rows: Sequence[Any], left: Sequence[Any]
) -> None:
    """Free some slots of one seat for somebody else.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        item_id: The sample.
        rows: All its slots.
        left: Those that leave their seat.
    """
    seat = left[0].seat
    record_seat(connection, item_id, (row for row in rows if row.seat == seat))
    others = [row for row in rows if row.seat != seat]
    joined = _free_seat_without(others, {row.modality for row in left}, disjoint=plan.disjoint)
    if joined:
        target = joined[0].seat
    elif len(left) == len(rows) - len(others):
        target = seat
    else:
        target = max(row.seat for row in rows) + 1
    ordered = sorted([*left, *joined], key=lambda row: (row.modality == _PAIR, row.place))
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


def _free_seat_without(rows: Sequence[Any], modalities: set[int], *, disjoint: bool) -> list[Any]:
    """The slots of the first seat that nobody has and that lacks some modalities."""
    for number in sorted({row.seat for row in rows}):
        of_seat = [row for row in rows if row.seat == number]
        held = {row.modality for row in of_seat}
        mixes = len({modality == _PAIR for modality in held | modalities}) > 1
        free = all(row.state in (State.FREE, State.WAITING) for row in of_seat)
        if free and not held & modalities and not (disjoint and mixes):
            return of_seat
    return []
