"""Counts and records beside the grades: exposure, tallies, the audit log."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Table, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from vlsu.annotate.store.tables import audit, exposures, people, tallies
from vlsu.annotate.work.days import day_at

__all__ = ["add_exposure", "add_tally", "insert_into", "log"]


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
        now: Milliseconds; the day is that of their own clock.
        hard: Whether it was a hard one.
        seconds: How long.
    """
    values = {
        "person_id": person_id,
        "at": now,
        "shown": 1,
        "hard": int(hard),
        "seconds": seconds,
    }
    connection.execute(_exposure(connection.dialect.name), values)


@lru_cache
def _exposure(dialect: str) -> Any:
    ahead = select(people.c.utc_offset).where(
        people.c.id == bindparam("person_id", type_=BigInteger)
    )
    at = bindparam("at", type_=BigInteger)
    day = day_at(at, ahead.scalar_subquery())
    statement = insert_into(dialect, exposures)
    statement = statement.values(
        person_id=bindparam("person_id", type_=BigInteger),
        day=day,
        **{name: bindparam(name) for name in ("shown", "hard", "seconds")},
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[exposures.c.person_id, exposures.c.day],
        set_={
            name: exposures.c[name] + getattr(new, name) for name in ("shown", "hard", "seconds")
        },
    )


def insert_into(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An `INSERT` that can be told what to do where there is such a row already."""
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)


def add_tally(connection: Connection, kind: str, stratum: str) -> None:
    """Count a skip or an opt-out of a stratum, without saying whose."""
    statement = insert_into(connection.dialect.name, tallies).values(
        kind=kind, stratum=stratum, number=1
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[tallies.c.kind, tallies.c.stratum],
            set_={"number": tallies.c.number + 1},
        )
    )
