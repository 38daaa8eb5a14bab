"""Counts by group and cell, gathered chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.arrays import IntArray
from vlsu.analysis.table.cells import GroupCounts

__all__ = ["GroupTally", "HashArray"]

HashArray = np.ndarray[Any, np.dtype[np.uint64]]


class GroupTally:
    """Samples by group and cell code.

    Kept as parts sorted by group and code, each at least twice as long as the next, so that every
    entry is merged about log2(chunks) times.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[HashArray, IntArray, IntArray]] = []

    def add(self, groups: pl.Series, code: IntArray) -> None:
        """Count samples of these groups, null for none, and codes."""
        group = groups.drop_nulls().hash().to_numpy()
        if group.size:
            code = code[groups.is_not_null().to_numpy()]
            self._parts.append(_sum(group, code, np.ones_like(code)))
        while len(self._parts) > 1 and len(self._parts[-2][0]) < 2 * len(self._parts[-1][0]):
            self._merge_last()

    def counts(self, codes: IntArray, counts: IntArray) -> GroupCounts | None:
        """The groups over cells of these codes and counts; `None` if no two samples share one."""
        while len(self._parts) > 1:
            self._merge_last()
        if not self._parts:
            return None
        group, code, count = self._parts[0]
        first = _starts(group)
        shared = np.add.reduceat(count, first) > 1
        if not shared.any():
            return None
        entries = np.diff(first, append=len(group))
        inside = np.repeat(shared, entries)
        count = count[inside]
        order = np.argsort(codes)
        cell = order[np.searchsorted(codes, code[inside], sorter=order)]
        grouped = np.bincount(cell, weights=count, minlength=len(codes)).astype(np.int64)
        return GroupCounts(
            start=np.concatenate([[0], np.cumsum(entries[shared])]),
            cell=cell.astype(np.int32),
            count=count.astype(np.int32),
            alone=counts - grouped,
        )

    def _merge_last(self) -> None:
        *self._parts, longer, shorter = self._parts
        group = np.concatenate([longer[0], shorter[0]])
        code = np.concatenate([longer[1], shorter[1]])
        count = np.concatenate([longer[2], shorter[2]])
        self._parts.append(_sum(group, code, count))


def _sum(group: HashArray, code: IntArray, count: IntArray) -> tuple[HashArray, IntArray, IntArray]:
    """Entries sorted by group and code, those of equal group and code added up; not empty."""
    order = np.lexsort((code, group))
    group, code, count = group[order], code[order], count[order]
    first = _starts(group, code)
    return group[first], code[first], np.add.reduceat(count, first)


def _starts(*columns: np.ndarray[Any, np.dtype[np.generic]]) -> IntArray:
    """Where a run of rows that are equal in all columns begins."""
    differs = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(np.concatenate([[True], differs]))
