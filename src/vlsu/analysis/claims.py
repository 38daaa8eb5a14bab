"""What can be claimed of two runs, metric by metric: numbers, corrected tests, and words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from vlsu.analysis.holm import holm
from vlsu.analysis.intervals import LEVEL, Rate, normal_quantile
from vlsu.analysis.paired_estimates import Difference
from vlsu.analysis.power import smallest_margin

__all__ = ["ALPHA", "POWER", "Metric", "settle"]

#: A corrected p below this is claimed.
ALPHA = 1 - LEVEL

#: With this chance a difference of the size called detectable would have been claimed.
POWER = 0.8

Pair = tuple[str, str]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of two runs over the same samples.

    Attributes:
        label: Its name in words.
        family: Tests of one family, over all pairs, are corrected together.
        good: 1 where higher is better, -1 where lower is, 0 where neither.
        difference: What was found.
        more: What else its row says.
    """

    label: str
    family: str
    good: int
    difference: Difference
    more: Mapping[str, object] = field(default_factory=dict)


def settle(
    pairs: Mapping[Pair, Mapping[str, Metric]], caution: Mapping[Pair, str] | None = None
) -> dict[Pair, dict[str, Row]]:
    """Every metric of every pair with its corrected p and what can be claimed of it.

    A difference is claimed if Holm's adjusted p over its family is below `ALPHA` and its
    interval does not hold 0. Nothing is ever called equal: where nothing is claimed, the row says
    how large a difference would have been missed.

    Args:
        pairs: Names of two runs -> metric's name -> what was found.
        caution: Pairs of which nothing is claimed, and why.

    Returns:
        The same with a row for each metric: ``label``; ``n`` samples; ``first``, ``second``,
        ``difference`` (second minus first), each ``{"value", "low", "high"}``; ``p``;
        ``p_adjusted``; ``family`` and ``tests`` (tests in it); ``discordant`` (``{"first",
        "second"}``: samples that the first, or the second, alone hits; `None` for an F1);
        ``detectable`` (the smallest difference these samples would show with a chance of 80%,
        corrected; `None` if none); ``higher`` and ``better`` (the run's name, or `None` where
        nothing is claimed or neither is better); ``text``; and what else the metric says.
    """
    families: dict[str, dict[tuple[Pair, str], float]] = defaultdict(dict)
    for pair, metrics in pairs.items():
        for name, metric in metrics.items():
            if metric.difference.p is not None:
                families[metric.family][pair, name] = metric.difference.p
    adjusted = {
        test: (p, len(tests)) for tests in families.values() for test, p in holm(tests).items()
    }
    return {
        pair: {
            name: _row(
                pair,
                metric,
                *adjusted.get((pair, name), (None, 0)),
                caution=None if caution is None else caution.get(pair),
            )
            for name, metric in metrics.items()
        }
        for pair, metrics in pairs.items()
    }


def _row(
    pair: Pair,
    metric: Metric,
    adjusted: float | None,
    tests: int,
    *,
    caution: str | None,
) -> Row:
    found = metric.difference
    claimed = (
        caution is None
        and adjusted is not None
        and adjusted < ALPHA
        and not _holds_0(found.difference)
    )
    higher = better = None
    if claimed and found.difference.value is not None:
        up = found.difference.value > 0
        higher = pair[up]
        better = {1: pair[up], -1: pair[not up], 0: None}[metric.good]
    detectable = _detectable(found, ALPHA / tests) if tests else None
    row: Row = {
        "label": metric.label,
        "n": found.n,
        "first": found.first.as_dict(),
        "second": found.second.as_dict(),
        "difference": found.difference.as_dict(),
        "p": found.p,
        "p_adjusted": adjusted,
        "family": metric.family,
        "tests": tests,
        "discordant": None
        if found.discordant is None
        else dict(zip(("first", "second"), found.discordant, strict=True)),
        "detectable": detectable,
        "higher": higher,
        "better": better,
    }
    return row | dict(metric.more) | {"text": _text(pair, metric, row, caution)}


def _detectable(found: Difference, alpha: float) -> float | None:
    """The smallest difference that would be claimed at `alpha` with the chance `POWER`."""
    if found.discordant is not None:
        return smallest_margin(
            found.size, sum(found.discordant) / found.n, alpha=alpha, wanted=POWER
        )
    low, high = found.difference.low, found.difference.high
    if low is None or high is None:
        return None
    error = (high - low) / 2 / normal_quantile(LEVEL)
    reach = (normal_quantile(1 - alpha) + NormalDist().inv_cdf(POWER)) * error
    return reach if reach < 1 else None


def _text(pair: Pair, metric: Metric, row: Row, caution: str | None) -> str:
    first, second = pair
    found, on = metric.difference, metric.label
    value, low, high = found.difference.value, found.difference.low, found.difference.high
    if value is None or low is None or high is None:
        return f"Nothing to compare on {on}: no sample has both runs' answer and a gold grade"
    if row["higher"] is not None:
        winner = row["better"] or row["higher"]
        loser = second if winner == first else first
        low, high = sorted((abs(low), abs(high)))
        verb = "better" if row["better"] else "higher"
        by = f"{_points(abs(value))} points [{_points(low)}, {_points(high)}]"
        return f"{winner} is {verb} than {loser} on {on} by {by} (n = {found.n:,}, {_p(row)})"
    seen = (
        f"{second} - {first} is {_points(value, '+')} points "
        f"[{_points(low, '+')}, {_points(high, '+')}]"
    )
    if caution is not None:
        return f"Nothing is claimed on {on}, {caution}: {seen} (n = {found.n:,})"
    detectable = row["detectable"]
    missed = (
        f"a difference under {_points(detectable, places=0 if detectable >= 0.1 else 1)} points "
        "would likely not be seen"
        if isinstance(detectable, float)
        else "too few for any difference to be seen"
    )
    return f"No difference can be claimed on {on}: {seen}, n = {found.n:,}, {_p(row)}; {missed}"


def _p(row: Row) -> str:
    p, tests = row["p_adjusted"], row["tests"]
    if not isinstance(p, float) or not isinstance(tests, int):
        return "no test"
    said = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    return said if tests == 1 else f"{said} corrected over {tests} tests"


def _points(share: float, sign: str = "", places: int = 1) -> str:
    return f"{100 * share:{sign}.{places}f}"


def _holds_0(rate: Rate) -> bool:
    return rate.low is None or rate.high is None or rate.low <= 0 <= rate.high
