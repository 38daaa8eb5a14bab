"""Finding duplicate rows in few bytes per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import polars as pl

from vlsu._text import normal_form

__all__ = ["IdIndex"]


_Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


class IdIndex:
    """Finds duplicate identifiers, in 24 bytes per row.

    Values are known by hashes of 64 bits: the probability that two of a million rows are taken for
    duplicates and are none is 3e-8.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[_Hashes, _Hashes, _Hashes]] = []
        self._given: set[str] = set()
        self._next: dict[str, int] = {}

    def add(self, ids: pl.Series, contents: pl.Series) -> None:
        """Add the next rows, before anything is asked.

        Args:
            ids: Their identifiers.
            contents: A hash of each row as a whole.
        """
        hashes = (ids.hash(), _folded(ids).hash(), contents.cast(pl.UInt64))
        first, second, third = (each.to_numpy() for each in hashes)
        self._parts.append((first, second, third))

    @cached_property
    def _columns(self) -> tuple[_Hashes, _Hashes, _Hashes]:
        """Hashes of all identifiers, of the folded ones, and of the rows."""
        empty = np.array([], dtype=np.uint64)
        parts = [(empty, empty, empty), *self._parts]
        self._parts = []
        ids, folded, contents = (np.concatenate(part) for part in zip(*parts, strict=True))
        return ids, folded, contents

    @cached_property
    def _ranked(self) -> _Hashes:
        return np.unique(self._columns[0])

    def duplicates(self) -> dict[int, int]:
        """Row number, from 0, -> decision, for each row whose identifier occurred before.

        0: the whole row is a duplicate and is dropped. Otherwise the row is another sample, and the
        number makes its identifier unique: 2 for the second.
        """
        ids, _, contents = self._columns
        decisions: dict[int, int] = {}
        for run in _runs_of_equals(ids):
            seen: set[int] = set()
            for row, content in zip(run, contents[run].tolist(), strict=True):
                if content in seen:
                    decisions[row] = 0
                    continue
                seen.add(content)
                if len(seen) > 1:
                    decisions[row] = len(seen)
        return decisions

    def near_duplicates(self) -> set[int]:
        """Rows whose identifier differs from an earlier one only in letter case or Unicode form.

        Of several rows with such an identifier, only the first.
        """
        ids, folded, _ = self._columns
        found = set()
        for run in _runs_of_equals(folded):
            seen: set[int] = set()
            for row, id_ in zip(run, ids[run].tolist(), strict=True):
                if seen and id_ not in seen:
                    found.add(row)
                seen.add(id_)
        return found

    def unique_ids(self, ids: Sequence[str], numbers: Sequence[int]) -> list[str]:
        """Identifiers that no row has and that were not returned before, such as ``id#2``.

        Args:
            ids: Duplicate identifiers.
            numbers: The lowest number to append to each.
        """
        tried = [f"{id_}#{number}" for id_, number in zip(ids, numbers, strict=True)]
        taken = self.contain(tried)
        return [
            self._unique_id(id_, number, taken=there)
            for id_, number, there in zip(ids, numbers, taken, strict=True)
        ]

    def _unique_id(self, id_: str, lowest: int, *, taken: bool) -> str:
        """A unique identifier, of a number of which is known whether it is taken."""
        number, there, ahead = max(lowest, self._next.get(id_, 0)), [taken], 1
        if number != lowest:
            there = self.contain([f"{id_}#{number}"])
        while all(there) or f"{id_}#{number + there.index(False)}" in self._given:
            number += len(there) if all(there) else there.index(False) + 1
            there = self.contain([f"{id_}#{number + n}" for n in range(ahead)])
            ahead *= 2  # twice as many names each time, of a thousand in a row
        number += there.index(False)
        candidate = f"{id_}#{number}"
        self._next[id_] = number + 1
        self._given.add(candidate)
        return candidate

    def contain(self, ids: Sequence[str]) -> list[bool]:
        """Whether any row has an identifier, for each of these."""
        wanted = pl.Series(ids, dtype=pl.String).hash().to_numpy()
        places = np.searchsorted(self._ranked, wanted)
        places[places == len(self._ranked)] = 0
        there: list[bool] = (self._ranked[places] == wanted).tolist()
        return there


def _folded(ids: pl.Series) -> pl.Series:
    """Identifiers in NFC and case-folded."""
    if (ids.str.len_bytes() == ids.str.len_chars()).all():
        return ids.str.to_lowercase()
    return pl.Series(map(_folded_id, ids), dtype=pl.String)


def _folded_id(id_: str) -> str:
    if id_.isascii():
        return id_.lower()
    return normal_form("NFC", normal_form("NFC", id_).casefold())


def _runs_of_equals(values: _Hashes) -> Iterator[list[int]]:
    """Positions of repeated values, one sorted list per value."""
    if not len(values):
        return
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    bounds = np.flatnonzero(np.diff(ranked)) + 1
    starts = np.concatenate(([0], bounds))
    ends = np.concatenate((bounds, [len(values)]))
    runs = ends - starts > 1
    for start, end in zip(starts[runs], ends[runs], strict=True):
        yield order[start:end].tolist()
