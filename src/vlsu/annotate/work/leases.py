"""Leases that are out: what an answer names of one, and what one shows."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection, select

from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import items, slots

__all__ = ["Held", "shown_to"]


class Held(Protocol):
    """What an answer names of a lease: its slot and its token."""

    @property
    def slot(self) -> int:
        """The slot."""

    @property
    def token(self) -> str:
        """The lease's token."""


def shown_to(connection: Connection, person_id: int, slot_id: int, token: str) -> str | None:
    """The identifier of the sample that a lease shows a grader; `None` if the lease is over."""
    found: str | None = connection.scalar(
        select(items.c.sample_id)
        .join(slots, slots.c.item_id == items.c.id)
        .where(
            slots.c.id == slot_id,
            slots.c.owner_id == person_id,
            slots.c.token == token,
            is_state(State.LEASED),
        )
    )
    return found
