"""The states of a slot, and conditions on them."""

from __future__ import annotations

import enum

from sqlalchemy import ColumnElement, literal_column

from vlsu.annotate.store.tables import slots
from vlsu.policy import MODALITIES

__all__ = ["MODALITY_NUMBERS", "OPEN", "State", "is_state"]

#: Number of a modality in the tables.
MODALITY_NUMBERS = {modality: number for number, modality in enumerate(MODALITIES)}


class State(enum.IntEnum):
    """What may happen to a slot.

    Only one slot of a seat is ever free, kept or leased: the first that is not done. Whoever locks
    that row has locked the seat.
    """

    #: Anybody may take it, and with it the seat.
    FREE = 0
    #: Its seat's owner may take it.
    KEPT = 1
    #: It is before its owner.
    LEASED = 2
    #: An earlier slot of the seat comes first.
    WAITING = 3
    #: It has a grade.
    DONE = 4
    #: It will have none: its sample was stopped.
    CLOSED = 5


#: States of a slot that has no grade and may get one.
OPEN = (State.FREE, State.KEPT, State.LEASED, State.WAITING)


def is_state(*states: State) -> ColumnElement[bool]:
    """That a slot is in one of some states, with the numbers in the statement's text.

    A bound parameter would hide from the planner of either database that a partial index serves.
    """
    numbers: list[ColumnElement[int]] = [literal_column(str(int(state))) for state in states]
    found: ColumnElement[bool] = (
        slots.c.state == numbers[0] if len(numbers) == 1 else slots.c.state.in_(numbers)
    )
    return found
