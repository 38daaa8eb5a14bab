"""How sure the counts are: effective sample sizes and bootstrap replicates of small tables.

Samples in one cell are equal, so resampling n samples with replacement and counting the cells is
one multinomial draw with the observed shares: the bootstrap exactly, at a cost that does not grow
with n. Resampling groups (the cluster bootstrap) is the same with groups of equal counts in place
of equal samples.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.analysis.cells import BoolArray, Cells, FloatArray, IntArray

__all__ = ["Resampler"]

#: Numbers held at once while drawing; bounds memory at about 32 MB.
_CHUNK = 4_000_000

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
        kinds, repeats = self._kinds(column, size)
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        step = max(1, _CHUNK // (len(repeats) + int(repeats[repeats < _COMMON].sum())))
        return np.concatenate(
            [
                _draw_repeats(repeats, min(step, self.replicates - start), rng) @ kinds
                for start in range(0, self.replicates, step)
            ]
        )

    def _kinds(self, column: IntArray, size: int) -> tuple[FloatArray, IntArray]:
        """Distinct rows of counts a drawn unit adds, ``(T, size)``, and the units of each kind."""
        groups = self.cells.groups
        if groups is None:
            return np.eye(size), self.count(column, size)
        entry = column[groups.cell]
        inside = entry >= 0
        row, units = _renumber(groups.group[inside])
        table = _count(row * size + entry[inside], groups.count[inside], units * size)
        kinds = (
            pl.DataFrame(table.reshape(-1, size), orient="row")
            .group_by(pl.all())
            .agg(repeats=pl.len())
            .sort(pl.all())
        )
        return (
            kinds.drop("repeats").to_numpy().astype(np.float64),
            kinds["repeats"].cast(pl.Int64).to_numpy(),
        )

    def effective_size(self, hits: BoolArray, among: BoolArray) -> float:
        """How many independent samples a proportion is worth: n / deff, at least 1, at most n.

        Without groups it is n. With groups, deff is the proportion's cluster-robust variance (the
        linearised ratio estimator of survey sampling, Cochran 1977, ch. 9A) over its binomial
        variance, as in Rao and Scott (1992). A proportion of 0 or 1 has no variance to go by, and
        then samples of a group are taken to be copies of each other: (sum m)^2 / sum m^2 over
        group sizes m, the worst case of Kish (1965).

        Args:
            hits: Cells that count as successes, a part of `among`; shape ``(C,)``.
            among: Cells that count at all; at least one sample.
        """
        groups = self.cells.groups
        n = float(self.cells.count[among].sum())
        if groups is None:
            return n
        inside = among[groups.cell]
        row, units = _renumber(groups.group[inside])
        weight = groups.count[inside]
        sizes = _count(row, weight, units)
        successes = _count(row, weight * hits[groups.cell[inside]], units)
        share = float(successes.sum()) / n
        residual = successes - share * sizes
        if units > 1 and 0 < share < 1:
            correction = units / (units - 1)
            variance = correction * float((residual**2).sum()) / n**2
        else:
            variance = 0.0
        size = share * (1 - share) / variance if variance > 0 else n**2 / float((sizes**2).sum())
        return min(max(size, 1.0), n)


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


def _renumber(groups: IntArray) -> tuple[IntArray, int]:
    """Sorted group numbers as 0 .. k - 1, and k."""
    rows = np.cumsum(np.diff(groups, prepend=-1) != 0) - 1
    return rows, int(rows[-1]) + 1


def _count(entry: IntArray, weight: IntArray, size: int) -> IntArray:
    return np.bincount(entry, weights=weight, minlength=size).astype(np.int64)
