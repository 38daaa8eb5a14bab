"""Student's t distribution."""

from __future__ import annotations

import math

from vlsu.analysis.stats.exact import beta_quantile
from vlsu.analysis.stats.intervals import normal_quantile

__all__ = ["t_quantile"]

#: From so many degrees of freedom on the normal quantile differs by less than a part in a million.
_NORMAL = 1e6


def t_quantile(level: float, freedom: float) -> float:
    """How many standard errors a two-sided t interval of this confidence reaches out.

    Args:
        level: Confidence, in (0, 1).
        freedom: Degrees of freedom, above 0; need not be whole.

    Example:
        >>> round(t_quantile(0.95, 10), 4)
        2.2281
    """
    if freedom >= _NORMAL:
        return normal_quantile(level)
    # Of T^2 / (freedom + T^2) the distribution is Beta(1 / 2, freedom / 2).
    share = beta_quantile(level, 0.5, freedom / 2)
    return math.sqrt(freedom * share / (1 - share))
