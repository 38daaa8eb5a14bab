"""Probabilities beside gold grades, and the variance of estimates over them."""

from __future__ import annotations

from dataclasses import dataclass

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
        cluster: Number of the cluster, 0 .. k - 1, in which rows are not independent; or `None`
            where each row is one of its own. Shape ``(n,)``.
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
        cluster = self.cluster[among]
        order = np.argsort(cluster, kind="stable")
        return clustered_mean(chosen[order], cluster[order], self.level).rate

    def variance(self, influence: FloatArray) -> float:
        """Variance of an estimate, from what each row adds to it.

        The infinitesimal jackknife, summed over clusters (Huber 1967; Efron 1982): sum of squares
        over n squared.

        Args:
            influence: The estimate's influence function at each row, of mean 0; shape ``(n,)``.
        """
        sums = self.sums(influence)
        units = len(sums)
        return units / max(units - 1, 1) * float(sums @ sums) / self.n**2

    def sums(self, values: FloatArray, among: slice = slice(None)) -> FloatArray:
        """Sums by cluster of the values of some rows; a cluster without any may be there as 0."""
        if self.cluster is None:
            return values
        sums: FloatArray = np.bincount(self.cluster[among], weights=values).astype(np.float64)
        return sums

    def units(self, among: BoolArray | slice) -> float:
        """Effective number of rows if rows of a cluster are copies (Kish 1965)."""
        if self.cluster is None:
            return float(len(self.p[among]))
        members = np.bincount(self.cluster[among])
        return copies_size(float(members.sum()), float(members @ members))
