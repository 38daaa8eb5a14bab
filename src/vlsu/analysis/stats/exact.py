"""The exact interval of a proportion."""

from __future__ import annotations

import math

from vlsu.analysis.stats.intervals import LEVEL

__all__ = ["beta_quantile", "beta_share", "clopper_pearson"]

_TINY, _PRECISION = 1e-300, 1e-15
#: Steps towards a quantile, which a handful reach as a rule; and the part of it that is no step.
_STEPS, _CLOSE = 100, 1e-15
#: Of an exponent.
_FARTHEST = 700.0


def clopper_pearson(hits: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """The interval of Clopper and Pearson (1934): it holds the truth at least so often, always.

    Without a hit the high bound is ``1 - ((1 - level) / 2) ** (1 / n)``, 3.7 / n at 95%. The
    rule of three, 3 / n, is that of a one-sided interval.

    Args:
        hits: Successes, 0 to `n`; need not be whole.
        n: Independent trials, at least 1; need not be whole.
        level: Confidence, in (0, 1).

    Returns:
        Low and high, within [0, 1].

    Example:
        >>> low, high = clopper_pearson(0, 100)
        >>> low, round(high, 4)
        (0.0, 0.0362)
    """
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else beta_quantile(tail, hits, n - hits + 1)
    high = 1.0 if hits == n else beta_quantile(1 - tail, hits + 1, n - hits)
    return low, high


def beta_quantile(share: float, a: float, b: float) -> float:
    """Below what this share of a beta distribution lies, to the last digits of a float.

    Args:
        share: In (0, 1).
        a: First parameter, above 0.
        b: Second parameter, above 0.

    Example:
        >>> round(beta_quantile(0.5, 2, 5), 4)
        0.2644
    """
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    low, high, value = 0.0, 1.0, a / (a + b)
    for _ in range(_STEPS):
        miss = beta_share(value, a, b) - share
        low, high = (value, high) if miss < 0 else (low, value)
        log_density = scale + (a - 1) * math.log(value) + (b - 1) * math.log1p(-value)
        # Newton's step, or half of what is left where it leaves that.
        moved = value - miss * math.exp(min(-log_density, _FARTHEST))
        if not low < moved < high:
            moved = (low + high) / 2
        if abs(moved - value) <= _CLOSE * value or not 0 < moved < 1:
            return moved
        value = moved
    return value


def beta_share(x: float, a: float, b: float) -> float:
    """The share of Beta(a, b) below x, in [0, 1]: the regularised incomplete beta function.

    Example:
        >>> round(beta_share(0.5, 2, 3), 4)
        0.6875
    """
    if not 0 < x < 1:  # where floats hold no value between
        return float(x >= 1)
    # Where the fraction of the other side converges faster, that is taken, and asked no further:
    # rounded, both may say so of each other.
    if other := x > (a + 1) / (a + b + 2):
        x, a, b = 1 - x, b, a
        if x >= 1:
            return 0.0
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    share = math.exp(scale + a * math.log(x) + b * math.log1p(-x)) * _fraction(x, a, b) / a
    return 1 - share if other else share


def _fraction(x: float, a: float, b: float) -> float:
    """Its continued fraction, by Lentz's method (DLMF 8.17.22)."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value, m = d, 0
    change = 0.0
    while abs(change - 1) > _PRECISION and m < 10_000:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            change = c * d
            value *= change
    return value


def _away(number: float) -> float:
    """The number, kept away from 0."""
    return number if abs(number) > _TINY else _TINY
