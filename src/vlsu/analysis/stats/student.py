"""Student's t distribution, at any degrees of freedom."""

from __future__ import annotations

import math
from functools import cache

from vlsu.analysis.stats.exact import beta_quantile, beta_share
from vlsu.analysis.stats.intervals import normal_quantile

__all__ = ["student_p", "student_quantile"]

#: From so many degrees of freedom on the expansion at the normal quantile is exact to ten digits.
_MANY = 10_000


def student_p(t: float, df: float) -> float:
    """The two-sided p of a statistic with Student's distribution.

    Args:
        t: The statistic.
        df: Degrees of freedom, above 0; need not be whole.

    Example:
        >>> round(student_p(2.228, 10), 4)
        0.05
    """
    if t == 0:
        return 1.0
    share = df / (df + t * t)
    return beta_share(share, df / 2, 0.5) if share > 0 else 0.0


@cache
def student_quantile(level: float, df: float) -> float:
    """How many estimated standard errors a two-sided interval of this confidence reaches out.

    Args:
        level: Confidence, in (0, 1).
        df: Degrees of freedom of the standard error, above 0; need not be whole.

    Example:
        >>> round(student_quantile(0.95, 10), 3)
        2.228
    """
    z = normal_quantile(level)
    if df >= _MANY:  # the first terms of Cornish and Fisher's expansion
        return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
    # Of T, df / (df + T^2) has a beta distribution.
    share = beta_quantile(1 - level, df / 2, 0.5)
    return math.sqrt(df * (1 - share) / share) if share > 0 else math.inf
