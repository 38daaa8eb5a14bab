"""A value with its interval, and closed-form intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from vlsu._arguments import require_kind
from vlsu.analysis.arrays import FloatArray
from vlsu.errors import UsageError

__all__ = [
    "LEVEL",
    "UNDEFINED",
    "UNKNOWN",
    "Rate",
    "bonett_price",
    "mover",
    "normal_quantile",
    "percentiles",
    "plain",
    "require_level",
    "widened_wilson",
    "wilson",
    "wilson_bounds",
]

#: Confidence level of intervals by default.
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate, share or agreement with its interval: ``low <= value <= high``.

    All three are `None` where there is nothing to measure (0/0).

    Example:
        >>> print(Rate.within(0.5, 0.391, 0.609))
        0.500 [0.391, 0.609]
    """

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def within(cls, value: float, low: float, high: float) -> Rate:
        """A defined rate; bounds that rounding put on the wrong side are moved to the value."""
        return cls(float(value), float(min(low, value)), float(max(high, value)))

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Rate:
        """A rate as `metrics.json` holds it; what stands beside it there is left."""
        return cls(tree["value"], tree["low"], tree["high"])

    def times(self, factor: float) -> Rate:
        """The same as a number of things; what is undefined stays so.

        Args:
            factor: At least 0.
        """
        each = (self.value, self.low, self.high)
        return Rate(*(None if number is None else number * factor for number in each))

    def __str__(self) -> str:
        """``0.500 [0.391, 0.609]``."""
        if self.value is None or self.low is None or self.high is None:
            return "undefined"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def as_dict(self) -> dict[str, float | None]:
        """``{"value", "low", "high"}``, as `metrics.json` holds it."""
        return {"value": self.value, "low": self.low, "high": self.high}


#: Nothing to measure.
UNDEFINED = Rate(None, None, None)

#: A score that is 0 by convention and about which the data is uninformative: the limit of Wilson's
#: interval as n goes to 0.
UNKNOWN = Rate(0.0, 0.0, 1.0)


def plain(tree: Mapping[str, object]) -> dict[str, object]:
    """The same tree with each `Rate` as a dictionary, also within lists.

    Example:
        >>> plain({"n": 2, "accuracy": Rate(0.5, 0.1, 0.9)})
        {'n': 2, 'accuracy': {'value': 0.5, 'low': 0.1, 'high': 0.9}}
    """

    def branch(value: object) -> object:
        if isinstance(value, Rate):
            return value.as_dict()
        if isinstance(value, Mapping):
            return plain(value)
        return [branch(each) for each in value] if isinstance(value, list) else value

    return {key: branch(value) for key, value in tree.items()}


def require_level(level: float) -> None:
    """Raise `UsageError` unless this can be a confidence level."""
    require_kind("confidence", level, float)
    if not 0 < level < 1:
        raise UsageError(f"confidence {level}: give a share between 0 and 1, such as 0.95")


def normal_quantile(level: float) -> float:
    """How many standard errors a two-sided normal interval of this confidence reaches out.

    Example:
        >>> round(normal_quantile(0.95), 3)
        1.96
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson(share: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), without continuity correction.

    It keeps its coverage at small n and at shares near 0 and 1, where the bootstrap collapses to
    a point.

    Args:
        share: Observed proportion in [0, 1].
        n: Trials, above 0; need not be whole, so that it can be an effective size.
        level: Confidence, in (0, 1).

    Returns:
        Low and high, within [0, 1].

    Example:
        >>> low, high = wilson(18 / 20, 20)
        >>> round(low, 3), round(high, 3)
        (0.699, 0.972)
        >>> round(wilson(1.0, 20)[0], 3)  # where the bootstrap gives [1, 1]
        0.839
    """
    low, high = wilson_bounds(np.float64(share), np.float64(n), level)
    return float(low), float(high)


def wilson_bounds(
    share: FloatArray | np.float64, n: FloatArray | np.float64, level: float = LEVEL
) -> tuple[FloatArray, FloatArray]:
    """`wilson` of many proportions at once; both arrays and both results of one shape.

    Example:
        >>> low, high = wilson_bounds(np.array([0.5, 0.9]), np.array([20.0, 20.0]))
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.299, 0.699], [0.701, 0.972])
    """
    z = normal_quantile(level)
    shrink = 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / shrink
    half = z / shrink * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)


