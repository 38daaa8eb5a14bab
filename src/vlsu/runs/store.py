"""The store of raw responses: one SQLite file, written as responses arrive.

One thread writes, in batches, each batch one transaction on disk before the next begins; after a
kill or a power cut what was committed is there, and the file is sound. A full disk stops the run
with one line and loses nothing that was stored.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlsu.errors import RunError
from vlsu.models.base import Fault, Raw

__all__ = ["ResponseStore", "Stored"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    latency_s REAL NOT NULL,
    attempts INTEGER NOT NULL,
    received REAL NOT NULL
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
"""

#: Of an error's body, this much is kept for the audit, in bytes.
ERROR_BODY = 4096
#: A batch is committed when it holds this many rows, or after `PAUSE_S`.
BATCH = 512
PAUSE_S = 0.1
_LOOKUP = 500


_PUT = "INSERT OR IGNORE INTO responses VALUES (?, ?, ?, ?, ?, ?)"
_PUT_ERROR = "INSERT INTO errors VALUES (?, ?, ?, ?, ?, ?, ?)"
_Row = tuple[str | int | float | bytes, ...]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows for one transaction."""

    responses: list[_Row]
    errors: list[_Row]

    def __bool__(self) -> bool:
        return bool(self.responses or self.errors)

    @property
    def full(self) -> bool:
        return len(self.responses) >= BATCH or len(self.errors) >= BATCH


@dataclass(frozen=True, slots=True)
class Stored:
    """A response as stored, and how many attempts it took."""

    raw: Raw
    attempts: int


class ResponseStore:
    """Raw responses by request key.

    `put` and `put_error` return at once; a thread writes. Reading sees what was flushed.

    Args:
        path: The SQLite file, made if need be.
        read_only: Only read; nothing is made or changed.
        most_pages: Bound on the file's size in SQLite pages.

    Raises:
        RunError: The file cannot be opened, is damaged, or cannot be written.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, most_pages: int | None = None
    ) -> None:
        self.path = path
        self._most_pages = most_pages
        self._read_only = read_only
        self._pending = _Batch([], [])
        self._written: list[str] = []
        self._condition = threading.Condition()
        self._closing = False
        self._writing = False
        self.failure: RunError | None = None
        try:
            self._reader = self._connect()
            if not read_only:
                self._reader.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._trouble(error) from None
        self._thread: threading.Thread | None = None
        if not read_only:
            self._thread = threading.Thread(target=self._write, name="store", daemon=True)
            self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        if self._read_only:
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            return sqlite3.connect(uri, uri=True, check_same_thread=False)
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        if self._most_pages is not None:
            connection.execute(f"PRAGMA max_page_count={int(self._most_pages)}")
        return connection

    def _trouble(self, error: sqlite3.Error) -> RunError:
        text = str(error)
        if "full" in text:
            return RunError(f"{self.path}: the disk is full; free some and run the command again")
        if "malformed" in text or "not a database" in text:
            return RunError(
                f"{self.path}: damaged ({text}); move it away, or recover it with the sqlite3 tool"
            )
        return RunError(f"{self.path}: {text}; is the folder writable?")

    # Writing

    def put(self, key: str, raw: Raw, attempts: int) -> None:
        """Store a response; the first one stored under a key stays."""
        row = (key, raw.status, raw.body, raw.latency_s, attempts, time.time())
        self._add(self._pending.responses, row)

    def put_error(self, key: str, raw: Raw, fault: Fault, attempt: int) -> None:
        """Keep a failed attempt for the audit; it never stands in for an answer."""
        body = raw.body[:ERROR_BODY]
        row = (key, attempt, raw.status, fault.kind, fault.message, body, time.time())
        self._add(self._pending.errors, row)

    def written(self) -> list[str]:
        """Keys of the responses that reached the disk since this was last asked."""
        with self._condition:
            keys, self._written = self._written, []
        return keys

    def _add(self, rows: list[_Row], row: _Row) -> None:
        if self.failure is not None:
            raise self.failure
        with self._condition:
            rows.append(row)
            if len(rows) >= BATCH:
                self._condition.notify_all()

    def _write(self) -> None:
        try:
            with closing(self._connect()) as connection:
                while (batch := self._next_batch()) is not None:
                    if not batch:
                        continue
                    connection.execute("BEGIN")
                    connection.executemany(_PUT, batch.responses)
                    connection.executemany(_PUT_ERROR, batch.errors)
                    connection.execute("COMMIT")
                    with self._condition:
                        self._written.extend(str(row[0]) for row in batch.responses)
        except sqlite3.Error as error:
            with self._condition:
                self.failure = self._trouble(error)
                self._writing = False
                self._condition.notify_all()

    def _next_batch(self) -> _Batch | None:
        """What is to be written now; `None` when the store is closed and all is written."""
        with self._condition:
            self._writing = False
            self._condition.notify_all()
            if not self._pending and self._closing:
                return None
            if not self._pending.full and not self._closing:
                self._condition.wait(PAUSE_S)
            responses, errors = self._pending.responses[:], self._pending.errors[:]
            self._pending.responses.clear()
            self._pending.errors.clear()
            batch = _Batch(responses, errors)
            self._writing = bool(batch)
            return batch

    def flush(self) -> None:
        """Wait until everything put so far is on disk.

        Raises:
            RunError: It cannot be written.
        """
        with self._condition:
            while (self._pending or self._writing) and self.failure is None:
                self._condition.wait(PAUSE_S)
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Write what is pending and close the file.

        Raises:
            RunError: It cannot be written.
        """
        if self._thread is not None:
            with self._condition:
                self._closing = True
                self._condition.notify_all()
            self._thread.join()
            self._thread = None
        self._reader.close()
        if self.failure is not None:
            raise self.failure

    # Reading

    def stored(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a response on disk."""
        return {str(row[0]) for row in self._select("SELECT key FROM responses", keys)}

    def responses(self, keys: Sequence[str]) -> dict[str, Stored]:
        """The responses on disk of these keys."""
        rows = self._select("SELECT key, status, body, latency_s, attempts FROM responses", keys)
        return {
            key: Stored(Raw(status, body, latency_s), attempts)
            for key, status, body, latency_s, attempts in rows
        }

    def _select(self, select: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        try:
            for start in range(0, len(keys), _LOOKUP):
                part = keys[start : start + _LOOKUP]
                marks = ",".join("?" * len(part))
                yield from self._reader.execute(f"{select} WHERE key IN ({marks})", part)
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def error_counts(self) -> dict[str, int]:
        """Failed attempts by kind of fault."""
        try:
            return dict(self._reader.execute("SELECT kind, count(*) FROM errors GROUP BY kind"))
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def count(self) -> int:
        """How many responses are on disk."""
        try:
            return int(self._reader.execute("SELECT count(*) FROM responses").fetchone()[0])
        except sqlite3.Error as error:
            raise self._trouble(error) from None
