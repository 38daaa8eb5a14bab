"""Counts by cluster and cell, gathered chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.table.cells import Clusters, GroupCounts

__all__ = ["GroupTally", "HashArray"]

HashArray = np.ndarray[Any, np.dtype[np.uint64]]

#: What samples can have in common, in the order of `vlsu.data.links.LINKS`.
_NAMES = ("group", "image", "text")

_Part = tuple[HashArray, IntArray, IntArray]


class GroupTally:
    """Samples by what they share and by cell code.

    Kept as parts sorted by links and code, each at least twice as long as the next, so that every
    entry is merged about log2(chunks) times.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def add(self, links: Sequence[pl.Series], code: IntArray) -> None:
        """Count samples.

        Args:
            links: The group, the image and the text of each sample, in this order, null for none;
                the last may be left out, in all chunks.
            code: Cell code of each sample.
        """
        table = np.zeros((len(code), len(links)), dtype=np.uint64)
        for column, values in enumerate(links):
            there = values.is_not_null().to_numpy()
            # 0 is for none; a hash of 0 becomes 1.
            table[there, column] = np.maximum(values.drop_nulls().hash().to_numpy(), 1)
        linked = table.any(axis=1)
        if linked.any():
            self._parts.append(_sum(table[linked], code[linked], np.ones_like(code[linked])))
        while len(self._parts) > 1 and len(self._parts[-2][1]) < 2 * len(self._parts[-1][1]):
            self._merge_last()

    def counts(self, codes: IntArray, counts: IntArray) -> Clusters | None:
        """The clusters over cells of these codes and counts; `None` if no two samples share one."""
        while len(self._parts) > 1:
            self._merge_last()
        if not self._parts:
            return None
        links, code, count = self._parts[0]
        order = np.argsort(codes)
        cell = order[np.searchsorted(codes, code, sorter=order)]
        ways: dict[int, GroupCounts] = {}
        labels: dict[int, HashArray] = {}
        for column in range(links.shape[1]):
            found = _counts(links[:, column], cell, count, counts)
            if len(found.start) > 1:
                ways[column], labels[column] = found, links[:, column]
        for column in _nested(labels, count):
            del ways[column]
        if not ways:
            return None
        overlaps = []
        for several in (2, 3):
            for columns in combinations(ways, several):
                both = _overlap(links[:, list(columns)])
                overlaps.append(((-1) ** (several - 1), _counts(both, cell, count, counts)))
        return Clusters(
            tuple(_NAMES[column] for column in ways), tuple(ways.values()), tuple(overlaps)
        )

    def _merge_last(self) -> None:
        *self._parts, longer, shorter = self._parts
        links, code, count = (np.concatenate(pair) for pair in zip(longer, shorter, strict=True))
        self._parts.append(_sum(links, code, count))


def _counts(label: HashArray, cell: IntArray, count: IntArray, counts: IntArray) -> GroupCounts:
    """Counts by label and cell, of the labels that more than one sample has; 0 is no label."""
    order = np.lexsort((cell, label))
    label, cell, count = label[order], cell[order], count[order]
    first = _starts(label, cell)
    label, cell, count = label[first], cell[first], np.add.reduceat(count, first)
    first = _starts(label)
    shared = (np.add.reduceat(count, first) > 1) & (label[first] > 0)
    entries = np.diff(first, append=len(label))
    inside = np.repeat(shared, entries)
    cell, count = cell[inside], count[inside]
    grouped = np.bincount(cell, weights=count, minlength=len(counts)).astype(np.int64)
    return GroupCounts(
        start=np.concatenate([[0], np.cumsum(entries[shared])]),
        cell=cell.astype(np.int32),
        count=count.astype(np.int32),
        alone=counts - grouped,
    )


def _overlap(links: HashArray) -> HashArray:
    """A label for each combination of links that has all of them; 0 for the others; shape (n,)."""
    whole = links.all(axis=1)
    label = np.zeros(len(links), dtype=np.uint64)
    if whole.any():
        _, number = np.unique(links[whole], axis=0, return_inverse=True)
        label[whole] = number.reshape(-1).astype(np.uint64) + 1
    return label


def _nested(labels: dict[int, HashArray], count: IntArray) -> list[int]:
    """Ways whose clusters each lie within one cluster of another way.

    Of two ways that are the same, the later one.
    """
    nested: list[int] = []
    shared = {column: _shared(label, count) for column, label in labels.items()}
    for inner in reversed(labels):
        for outer in labels:
            if outer == inner or outer in nested:
                continue
            among = shared[inner]
            if not (shared[outer][among]).all():
                continue
            pairs = np.unique(np.stack([labels[inner][among], labels[outer][among]]), axis=1)
            if pairs.shape[1] == len(np.unique(labels[inner][among])):
                nested.append(inner)
                break
    return nested


def _shared(label: HashArray, count: IntArray) -> BoolArray:
    """Whether more than one sample has the label, by entry; shape (n,)."""
    _, number = np.unique(label, return_inverse=True)
    number = number.reshape(-1)
    shared: BoolArray = (np.bincount(number, weights=count) > 1)[number] & (label > 0)
    return shared


def _sum(links: HashArray, code: IntArray, count: IntArray) -> _Part:
    """Entries sorted by links and code, those of equal links and code added up; not empty."""
    order = np.lexsort((code, *links.T))
    links, code, count = links[order], code[order], count[order]
    first = _starts(*links.T, code)
    return links[first], code[first], np.add.reduceat(count, first)


def _starts(*columns: np.ndarray[Any, np.dtype[np.generic]]) -> IntArray:
    """Where a run of rows that are equal in all columns begins."""
    differs = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(np.concatenate([[True], differs]))
