"""Leases that are out: what an answer names of one, and what one shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, select

from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import checks, items, slots

__all__ = ["CHECK", "SLOT", "Held", "Lease", "shown_to"]

#: What a lease is of: a grade that is asked for, or a check, which looks the same to its grader.
SLOT, CHECK = "slot", "check"


class Held(Protocol):
    """What an answer names of a lease: what it is of, and its token."""

    @property
    def kind(self) -> str:
        """`SLOT` or `CHECK`."""

    @property
    def slot(self) -> int:
        """The number of the slot, or of the check."""

    @property
    def token(self) -> str:
        """The lease's token."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An item before a grader.

    Attributes:
        slot: The slot, or the check.
        token: To be sent with the answer.
        item: Number of the sample.
        sample_id: Its identifier in the dataset.
        alias: What the grader's page calls it.
        modality: ``"image"``, ``"text"`` or ``"joint"``.
        until: When it ends, in milliseconds, unless it is extended.
        kind: `SLOT` or `CHECK`; no page is told.
        training: Whether its answer gets feedback, which the page says.
    """

    slot: int
    token: str
    item: int
    sample_id: str
    alias: str
    modality: str
    until: int
    kind: str = SLOT
    training: bool = False


def shown_to(connection: Connection, person_id: int, lease: Held, now: int) -> str | None:
    """The identifier of the sample that a lease shows a grader; `None` if the lease is over.

    Args:
        connection: To read with.
        person_id: The grader.
        lease: The lease.
        now: Milliseconds.
    """
    shown = select(items.c.sample_id)
    if lease.kind == CHECK:
        shown = shown.join(checks, checks.c.item_id == items.c.id).where(
            checks.c.id == lease.slot,
            checks.c.person_id == person_id,
            checks.c.token == lease.token,
            checks.c.live.is_(True),
            checks.c.answered_at.is_(None),
            checks.c.lease_until >= now,
        )
    else:
        shown = shown.join(slots, slots.c.item_id == items.c.id).where(
            slots.c.id == lease.slot,
            slots.c.owner_id == person_id,
            slots.c.token == lease.token,
            is_state(State.LEASED),
        )
    found: str | None = connection.scalar(shown)
    return found
