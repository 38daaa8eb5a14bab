"""Items that may be illegal, or hold a credible threat: taken from everybody at once."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from vlsu.annotate.plan.answers import STOP_KINDS
from vlsu.annotate.store.states import MODALITY_NUMBERS, OPEN, State, is_state
from vlsu.annotate.store.tables import (
    disputes,
    items,
    slots,
    stops,
)
from vlsu.annotate.work.answering import locked_slot, shown_seconds
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.records import add_exposure, log
from vlsu.annotate.work.seats import lock_items
from vlsu.annotate.work.units import close_dispute
from vlsu.errors import UsageError

__all__ = ["same_content", "stop"]


def stop(
    connection: Connection,
    person_id: int,
    slot_id: int,
    token: str,
    kind: str,
    now: int,
    seconds: float = 0,
) -> list[int]:
    """Take the item of a lease out of every queue, and every sample that has the same content.

    What is the same is the image, where one was shown and the item may be illegal; else the text.
    Grades that were given stay stored, and nothing of these samples is exported.

    Args:
        connection: In a transaction that writes.
        person_id: The grader.
        slot_id: The slot.
        token: Of its lease.
        kind: ``"illegal"`` or ``"threat"``.
        now: Milliseconds.
        seconds: How long it was shown.

    Returns:
        Numbers of the samples that were stopped by this call.

    Raises:
        LeaseLostError: Somebody else has the slot, or it was stopped already.
        UsageError: There is no such kind.
    """
    if kind not in STOP_KINDS:
        raise UsageError(f"kind: {kind[:40]!r}; give {' or '.join(STOP_KINDS)}")
    locked_person(connection, person_id)
    at = connection.execute(
        select(slots.c.item_id, slots.c.modality).where(slots.c.id == slot_id)
    ).first()
    numbers = [] if at is None else same_content(connection, at.item_id, at.modality, kind)
    lock_items(connection, numbers)
    slot = locked_slot(connection, person_id, slot_id, token)
    add_exposure(
        connection, person_id, now, hard=slot.hard, seconds=shown_seconds(slot, seconds, now)
    )
    stopped = list(
        connection.scalars(
            update(items)
            .where(items.c.id.in_(numbers), items.c.stopped_at.is_(None))
            .values(stopped_at=now)
            .returning(items.c.id)
        )
    )
    connection.execute(
        update(slots)
        .where(
            slots.c.item_id.in_(stopped),
            is_state(*OPEN),
        )
        .values(state=int(State.CLOSED), token=None, lease_until=None)
    )
    open_ = select(disputes.c.item_id).where(
        disputes.c.item_id.in_(stopped), disputes.c.closed_at.is_(None)
    )
    for item in set(connection.scalars(open_)):
        close_dispute(connection, item, None, "stopped", now)
    connection.execute(
        insert(stops).values(
            item_id=slot.item_id,
            modality=slot.modality,
            person_id=person_id,
            kind=kind,
            stopped_at=now,
        )
    )
    log(connection, now, person_id, "stop", f"item {slot.item_id}: {kind}, {len(stopped)} samples")
    return sorted(stopped)


def same_content(connection: Connection, item_id: int, modality: int, kind: str) -> list[int]:
    """Numbers of the samples that a stop takes: those with the same image, or the same text."""
    item = connection.execute(select(items).where(items.c.id == item_id)).one()
    by_image = modality == MODALITY_NUMBERS["image"] or (
        modality == MODALITY_NUMBERS["joint"] and kind == "illegal"
    )
    column = items.c.image_sha256 if by_image else items.c.text_sha256
    value = item.image_sha256 if by_image else item.text_sha256
    if value is None:
        return [item_id]
    return sorted({item_id, *connection.scalars(select(items.c.id).where(column == value))})
