"""Writing the rows of a store: appended, each batch one transaction."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Sequence

from vlsu.runs.store.bodies import COPIES, FIRST_DICTIONARY, Deflater, sampled
from vlsu.runs.store.digest_index import DIGEST, DigestIndex, digests_of
from vlsu.runs.store.lookup import Lookup
from vlsu.runs.store.stored_keys import SEGMENT, StoredKeys
from vlsu.runs.store.tables import BATCH, Batch, StoredRow
from vlsu.runs.store.usage import BATCHED

__all__ = ["Appender"]

#: Rows of one statement. SQLite lets go of the interpreter at each statement, and the thread that
#: asks would be stopped for each row.
ROWS = 64
#: A dictionary serves so many rows, and is written again after so many of these.
_RENEWED, _COPIED = SEGMENT, BATCH
#: So many rows have none: of a small file, damage costs only what it hits.
_BARE = BATCH


class Appender:
    """Writes batches into a file; several processes may do so at a time.

    Args:
        connection: Of the thread that writes.
        keys: The keys that are stored; those of what is written are added.
    """

    def __init__(self, connection: sqlite3.Connection, keys: StoredKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._lookup = Lookup(connection, keys, follows=False)
        self._images: DigestIndex | None = None
        self._specs: dict[str, int] = {}
        self._deflater = Deflater()
        self._number = 0
        self._dictionary = b""
        self._renewed = self._copied = 0
        self._copies = 0

    def write(self, batch: Batch) -> None:
        """Write all rows in one transaction; of several responses to a key the first stays.

        Raises:
            sqlite3.Error: They cannot be written; none is.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        self._keys.catch_up(self._connection)
        digests, numbers = self._write_responses(batch.responses)
        self._write_usage(batch.usage, numbers)
        _insert(self._connection, "INSERT INTO errors", batch.errors)
        _insert(self._connection, "INSERT INTO removed_tokens", batch.removed_tokens)
        images = self._write_images(batch.images)
        self._write_segments(digests)
        self._connection.execute("COMMIT")
        self._keys.appended(digests)
        if self._images is not None:
            self._images.add(images, range(1, len(images) // DIGEST + 1))

    # Responses

    def _write_responses(self, rows: Sequence[StoredRow]) -> tuple[bytes, dict[str, int]]:
        """Digests of the keys that were new, and the number of each."""
        first: dict[str, StoredRow] = {}
        for row in rows:
            first.setdefault(str(row[0]), row)
        there = self._lookup.stored([*first])
        fresh = [row for key, row in first.items() if key not in there]
        bodies = [row[2] for row in fresh if isinstance(row[2], bytes)]
        number = self._keys.last
        self._renew(number, bodies)
        written: list[StoredRow] = []
        numbers: dict[str, int] = {}
        for row, body in zip(fresh, bodies, strict=True):
            key, status, _, latency_s, attempts, received, crc = row
            number += 1
            coding, data = self._deflater.deflated(body)
            written.append((number, key, status, data, coding, latency_s, attempts, received, crc))
            numbers[str(key)] = number
        _insert(self._connection, "INSERT INTO responses", written)
        return digests_of([*numbers]), numbers

    def _renew(self, last: int, bodies: Sequence[bytes]) -> None:
        """A dictionary out of the bodies that come, where the one there is has served its time."""
        if not bodies or last < _BARE:
            return
        if not self._dictionary or last >= self._renewed + _RENEWED:
            self._number = FIRST_DICTIONARY + last  # no other row's, of any process
            self._dictionary = sampled(bodies)
            self._deflater = Deflater(self._number, self._dictionary)
            self._renewed, self._copies = last, 0
            self._write_dictionary()
        elif last < self._copied + _COPIED:
            return
        self._write_dictionary()
        self._copied = last

    def _write_dictionary(self) -> None:
        if self._copies >= COPIES:
            return
        place = self._number * COPIES + self._copies
        row: StoredRow = (place, self._dictionary, zlib.crc32(self._dictionary))
        _insert(self._connection, "INSERT INTO dictionaries", [row])
        self._copies += 1

    def _write_segments(self, digests: bytes) -> None:
        """Keys of whole stretches of rows, so that they are read at once when it is opened."""
        end = self._keys.last + len(digests) // DIGEST
        first = self._keys.last_of_segments + 1
        if end - first + 1 < SEGMENT:
            return
        select = "SELECT key FROM responses WHERE number >= ? ORDER BY number"
        keys = digests_of([str(key) for (key,) in self._connection.execute(select, (first,))])
        row: StoredRow = (first, keys, zlib.crc32(keys))
        _insert(self._connection, "INSERT INTO segments", [row])

    # What else is kept

    def _write_usage(self, rows: Sequence[StoredRow], numbers: dict[str, int]) -> None:
        missing = {str(row[0]) for row in rows} - numbers.keys()
        known = numbers | (self._lookup.numbers([*missing]) if missing else {})
        written: list[StoredRow] = [
            (known[str(key)], self._spec(str(spec)), *others)
            for key, spec, *others in rows
            if key in known
        ]
        # What is said again to have come in a batch was paid for; all else stays as it was kept.
        _insert(
            self._connection,
            "INSERT INTO response_tokens",
            written,
            f"ON CONFLICT (number) DO UPDATE SET origin = {BATCHED} "
            f"WHERE excluded.origin = {BATCHED}",
        )

    def _spec(self, spec: str) -> int:
        """The number that stands for a SPEC."""
        if spec not in self._specs:
            select = "SELECT number FROM specs WHERE spec = ?"
            if (row := self._connection.execute(select, (spec,)).fetchone()) is None:
                added = self._connection.execute("INSERT INTO specs (spec) VALUES (?)", (spec,))
                row = (added.lastrowid,)
            self._specs[spec] = int(row[0])
        return self._specs[spec]

    def _write_images(self, rows: Sequence[StoredRow]) -> bytes:
        """Digests of the images that were new."""
        if not rows:
            return b""
        if self._images is None:
            self._images = DigestIndex()
            stored = self._connection.execute("SELECT spec, sha256 FROM images")
            for spec, sha256 in stored:
                self._images.add(_image_digest(spec, sha256), [1])
        first: dict[bytes, StoredRow] = {}
        for row in rows:
            first.setdefault(_image_digest(row[0], row[1]), row)
        found = self._images.find(b"".join(first))
        fresh = [each for each, number in zip(first, found, strict=True) if not number]
        insert = "INSERT OR IGNORE INTO images"
        _insert(self._connection, insert, [first[each] for each in fresh])
        return b"".join(fresh)


def _image_digest(spec: object, sha256: object) -> bytes:
    return hashlib.blake2b(f"{spec} {sha256}".encode(), digest_size=DIGEST).digest()


def _insert(
    connection: sqlite3.Connection, into: str, rows: Iterable[StoredRow], conflict: str = ""
) -> None:
    rows = list(rows)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        row = f"({', '.join('?' * len(part[0]))})"
        values = [value for row in part for value in row]
        connection.execute(f"{into} VALUES {', '.join([row] * len(part))} {conflict}", values)
