"""When a project is likely to end, from the grades of its last whole days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlsu.analysis.stats.student import student_quantile

__all__ = ["DAYS", "FEWEST_DAYS", "LEVEL", "Forecast", "forecast"]

#: Days that a forecast looks back, today not among them: a week, so that weekends weigh as they do.
DAYS = 7
#: Days without which there is no forecast: two say nothing of how much days differ.
FEWEST_DAYS = 3
#: Confidence level of its bounds.
LEVEL = 0.8


@dataclass(frozen=True, slots=True)
class Forecast:
    """Days from now to the last grade, if days go on like those that were.

    Attributes:
        days: Likely.
        low: At the highest pace that the days allow for.
        high: At the lowest; `None` if that may be none at all.
        a_day: Mean grades a day.
        seen: Days looked at.
    """

    days: float
    low: float
    high: float | None
    a_day: float
    seen: int


def forecast(daily: Sequence[int], left: int) -> Forecast | None:
    """Days to the end at the mean pace of some days, with Student's interval of that mean.

    Args:
        daily: Grades of the last whole days, those without any too.
        left: Grades that are missing.

    Returns:
        `None` if there are fewer days than `FEWEST_DAYS`, or no grade in them.

    Example:
        >>> found = forecast([90, 100, 110], 1000)
        >>> found.days, round(found.low, 1), round(found.high, 1)
        (10.0, 9.0, 11.2)
    """
    days = len(daily)
    if days < FEWEST_DAYS or not sum(daily):
        return None
    mean = sum(daily) / days
    variance = sum((number - mean) ** 2 for number in daily) / (days - 1)
    reach = student_quantile(LEVEL, days - 1) * math.sqrt(variance / days)
    slowest = mean - reach
    return Forecast(
        days=left / mean,
        low=left / (mean + reach),
        high=left / slowest if slowest > 0 else None,
        a_day=mean,
        seen=days,
    )
