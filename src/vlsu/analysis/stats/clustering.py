"""Means of scores whose samples come in clusters: several draws of a sample, samples of a group.

A mean of scores in [0, 1] gets Wilson's interval on its effective size: the number of independent
yes-or-no answers that would be as sure. For a proportion without clusters that is Wilson's interval
itself, and with them the design-effect correction of `vlsu.analysis.table.resampling`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.effective_size import copies_size, linearised_size
from vlsu.analysis.stats.intervals import LEVEL, Rate, bonett_price, wilson

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
        size: Independent yes-or-no answers it is worth, at least 1.
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

    The variance is the linearised ratio estimator's over clusters (Cochran 1977, ch. 9A); the
    effective size is mean (1 - mean) over it. Where that is not informative (the mean is 0 or 1, or
    there is one cluster) the scores of a cluster are taken to be copies: (sum m)^2 / sum m^2 over
    cluster sizes m (Kish 1965). Zeros and ones are never worth more than there are of them.

    Args:
        scores: At least one, shape ``(n,)``.
        cluster: Of each score; equal clusters must stand together. Shape ``(n,)``.
        level: Confidence of its interval.

    Example:
        Three groups of two answers that are copies of each other are worth less than six:

        >>> scores, cluster = np.array([1.0, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
        >>> mean = clustered_mean(scores, cluster)
        >>> round(mean.value, 3), mean.size
        (0.667, 2.0)
    """
    n = len(scores)
    first = np.flatnonzero(np.diff(cluster, prepend=cluster[0] - 1))
    members = np.diff(first, append=n)
    mean = float(scores.mean())
    copies = copies_size(n, float(members @ members))
    binary = bool(((scores == 0) | (scores == 1)).all())
    units = len(first)
    if binary and units == n:
        return Mean(mean, float(n), level)
    spread = mean * (1 - mean)
    residual = np.add.reduceat(scores - mean, first)
    squares = float(residual @ residual)
    if not binary:
        squares += _PRIOR * spread * float(members @ members) / units
    # Equal shares in every cluster leave a residual of rounding errors alone.
    if units == 1 or spread == 0 or squares < 1e-12 * n:
        return Mean(mean, copies, level)
    size = linearised_size(spread, squares, n=n, units=units)
    return Mean(mean, max(1.0, min(size, n) if binary else size), level)


def estimated_share(
    value: float, variance: float, units: float, *, most: float, level: float = LEVEL
) -> Mean:
    """A value in [0, 1] that is no mean of independent scores, and its effective size.

    The effective size is value (1 - value) over the variance, as in `clustered_mean`. An estimated
    variance is uncertain, most of all where few units decide it, and small ones give the shortest
    intervals; so value (1 - value) / units is added to it 4 / units times. Where it is not
    informative (value 0 or 1, no variance) the size is that of the units.
    `benchmarks/diagnosis_coverage.py` shows the coverage for areas under curves and shares of
    pairs.

    Args:
        value: In [0, 1].
        variance: Of the value, estimated; not negative.
        units: Independent units the value rests on, at least 1; as many copies count as one.
        most: The size is at most this.
        level: Confidence of its interval.

    Example:
        >>> mean = estimated_share(0.8, variance=0.004, units=30, most=100)
        >>> round(mean.size, 1)
        34.0
    """
    spread = value * (1 - value)
    size = units
    if spread > 0 and variance > 1e-12 * spread:
        size = 1 / (variance / spread + _UNITS / units**2)
    return Mean(value, max(1.0, min(size, most)), level)


@dataclass(frozen=True, slots=True)
class PairedMean:
    """A mean difference of scores of the same samples, in [-1, 1].

    Attributes:
        value: The mean.
        square: Mean of the squares; for scores of 0 and 1 the share of samples that differ.
        size: Independent samples it is worth, at least 1.
        level: Confidence of its interval.
    """

    value: float
    square: float
    size: float
    level: float = LEVEL

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
        cluster: Of each sample, equal ones together; shape ``(n,)``.
        level: Confidence of the interval.

    Example:
        >>> first, second = np.array([1.0, 0, 1, 1]), np.array([1.0, 1, 1, 0])
        >>> difference = paired_difference(first, second, np.arange(4))
        >>> difference.value, difference.square
        (0.0, 0.5)
    """
    n, apart = len(first), second - first
    mean, square = float(apart.mean()), float((apart**2).mean())
    start = np.flatnonzero(np.diff(cluster, prepend=cluster[0] - 1))
    members, units = np.diff(start, append=n), len(start)
    residual = np.add.reduceat(apart - mean, start)
    squares, spread = float(residual @ residual), square - mean**2
    if units == n:
        size = float(n)
    elif units == 1 or squares < 1e-12 * n or spread < 1e-12:
        size = copies_size(n, float(members @ members))
    else:
        size = min(max(1.0, linearised_size(spread, squares, n=n, units=units)), float(n))
    return PairedMean(mean, square, size, level)
