"""How many independent samples a share is worth whose samples come in clusters.

The design effect of a share is its variance with the clusters over its variance without them, and
its effective size the number of samples over the design effect (Kish 1965). Intervals for
independent samples, such as Wilson's, are then right with that size (Rao and Scott 1992).

Three things keep them right where clusters are few or unequal:

- The variance is that of the jackknife over clusters, which the literature calls CR3 (Bell and
  McCaffrey 2002): in a ratio each cluster's sum of residuals counts 1 / (1 - h) times, for a
  cluster that has a share h of the samples. A cluster that dominates draws the estimate towards
  itself, and its own residual hides that.
- The variance is an estimate, so Student's quantile takes the place of the normal one. Its degrees
  of freedom are Kish's number of clusters less one. The effective size is divided by the square of
  the quantiles' ratio (Korn and Graubard 1998): Wilson's interval is a function of n / z^2 alone,
  so that this is Wilson's interval with Student's quantile.
- Where few of the clusters have the rarer of the two outcomes, little shows how it comes
  together, and the variance is small where the share is by chance near 0 or 1. The design effect is
  then drawn towards that of copies, on the scale of its logarithm: with e such clusters among k
  (both Kish's numbers) that of copies weighs 4 / (e + 4) times 1 - e / k.

Samples can belong to clusters in several ways at once: those that share an image, those that share
a text. The variance is then a sum over the ways less one over their overlaps (`together`).
`benchmarks/cluster_coverage.py` shows how often the intervals hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.intervals import normal_quantile
from vlsu.analysis.stats.student import student_quantile

__all__ = ["FEW_UNITS", "Dependence", "Way", "copies_size", "exact_sum", "together"]

#: With fewer effective clusters than this intervals are approximate at best; a warning is given.
FEW_UNITS = 30

#: Clusters that are taken to have shown that samples of a cluster are copies: by simulation at 10
#: to 200 equal and lognormal clusters, shares of 80% and 97%, and correlations from 0 to 1.
_PRIOR = 4.0


def copies_size(n: float, squares: float) -> float:
    """The effective size if the samples of a cluster are copies of each other (Kish 1965).

    The worst case, for where a share of 0 or 1, or a single cluster, has no variance to go by.

    Args:
        n: Samples.
        squares: Sum over clusters of their squared sizes; n if each sample is its own cluster.

    Example:
        Three groups of two samples:

        >>> copies_size(6, 3 * 2**2)
        3.0
    """
    return n**2 / squares


def exact_sum(values: FloatArray, repeats: IntArray | None = None) -> float:
    """The sum of numbers, the same to the last bit in any order.

    They are rounded to a common power of two first, some 2^-40 of the largest of them, so that the
    sum is one of whole numbers.

    Args:
        values: The numbers; shape ``(n,)``.
        repeats: How often each is there, at least once; once by default. Shape ``(n,)``.

    Example:
        >>> exact_sum(np.array([0.5, 0.25, 0.25]))
        1.0
        >>> exact_sum(np.array([0.5, 0.25]), np.array([1, 2]))
        1.0
    """
    if not values.size or not (top := float(np.abs(values).max())):
        return 0.0
    number = values.size if repeats is None else int(repeats.sum())
    bits = 61 - math.frexp(top)[1] - math.ceil(math.log2(number + 1))
    whole = np.rint(np.ldexp(values, bits)).astype(np.int64)
    return math.ldexp(float(whole.sum() if repeats is None else whole @ repeats), -bits)


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which samples come in clusters, as far as one statistic goes.

    Attributes:
        variance: Of the statistic, by the jackknife over these clusters.
        units: Kish's effective number of clusters, (sum m)^2 / sum m^2 over their sizes m: the
            effective size if samples of a cluster are copies.
        events: The same of the rarer outcome's samples alone: how many clusters show how it comes
            together.
    """

    variance: float
    units: float
    events: float


@dataclass(frozen=True, slots=True)
class Dependence:
    """What the clusters of a statistic's samples do to it.

    Attributes:
        variance: Of the statistic.
        units: Effective number of clusters.
        events: Effective number of those with the rarer outcome.
    """

    variance: float
    units: float
    events: float

    @property
    def df(self) -> float:
        """Degrees of freedom of the variance, at least 1."""
        return max(1.0, self.units - 1)

    def design_effect(self, independent: float, n: float) -> float:
        """The variance over what it is without clusters, at least 1.

        Args:
            independent: The statistic's variance if the samples were independent, above 0.
            n: Samples.
        """
        copies = n / self.units
        effect = max(self.variance / independent, 1.0)
        if effect < copies:
            weight = _PRIOR / (self.events + _PRIOR) * max(0.0, 1 - self.events / self.units)
            effect = effect ** (1 - weight) * copies**weight
        return effect

    def size(self, spread: float, n: float, level: float) -> float:
        """Independent samples that a share is worth in an interval of this confidence.

        Args:
            spread: p (1 - p) of the share.
            n: Samples.
            level: Confidence.
        """
        if self.units >= n:
            return n
        # Equal shares in every cluster say no more of its variance than a share of 0 or 1.
        if spread <= 0 or self.units <= 1 or self.variance * n < 1e-12 * spread:
            return self.units
        return n / self.design_effect(spread / n, n) * self.shrinkage(level)

    def shrinkage(self, level: float) -> float:
        """What an effective size is multiplied by because the variance is an estimate, below 1."""
        return (normal_quantile(level) / student_quantile(level, self.df)) ** 2


def together(ways: Sequence[Way], overlaps: Sequence[tuple[int, float]] = ()) -> Dependence:
    """Several ways in which the same samples come in clusters, as one.

    The variance is that of multi-way clustering (Cameron, Gelbach and Miller 2011): the sum of
    those of each way, less those of the overlaps of two, and so on. It is at least the largest of
    them, as an estimate of it can be negative. The number of clusters is the smallest.

    Args:
        ways: At least one.
        overlaps: Sign and variance over clusters of samples that are together in several ways.

    Example:
        >>> image, text = Way(0.004, 30, 10), Way(0.003, 12, 8)
        >>> found = together([image, text], [(-1, 0.002)])
        >>> round(found.variance, 3), found.units
        (0.005, 12)
    """
    total = sum(way.variance for way in ways) + sum(sign * value for sign, value in overlaps)
    return Dependence(
        max(total, *(way.variance for way in ways)),
        min(way.units for way in ways),
        min(way.events for way in ways),
    )
