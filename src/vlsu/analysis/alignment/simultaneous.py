"""Changes between framings that can be claimed: intervals that all hold at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import polars as pl

from vlsu.analysis.alignment.judged_rates import JudgedRates, Tree
from vlsu.analysis.alignment.scores import NAMED_RATES, AnswerScore
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.policy import Severity

__all__ = ["simultaneous"]


def simultaneous(
    sides: Callable[[Severity], tuple[pl.DataFrame, pl.DataFrame]],
    rates: JudgedRates,
    score: AnswerScore,
    pairs: int,
    names: Collection[str],
) -> dict[str, Tree]:
    """Intervals of the changes in the rates that have a name, over all pairs of framings at once.

    Each has the level 1 - 0.05 / m, m of them in all (Bonferroni), and holds what the missing
    scores leave open (`JudgedRates.worst_difference`), so that the chance of any change of which it
    excludes 0 falsely is at most 5%.

    Args:
        sides: Answers to pairs of a joint severity, under the first framing and the second.
        rates: With the level that all together shall have.
        score: Of refusal.
        pairs: How many pairs of framings there are.
        names: Those of `NAMED_RATES` that the policy has.

    Returns:
        By name ``value``, ``low``, ``high`` (`None` where nothing was measured) and ``level``.
    """
    level = 1 - (1 - rates.level) / (pairs * len(names))
    strict = replace(rates, level=level)
    found: dict[str, Tree] = {}
    for name in names:
        severity, rest = NAMED_RATES[name]
        first, second = sides(severity)
        tree = strict.difference(first, second, score)
        corrected, worst = tree.get("corrected"), strict.worst_difference(first, second, score)
        ends = [corrected if isinstance(corrected, dict) else tree]
        ends += [] if worst is None else [{"low": worst.low, "high": worst.high}]
        lows = [each["low"] for each in ends if isinstance(each["low"], float)]
        highs = [each["high"] for each in ends if isinstance(each["high"], float)]
        value = ends[0]["value"]
        rate = UNDEFINED
        if isinstance(value, float) and lows and highs:
            low, high = min(lows), max(highs)
            rate = Rate.within(-value, -high, -low) if rest else Rate.within(value, low, high)
        found[name] = {**rate.as_dict(), "level": level}
    return found
