"""The contingency table every metric is a function of: cells of equal samples, with counts.

Two samples that agree in gold grades, predictions and joint category are the same to every metric,
so a run of any size is a table of at most some ten thousand cells, gathered by
`vlsu.analysis.table.tabulation`. A metric is then a ratio of sums over cells, and a bootstrap
replicate one multinomial draw (see `vlsu.analysis.table.resampling`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.policy import Severity

__all__ = [
    "ABSENT",
    "FAILED",
    "IMAGE",
    "JOINT",
    "NOT_ASKED",
    "TEXT",
    "CellShare",
    "Cells",
    "Clusters",
    "GroupCounts",
]

#: Columns of the modalities, in the order of `vlsu.policy.MODALITIES`.
IMAGE, TEXT, JOINT = range(3)

#: Code of a gold grade that the dataset does not give; 0, 1, 2 are the severities.
ABSENT = 3
#: Code of a prediction whose outcome is not `ok`; 0, 1, 2 are the severities.
FAILED = 3
#: Code of a prediction for a modality the run did not ask about.
NOT_ASKED = 4

#: Entries of `GroupCounts` looked at together; bounds the memory of a pass over the groups.
_BLOCK = 65_536
#: With fewer groups, or more entries in one, alike groups are not looked for.
_MANY_GROUPS, _FEW_ENTRIES = 4096, 8
#: Where at most one in so many entries counts, they are found by their cells.
_FEW_OF = 4
#: So many choices of cells are kept with their entries.
_KEPT = 4
#: Bits of a whole number that is not negative.
_BITS = 63

_Numbers = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True)
class GroupCounts:
    """How many samples of each group lie in each cell, as compressed sparse rows.

    A group is what samples have in common: a group of the dataset, an image, a text. A group of one
    sample is no different from a sample without a group: both are in `alone`.

    Attributes:
        start: Group g has the entries ``start[g]`` to ``start[g + 1] - 1``; shape ``(G + 1,)``. The
            order of the groups means nothing, and nothing may depend on it.
        cell: Cell index of each entry, shape ``(E,)``.
        count: Samples of the group in that cell, at least 1, shape ``(E,)``.
        alone: Samples per cell that share their group with no other, shape ``(C,)``.
    """

    start: IntArray
    cell: np.ndarray[Any, np.dtype[np.int32]]
    count: np.ndarray[Any, np.dtype[np.int32]]
    alone: IntArray

    @cached_property
    def kinds(self) -> tuple[GroupCounts, IntArray]:
        """One group of each kind, and how many are like it: shape ``(G,)``, of the fewer groups.

        Groups are alike that have as many samples in the same cells.
        """
        size = np.diff(self.start)
        if len(size) < _MANY_GROUPS or size.max() > _FEW_ENTRIES:
            return self, np.ones(len(size), dtype=np.int64)
        packed = self.cell.astype(np.int64) << 32 | self.count
        cells, sizes, repeats = [], [], []
        for each in np.unique(size).tolist():
            first = self.start[:-1][size == each]
            table = pl.DataFrame({str(n): packed[first + n] for n in range(each)})
            found = table.group_by(table.columns).len("times").sort(table.columns)
            cells.append(found.drop("times").to_numpy().reshape(-1))
            sizes.append(np.full(found.height, each, dtype=np.int64))
            repeats.append(found["times"].cast(pl.Int64).to_numpy())
        entries = np.concatenate(cells)
        return (
            GroupCounts(
                start=np.concatenate([[0], np.cumsum(np.concatenate(sizes))]),
                cell=(entries >> 32).astype(np.int32),
                count=(entries & 0xFFFFFFFF).astype(np.int32),
                alone=self.alone,
            ),
            np.concatenate(repeats),
        )

    def tables(self, column: IntArray, size: int) -> Iterator[IntArray]:
        """Each group's counts by entry of a table, ``(g, size)``, a block of groups at a time.

        Groups without a sample in the table are left out; samples that are `alone` are not here.

        Args:
            column: Which entry each cell belongs to, 0 .. size - 1, or -1 for none; shape ``(C,)``.
            size: Entries of the table.
        """
        blocks = self._blocks()
        few = self._within(column >= 0)
        if few is None:
            yield from self._tables(column, size, blocks)
        else:
            groups, counts = few
            marks = np.searchsorted(groups, [first for first, _ in blocks]).tolist()
            yield from counts._tables(column, size, list(pairwise([*marks, len(groups)])))

    def _tables(
        self, column: IntArray, size: int, blocks: Sequence[tuple[int, int]]
    ) -> Iterator[IntArray]:
        # The first entry is for the cells outside, and dropped.
        shifted, wide = column + 1, size + 1
        for first, last in blocks:
            start = self.start[first : last + 1]
            entries = slice(start[0], start[-1])
            row = np.repeat(np.arange(0, (last - first) * wide, wide), np.diff(start))
            table = np.bincount(
                row + shifted[self.cell[entries]],
                weights=self.count[entries],
                minlength=(last - first) * wide,
            ).reshape(-1, wide)[:, 1:]
            yield table[table.any(axis=1)].astype(np.int64)

    def sums(self, added: IntArray) -> IntArray:
        """Sums over each group's samples, shape ``(k, G)``; samples that are `alone` are not here.

        Several small numbers are added up as one, each in bits of its own: to read the entries is
        what takes the time.

        Args:
            added: What each sample of a cell adds, in k ways; shape ``(k, C)``.
        """
        inside: BoolArray = (added != 0).any(axis=0)
        few = self._within(inside)
        if few is None:
            return self._packed_sums(added)
        groups, counts = few
        found = np.zeros((len(added), len(self.start) - 1), dtype=np.int64)
        found[:, groups] = counts._packed_sums(added)
        return found

    def _packed_sums(self, added: IntArray) -> IntArray:
        if len(self.start) == 1:
            return np.zeros((len(added), 0), dtype=np.int64)
        least = added.min(axis=1, initial=0)
        most = int((added.max(axis=1, initial=0) - least).max(initial=0))
        # No sum of a way is larger than this; what is negative is lifted to 0 first.
        bits = (most * int(self.count.sum(dtype=np.int64))).bit_length()
        bits = min(max(1, bits), _BITS)
        at_once = max(1, _BITS // bits)
        sizes = self._sums(np.ones(added.shape[1], dtype=np.int64)) if least.any() else None
        found = []
        for first in range(0, len(added), at_once):
            some = slice(first, first + at_once)
            lifted = added[some] - least[some, None]
            shifts = bits * np.arange(len(lifted))
            packed = (lifted << shifts[:, None]).sum(axis=0)
            sums = self._sums(packed)
            found.append((sums >> shifts[:, None]) & ((1 << bits) - 1))
        whole = np.concatenate(found)
        return whole if sizes is None else whole + least[:, None] * sizes

    def _sums(self, added: IntArray) -> IntArray:
        found = np.empty(len(self.start) - 1, dtype=np.int64)
        for first, last in self._blocks():  # what is in the cache is read once more at no cost
            start = self.start[first : last + 1]
            entries = slice(start[0], start[-1])
            each = added[self.cell[entries]]
            each *= self.count[entries]
            np.add.reduceat(each, start[:-1] - start[0], out=found[first:last])
        return found

    @cached_property
    def _by_cell(self) -> tuple[IntArray, _Numbers, _Numbers]:
        """Where each cell's entries begin among all, sorted by cell; these; each one's group."""
        ends = np.cumsum(np.bincount(self.cell, minlength=len(self.alone)))
        groups = np.arange(len(self.start) - 1, dtype=np.int32)
        return (
            np.append(0, ends),
            np.argsort(self.cell, kind="stable").astype(np.int32),
            np.repeat(groups, np.diff(self.start)),
        )

    def _within(self, inside: BoolArray) -> tuple[_Numbers, GroupCounts] | None:
        """The groups with samples in some cells, and what these have there; `None` if it is much.

        Args:
            inside: Whether a cell counts; shape ``(C,)``.
        """
        start, _, _ = self._by_cell
        n = int((start[1:] - start[:-1]) @ inside)
        if n * _FEW_OF > len(self.cell):
            return None
        packed = np.packbits(inside).tobytes()
        found = self._kept.pop(packed, None) or self._restricted(packed)
        self._kept[packed] = found  # as the last one that was asked for
        while len(self._kept) > _KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        return found

    @cached_property
    def _kept(self) -> dict[bytes, tuple[_Numbers, GroupCounts]]:
        """What `_within` gave for cells as bits: several metrics are over the same."""
        return {}

    def _restricted(self, packed: bytes) -> tuple[_Numbers, GroupCounts]:
        start, entries, group = self._by_cell
        inside = np.unpackbits(np.frombuffer(packed, np.uint8), count=len(self.alone))
        cells = np.flatnonzero(inside)
        lengths = start[cells + 1] - start[cells]
        ends = np.cumsum(lengths)
        places = np.arange(lengths.sum()) + np.repeat(start[cells] - ends + lengths, lengths)
        at = np.sort(entries[places])
        groups = group[at]
        first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(at)])
        return groups[first], GroupCounts(
            start=np.append(first, len(at)),
            cell=self.cell[at],
            count=self.count[at],
            alone=self.alone,
        )

    def _blocks(self) -> list[tuple[int, int]]:
        """First group and end of each block of groups, which have at least one entry each."""
        marks = np.arange(0, len(self.cell) + _BLOCK, _BLOCK)
        groups = len(self.start) - 1
        bounds = np.unique(np.minimum(np.searchsorted(self.start, marks), groups))
        return list(pairwise(bounds.tolist()))


@dataclass(frozen=True, slots=True)
class Clusters:
    """In which ways samples are not independent of each other.

    Attributes:
        names: What the samples of a cluster share, by way: of ``"group"``, ``"image"``, ``"text"``.
        ways: The counts of each way, one at least. A way whose every cluster lies within one of
            another way is left out, as it adds nothing.
        overlaps: Sign and counts by samples that share two things at once (-1), all three (+1).
    """

    names: tuple[str, ...]
    ways: tuple[GroupCounts, ...]
    overlaps: tuple[tuple[int, GroupCounts], ...] = ()

    def mapped(self, change: Callable[[GroupCounts], GroupCounts]) -> Clusters:
        """The same clusters with each table of counts changed."""
        return Clusters(
            self.names,
            tuple(map(change, self.ways)),
            tuple((sign, change(counts)) for sign, counts in self.overlaps),
        )


@dataclass(frozen=True, slots=True)
class Cells:
    """Samples by gold grades, predictions and joint category.

    The order of the cells depends on their content alone, so the same samples in any row order
    give the same table.

    Attributes:
        gold: Gold severity per cell and modality, or `ABSENT`; shape ``(C, 3)``, columns in the
            order of `MODALITIES`.
        predicted: Predicted severity, `FAILED` or `NOT_ASKED`; shape ``(C, 3)``.
        category: Index into `categories` of the gold joint category, -1 for none; shape ``(C,)``.
        count: Samples per cell, shape ``(C,)``.
        categories: Category identifiers that occur, sorted.
        groups: The same counts by cluster, or `None` where samples are independent.
        outcomes: Modality -> outcome -> judgments, graded or not; every outcome is listed.
        critical: Unsafe pairs marked critical that were asked about, and how many of these were
            not called unsafe; `None` where no sample is marked.
        admissible: Severities other than the gold grade that a careful grader could give the pair,
            a bit each, ``1 << severity``; shape ``(C,)``. `None` where no sample has any.
        severities: Those of the policy, mildest first: the classes that means are over.
        lost: Where a prediction that has `FAILED` never came or could not be read (`error`,
            `unparsed`), by cell and modality; shape ``(C, 3)``. Kept of several runs alone; else
            `None`.
    """

    gold: IntArray
    predicted: IntArray
    category: IntArray
    count: IntArray
    categories: tuple[str, ...]
    groups: Clusters | None
    outcomes: Mapping[str, Mapping[str, int]]
    critical: tuple[int, int] | None = None
    admissible: IntArray | None = None
    severities: tuple[Severity, ...] = tuple(Severity)
    lost: BoolArray | None = None

    @property
    def graded(self) -> BoolArray:
        """Whether the gold grade is known, by cell and modality; shape ``(C, 3)``."""
        graded: BoolArray = self.gold != ABSENT
        return graded

    @property
    def asked(self) -> BoolArray:
        """Whether the run asked, by cell and modality; shape ``(C, 3)``."""
        asked: BoolArray = self.predicted != NOT_ASKED
        return asked

    @property
    def judged(self) -> BoolArray:
        """Whether the run asked and the gold grade is known, by cell and modality; ``(C, 3)``."""
        judged: BoolArray = self.graded & self.asked
        return judged

    @property
    def answered(self) -> BoolArray:
        """Whether the outcome is `ok`, by cell and modality; shape ``(C, 3)``."""
        answered: BoolArray = self.predicted < FAILED
        return answered

    @property
    def right(self) -> BoolArray:
        """Whether the prediction is the gold grade, by cell and modality; shape ``(C, 3)``."""
        right: BoolArray = self.answered & (self.predicted == self.gold)
        return right

    @property
    def right_on_unsafe(self) -> BoolArray:
        """Whether unsafe is rightly told from the rest, by cell and modality; shape ``(C, 3)``."""
        called, is_unsafe = (each == Severity.UNSAFE for each in (self.predicted, self.gold))
        right: BoolArray = self.answered & (called == is_unsafe)
        return right


@dataclass(frozen=True, slots=True, eq=False)
class CellShare:
    """A share of samples, as cells: what it is over, and what counts as a hit.

    The definition of a metric, for one run and for two: the rate of a run is that of its hits
    (`vlsu.analysis.table.estimator.Ratios.rate`), and runs are compared over the samples that enter
    in both (`vlsu.analysis.comparison.metrics.PairedMetrics`).

    Attributes:
        hits: Cells that count as hits; those outside `among` are left out. Shape ``(C,)``.
        among: Cells that the share is over; shape ``(C,)``.
        modalities: Columns of the modalities whose answers it rests on.
    """

    hits: BoolArray
    among: BoolArray
    modalities: tuple[int, ...]
