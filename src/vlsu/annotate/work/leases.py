"""Leases that are out: what an answer names of one, and what one shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, bindparam, select

from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import checks, items, slots
from vlsu.policy import MODALITIES

__all__ = ["CHECK", "SLOT", "Held", "Lease", "Shown", "shown_to"]

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


_SLOT_SHOWN = (
    select(items.c.sample_id, slots.c.modality, slots.c.lease_until)
    .join(slots, slots.c.item_id == items.c.id)
    .where(
        slots.c.id == bindparam("held"),
        slots.c.owner_id == bindparam("person"),
        slots.c.token == bindparam("by_token"),
        is_state(State.LEASED),
    )
)
_CHECK_SHOWN = (
    select(items.c.sample_id, checks.c.modality, checks.c.lease_until)
    .join(checks, checks.c.item_id == items.c.id)
    .where(
        checks.c.id == bindparam("held"),
        checks.c.person_id == bindparam("person"),
        checks.c.token == bindparam("by_token"),
        checks.c.live.is_(True),
        checks.c.answered_at.is_(None),
        checks.c.lease_until >= bindparam("now"),
    )
)


def shown_to(connection: Connection, person_id: int, lease: Held, now: int) -> Shown | None:
    """What a lease shows a grader; `None` if the lease is over.

    Args:
        connection: To read with.
        person_id: The grader.
        lease: The lease.
        now: Milliseconds.
    """
    given = {"held": lease.slot, "person": person_id, "by_token": lease.token}
    if lease.kind == CHECK:
        row = connection.execute(_CHECK_SHOWN, {**given, "now": now}).first()
    else:
        row = connection.execute(_SLOT_SHOWN, given).first()
    return None if row is None else Shown(row.sample_id, MODALITIES[row.modality], row.lease_until)
