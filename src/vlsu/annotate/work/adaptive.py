"""One more grade where the consensus is least sure: a seat that is added to a sample.

Asked after each answer that completes a sample's modality. The sample is locked then, so that of
two who answer at once the second sees both grades and one seat is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, not_, or_, select, update

from vlsu.annotate.consensus.certainty import certainty
from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, OPEN, State
from vlsu.annotate.store.tables import bins as bins_table
from vlsu.annotate.store.tables import exclusions, items, opt_outs, people, slots
from vlsu.annotate.work.sightings import barring, has_seen
from vlsu.annotate.work.units import live_grades, votes_of
from vlsu.policy import MODALITIES

__all__ = ["add_grade"]

_JOINT = MODALITY_NUMBERS["joint"]


def add_grade(connection: Connection, plan: Plan, item_id: int, modality: int) -> bool:
    """Ask for one more grade of a sample's modality, if its grades leave the consensus unsure.

    Nothing is asked for while grades are missing, above the plan's most, or if no grader is there
    who could give it: an open slot that nobody may take would keep the sample unsettled for ever.

    Args:
        connection: In a transaction that holds the sample's lock.
        plan: Of the project.
        item_id: The sample.
        modality: Its number.

    Returns:
        Whether a slot was added.
    """
    rule = plan.adaptive
    if not rule.first or plan.graders.get(MODALITIES[modality]) != rule.first:
        return False
    of_item = select(slots).where(slots.c.item_id == item_id).order_by(slots.c.seat, slots.c.place)
    rows = connection.execute(of_item.with_for_update()).all()
    unit = [row for row in rows if row.modality == modality]
    if not rule.first <= len(unit) < rule.most:
        return False
    if any(row.state != State.DONE for row in unit):
        return False
    votes = votes_of(live_grades(connection, item_id, modality))
    if certainty(votes, rule.accuracy) >= rule.sure:
        return False
    seats: dict[int, list[Row[Any]]] = {}
    for row in rows:
        seats.setdefault(row.seat, []).append(row)
    free = {
        number: seat
        for number, seat in seats.items()
        if all(row.owner_id is None and row.state in OPEN for row in seat)
    }
    number = _free_seat(plan, free, modality)
    if number is not None:
        _join_free_seat(connection, plan, free[number], unit[0], number)
        return True
    number = _begun_seat(connection, plan, seats, unit[0], item_id)
    if number is not None:
        _join_begun_seat(connection, plan, seats[number], unit[0], number)
        return True
    if _spare_graders(connection, plan, item_id, unit[0]) <= len(free):
        return False
    _add(connection, plan, unit[0], max(seats) + 1, 0, State.FREE, None)
    return True


def _free_seat(plan: Plan, free: dict[int, list[Row[Any]]], modality: int) -> int | None:
    """A seat that nobody has and that lacks the modality."""
    for number, seat in free.items():
        held = {row.modality for row in seat}
        mixes = len({each == _JOINT for each in held | {modality}}) > 1
        if modality not in held and not (plan.disjoint and mixes):
            return number
    return None


def _begun_seat(
    connection: Connection,
    plan: Plan,
    seats: dict[int, list[Row[Any]]],
    like: Row[Any],
    item_id: int,
) -> int | None:
    """A seat whose owner can grade it, too: they have not seen the pair, or grade the pair last."""
    owners = {
        number: seat[0].owner_id
        for number, seat in seats.items()
        if seat[0].owner_id is not None and _takes(plan, seat, like.modality)
    }
    if not owners:
        return None
    willing = set(
        connection.scalars(
            select(people.c.id).where(
                people.c.id.in_(owners.values()), *_may_grade(item_id, like.bin)
            )
        )
    )
    return next((number for number, owner in owners.items() if owner in willing), None)


def _takes(plan: Plan, seat: Sequence[Row[Any]], modality: int) -> bool:
    held = {row.modality for row in seat}
    if modality in held or _JOINT in held:
        return False
    return not (plan.disjoint and modality == _JOINT)


def _may_grade(item_id: int, bin_: int) -> tuple[Any, ...]:
    """That a grader is here, or is invited, and was not kept from a sample.

    Those whose grades were imported are neither: they will give no more.
    """
    kept = exists().where(exclusions.c.person_id == people.c.id, exclusions.c.item_id == item_id)
    out = exists().where(
        opt_outs.c.person_id == people.c.id,
        opt_outs.c.stratum == bins_table.c.stratum,
        bins_table.c.id == bin_,
    )
    comes = or_(people.c.joined_at.is_not(None), people.c.invitation_hash.is_not(None))
    return people.c.role == "grader", people.c.paused_at.is_(None), comes, not_(kept), not_(out)


def _spare_graders(connection: Connection, plan: Plan, item_id: int, like: Row[Any]) -> int:
    """Graders who have no seat of a sample and could take one, joined already or invited."""
    has_seat = exists().where(slots.c.item_id == item_id, slots.c.owner_id == people.c.id)
    seen = has_seen(people.c.id, item_id, barring(like.modality, disjoint=plan.disjoint))
    language = connection.scalar(select(bins_table.c.language).where(bins_table.c.id == like.bin))
    code = (language or "").lower().partition("-")[0]
    found = connection.scalars(
        select(people.c.languages).where(*_may_grade(item_id, like.bin), not_(has_seat), not_(seen))
    )
    return sum(not reads or not code or code in reads.split(",") for reads in found)


def _join_free_seat(
    connection: Connection, plan: Plan, seat: Sequence[Row[Any]], like: Row[Any], number: int
) -> None:
    if like.modality == _JOINT:
        _add(connection, plan, like, number, len(seat), State.WAITING, None)
        return
    # A part comes first; the others move on by one, the last of them first.
    for row in sorted(seat, key=lambda row: -row.place):
        connection.execute(
            update(slots)
            .where(slots.c.id == row.id)
            .values(place=row.place + 1, state=int(State.WAITING), token=None, lease_until=None)
        )
    _add(connection, plan, like, number, 0, State.FREE, None)


def _join_begun_seat(
    connection: Connection, plan: Plan, seat: Sequence[Row[Any]], like: Row[Any], number: int
) -> None:
    done = all(row.state == State.DONE for row in seat)
    owner = seat[0].owner_id if done else None
    state = State.KEPT if done else State.WAITING
    _add(connection, plan, like, number, len(seat), state, owner)


def _add(
    connection: Connection,
    plan: Plan,
    like: Row[Any],
    seat: int,
    place: int,
    state: State,
    owner: int | None,
) -> None:
    sample = connection.scalar(select(items.c.sample_id).where(items.c.id == like.item_id))
    connection.execute(
        insert(slots).values(
            item_id=like.item_id,
            modality=like.modality,
            seat=seat,
            place=place,
            state=int(state),
            owner_id=owner,
            rank=integer(plan.seed, "rank", sample, MODALITIES[like.modality], seat),
            hard=like.hard,
            bin=like.bin,
            cluster=like.cluster,
        )
    )
