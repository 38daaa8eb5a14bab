"""Responses read out of a damaged store, page by page, past whatever is broken.

SQLite finds a row by way of the file's header, its schema and the inner pages above the row, and
one broken page among those hides any number of sound ones. Here every page that looks like a leaf
is read by itself, after "Database File Format" of SQLite's documentation (sections 1.6, 2.1 and
4.1). Rows are never changed once written and carry a checksum, so nothing read by chance or out of
a stale page can be taken for a response. Dictionaries, without which deflated bodies cannot be
read, stand in the file several times each, and are collected first. Rows of tokens have no
checksum, and are taken where all that is read of one says the same.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

from vlsu.models.base import TOKEN_COUNTS
from vlsu.runs.store.bodies import COPIES, inflated
from vlsu.runs.store.usage import ASKED, BATCHED, TAKEN_OVER

__all__ = [
    "PAGE",
    "ErrorRow",
    "Row",
    "UsageRow",
    "checksum",
    "numbered_rows",
    "readable_errors",
    "readable_removed",
    "readable_rows",
    "readable_usage",
]

#: Bytes of a page; the store makes its files so.
PAGE = 4096
#: key, status, body, latency_s, attempts, received, checksum of a response.
Row = tuple[str, int, bytes, float, int, float, int]
#: key, attempt, status, kind, text, body, received: the columns of ``errors``.
ErrorRow = tuple[str, int, int, str, str, bytes, float]
#: key, SPEC, origin and the counts of tokens of a response.
UsageRow = tuple[str | int | None, ...]
_Columns = list[str | int | float | bytes | None]

_LEAF = 0x0D
_LOG_HEADER, _FRAME_HEADER = 32, 24
#: Bytes of a row kept in its leaf, at most; how many of a longer one, at least; and how many of
#: the rest an overflow page holds.
_MOST_LOCAL = PAGE - 35
_LEAST_LOCAL = (PAGE - 12) * 32 // 255 - 23
_OVERFLOW = PAGE - 4
#: A longer row is a misread length: no answer of more than 16 MiB is stored.
_LONGEST = 32 * 2**20

#: The newest content of page N, counted from 1.
_PageAt = Callable[[int], bytes]


def checksum(key: str, status: int, body: bytes) -> int:
    """CRC-32 over what makes a response; stored with each."""
    return zlib.crc32(body, zlib.crc32(f"{key} {status}".encode()))


def readable_rows(database: Path) -> Iterator[Row]:
    """Every sound row of ``responses`` in a database file and in the log beside it.

    Rows may come twice.
    """
    for _, row in numbered_rows(database):
        yield row


def numbered_rows(database: Path) -> Iterator[tuple[int, Row]]:
    """The same with the number of each; it is below 0 in the table of an earlier version."""
    dictionaries = _dictionaries(database)
    for number, columns in _records(database):
        row = _response(columns, dictionaries)
        if row is not None:
            yield (number if columns[0] is None else -number), row


def readable_usage(database: Path, keys: Mapping[int, str]) -> Iterator[UsageRow]:
    """What is kept of the tokens of these responses, and how each came, as far as it is readable.

    Args:
        database: The damaged file.
        keys: The responses that were read out of it: number -> key.
    """
    specs, batched = _specs_and_batched(database)
    known = set(keys.values())
    found: dict[str, UsageRow | None] = {}
    for number, columns in _records(database):
        match columns:
            case [None, int(spec), int(origin), *counts] if number in keys:
                key, named = keys[number], specs.get(spec)
            case [str(key), str(named), *counts] if key in known:
                origin = BATCHED if key in batched else ASKED
            case _:
                continue
        if named is None or origin not in (ASKED, BATCHED, TAKEN_OVER) or not _are_counts(counts):
            continue
        row = (key, named, origin, *counts)
        before = found.setdefault(key, row)
        if before == row or before is None:
            continue
        # One that came in a batch after all was marked so later; else one of the two is not its.
        same = (*before[:2], *before[3:]) == (*row[:2], *row[3:])
        marked = same and BATCHED in (before[2], origin)
        found[key] = (key, named, BATCHED, *counts) if marked else None
    yield from (row for row in found.values() if row is not None)


def _specs_and_batched(database: Path) -> tuple[dict[int, str], set[str]]:
    """The models' SPECs by their numbers, and what an earlier version noted as of a batch."""
    specs: dict[int, str] = {}
    batched: set[str] = set()
    for number, columns in _records(database):
        match columns:
            case [None, str(spec)]:
                specs.setdefault(number, spec)
            case [str(key)]:
                batched.add(key)
    return specs, batched


def _are_counts(columns: _Columns) -> TypeGuard[list[int | None]]:
    return len(columns) == len(TOKEN_COUNTS) and all(
        n is None or (isinstance(n, int) and n >= 0) for n in columns
    )


def readable_errors(database: Path) -> Iterator[ErrorRow]:
    """Every readable row of ``errors``, likewise; they have no checksum, and only inform.

    Rows may come twice.
    """
    for _, columns in _records(database):
        match columns:
            case [str(key), int(attempt), int(status), str(kind), str(text), bytes(body), received]:
                if isinstance(received, float | int):
                    yield (key, attempt, status, kind, text, body, float(received))


