"""The keys of a file's responses, kept in memory; shared by those who read it and who writes."""

from __future__ import annotations

import sqlite3
import threading
import zlib

from vlsu.runs.store.digest_index import DIGEST, DigestIndex, digests_of
from vlsu.runs.store.schema import former_table

__all__ = ["SEGMENT", "StoredKeys", "StoredRowError", "appended_rows"]

#: Rows whose keys are kept together in ``segments``, so that opening a file reads no rows.
SEGMENT = 4_096


class StoredRowError(sqlite3.DatabaseError):
    """A row is not as it was stored."""


class StoredKeys:
    """Key -> number of the row that has it, for the rows that were appended.

    Attributes:
        last: Number of the last row that is in it.
        last_of_segments: Number of the last row whose key is in ``segments``.
        filled: Whether it was filled from the file.
    """

    def __init__(self) -> None:
        self.last = 0
        self.last_of_segments = 0
        self.filled = False
        self._index = DigestIndex()
        self._lock = threading.Lock()

    def find(self, digests: bytes) -> list[int]:
        """The number of each digest, in their order; 0 for those that are not there."""
        return self._index.find(digests)

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Add what the file has and this has not.

        Raises:
            sqlite3.Error: The file is damaged.
        """
        with self._lock:
            if former_table(connection) != "responses":
                self._add_segments(connection)
                self._add_rows(connection)
                if appended_rows(connection) < self.last:
                    raise StoredRowError("malformed: rows are missing")
            self.filled = True

    def appended(self, digests: bytes) -> None:
        """Add rows that were written now, of the next numbers."""
        with self._lock:
            first, count = self.last + 1, len(digests) // DIGEST
            self._index.add(digests, range(first, first + count))
            self.last += count

    def _add_segments(self, connection: sqlite3.Connection) -> None:
        begun, digests = self.last, bytearray()
        select = "SELECT first, keys, checksum FROM segments WHERE first > ? ORDER BY first"
        for first, keys, crc in connection.execute(select, (self.last_of_segments,)):
            if not isinstance(keys, bytes) or zlib.crc32(keys) != crc or len(keys) % DIGEST:
                raise StoredRowError("malformed: a list of keys has changed since it was stored")
            end = first + len(keys) // DIGEST - 1
            if first != self.last_of_segments + 1 or end < first:
                raise StoredRowError("malformed: its lists of keys do not fit together")
            self.last_of_segments = end
            if end > self.last:
                begin = max(first, self.last + 1)
                digests += keys[(begin - first) * DIGEST :]
                self.last = end
        if digests:
            self._index.add(digests, range(begun + 1, self.last + 1))

    def _add_rows(self, connection: sqlite3.Connection) -> None:
        select = "SELECT number, key FROM responses WHERE number > ? ORDER BY number"
        rows = connection.execute(select, (self.last,))
        while part := rows.fetchmany(SEGMENT):
            numbers = [number for number, _ in part]
            keys = [key for _, key in part]
            if numbers[-1] != self.last + len(part):
                raise StoredRowError("malformed: rows are missing")
            if not all(isinstance(key, str) for key in keys):
                raise StoredRowError("malformed: a key has changed since it was stored")
            self._index.add(digests_of(keys), numbers)
            self.last = numbers[-1]


def appended_rows(connection: sqlite3.Connection) -> int:
    """How many responses were appended: their numbers count up without a gap."""
    if former_table(connection) == "responses":
        return 0
    return int(connection.execute("SELECT max(number) FROM responses").fetchone()[0] or 0)
