"""The rows of a store found by their keys."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from vlsu.runs.store.bodies import COPIES, inflated
from vlsu.runs.store.digest_index import digests_of
from vlsu.runs.store.schema import NUMBER, former_table, is_sound
from vlsu.runs.store.stored_keys import StoredKeys, StoredRowError

__all__ = ["Dictionaries", "Found", "Lookup", "rows_with"]

#: Keys, or numbers, of one statement.
_LOOKUP = 500

#: key, status, body, latency_s, attempts, received and checksum of a response.
Found = tuple[str, int, bytes, float, int, float, int]


class Dictionaries:
    """The dictionaries of a file, each read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[int, bytes] = {}

    def __call__(self, number: int) -> bytes:
        """A dictionary, from the first sound one of its copies; empty if there is none."""
        if number not in self._known and 0 < number < 2**58:
            select = "SELECT data, checksum FROM dictionaries WHERE place >= ? AND place < ?"
            places = (number * COPIES, (number + 1) * COPIES)
            for data, crc in self._connection.execute(select, places):
                if isinstance(data, bytes) and zlib.crc32(data) == crc:
                    self._known[number] = data
                    break
        return self._known.get(number, b"")


def rows_with(
    connection: sqlite3.Connection, select: str, values: Sequence[object]
) -> Iterator[tuple[Any, ...]]:
    """What a statement that ends with a column selects where that has one of these values."""
    for start in range(0, len(values), _LOOKUP):
        part = values[start : start + _LOOKUP]
        marks = ",".join("?" * len(part))
        yield from connection.execute(f"{select} IN ({marks})", part)


class Lookup:
    """Finds rows by way of the keys in memory.

    Args:
        connection: Read from; used by one thread at a time.
        keys: Filled here when they are first needed, unless they are.
        follows: Whether to look each time for what other connections have added since.
    """

    def __init__(self, connection: sqlite3.Connection, keys: StoredKeys, *, follows: bool) -> None:
        self._connection = connection
        self._keys = keys
        self._follows = follows
        self._version: object = None
        self._dictionaries = Dictionaries(connection)

    def _numbers(self, keys: Sequence[str]) -> list[int]:
        """The number of each key; 0 for those that are not there, or of an earlier version."""
        if self._follows:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._keys.catch_up(self._connection)
                self._version = version
        elif not self._keys.filled:
            self._keys.catch_up(self._connection)
        return self._keys.find(digests_of(keys))

    def _former(self, select: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """What a statement selects by key from the table of an earlier version, if there is one."""
        table = former_table(self._connection) if keys else None
        if table is not None:
            select = f"{select} FROM {table} WHERE key"
            yield from rows_with(self._connection, select, keys)

    def stored(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a response.

        Raises:
            sqlite3.Error: The file is damaged.
        """
        numbers = self._numbers(keys)
        if 0 not in numbers:
            return set(keys)
        there = {key for key, number in zip(keys, numbers, strict=True) if number}
        missing = [key for key, number in zip(keys, numbers, strict=True) if not number]
        there.update(str(row[0]) for row in self._former("SELECT key", missing))
        return there

    def numbers(self, keys: Sequence[str]) -> dict[str, int]:
        """Numbers of the stored ones of these keys; below 0 for those of an earlier version.

        Raises:
            sqlite3.Error: The file is damaged.
        """
        numbers = dict(zip(keys, self._numbers(keys), strict=True))
        missing = [key for key, number in numbers.items() if not number]
        for key, rowid in self._former("SELECT key, rowid", missing):
            numbers[key] = -int(rowid)
        return {key: number for key, number in numbers.items() if number}

    def keys(self, most: int = 4_096) -> Iterator[list[str]]:
        """The keys of all responses, so many at a time, in the order in which they were stored.

        Raises:
            sqlite3.Error: The file is damaged.
        """
        former = former_table(self._connection)
        for table in (former, None if former == "responses" else "responses"):
            if table is None:
                continue
            last = 0
            select = f"SELECT rowid, key FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608
            while part := self._connection.execute(select, (last, most)).fetchall():
                yield [str(key) for _, key in part]
                last = part[-1][0]

    def rows(self, keys: Sequence[str]) -> Iterator[Found]:
        """The stored ones of these keys.

        Raises:
            StoredRowError: A row is not as it was stored, or is missing.
            sqlite3.Error: The file is damaged.
        """
        numbers = self._numbers(keys)
        there = sorted({number for number in numbers if number})  # rows of a page, together
        left = set(keys)
        select = (
            "SELECT key, status, body, latency_s, attempts, received, checksum, coding "
            "FROM responses "
            "WHERE number"
        )
        for row in rows_with(self._connection, select, there):
            key, status, data, latency_s, attempts, received, crc, coding = row
            body: Any = None
            if isinstance(data, bytes) and isinstance(coding, int):
                body = inflated(coding, data, self._dictionaries)
            if key not in left or not is_sound(key, status, body, latency_s, attempts, crc):
                raise StoredRowError("malformed: a response has changed since it was stored")
            left.remove(key)
            received = received if isinstance(received, NUMBER) else 0.0
            yield key, status, body, latency_s, attempts, received, crc
        if len(left) + len(there) > len(set(keys)):
            raise StoredRowError("malformed: a response is missing")
        missing = [key for key, number in zip(keys, numbers, strict=True) if not number]
        select = "SELECT key, status, body, latency_s, attempts, received, checksum"
        for row in self._former(select, missing):
            yield _sound(*row)


def _sound(
    key: Any, status: Any, body: Any, latency_s: Any, attempts: Any, received: Any, crc: Any
) -> Found:
    if not is_sound(key, status, body, latency_s, attempts, crc):
        raise StoredRowError("malformed: a response has changed since it was stored")
    received = received if isinstance(received, NUMBER) else 0.0
    return key, status, body, latency_s, attempts, received, crc
