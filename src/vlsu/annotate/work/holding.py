"""What is before graders: read, extended by heartbeats, put back when overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, and_, bindparam, case, select, update

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import items, slots
from vlsu.annotate.work.check_rows import extend_checks
from vlsu.annotate.work.leases import CHECK, SLOT, Held
from vlsu.annotate.work.sightings import record_sightings

__all__ = ["Named", "extend_leases", "held_by", "name_of", "sweep"]

H = TypeVar("H", bound=int | Held)

#: Leases that ended and are put back by one call.
_SWEPT = 100

_HELD = (
    select(slots, items.c.sample_id, items.c.alias)
    .join(items)
    .where(is_state(State.LEASED), slots.c.owner_id == bindparam("person"))
    .order_by(slots.c.leased_at, slots.c.id)
)


@dataclass(frozen=True, slots=True)
class Named:
    """A lease of which only the number is known.

    Attributes:
        kind: `SLOT` or `CHECK`.
        slot: Its number.
        token: None.
    """

    kind: str
    slot: int
    token: str = ""


def name_of(held: int | Held) -> tuple[str, int]:
    """What a page holds; a number is a slot's."""
    return (SLOT, held) if isinstance(held, int) else (held.kind, held.slot)


def held_by(
    connection: Connection, person_id: int, now: int, waiting: Sequence[Row[Any]]
) -> list[tuple[str, Row[Any]]]:
    """What is before a grader, the first leased first.

    Args:
        connection: To read with.
        person_id: The grader.
        now: Milliseconds.
        waiting: Their checks that have no answer.
    """
    held = [(SLOT, row) for row in connection.execute(_HELD, {"person": person_id})]
    held += [(CHECK, row) for row in waiting if row.token is not None and row.lease_until >= now]
    return sorted(held, key=lambda each: each[1].leased_at)


def extend_leases(
    connection: Connection, plan: Plan, person_id: int, now: int, held: Sequence[H]
) -> list[H]:
    """Heartbeat of a page: extend its leases; those that are still the grader's.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The grader.
        now: Milliseconds.
        held: What the page holds: leases, or numbers of slots.
    """
    until = now + plan.order.lease_minutes * 60_000
    numbers: dict[str, list[int]] = {SLOT: [], CHECK: []}
    for each in held:
        kind, number = name_of(each)
        numbers[kind].append(number)
    still = select(slots.c.id).where(
        slots.c.id.in_(numbers[SLOT]), slots.c.owner_id == person_id, is_state(State.LEASED)
    )
    found = list(connection.scalars(still.order_by(slots.c.id).with_for_update()))
    _extend(connection, found, until)
    extended = {(SLOT, number) for number in found}
    if numbers[CHECK]:
        own = extend_checks(connection, person_id, numbers[CHECK], now, until)
        extended |= {(CHECK, number) for number in own}
    return [each for each in held if name_of(each) in extended]


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
        select(slots.c.id, slots.c.owner_id, slots.c.item_id, slots.c.modality, slots.c.place)
        .where(is_state(State.LEASED), slots.c.lease_until < now)
        .order_by(slots.c.lease_until)
        .limit(_SWEPT)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(overdue).all()
    if not found:
        return 0
    record_sightings(
        connection, ((row.owner_id, row.item_id, row.modality) for row in found if row.place == 0)
    )
    begun = slots.c.place > 0
    done = connection.execute(
        update(slots)
        .where(slots.c.id.in_([row.id for row in found]), is_state(State.LEASED))
        .values(
            state=case((begun, int(State.KEPT)), else_=int(State.FREE)),
            owner_id=case((begun, slots.c.owner_id), else_=None),
        )
    )
    return done.rowcount


def _extend(connection: Connection, ids: Sequence[int], until: int) -> None:
    if ids:
        connection.execute(
            update(slots)
            .where(and_(slots.c.id.in_(ids), is_state(State.LEASED)))
            .values(lease_until=bindparam("ends", until))
        )