def widened_wilson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval, wider where one, two or three of many trials are hits, or misses.

    Wilson's alone holds a rate of 0.2 / n in as few as 84%: a single hit excludes it. The modified
    one (Brown, Cai and DasGupta 2001) takes the lower bound of a Poisson mean, in n, instead: the
    mean at which so many hits or more have a chance of 1 - level.

    Args:
        hits: Successes, 0 to `n`.
        n: Independent trials, at least 1.
        level: Confidence, in (0, 1).

    Example:
        >>> [round(bound, 5) for bound in wilson(1 / 100, 100)]
        [0.00177, 0.05449]
        >>> [round(bound, 5) for bound in widened_wilson(1, 100)]
        [0.00051, 0.05449]
    """
    low, high = wilson(hits / n, n, level)
    if 0 < hits <= _FEW_HITS:
        low = min(low, _least_mean(hits, 1 - level) / n)
    if 0 < n - hits <= _FEW_HITS:
        high = max(high, 1 - _least_mean(n - hits, 1 - level) / n)
    return low, high


#: Hits, or misses, up to which `widened_wilson` is wider.
_FEW_HITS = 3


@cache
def _least_mean(count: int, chance: float) -> float:
    """Poisson mean at which this count or more has this chance."""
    low, high = 0.0, float(count)
    for _ in range(60):
        mean = (low + high) / 2
        fewer = sum(mean**k / math.factorial(k) for k in range(count)) * math.exp(-mean)
        low, high = (mean, high) if 1 - fewer < chance else (low, mean)
    return high


def bonett_price(
    mean: float, square: float, size: float, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of a mean difference of two scores of the same samples (Bonett and Price 2012).

    The normal interval after two samples are added, one that differs by 1 each way. Newcombe's
    (1998) of the two proportions falls to a coverage of 86% where they hardly ever differ; this one
    stays above 93% from n = 14 on (`benchmarks/paired_coverage.py`).

    Args:
        mean: Of the differences, each in [-1, 1].
        square: Mean of their squares; for proportions the discordance.
        size: Independent samples, above 0; need not be whole.
        level: Confidence, in (0, 1).

    Returns:
        Low and high, within [-1, 1].

    Example:
        Of 50 samples the second run alone has 10 right, and the first alone 5:

        >>> low, high = bonett_price((10 - 5) / 50, (10 + 5) / 50, 50)
        >>> round(low, 3), round(high, 3)
        (-0.057, 0.249)
    """
    size_ = size + 2
    centre = mean * size / size_
    spread = (square * size + 2) / size_ - centre**2
    half = normal_quantile(level) * math.sqrt(spread / size_)
    return max(-1.0, centre - half), min(1.0, centre + half)


def percentiles(replicates: FloatArray, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile bootstrap interval (Efron 1979) of the replicates that are defined.

    Returns:
        Low and high, or `None` if every replicate is NaN.

    Example:
        >>> low, high = percentiles(np.linspace(0.4, 0.6, 1001), level=0.9)
        >>> round(low, 3), round(high, 3)
        (0.41, 0.59)
    """
    defined = replicates[~np.isnan(replicates)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mover(
    weights: FloatArray,
    rates: tuple[Rate, ...],
    correlation: FloatArray,
    variance: float = 0.0,
    *,
    least: float = 0.0,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Interval of a linear combination of rates from the rates' own intervals (MOVER).

    The method of variance estimates recovery (Zou and Donner 2008): the distance of each bound
    from its rate stands for a standard error, and these add up under the rates' correlation; a
    rate of negative weight lends its high bound to the low one. It inherits the coverage of the
    intervals it starts from. For a difference of two it is Newcombe's (1998) hybrid score interval.

    Args:
        weights: Sum 1 for a mean, ``(-1, 1)`` for a difference; shape ``(k,)``.
        rates: k defined rates.
        correlation: Of the rates' estimates, shape ``(k, k)``.
        variance: What the combination varies by besides, because the weights are estimates too.
        least: The least value the combination can have: 0 for a mean, -1 for a difference.
        level: The confidence the rates' own intervals have.

    Returns:
        Low and high, cut to [`least`, 1].

    Example:
        The difference of two independent rates:

        >>> rates = Rate(0.5, 0.4, 0.6), Rate(0.7, 0.6, 0.8)
        >>> low, high = mover(np.array([-1.0, 1.0]), rates, np.eye(2), least=-1.0)
        >>> round(low, 3), round(high, 3)
        (0.059, 0.341)
    """
    value, low, high = np.array([(r.value, r.low, r.high) for r in rates], dtype=np.float64).T
    below, above = weights * (value - low), weights * (high - value)
    centre = float(weights @ value)
    z = normal_quantile(level)
    down, up = (
        math.sqrt(max(0.0, arm @ correlation @ arm) + z**2 * variance)
        for arm in (np.where(weights < 0, above, below), np.where(weights < 0, below, above))
    )
    return max(least, centre - down), min(1.0, centre + up)
