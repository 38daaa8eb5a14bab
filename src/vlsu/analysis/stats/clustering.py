"""Means of scores whose samples come in clusters: several draws of a sample, samples of a group.

A mean of scores in [0, 1] gets Wilson's interval on its effective size: the number of independent
yes-or-no answers that would be as sure. For a proportion without clusters that is Wilson's interval
itself, and with them what `vlsu.analysis.stats.effective_size` makes of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.effective_size import Dependence, Way, copies_size, exact_sum, together
from vlsu.analysis.stats.intervals import LEVEL, Rate, bonett_price, normal_quantile, wilson
from vlsu.analysis.stats.student import student_p, student_quantile

__all__ = ["Mean", "clustered_mean", "estimated_share", "paired_difference"]

#: Pseudo-observations added to scores that are not all 0 or 1 when their spread is estimated: equal
#: scores in a small sample do not prove that all scores are equal.
_PRIOR = 2.0

#: Units of the binomial variance added to an estimated one: about as many trials as Wilson's
#: interval adds.
_UNITS = 4.0


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of scores in [0, 1].

    Attributes:
        value: The mean.
        size: Independent yes-or-no answers it is worth in an interval of this confidence, above 0.
        level: Confidence of its interval.
    """

    value: float
    size: float
    level: float = LEVEL

    @property
    def rate(self) -> Rate:
        """The mean with Wilson's interval on the effective size."""
        return Rate.within(self.value, *wilson(self.value, self.size, self.level))


def clustered_mean(scores: FloatArray, cluster: IntArray, level: float = LEVEL) -> Mean:
    """Mean of scores in [0, 1], and its effective size with its clusters.

    The variance is the jackknife's over clusters, with Student's quantile; see
    `vlsu.analysis.stats.effective_size`. Where it is not informative (the mean is 0 or 1, or there
    is one cluster) the scores of a cluster are taken to be copies: (sum m)^2 / sum m^2 over cluster
    sizes m (Kish 1965). Zeros and ones are never worth more than there are of them.

    Args:
        scores: At least one, shape ``(n,)``.
        cluster: Of each score, shape ``(n,)``; or, where scores come in clusters in several ways,
            ``(n, ways)``. Equal numbers are one cluster.
        level: Confidence of its interval.

    Example:
        Three groups of two answers that are copies of each other are worth less than three:

        >>> scores, cluster = np.array([1.0, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
        >>> mean = clustered_mean(scores, cluster)
        >>> round(mean.value, 3), round(mean.size, 3)
        (0.667, 0.415)
    """
    n, mean = len(scores), float(scores.mean())
    spread = mean * (1 - mean)
    found = _dependence(scores, scores if mean <= 0.5 else 1 - scores, cluster)
    if ((scores == 0) | (scores == 1)).all():
        return Mean(mean, found.size(spread, float(n), level), level)
    # What independent scores vary by, and a little of the spread that zeros and ones would have.
    squares = float(((scores - mean) ** 2).sum()) + _PRIOR * spread
    alone = squares / n / max(n - 1, 1)
    if found.units >= n:
        return Mean(mean, max(1.0, spread / alone), level)
    # Equal means in every cluster leave a variance of rounding errors alone.
    if found.units <= 1 or found.variance * n < 1e-12 * spread:
        return Mean(mean, found.units, level)
    size = spread / (alone * found.design_effect(alone, n)) * found.shrinkage(level)
    return Mean(mean, size, level)


def _dependence(values: FloatArray, rare: FloatArray, cluster: IntArray) -> Dependence:
    """What the clusters do to a mean of values.

    Args:
        values: Shape ``(n,)``.
        rare: How much each has of the rarer outcome, in [0, 1]; shape ``(n,)``.
        cluster: Shape ``(n,)`` or ``(n, ways)``.
    """
    n, mean = len(values), float(values.mean())
    labels = [_numbered(each) for each in np.atleast_2d(cluster.T)]

    def way(number: IntArray) -> Way:
        if number[-1] == n - 1 and (number[1:] > number[:-1]).all():
            alone = (values - mean) / max(n - 1, 1)
            return Way(
                0.0 if n == 1 else exact_sum(alone**2) * (n - 1) / n,
                copies_size(n, float(n)),
                copies_size(float(rare.sum()), float(rare @ rare)) if rare.any() else 0.0,
            )
        members = np.bincount(number)
        residual = np.bincount(number, weights=values - mean) / np.maximum(n - members, 1)
        events = np.bincount(number, weights=rare)
        units = len(members)
        variance = 0.0 if units == 1 else exact_sum(residual**2) * (units - 1) / units
        return Way(
            variance,
            copies_size(n, float(members @ members)),
            copies_size(float(events.sum()), float(events @ events)) if events.any() else 0.0,
        )

    overlaps = []
    for several in range(2, len(labels) + 1):
        for chosen in combinations(labels, several):
            both = chosen[0]
            for label in chosen[1:]:
                both = np.unique(both * (n + 1) + label, return_inverse=True)[1]
            overlaps.append(((-1) ** (several - 1), way(both).variance))
    return together([way(label) for label in labels], overlaps)


