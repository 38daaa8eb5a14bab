"""The tables of the store, and rows on their way into them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["BATCH", "SCHEMA", "Batch", "StoredRow"]

StoredRow = tuple[str | int | float | bytes | None, ...]

SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    latency_s REAL NOT NULL,
    attempts INTEGER NOT NULL,
    received REAL NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS errors (
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    status INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    body BLOB NOT NULL,
    received REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS errors_key ON errors (key);
CREATE TABLE IF NOT EXISTS images (
    spec TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (spec, sha256)
);
CREATE TABLE IF NOT EXISTS tokens (
    key TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER
);
CREATE TABLE IF NOT EXISTS batched (
    key TEXT PRIMARY KEY
);
"""

#: A batch of so many rows is full.
BATCH = 512
#: Rows of one statement. SQLite lets go of the interpreter at each statement, and the thread that
#: asks would be stopped for each row.
ROWS = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one transaction, a list for each table."""

    responses: list[StoredRow] = field(default_factory=list)
    errors: list[StoredRow] = field(default_factory=list)
    images: list[StoredRow] = field(default_factory=list)
    usage: list[StoredRow] = field(default_factory=list)
    batched: list[StoredRow] = field(default_factory=list)

    @property
    def tables(self) -> tuple[list[StoredRow], ...]:
        """The rows of each table."""
        return self.responses, self.errors, self.images, self.usage, self.batched

    def __bool__(self) -> bool:
        return any(self.tables)

    @property
    def full(self) -> bool:
        """Whether it is to be written at once."""
        return max(map(len, self.tables)) >= BATCH

    def take(self) -> Batch:
        """All rows, in a batch of their own; none are left in this one."""
        taken = Batch(*(rows[:] for rows in self.tables))
        for rows in self.tables:
            rows.clear()
        return taken

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all rows in one transaction."""
        connection.execute("BEGIN")
        _insert(connection, "INSERT OR IGNORE INTO responses", self.responses)
        _insert(connection, "INSERT INTO errors", self.errors)
        _insert(connection, "INSERT OR IGNORE INTO images", self.images)
        _insert(connection, "INSERT OR IGNORE INTO tokens", self.usage)
        _insert(connection, "INSERT OR IGNORE INTO batched", self.batched)
        connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[StoredRow]) -> None:
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        row = f"({', '.join('?' * len(part[0]))})"
        values = [value for row in part for value in row]
        connection.execute(f"{into} VALUES {', '.join([row] * len(part))}", values)
