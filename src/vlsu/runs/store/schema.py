"""What a store must look like before anything is read from it or written to it.

A SQLite file holds programs beside data: views, triggers, expressions in indexes and columns. A run
folder may come from elsewhere, so a file is used only if its tables were made by the statements of
`vlsu.runs.store.tables`, word for word; then reading a table reads rows and runs nothing.
"""

from __future__ import annotations

import functools
import sqlite3
from contextlib import closing

from vlsu.runs.store.salvage import checksum
from vlsu.runs.store.tables import FORMER, FORMER_SCHEMAS, SCHEMA

__all__ = ["NUMBER", "check_schema", "former_table", "is_sound", "make_harmless", "renew_schema"]

#: Bytes of one value at most; no answer of more than 16 MiB is stored.
_LONGEST = 64 * 2**20
#: Made once, as every row is looked at.
NUMBER = (float, int)


def make_harmless(connection: sqlite3.Connection) -> None:
    """Keep what a file holds from calling functions, and its values from filling the memory."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)


def check_schema(connection: sqlite3.Connection) -> None:
    """Refuse a file whose tables are not as this package makes them; one without them is no worse.

    Raises:
        sqlite3.DatabaseError: It holds something else.
    """
    known = _made_by_us()
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_schema"):
        if name in known:
            if not isinstance(sql, str) or (kind, _words(sql)) not in known[name]:
                raise sqlite3.DatabaseError(f"malformed: {name} is not as vlsu makes it")
        elif kind in ("trigger", "view") or (kind == "index" and sql is not None):
            raise sqlite3.DatabaseError(f"malformed: it holds a {kind}")


def renew_schema(connection: sqlite3.Connection) -> None:
    """Make the tables that a file does not have; one of an earlier version keeps its own too.

    Raises:
        sqlite3.Error: They cannot be made.
    """
    rename = ""
    if former_table(connection) == "responses":
        rename = f"ALTER TABLE responses RENAME TO {FORMER};"
    connection.executescript(f"BEGIN IMMEDIATE; {rename} {SCHEMA} COMMIT;")


def former_table(connection: sqlite3.Connection) -> str | None:
    """The table with the responses of an earlier version, if the file has one."""
    select = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name IN (?, ?)"
    tables = dict(connection.execute(select, ("responses", FORMER)).fetchall())
    if FORMER in tables:
        return FORMER
    sql = tables.get("responses")
    former = isinstance(sql, str) and "number INTEGER PRIMARY KEY" not in sql
    return "responses" if former else None


@functools.cache
def _made_by_us() -> dict[str, set[tuple[str, str]]]:
    """Name of each table and index -> its kind and the statements that may have made it."""
    known: dict[str, set[tuple[str, str]]] = {}
    for schema in (SCHEMA, *FORMER_SCHEMAS):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(schema)
            made = connection.execute(
                "SELECT name, type, sql FROM sqlite_schema WHERE sql NOT NULL"
            )
            for name, kind, sql in made:
                known.setdefault(name, set()).add((kind, _words(sql)))
    return known


def _words(sql: str) -> str:
    return " ".join(sql.split())


def is_sound(
    key: object, status: object, body: object, latency_s: object, attempts: object, crc: object
) -> bool:
    """Whether a row of ``responses`` is one that was stored."""
    if not (isinstance(key, str) and isinstance(status, int) and isinstance(body, bytes)):
        return False
    if not (isinstance(latency_s, NUMBER) and isinstance(attempts, int)):
        return False
    return checksum(key, status, body) == crc
