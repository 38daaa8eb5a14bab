"""Finding duplicate rows in few bytes per row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np

from vlsu._text import normal_form
from vlsu.data.datasets.writer import hash64

__all__ = ["IdIndex"]


class IdIndex:
    """Finds duplicate identifiers, in 24 bytes per row."""

    def __init__(self) -> None:
        self._ids = array("Q")
        self._folded = array("Q")
        self._contents = array("Q")
        self._ranked: np.ndarray[Any, np.dtype[np.uint64]] | None = None
        self._given: set[str] = set()
        self._next: dict[str, int] = {}

    def add(self, id_: str, content: int) -> None:
        """Add the next row.

        Args:
            id_: The identifier.
            content: `hash64` of the whole row.
        """
        self._ranked = None
        self._ids.append(hash64(id_))
        folded = _folded(id_)
        self._folded.append(self._ids[-1] if folded == id_ else hash64(folded))
        self._contents.append(content)

    def duplicates(self) -> dict[int, int]:
        """Row number, from 0, -> decision, for each row whose identifier occurred before.

        0: the whole row is a duplicate and is dropped. Otherwise the row is another sample, and the
        number makes its identifier unique: 2 for the second.
        """
        ids = np.asarray(self._ids)
        decisions: dict[int, int] = {}
        for run in _runs_of_equals(ids):
            seen: set[int] = set()
            for row in run:
                content = self._contents[row]
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
        found = set()
        for run in _runs_of_equals(np.asarray(self._folded)):
            seen: set[int] = set()
            for row in run:
                if seen and self._ids[row] not in seen:
                    found.add(row)
                seen.add(self._ids[row])
        return found

    def contains(self, id_: str) -> bool:
        """Whether any row has that identifier."""
        if self._ranked is None:
            self._ranked = np.unique(np.asarray(self._ids))
        wanted = np.uint64(hash64(id_))
        place = int(np.searchsorted(self._ranked, wanted))
        return place < len(self._ranked) and self._ranked[place] == wanted

    def unique_id(self, id_: str, number: int) -> str:
        """An identifier that no row has and that was not returned before, such as ``id#2``.

        Args:
            id_: The duplicate identifier.
            number: The lowest number to append.
        """
        number = max(number, self._next.get(id_, 0))
        while (candidate := f"{id_}#{number}") in self._given or self.contains(candidate):
            number += 1
        self._next[id_] = number + 1
        self._given.add(candidate)
        return candidate


def _folded(id_: str) -> str:
    """An identifier in NFC and case-folded."""
    if id_.isascii():
        return id_.lower()
    return normal_form("NFC", normal_form("NFC", id_).casefold())


def _runs_of_equals(values: np.ndarray[Any, np.dtype[np.uint64]]) -> Iterator[list[int]]:
    """Positions of repeated values other than 0, one sorted list per value."""
    if not len(values):
        return
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    bounds = np.flatnonzero(np.diff(ranked)) + 1
    starts = np.concatenate(([0], bounds))
    ends = np.concatenate((bounds, [len(values)]))
    runs = (ends - starts > 1) & (ranked[starts] != 0)
    for start, end in zip(starts[runs], ends[runs], strict=True):
        yield order[start:end].tolist()
