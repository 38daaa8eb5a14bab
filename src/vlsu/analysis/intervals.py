"""A value with its interval, and the closed forms intervals are made from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from vlsu.analysis.cells import FloatArray

__all__ = [
    "LEVEL",
    "UNDEFINED",
    "UNKNOWN",
    "Rate",
    "combine",
    "percentiles",
    "wilson",
    "wilson_bounds",
]

#: Confidence level of every interval.
LEVEL = 0.95

_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate, share or agreement with its 95% interval: ``low <= value <= high``.

    All three are `None` where there is nothing to measure (0/0).
    """

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def within(cls, value: float, low: float, high: float) -> Rate:
        """A defined rate; bounds that rounding put on the wrong side are moved to the value."""
        return cls(float(value), float(min(low, value)), float(max(high, value)))

    def as_dict(self) -> dict[str, float | None]:
        """``{"value", "low", "high"}``, as `metrics.json` holds it."""
        return {"value": self.value, "low": self.low, "high": self.high}


#: Nothing to measure.
UNDEFINED = Rate(None, None, None)

#: A score that is 0 by convention and on which the data says nothing: the limit of Wilson's
#: interval as n goes to 0.
UNKNOWN = Rate(0.0, 0.0, 1.0)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), without continuity correction.

    It keeps its coverage at small n and at shares near 0 and 1, where the bootstrap collapses to
    a point.

    Args:
        share: Observed proportion in [0, 1].
        n: Trials, above 0; need not be whole, so that it can be an effective size.

    Returns:
        Low and high, within [0, 1].
    """
    low, high = wilson_bounds(np.float64(share), np.float64(n))
    return float(low), float(high)


def wilson_bounds(
    share: FloatArray | np.float64, n: FloatArray | np.float64
) -> tuple[FloatArray, FloatArray]:
    """`wilson` of many proportions at once; both arguments and both results of one shape."""
    shrink = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / shrink
    half = _Z / shrink * np.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2)
    return np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)


def percentiles(replicates: FloatArray) -> tuple[float, float] | None:
    """The percentile bootstrap interval (Efron 1979) of the replicates that are defined.

    Returns:
        Low and high, or `None` if every replicate is NaN.
    """
    defined = replicates[~np.isnan(replicates)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def combine(
    weights: FloatArray,
    rates: tuple[Rate, ...],
    correlation: FloatArray,
    variance: float = 0.0,
    *,
    least: float = 0.0,
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

    Returns:
        Low and high, cut to [`least`, 1].
    """
    value, low, high = np.array([(r.value, r.low, r.high) for r in rates], dtype=np.float64).T
    below, above = weights * (value - low), weights * (high - value)
    centre = float(weights @ value)
    down, up = (
        math.sqrt(max(0.0, arm @ correlation @ arm) + _Z**2 * variance)
        for arm in (np.where(weights < 0, above, below), np.where(weights < 0, below, above))
    )
    return max(least, centre - down), min(1.0, centre + up)
