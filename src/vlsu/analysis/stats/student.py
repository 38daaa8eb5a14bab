"""Student's t distribution: intervals whose variance few units decide."""

from __future__ import annotations

import math

from vlsu.analysis.stats.exact import beta_quantile
from vlsu.analysis.stats.intervals import normal_quantile

__all__ = ["student_quantile"]

#: Degrees of freedom from which the normal distribution takes its place, to six digits.
_NORMAL = 1e6


def student_quantile(level: float, df: float) -> float:
    """How many standard errors a two-sided interval of this confidence reaches out.

    Args:
        level: Confidence, in (0, 1).
        df: Degrees of freedom, above 0; need not be whole.

    Example:
        >>> round(student_quantile(0.95, 2), 3), round(student_quantile(0.95, 30), 3)
        (4.303, 2.042)
    """
    if df >= _NORMAL:
        return normal_quantile(level)
    inside = beta_quantile(1 - level, df / 2, 0.5)
    return math.sqrt(df * (1 - inside) / inside) if inside > 0 else math.inf
