"""What clusters do to a statistic of the cells: its variance, by the jackknife over clusters.

See `vlsu.analysis.stats.effective_size` for what is made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.effective_size import Dependence, Way, copies_size, exact_sum, together
from vlsu.analysis.table.cells import Cells, GroupCounts

__all__ = [
    "Jackknife",
    "dependence_of_mean",
    "dependence_of_share",
    "dependence_of_weights",
    "jackknife",
]

#: Of a table, ``(..., size)``, the statistics ``(..., k)``.
Statistics = Callable[[FloatArray], FloatArray]


def dependence_of_share(cells: Cells, hits: BoolArray, among: BoolArray) -> Dependence | None:
    """What the clusters do to a share of samples; `None` where there are none.

    Args:
        cells: The samples.
        hits: Cells that count as hits, within `among` or not; shape ``(C,)``.
        among: Cells that the share is over, of at least one sample.
    """
    column = np.where(among, np.where(hits, 1, 0), -1)
    total = _entries(column, cells.count, 2)
    rare = np.array([1, 0] if 2 * total[1] > total.sum() else [0, 1])
    return dependence_of_mean(cells, column, np.array([0, 1]), rare)


def dependence_of_mean(
    cells: Cells, column: IntArray, value: IntArray, rare: IntArray
) -> Dependence | None:
    """What the clusters do to a mean of whole numbers; `None` where there are none.

    Args:
        cells: The samples.
        column: Entry of each cell, or -1 for none; at least one sample has one. Shape ``(C,)``.
        value: Of the samples of an entry; shape ``(size,)``.
        rare: Whether an entry is of the rarer outcome, 0 or 1; shape ``(size,)``.
    """
    clusters = cells.groups
    if clusters is None:
        return None
    total = _entries(column, cells.count, len(value))
    n, whole, rarer = int(total.sum()), int(total @ value), int(total @ rare)
    # By cell; the entry beyond the last is for the cells outside, whose entry is -1.
    added = np.stack([column >= 0, np.append(value, 0)[column], np.append(rare, 0)[column]]).astype(
        np.int64
    )

    def way(counts: GroupCounts) -> Way:
        alone = _entries(column, counts.alone, len(value))
        kinds, repeats = counts.kinds
        m, x, events = kinds.sums(added)
        there = m > 0
        m, x, events, repeats = m[there], x[there], events[there], repeats[there]
        lone = int(alone.sum())
        units = lone + int(repeats.sum())
        # Whole numbers up to the division, so that equal shares leave no rounding errors.
        residual = (x * n - whole * m) / (n * np.maximum(n - m, 1))
        residual_alone = (value * n - whole) / (n * max(n - 1, 1))
        squares = exact_sum(residual**2, repeats) + float(alone @ residual_alone**2)
        return Way(
            variance=squares * (units - 1) / units,
            units=copies_size(n, lone + int((m * m) @ repeats)),
            events=copies_size(rarer, int(alone @ rare) + int((events * events) @ repeats))
            if rarer
            else 0.0,
        )

    overlaps = [(sign, way(counts).variance) for sign, counts in clusters.overlaps]
    return together([way(counts) for counts in clusters.ways], overlaps)


@dataclass(frozen=True, slots=True)
class Jackknife:
    """Statistics of a table and how sure they are.

    Attributes:
        value: Of the table, shape ``(k,)``.
        independent: Covariance as if each sample were a cluster of its own, shape ``(k, k)``.
        covariance: Covariance with the clusters; the same where there are none.
    """

    value: FloatArray
    independent: FloatArray
    covariance: FloatArray


def jackknife(cells: Cells, column: IntArray, size: int, statistics: Statistics) -> Jackknife:
    """Statistics of a table with their covariances, leaving out a cluster at a time.

    What is not defined without a cluster is taken to be 1 away.

    Args:
        cells: The samples.
        column: Which entry each cell belongs to, 0 .. size - 1, or -1 for none; shape ``(C,)``.
        size: Entries of the table.
        statistics: Of any tables; defined for that of all samples.
    """
    total = _entries(column, cells.count, size).astype(np.float64)
    value = statistics(total)
    lone = _without(statistics, value, total, np.eye(size)[total > 0])
    independent = _covariance(lone, total[total > 0], np.zeros((0, len(value))))
    clusters = cells.groups
    if clusters is None:
        return Jackknife(value, independent, independent)

    def of(counts: GroupCounts) -> FloatArray:
        alone = _entries(column, counts.alone, size)
        steps = [
            _without(statistics, value, total, table.astype(np.float64))
            for table in counts.tables(column, size)
        ]
        steps.append(np.zeros((0, len(value))))
        return _covariance(lone, alone[total > 0].astype(np.float64), np.concatenate(steps))

    ways = [of(counts) for counts in clusters.ways]
    whole = sum(ways) + sum(sign * of(counts) for sign, counts in clusters.overlaps)
    return Jackknife(value, independent, _at_least(np.asarray(whole), ways))


def _at_least(whole: FloatArray, ways: list[FloatArray]) -> FloatArray:
    """The covariance with variances no smaller than those of each way, correlations kept."""
    variance = np.diagonal(whole)
    least = np.maximum.reduce([np.diagonal(way) for way in ways])
    if (variance >= least).all():
        return whole
    # A covariance that is none as a whole is replaced by the widest way's.
    widest = max(ways, key=lambda way: float(np.trace(way)))
    scale = np.sqrt(np.maximum(variance, least) / np.maximum(np.diagonal(widest), 1e-300))
    scaled: FloatArray = widest * np.outer(scale, scale)
    return scaled


def _without(
    statistics: Statistics, value: FloatArray, total: FloatArray, tables: FloatArray
) -> FloatArray:
    """How far each table, taken out of the whole, moves the statistics; ``(g, k)``."""
    left = statistics(total - tables)
    return np.where(np.isnan(left), 1.0, value - left)


def _covariance(lone: FloatArray, repeats: FloatArray, steps: FloatArray) -> FloatArray:
    """The jackknife's, of clusters of one sample that move by `lone`, and of others."""
    units = float(repeats.sum()) + len(steps)
    k = lone.shape[1]
    covariance = (lone * repeats[:, None]).T @ lone
    for i in range(k):
        for j in range(i, k):
            covariance[i, j] += exact_sum(steps[:, i] * steps[:, j])
            covariance[j, i] = covariance[i, j]
    scaled: FloatArray = covariance * (units - 1) / max(units, 1)
    return scaled


def dependence_of_weights(
    cells: Cells, column: IntArray, weight: FloatArray, variance: float
) -> Dependence:
    """What the clusters do to a weighted mean; there are clusters.

    Args:
        cells: The samples.
        column: Entry of each cell; shape ``(C,)``.
        weight: Of the samples of an entry; shape ``(size,)``.
        variance: Of the mean, with the clusters.
    """
    assert cells.groups is not None
    size = len(weight)
    whole = float(_entries(column, cells.count, size) @ weight)
    units = []
    for counts in cells.groups.ways:
        squares = float(_entries(column, counts.alone, size) @ weight**2)
        squares += sum(exact_sum((table @ weight) ** 2) for table in counts.tables(column, size))
        units.append(copies_size(whole, squares))
    return Dependence(variance, min(units), 0.0)


def _entries(column: IntArray, counts: IntArray, size: int) -> IntArray:
    inside = column >= 0
    return np.bincount(column[inside], weights=counts[inside], minlength=size).astype(np.int64)
