"""Counts and records beside the grades: exposure, tallies, the audit log."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.dialects import postgresql, sqlite

from vlsu.annotate.store.tables import audit, exposures, tallies
from vlsu.annotate.work.leasing import DAY_MS

__all__ = ["add_exposure", "add_tally", "log"]


def log(
    connection: Connection, now: int, person_id: int | None, action: str, subject: str = ""
) -> None:
    """Record who did what.

    Args:
        connection: In a transaction that writes.
        now: Milliseconds.
        person_id: Who; `None` for a command of the machine.
        action: What, in a word.
        subject: To what: a number or a hash, never content.
    """
    connection.execute(
        insert(audit).values(at=now, person_id=person_id, action=action, subject=subject or None)
    )


def add_exposure(
    connection: Connection, person_id: int, now: int, *, hard: bool, seconds: float
) -> None:
    """Count an item that a person has seen today.

    Args:
        connection: In a transaction that writes.
        person_id: Who.
        now: Milliseconds; the day is that of UTC.
        hard: Whether it was a hard one.
        seconds: How long.
    """
    values = {
        "person_id": person_id,
        "day": now // DAY_MS,
        "shown": 1,
        "hard": int(hard),
        "seconds": seconds,
    }
    connection.execute(_exposure(connection.dialect.name), values)


@lru_cache
def _exposure(dialect: str) -> Any:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(exposures)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[exposures.c.person_id, exposures.c.day],
        set_={
            name: exposures.c[name] + getattr(new, name) for name in ("shown", "hard", "seconds")
        },
    )


def add_tally(connection: Connection, kind: str, stratum: str) -> None:
    """Count a skip or an opt-out of a stratum, without saying whose."""
    insert_ = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert_(tallies).values(kind=kind, stratum=stratum, number=1)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[tallies.c.kind, tallies.c.stratum],
            set_={"number": tallies.c.number + 1},
        )
    )
