"""What the grades of a sample's modality say together, and the disputes that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from vlsu.annotate.consensus.majority import Consensus, Vote, majority
from vlsu.annotate.plan.settings import ConsensusRules
from vlsu.annotate.store.states import OPEN, is_state
from vlsu.annotate.store.tables import (
    disputes,
    grades,
    slots,
)

__all__ = ["close_dispute", "live_grades", "open_dispute", "settle", "votes_of"]

_LIVE = (
    select(grades)
    .where(
        grades.c.item_id == bindparam("item"),
        grades.c.modality == bindparam("of_modality"),
        grades.c.live.is_(True),
    )
    .order_by(grades.c.id)
)
_MISSING = (
    select(slots.c.id)
    .where(
        slots.c.item_id == bindparam("item"),
        slots.c.modality == bindparam("of_modality"),
        is_state(*OPEN),
    )
    .limit(1)
)


def live_grades(connection: Connection, item_id: int, modality: int) -> Sequence[Row[Any]]:
    """The grades of a sample's modality that count."""
    return connection.execute(_LIVE, {"item": item_id, "of_modality": modality}).all()


def votes_of(rows: Sequence[Row[Any]]) -> list[Vote]:
    """The votes of grades, without their graders."""
    return [
        Vote(row.grade, row.category, tuple(filter(None, (row.admissible or "").split(","))))
        for row in rows
    ]


def settle(
    connection: Connection, rules: ConsensusRules, item_id: int, modality: int, now: int
) -> Consensus | None:
    """The consensus of a sample's modality once it has all its grades; a dispute if there is none.

    Args:
        connection: In a transaction that holds the sample's lock, so that of two graders who finish
            at once the second sees both grades.
        rules: When votes do not settle a severity.
        item_id: The sample.
        modality: Its number.
        now: Milliseconds.

    Returns:
        `None` as long as grades are missing.
    """
    unit = {"item": item_id, "of_modality": modality}
    if connection.execute(_MISSING, unit).first() is not None:
        return None
    rows = live_grades(connection, item_id, modality)
    if not rows:
        return None
    found = majority(votes_of(rows), rules)
    if found.dispute is not None and open_dispute(connection, item_id, modality) is None:
        connection.execute(
            insert(disputes).values(
                item_id=item_id, modality=modality, reason=found.dispute.value, opened_at=now
            )
        )
    return found


def open_dispute(connection: Connection, item_id: int, modality: int) -> int | None:
    """The number of the open dispute of a sample's modality."""
    statement = select(disputes.c.id).where(
        disputes.c.item_id == item_id,
        disputes.c.modality == modality,
        disputes.c.closed_at.is_(None),
    )
    found: int | None = connection.scalar(statement)
    return found


def close_dispute(
    connection: Connection, item_id: int, modality: int | None, how: str, now: int
) -> None:
    """Close what is open for a sample: ``reopened`` or ``stopped``.

    Args:
        connection: In a transaction that holds the sample's lock.
        item_id: The sample.
        modality: Its number; `None` for all.
        how: For the record.
        now: Milliseconds.
    """
    of_unit = [disputes.c.item_id == item_id, disputes.c.closed_at.is_(None)]
    if modality is not None:
        of_unit.append(disputes.c.modality == modality)
    connection.execute(
        update(disputes)
        .where(*of_unit)
        .values(closed_at=now, closed_as=how, adjudicator_id=None, lease_until=None)
    )
