"""Items that may be illegal, or hold a credible threat: taken from everybody at once."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from vlsu.annotate.plan.answers import STOP_KINDS
from vlsu.annotate.store.states import MODALITY_NUMBERS, OPEN, State, is_state
from vlsu.annotate.store.tables import (
    checks,
    disputes,
    items,
    slots,
    stops,
)
from vlsu.annotate.work.answering import locked_slot, shown_seconds
from vlsu.annotate.work.check_answers import locked_check
from vlsu.annotate.work.leases import CHECK, Held
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.records import add_exposure, log
from vlsu.annotate.work.seats import lock_items
from vlsu.annotate.work.units import close_dispute
from vlsu.errors import UsageError

__all__ = ["same_content", "stop", "take_out"]


def stop(
    connection: Connection,
    person_id: int,
    held: Held,
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
        held: The lease: of a slot, or of a check.
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
    table = checks if held.kind == CHECK else slots
    at = connection.execute(
        select(table.c.item_id, table.c.modality).where(table.c.id == held.slot)
    ).first()
    numbers = [] if at is None else same_content(connection, at.item_id, at.modality, kind)
    lock_items(connection, numbers)
    slot = (
        locked_check(connection, person_id, held)
        if held.kind == CHECK
        else locked_slot(connection, person_id, held.slot, held.token)
    )
    add_exposure(
        connection, person_id, now, hard=slot.hard, seconds=shown_seconds(slot, seconds, now)
    )
    return take_out(connection, person_id, slot.item_id, slot.modality, kind, numbers, now)


def take_out(
    connection: Connection,
    person_id: int,
    item_id: int,
    modality: int,
    kind: str,
    numbers: list[int],
    now: int,
) -> list[int]:
    """Close all that is open of some samples, and record why.

    Args:
        connection: In a transaction that writes and holds the samples' locks.
        person_id: Who says so.
        item_id: The sample that they saw.
        modality: Its number.
        kind: One of `STOP_KINDS`.
        numbers: The samples that have the same content.
        now: Milliseconds.

    Returns:
        Numbers of the samples that were stopped by this call.
    """
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
    connection.execute(
        update(checks)
        .where(
            checks.c.item_id.in_(stopped), checks.c.live.is_(True), checks.c.answered_at.is_(None)
        )
        .values(live=None, withdrawn_as="stopped", lease_until=None)
    )
    open_ = select(disputes.c.item_id).where(
        disputes.c.item_id.in_(stopped), disputes.c.closed_at.is_(None)
    )
    for item in set(connection.scalars(open_)):
        close_dispute(connection, item, None, "stopped", now)
    connection.execute(
        insert(stops).values(
            item_id=item_id,
            modality=modality,
            person_id=person_id,
            kind=kind,
            stopped_at=now,
        )
    )
    log(connection, now, person_id, "stop", f"item {item_id}: {kind}, {len(stopped)} samples")
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
