"""Bootstrap replicates of small tables.

Samples in one cell are equal, so resampling n samples with replacement and counting the cells is
one multinomial draw with the observed shares: the bootstrap exactly, at a cost that does not grow
with n. Resampling groups (the cluster bootstrap) is the same with groups of equal counts in place
of equal samples.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.coins import tossed_sums

__all__ = ["Resampler", "draw_sums", "generator"]

#: Numbers held at once while drawing; bounds memory at about 40 MB, as some five arrays of them
#: live together.
_CHUNK = 1_000_000

#: Kinds of unit that occur at least this often are drawn by a binomial each.
_COMMON = 10


@dataclass(frozen=True, slots=True)
class Resampler:
    """Draws replicates of tables over the cells, by sample or, where there are groups, by group.

    Attributes:
        cells: The samples.
        replicates: Bootstrap replicates of each table, R.
        seed: Together with a table's name it decides every draw, so that a metric's interval does
            not depend on which other metrics there are.
    """

    cells: Cells
    replicates: int
    seed: int

    @property
    def unit(self) -> str:
        """What is resampled: ``"samples"`` or ``"groups"``."""
        return "samples" if self.cells.groups is None else "groups"

    def count(self, column: IntArray, size: int) -> IntArray:
        """Samples per entry of a table, shape ``(size,)``.

        Args:
            column: Which entry each cell belongs to, 0 .. size - 1, or -1 for none; shape ``(C,)``.
            size: Entries of the table.
        """
        inside = column >= 0
        return _count(column[inside], self.cells.count[inside], size)

    def draw(self, column: IntArray, size: int, name: str) -> FloatArray:
        """Replicates of a table, shape ``(R, size)``; whole numbers.

        Only the samples that enter the table are resampled (by group: the groups with any such
        sample), as many as there are.

        Args:
            column: As for `count`; at least one sample must be in the table.
            size: Entries of the table.
            name: Of the metric the replicates are for.
        """
        kinds, repeats = self.kinds(column, size)
        # Without groups each entry is a kind of its own.
        added = None if self.cells.groups is None else kinds
        return draw_sums(added, repeats, self.replicates, generator(self.seed, name))

    def swap(
        self, column: IntArray, sums: FloatArray, mirror: IntArray, times: int, name: str
    ) -> FloatArray:
        """Sums over a table many times, ``(times, F)``, each unit mirrored or not by a fair coin.

        Args:
            column: As for `count`; at least one sample must be in the table.
            sums: What a sample of each entry adds, whole numbers; shape ``(size, F)``.
            mirror: The entry that each one is mirrored to, shape ``(size,)``.
            times: How often.
            name: Of the metric it is for.
        """
        kinds, repeats = self.kinds(column, len(sums))
        step = kinds - kinds[:, mirror]
        moves = step.any(axis=1) & (repeats > 0)
        change = tossed_sums(repeats[moves], step[moves] @ sums, times, generator(self.seed, name))
        change += repeats @ kinds[:, mirror] @ sums
        return change

    def kinds(self, column: IntArray, size: int) -> tuple[FloatArray, IntArray]:
        """Distinct rows of counts that a unit adds, ``(T, size)``, and the units of each kind.

        The order depends on the counts alone. Where samples come in clusters in several ways, the
        units are those of the first.

        Args:
            column: As for `count`.
            size: Entries of the table.
        """
        clusters = self.cells.groups
        groups = None if clusters is None else clusters.ways[0]
        counts = self.count(column, size)
        # Entries of no sample are left out until the end: columns of zeros distinguish no kinds.
        used = np.flatnonzero(counts)
        if groups is None or not used.size:
            return np.eye(size), counts
        narrow = np.full(size + 1, -1)  # the last is for the cells outside, whose entry is -1
        narrow[used] = np.arange(used.size)
        column = narrow[column]
        inside = column >= 0
        alone = _count(column[inside], groups.alone[inside], used.size)
        rows, repeats = _distinct(np.eye(used.size, dtype=np.int64)[alone > 0], alone[alone > 0])
        for table in groups.tables(column, used.size):
            once = np.ones(len(table), dtype=np.int64)
            rows, repeats = _distinct(
                np.concatenate([rows, table]), np.concatenate([repeats, once])
            )
        kinds = np.zeros((len(rows), size))
        kinds[:, used] = rows
        return kinds, repeats


def generator(seed: int, name: str) -> np.random.Generator:
    """The draws of one metric: they depend on no other metric."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def draw_sums(
    kinds: FloatArray | None, repeats: IntArray, replicates: int, rng: np.random.Generator
) -> FloatArray:
    """Bootstrap replicates of a sum over units of which many are equal; ``(replicates, F)``.

    Args:
        kinds: What a unit of each kind adds, shape ``(T, F)``; `None` to get the units
            drawn of each kind.
        repeats: Units of each kind, at least one in all; shape ``(T,)``.
        replicates: How many.
        rng: Of the draws.
    """
    step = max(1, _CHUNK // (len(repeats) + int(repeats[repeats < _COMMON].sum())))
    drawn = (
        _draw_repeats(repeats, min(step, replicates - start), rng)
        for start in range(0, replicates, step)
    )
    return np.concatenate([some if kinds is None else some @ kinds for some in drawn])


def _distinct(rows: IntArray, repeats: IntArray) -> tuple[IntArray, IntArray]:
    """Distinct rows and how often each occurs, given how often the rows do.

    They are sorted by what they are, so that neither chunks nor the names of groups decide a draw.
    """
    if not len(rows):
        return rows, repeats
    order = np.lexsort(rows.T[::-1])
    rows = rows[order]
    differs = (rows[1:] != rows[:-1]).any(axis=1)
    first = np.flatnonzero(np.concatenate([[True], differs]))
    return rows[first], np.add.reduceat(repeats[order], first)


def _draw_repeats(repeats: IntArray, replicates: int, rng: np.random.Generator) -> FloatArray:
    """How often each kind of unit is drawn when all units are resampled, ``(replicates, T)``.

    One multinomial draw. A binomial per kind costs as much as drawing about ten units one by one,
    so the rare kinds share one entry of the multinomial and their units are drawn singly.
    """
    kinds = len(repeats)
    common = repeats >= _COMMON
    rare_units = np.repeat(np.flatnonzero(~common), repeats[~common])
    shares = np.append(repeats[common], len(rare_units)) / repeats.sum()
    drawn = rng.multinomial(int(repeats.sum()), shares, size=replicates)
    times = np.zeros((replicates, kinds))
    times[:, common] = drawn[:, :-1]
    rare = drawn[:, -1]
    if rare_units.size:
        picked = rare_units[rng.integers(len(rare_units), size=int(rare.sum()))]
        entry = np.repeat(np.arange(replicates) * kinds, rare) + picked
        times += np.bincount(entry, minlength=times.size).reshape(times.shape)
    return times


def _count(entry: IntArray, weight: IntArray, size: int) -> IntArray:
    return np.bincount(entry, weights=weight, minlength=size).astype(np.int64)
