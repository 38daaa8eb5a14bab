"""The store of raw responses: one SQLite file, written as responses arrive.

One thread appends, in batches, each batch one transaction on disk before the next begins; after a
kill or a power cut what was committed is there, and the file is sound. A full disk stops the run
with one line and loses nothing that was stored. A file that storage has damaged is kept as it is
beside a new one that holds every response still readable in it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from vlsu.models.base import Fault, Raw, Response
from vlsu.runs.store.appending import Appender
from vlsu.runs.store.connections import beside, connect, connect_read_only
from vlsu.runs.store.lookup import Lookup
from vlsu.runs.store.reading import Stored, StoreReader
from vlsu.runs.store.replacement import end_replacement, replace_damaged
from vlsu.runs.store.salvage import checksum
from vlsu.runs.store.schema import check_schema, renew_schema
from vlsu.runs.store.stored_keys import StoredKeys
from vlsu.runs.store.tables import BATCH, Batch, StoredRow
from vlsu.runs.store.tallies import Tallies
from vlsu.runs.store.usage import ASKED, BATCHED, bounded_tokens

__all__ = ["ResponseStore", "Stored"]

#: Of an error's body, this much is kept for the audit, in bytes.
ERROR_BODY = 4096
#: A batch is committed when it is full, or after this many seconds: what was answered in that time
#: is asked again after a kill. Each commit writes the last page of each table again.
PAUSE_S = 0.05
#: Bytes of bodies that may wait for the disk; whoever puts more waits for it.
MAX_PENDING = 64 * 2**20


#: What a row without a body counts as, in bytes.
_SMALL = 200


class ResponseStore(StoreReader):
    """Raw responses by request key.

    `put` and `put_error` return at once; a thread writes. What is read is what was flushed.

    A file that was not closed is checked when it is opened. One found damaged, then or later, is
    replaced by what can be read of it, and kept as ``<name>.damaged-<n>``: at once when it is
    being opened, else when it is closed. How much was saved is logged as a warning.

    Args:
        path: The SQLite file, made if need be.
        read_only: Only read; nothing is made or changed.
        most_pages: Bound on the file's size in SQLite pages.

    Raises:
        RunError: The file cannot be opened, is damaged and only to be read, or cannot be written.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, most_pages: int | None = None
    ) -> None:
        super().__init__(path, read_only=read_only)
        self._most_pages = most_pages
        self._pending = Batch()
        self._pending_size = 0
        self._written: list[str] = []
        self._condition = threading.Condition()
        self._closing = False
        self._writing = False
        self.failure: Exception | None = None
        #: Responses that were taken over from another store.
        self.taken_over = 0
        #: Called with what the disk takes, from any thread: ``writing``, or ``waiting for the
        #: disk`` of those who put more than it can take, and from when to when (monotonic seconds).
        self.observer: Callable[[str, float, float], None] | None = None
        self._keys = StoredKeys()
        try:
            self._reader = self._open()
        except sqlite3.Error as error:
            failure = self._as_run_error(error)
            if read_only or not self._damaged:
                raise failure from None
            self._salvage()
            self._reader = self._open()
        self._lookup = Lookup(self._reader, self._keys, follows=read_only)
        self._tallies = Tallies(self._reader)
        self._thread: threading.Thread | None = None
        if not read_only:
            self._thread = threading.Thread(target=self._write, name="store", daemon=True)
            self._thread.start()

    def _open(self) -> sqlite3.Connection:
        """A connection to a sound file with all tables."""
        if self._read_only:
            return self._connect()
        end_replacement(self.path)
        if self.path.exists() and beside(self.path, "-wal").exists():
            self._check()
        connection = self._connect()
        try:
            check_schema(connection)
            renew_schema(connection)  # which finds out whether it can be written, too
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self) -> None:
        """Check a file that was not closed: its last user was killed, or the power failed.

        It is only read, for SQLite removes the log of a damaged file that is open to be written.

        Raises:
            sqlite3.DatabaseError: It is damaged.
        """
        with closing(connect_read_only(self.path)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"malformed: {verdict}")

    def _connect(self) -> sqlite3.Connection:
        if self._read_only:
            return connect_read_only(self.path)
        return connect(self.path, self._most_pages)

    # Damage

    def _salvage(self) -> None:
        """Put a file of the readable responses in the place of the damaged one, and keep that.

        Raises:
            RunError: The new file cannot be written.
        """
        replace_damaged(self.path, ResponseStore)
        self._damaged = False

    # Writing

    def put(self, key: str, raw: Raw, attempts: int) -> None:
        """Store a response; the first one stored under a key stays."""
        crc = checksum(key, raw.status, raw.body)
        row = (key, raw.status, raw.body, raw.latency_s, attempts, time.time(), crc)
        self._add(self._pending.responses, row, len(raw.body))

    def put_error(self, key: str, raw: Raw, fault: Fault, attempt: int) -> None:
        """Keep a failed attempt for the audit; it never stands in for an answer."""
        body = raw.body[:ERROR_BODY]
        # A file's name may hold bytes that are no UTF-8, and a message name the file.
        message = fault.message.encode(errors="backslashreplace").decode()
        row = (key, attempt, raw.status, fault.kind, message, body, time.time())
        self._add(self._pending.errors, row)

    def put_image(self, spec: str, sha256: str, change: str) -> None:
        """Remember that an image was changed to what a model takes; the first change stays."""
        self._add(self._pending.images, (spec, sha256, change))

    def put_usage(self, key: str, spec: str, response: Response, *, batched: bool = False) -> None:
        """Keep which model a stored response is from and what its tokens were, as far as known.

        Args:
            key: Of the request.
            spec: The model's.
            response: The response, parsed.
            batched: Whether it came by a batch interface, which has prices of its own.
        """
        origin = BATCHED if batched else ASKED
        self._add(self._pending.usage, (key, spec, origin, *bounded_tokens(response)))

    def add(self, rows: Batch) -> None:
        """Store rows as another file has them; of responses the first under a key stays."""
        for pending, more in zip(self._pending.tables, rows.tables, strict=True):
            for row in more:
                self._add(pending, row, len(row[2]) if isinstance(row[2], bytes) else _SMALL)

    def written(self) -> list[str]:
        """Keys of the responses that reached the disk since this was last asked."""
        with self._condition:
            keys, self._written = self._written, []
        return keys

    def _add(self, rows: list[StoredRow], row: StoredRow, size: int = 0) -> None:
        if self.failure is not None:
            raise self.failure
        with self._condition:
            rows.append(row)
            self._pending_size += size
            if len(rows) >= BATCH or self._pending_size > MAX_PENDING:
                self._condition.notify_all()
            if self._pending_size > MAX_PENDING:  # the disk is slower than what comes
                with self._observed("waiting for the disk"):
                    while self._pending_size > MAX_PENDING and self.failure is None:
                        self._condition.wait(PAUSE_S)

    @contextmanager
    def _observed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        if self.observer is not None:
            self.observer(what, began, time.monotonic())

    def _write(self) -> None:
        try:
            with closing(self._connect()) as connection:
                appender = Appender(connection, self._keys)
                while (batch := self._next_batch()) is not None:
                    if not batch:
                        continue
                    with self._observed("writing"):
                        appender.write(batch)
                    with self._condition:
                        self._written.extend(str(row[0]) for row in batch.responses)
        except sqlite3.Error as error:
            self._fail(self._as_run_error(error))
        except Exception as error:  # whatever it is, those who wait for the disk must hear of it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        with self._condition:
            self.failure = error
            self._writing = False
            self._condition.notify_all()

    def _next_batch(self) -> Batch | None:
        """What is to be written now; `None` when the store is closed and all is written."""
        with self._condition:
            self._writing = False
            self._condition.notify_all()
            if not self._pending and self._closing:
                return None
            full = self._pending.full or self._pending_size > MAX_PENDING
            if not full and not self._closing:
                self._condition.wait(PAUSE_S)
            batch, self._pending_size = self._pending.take(), 0
            self._writing = bool(batch)
            return batch

    def flush(self) -> None:
        """Wait until everything put so far is on disk.

        Raises:
            RunError: It cannot be written.
        """
        with self._condition:
            self._condition.notify_all()
            with self._observed("waiting for the disk"):
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
        if self._damaged and not self._read_only:
            self._salvage()
        if self.failure is not None:
            raise self.failure