def readable_removed(database: Path) -> Iterator[UsageRow]:
    """SPEC, origin, number and tokens of responses that were removed, once each, likewise."""
    found: dict[int, UsageRow] = {}
    for number, columns in _records(database):
        match columns:
            case [str(spec), int(origin), int(responses), *counts] if origin in (
                ASKED,
                BATCHED,
                TAKEN_OVER,
            ) and _are_counts(counts):
                found.setdefault(number, (spec, origin, responses, *counts))
    yield from found.values()


def _dictionaries(database: Path) -> dict[int, bytes]:
    """Every sound dictionary, by its number."""
    found: dict[int, bytes] = {}
    for place, columns in _records(database):
        match columns:
            case [None, bytes(data), int(crc)]:
                if zlib.crc32(data) == crc:
                    found.setdefault(place // COPIES, data)
    return found


def _records(database: Path) -> Iterator[tuple[int, _Columns]]:
    """Number and columns of everything that looks like a row of a table."""
    with _File(database) as pages, _File(Path(f"{database}-wal")) as log:
        frames = range(_LOG_HEADER, log.size, _FRAME_HEADER + PAGE)
        logged = {int.from_bytes(log.read(at, 4), "big"): at + _FRAME_HEADER for at in frames}

        def page(number: int) -> bytes:
            whole = log.read(logged[number], PAGE) if number in logged else b""
            return whole if len(whole) == PAGE else pages.read((number - 1) * PAGE, PAGE)

        for at in range(0, pages.size, PAGE):
            yield from _rows(pages.read(at, PAGE), page)
        for at in frames:
            yield from _rows(log.read(at + _FRAME_HEADER, PAGE), page)


class _File:
    """A file to read anywhere; empty if it is not there, and wherever the disk cannot read it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb") if path.exists() else None
        self.size = path.stat().st_size if self._file else 0

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, at: int, size: int) -> bytes:
        """So many bytes, or as many as there are."""
        if self._file is None or at < 0:
            return b""
        try:
            return os.pread(self._file.fileno(), size, at)
        except OSError:
            return b""


def _rows(page: bytes, page_at: _PageAt) -> Iterator[tuple[int, _Columns]]:
    if len(page) < 8 or page[0] != _LEAF:
        return
    cells = int.from_bytes(page[3:5], "big")
    for place in range(8, min(8 + 2 * cells, len(page) - 1), 2):
        cell = int.from_bytes(page[place : place + 2], "big")
        try:
            number, payload = _payload(page, cell, page_at)
            columns = _columns(payload)
        except (IndexError, ValueError, struct.error):
            continue
        yield number, columns


def _payload(page: bytes, cell: int, page_at: _PageAt) -> tuple[int, bytes]:
    """A cell's number and record, gathered from its overflow pages if it has any."""
    size, at = _varint(page, cell)
    number, at = _varint(page, at)
    if size > _LONGEST:
        raise ValueError(size)
    if size <= _MOST_LOCAL:
        return number, page[at : at + size]
    local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % _OVERFLOW
    if local > _MOST_LOCAL:
        local = _LEAST_LOCAL
    payload = bytearray(page[at : at + local])
    following = page[at + local : at + local + 4]
    while len(payload) < size:
        overflow = page_at(int.from_bytes(following, "big"))
        if len(overflow) < PAGE:
            raise ValueError(following)
        following = overflow[:4]
        payload += overflow[4 : 4 + size - len(payload)]
    return number, bytes(payload)


def _columns(record: bytes) -> _Columns:
    end, at = _varint(record, 0)
    columns: _Columns = []
    body = end
    while at < end:
        kind, at = _varint(record, at)
        value, body = _value(record, kind, body)
        columns.append(value)
    return columns


def _response(columns: _Columns, dictionaries: Mapping[int, bytes]) -> Row | None:
    """A sound row of ``responses``, of this version or an earlier one, or `None`."""
    match columns:
        case [None, str(), int(), bytes(data), int(coding), _, int(), _, int()]:
            body = inflated(coding, data, lambda number: dictionaries.get(number, b""))
            if body is None:
                return None
            columns = [*columns[1:3], body, *columns[5:]]
    match columns:
        case [str(key), int(status), bytes(data), latency, int(attempts), received, int(crc)] if (
            isinstance(latency, float | int) and isinstance(received, float | int)
        ):
            if crc == checksum(key, status, data):
                return (key, status, data, float(latency), attempts, float(received), crc)
    return None


def _value(record: bytes, kind: int, at: int) -> tuple[str | int | float | bytes | None, int]:
    """A column of that serial type, and where the next one begins."""
    if kind >= 12:
        end = at + (kind - 12) // 2
        if end > len(record):
            raise ValueError(kind)
        data = record[at:end]
        return (data.decode() if kind % 2 else data), end
    if kind == 0:
        return None, at
    if kind in (8, 9):  # the integers 0 and 1 take no room
        return kind - 8, at
    if kind == 7:
        return struct.unpack_from(">d", record, at)[0], at + 8
    end = at + (0, 1, 2, 3, 4, 6, 8)[kind]
    return int.from_bytes(record[at:end], "big", signed=True), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer, and where it ends."""
    value = 0
    for n in range(8):
        byte = data[at + n]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n + 1
    return value << 8 | data[at + 8], at + 9