def _numbered(cluster: IntArray) -> IntArray:
    """The clusters' numbers from 0, in the order of their values."""
    if cluster.size and (cluster[1:] >= cluster[:-1]).all():
        return np.concatenate([[0], np.cumsum(cluster[1:] > cluster[:-1])])
    return np.unique(cluster, return_inverse=True)[1].reshape(-1)


def estimated_share(
    value: float,
    variance: float,
    units: float,
    *,
    most: float,
    rows: float | None = None,
    level: float = LEVEL,
) -> Mean:
    """A value in [0, 1] that is no mean of independent scores, and its effective size.

    The effective size is value (1 - value) over the variance, as in `clustered_mean`. An estimated
    variance is uncertain, most of all where few units decide it, and small ones give the shortest
    intervals; so value (1 - value) / rows is added to it 4 / units times, and where rows come in
    clusters Student's quantile takes the place of the normal one. Where it is not informative
    (value 0 or 1, no variance) the size is that of the units. `benchmarks/diagnosis_coverage.py`
    shows the coverage for areas under curves and shares of pairs.

    Args:
        value: In [0, 1].
        variance: Of the value, estimated; not negative.
        units: Independent units the value rests on, at least 1; as many copies count as one.
        most: The size is at most this.
        rows: What the units consist of, at least as many; by default each is a unit.
        level: Confidence of its interval.

    Example:
        >>> mean = estimated_share(0.8, variance=0.004, units=30, most=100)
        >>> round(mean.size, 1)
        34.0
    """
    spread, rows = value * (1 - value), max(units, rows or units)
    size = units
    if spread > 0 and variance > 1e-12 * spread:
        size = min(1 / (variance / spread + _UNITS / (units * rows)), most)
        if rows > units:
            return Mean(value, size * Dependence(variance, units, 0.0).shrinkage(level), level)
    return Mean(value, max(1.0, min(size, most)), level)


@dataclass(frozen=True, slots=True)
class PairedMean:
    """A mean difference of scores of the same samples, in [-1, 1].

    Attributes:
        value: The mean.
        square: Mean of the squares; for scores of 0 and 1 the share of samples that differ.
        size: Independent samples it is worth in an interval of this confidence, above 0.
        level: Confidence of its interval.
        df: Degrees of freedom of its variance; `None` if it is not by clusters.
    """

    value: float
    square: float
    size: float
    level: float = LEVEL
    df: float | None = None

    @property
    def p(self) -> float:
        """Two-sided p of no difference, by the t test with the clusters' variance."""
        spread = self.square - self.value**2
        if not self.value or self.df is None or spread <= 0:
            return 1.0
        # The size has the square of the quantiles' ratio in it, which the statistic has not.
        size = (
            self.size * (student_quantile(self.level, self.df) / normal_quantile(self.level)) ** 2
        )
        return student_p(self.value / math.sqrt(spread / size), self.df)

    @property
    def rate(self) -> Rate:
        """The mean with Bonett and Price's (2012) interval on the effective size."""
        bounds = bonett_price(self.value, self.square, self.size, self.level)
        return Rate.within(self.value, *bounds)


def paired_difference(
    first: FloatArray, second: FloatArray, cluster: IntArray, level: float = LEVEL
) -> PairedMean:
    """Mean of `second` minus mean of `first`, scored on the same samples.

    Its interval keeps a width where no pair differs, which the bootstrap's and the t interval do
    not. The design effect is that of a mean of independent scores, as in `clustered_mean`.

    Args:
        first: Scores in [0, 1], at least one; shape ``(n,)``.
        second: Of the same samples; shape ``(n,)``.
        cluster: Of each sample, as in `clustered_mean`.
        level: Confidence of the interval.

    Example:
        >>> first, second = np.array([1.0, 0, 1, 1]), np.array([1.0, 1, 1, 0])
        >>> difference = paired_difference(first, second, np.arange(4))
        >>> difference.value, difference.square
        (0.0, 0.5)
    """
    n, apart = len(first), second - first
    mean, square = float(apart.mean()), float((apart**2).mean())
    found, spread = _dependence(apart, np.abs(apart), cluster), square - mean**2
    return PairedMean(mean, square, found.size(spread, float(n), level), level, found.df)
