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
        self._pending: list[tuple[str, tuple[object, ...]]] = []
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
        self._add("INSERT OR IGNORE INTO responses VALUES (?, ?, ?, ?, ?, ?)", row)

    def put_error(self, key: str, raw: Raw, fault: Fault, attempt: int) -> None:
        """Keep a failed attempt for the audit; it never stands in for an answer."""
        row = (
            key,
            attempt,
            raw.status,
            fault.kind,
            fault.message,
            raw.body[:ERROR_BODY],
            time.time(),
        )
        self._add("INSERT INTO errors VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _add(self, statement: str, row: tuple[object, ...]) -> None:
        if self.failure is not None:
            raise self.failure
        with self._condition:
            self._pending.append((statement, row))
            if len(self._pending) >= BATCH:
                self._condition.notify_all()

    def _write(self) -> None:
        try:
            with closing(self._connect()) as connection:
                while True:
                    with self._condition:
                        self._writing = False
                        self._condition.notify_all()
                        if not self._pending and self._closing:
                            return
                        if len(self._pending) < BATCH and not self._closing:
                            self._condition.wait(PAUSE_S)
                        batch, self._pending = self._pending, []
                        self._writing = bool(batch)
                    if batch:
                        connection.execute("BEGIN")
                        for statement, row in batch:
                            connection.execute(statement, row)
                        connection.execute("COMMIT")
        except sqlite3.Error as error:
            with self._condition:
                self.failure = self._trouble(error)
                self._writing = False
                self._condition.notify_all()

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
