"""Probabilities beside gold grades, and the variance of estimates over them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.effective_size import copies_size
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate

__all__ = ["GradedProbabilities"]


@dataclass(frozen=True, slots=True)
class GradedProbabilities:
    """Probabilities of *unsafe* beside the truth, by ascending probability.

    The order of equal rows means nothing, and the order they came in leaves no trace.

    Attributes:
        p: Probability of unsafe, in [0, 1], ascending; shape ``(n,)``.
        unsafe: Whether the gold grade is; shape ``(n,)``.
        cluster: Number of the cluster in which rows are not independent, below n; or `None` where
            each row is one of its own. Shape ``(n,)``, or ``(n, ways)`` where rows come in clusters
            in several ways.
        level: Confidence of intervals.
    """

    p: FloatArray
    unsafe: BoolArray
    cluster: IntArray | None
    level: float = LEVEL

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.p)

    def rate(self, scores: FloatArray | BoolArray, among: BoolArray | slice = slice(None)) -> Rate:
        """Mean of scores in [0, 1] over some rows, with Wilson's interval on the effective size.

        Undefined over no rows.
        """
        chosen = scores[among].astype(np.float64)
        if not chosen.size:
            return UNDEFINED
        if self.cluster is None:
            return clustered_mean(chosen, np.arange(len(chosen)), self.level).rate
        return clustered_mean(chosen, self.cluster[among], self.level).rate

    def variance(self, influence: FloatArray) -> float:
        """Variance of an estimate, from what each row adds to it.

        The infinitesimal jackknife, summed over clusters (Huber 1967; Efron 1982): sum of squares
        over n squared.

        Args:
            influence: The estimate's influence function at each row, of mean 0; shape ``(n,)``.
        """
        return self.squares(influence) / self.n**2

    def squares(self, values: FloatArray, among: slice = slice(None)) -> float:
        """Sum over clusters of the squared sums of some rows' values, k / (k - 1) times for k.

        Where rows come in clusters in several ways, the sums of each way less those of the overlaps
        (Cameron, Gelbach and Miller 2011), and at least the largest.
        """
        labels = self._labels(among)
        if not labels:
            return _squares(values, np.arange(len(values)))
        ways = [_squares(values, label) for label in labels]
        overlaps = 0.0
        for several in range(2, len(labels) + 1):
            for chosen in combinations(labels, several):
                both = chosen[0]
                for label in chosen[1:]:
                    both = np.unique(both * (self.n + 1) + label, return_inverse=True)[1]
                overlaps += (-1) ** (several - 1) * _squares(values, both)
        return max(sum(ways) + overlaps, *ways)

    def units(self, among: BoolArray | slice) -> float:
        """Effective number of rows if rows of a cluster are copies (Kish 1965)."""
        rows = float(len(self.p[among]))
        members = [np.bincount(label) for label in self._labels(among)]
        return min((copies_size(rows, float(m @ m)) for m in members), default=rows)

    def _labels(self, among: BoolArray | slice) -> list[IntArray]:
        """Numbers of the clusters of some rows, in each way; none where rows are independent."""
        if self.cluster is None:
            return []
        ways = self.cluster[among].reshape(len(self.p[among]), -1).T
        return [np.unique(way, return_inverse=True)[1] for way in ways]


def _squares(values: FloatArray, label: IntArray) -> float:
    sums = np.bincount(label, weights=values)
    units = len(sums)
    return units / max(units - 1, 1) * float(sums @ sums)
