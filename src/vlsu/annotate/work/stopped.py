"""What a lead does about items that were stopped: records their report, or lifts a false alarm."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, exists, or_, select, update

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, State
from vlsu.annotate.store.tables import (
    bins,
    disputes,
    exclusions,
    items,
    opt_outs,
    people,
    slots,
    stops,
)
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.records import log
from vlsu.annotate.work.seats import lock_items, release_seats, slots_of
from vlsu.annotate.work.sightings import record_seat
from vlsu.annotate.work.stopping import same_content
from vlsu.annotate.work.units import settle
from vlsu.errors import AnnotationError, UsageError

__all__ = ["lift", "report"]

_MOST_WHOM, _MOST_REFERENCE, _MOST_REASON = 200, 200, 2000


def report(
    connection: Connection, person_id: int, stop_id: int, now: int, *, to: str, reference: str = ""
) -> None:
    """Record that a stopped item was reported; again to correct what was recorded.

    Args:
        connection: In a transaction that writes.
        person_id: The lead.
        stop_id: The stop.
        now: Milliseconds.
        to: To whom: an authority, a hotline, the project's officer.
        reference: Their number for it; empty if there is none.

    Raises:
        AnnotationError: The person is no lead, or the stop is unknown or was lifted.
        UsageError: It says not to whom, or too much.
    """
    whom = _said("to", to, _MOST_WHOM)
    number = _said("reference", reference, _MOST_REFERENCE) if reference.strip() else None
    _lead(connection, person_id)
    stop = connection.execute(_STOP.where(stops.c.id == stop_id).with_for_update()).first()
    if stop is None or stop.lifted_at is not None:
        raise AnnotationError("this stop is unknown, or was lifted; load the page again")
    connection.execute(
        update(stops)
        .where(stops.c.id == stop_id)
        .values(reported_at=stop.reported_at or now, reported_to=whom, report=number)
    )
    log(connection, now, person_id, "report", f"stop {stop_id}")


def lift(
    connection: Connection, plan: Plan, person_id: int, stop_id: int, reason: str, now: int
) -> list[int]:
    """Put the samples of a false alarm back into the queues, as they were.

    A sample that another stop holds, too, stays stopped. A grade that was given stays; a seat that
    somebody had begun is kept for them unless they are paused or have opted out meanwhile; a
    dispute that the stop had ended is opened again if the grades still call for one.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The lead.
        stop_id: The stop.
        reason: Why it was none.
        now: Milliseconds.

    Returns:
        Numbers of the samples that came back.

    Raises:
        AnnotationError: The person is no lead, or the stop is unknown or was lifted already.
        UsageError: There is no reason, or a very long one.
    """
    because = _said("reason", reason, _MOST_REASON)
    _lead(connection, person_id)
    stop = connection.execute(_STOP.where(stops.c.id == stop_id)).first()
    numbers = [] if stop is None else _samples_of(connection, stop)
    lock_items(connection, numbers)
    lifted = connection.execute(
        update(stops)
        .where(stops.c.id == stop_id, stops.c.lifted_at.is_(None))
        .values(lifted_at=now, lifted_because=because)
        .returning(stops.c.id)
    ).first()
    if lifted is None:
        raise AnnotationError("this stop is unknown, or was lifted already; load the page again")
    held: set[int] = set()
    for other in connection.execute(_STOP.where(stops.c.lifted_at.is_(None))).all():
        held.update(_samples_of(connection, other))
    freed = sorted(
        connection.scalars(
            update(items)
            .where(items.c.id.in_(set(numbers) - held), items.c.stopped_at.is_not(None))
            .values(stopped_at=None)
            .returning(items.c.id)
        )
    )
    for item in freed:
        _reopen(connection, plan, item)
        _dispute_again(connection, plan, item, now)
    log(connection, now, person_id, "lift", f"stop {stop_id}: {len(freed)} samples")
    return freed


_STOP = select(stops)


def _said(name: str, text: str, most: int) -> str:
    said = " ".join(text.split())
    if not said or len(said) > most:
        raise UsageError(f"{name}: give 1 to {most} characters")
    return said


def _lead(connection: Connection, person_id: int) -> None:
    if locked_person(connection, person_id).role != "lead":
        raise AnnotationError("only a lead decides about stopped items")


def _samples_of(connection: Connection, stop: Row[Any]) -> list[int]:
    return same_content(connection, stop.item_id, stop.modality, stop.kind)


def _reopen(connection: Connection, plan: Plan, item_id: int) -> None:
    """Of each seat, the first slot without a grade can be taken, by its owner if it was begun."""
    rows = slots_of(connection, item_id)
    owners: set[int] = set()
    for _, of_seat in groupby(rows, key=lambda row: row.seat):
        seat = list(of_seat)
        record_seat(connection, item_id, seat)
        owner: int | None = None
        states = iter((State.FREE, *([State.WAITING] * len(rows))))
        for row in seat:
            if row.state == State.DONE:
                owner = row.owner_id
                states = iter((State.KEPT, *([State.WAITING] * len(rows))))
                continue
            state = next(states)
            kept = state == State.KEPT
            if kept and owner is not None:
                owners.add(owner)
            connection.execute(
                update(slots)
                .where(slots.c.id == row.id)
                .values(
                    state=int(state),
                    owner_id=owner if kept else None,
                    token=None,
                    leased_at=None,
                    lease_until=None,
                )
            )
    for owner in _unable(connection, item_id, owners):
        release_seats(connection, plan, owner, [item_id])


def _unable(connection: Connection, item_id: int, owners: Collection[int]) -> Sequence[int]:
    """Those who are not offered a sample any more."""
    opted_out = exists().where(
        opt_outs.c.person_id == people.c.id,
        opt_outs.c.stratum == bins.c.stratum,
        bins.c.id == items.c.bin,
        items.c.id == item_id,
    )
    left = exists().where(exclusions.c.person_id == people.c.id, exclusions.c.item_id == item_id)
    return connection.scalars(
        select(people.c.id)
        .where(people.c.id.in_(owners), or_(people.c.paused_at.is_not(None), opted_out, left))
        .order_by(people.c.id)
    ).all()


def _dispute_again(connection: Connection, plan: Plan, item_id: int, now: int) -> None:
    for modality in MODALITY_NUMBERS.values():
        last = connection.scalar(
            select(disputes.c.closed_as)
            .where(disputes.c.item_id == item_id, disputes.c.modality == modality)
            .order_by(disputes.c.id.desc())
            .limit(1)
        )
        if last == "stopped":
            settle(connection, plan.consensus, item_id, modality, now)
