"""Leases that are out: what an answer names of one, and what one shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, bindparam, select

from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import items, slots
from vlsu.policy import MODALITIES

__all__ = ["Held", "Shown", "shown_to"]


class Held(Protocol):
    """What an answer names of a lease: its slot and its token."""

    @property
    def slot(self) -> int:
        """The slot."""

    @property
    def token(self) -> str:
        """The lease's token."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a lease shows a grader.

    Attributes:
        sample_id: Identifier of the sample.
        modality: ``"image"``, ``"text"`` or ``"joint"``.
        until: When the lease ends, in milliseconds.
    """

    sample_id: str
    modality: str
    until: int


_SHOWN = (
    select(items.c.sample_id, slots.c.modality, slots.c.lease_until)
    .join(slots, slots.c.item_id == items.c.id)
    .where(
        slots.c.id == bindparam("slot"),
        slots.c.owner_id == bindparam("person"),
        slots.c.token == bindparam("held"),
        is_state(State.LEASED),
    )
)


def shown_to(connection: Connection, person_id: int, slot_id: int, token: str) -> Shown | None:
    """What a lease shows a grader; `None` if the lease is over."""
    given = {"slot": slot_id, "person": person_id, "held": token}
    row = connection.execute(_SHOWN, given).first()
    return None if row is None else Shown(row.sample_id, MODALITIES[row.modality], row.lease_until)
