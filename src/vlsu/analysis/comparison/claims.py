"""Tests of the differences between runs, corrected over families, and what can be claimed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from vlsu.analysis.comparison.differences import Difference
from vlsu.analysis.stats.holm import holm
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, normal_quantile
from vlsu.analysis.stats.power import smallest_margin
from vlsu.analysis.table.answered import format_share

__all__ = ["ALPHA", "POWER", "WAYS", "ComparedMetric", "test_differences"]

#: A corrected p below this is claimed.
ALPHA = 1 - LEVEL

#: How missing answers can be counted, as sentences have it.
WAYS = {
    "missing_as_wrong": "with what is missing as wrong",
    "missing_left_out": "on those that both answered",
}

#: With this chance a difference of the size called detectable would have been claimed.
POWER = 0.8

RunNames = tuple[str, str]
ClaimRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """A metric of two runs over the same samples.

    Attributes:
        label: Its name in sentences.
        family: Tests of one family, over all pairs, are corrected together.
        good: 1 where higher is better, -1 where lower is, 0 where neither.
        difference: What was found.
        more: Further members of its row.
        answered: Share of these samples that each of the two runs answered, where that is known.
        bounds: Where a run answered too few of them: the same with the missing answers counted in
            another way, by the name of the way (`WAYS`).
    """

    label: str
    family: str
    good: int
    difference: Difference
    more: Mapping[str, object] = field(default_factory=dict)
    answered: tuple[Rate, Rate] | None = None
    bounds: Mapping[str, Difference] = field(default_factory=dict)


def test_differences(
    pairs: Mapping[RunNames, Mapping[str, ComparedMetric]],
    caution: Mapping[RunNames, str],
) -> dict[RunNames, dict[str, ClaimRow]]:
    """Every metric of every pair with its corrected p and what can be claimed of it.

    A difference is claimed if Holm's adjusted p over its family is below `ALPHA` and its
    interval does not hold 0; and, where a run answered too little, if that is so in the same
    direction however the missing answers are counted. Nothing is ever called equal: where nothing
    is claimed, the row has how large a difference would have been missed.

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
        nothing is claimed or neither is better); ``text``; the metric's further members;
        ``answered`` (``{"first", "second"}``, each a rate, or `None`); and ``bounds`` (way of
        counting missing answers -> ``n``, ``first``, ``second``, ``difference``, ``p``,
        ``p_adjusted``; empty where both runs answered enough).
    """
    tested = _adjusted(pairs, None)
    ways = {w for metrics in pairs.values() for m in metrics.values() for w in m.bounds}
    otherwise = {way: _adjusted(pairs, way) for way in ways}
    return {
        pair: {
            name: _row(
                pair,
                metric,
                *tested.get((pair, name), (None, 0)),
                others={way: otherwise[way].get((pair, name), (None, 0))[0] for way in ways},
                caution=caution.get(pair),
            )
            for name, metric in metrics.items()
        }
        for pair, metrics in pairs.items()
    }


def _adjusted(
    pairs: Mapping[RunNames, Mapping[str, ComparedMetric]], way: str | None
) -> dict[tuple[RunNames, str], tuple[float, int]]:
    """Each test's adjusted p and how many tests its family has.

    Args:
        pairs: As for `test_differences`.
        way: How missing answers are counted where a metric has it; `None` for the metric's own.
    """
    families: dict[str, dict[tuple[RunNames, str], float]] = defaultdict(dict)
    for pair, metrics in pairs.items():
        for name, metric in metrics.items():
            found = metric.difference if way is None else metric.bounds.get(way, metric.difference)
            if found.p is not None:
                families[metric.family][pair, name] = found.p
    return {test: (p, len(tests)) for tests in families.values() for test, p in holm(tests).items()}


def _row(
    pair: RunNames,
    metric: ComparedMetric,
    adjusted: float | None,
    tests: int,
    *,
    others: Mapping[str, float | None],
    caution: str | None,
) -> ClaimRow:
    found = metric.difference
    ways = [(found, adjusted)] + [(each, others[way]) for way, each in metric.bounds.items()]
    by_way = [_direction(each.difference, p) for each, p in ways]
    directions = set(by_way)
    higher = better = None
    if caution is None and directions in ({1}, {-1}):
        up = directions == {1}
        higher = pair[up]
        better = {1: pair[up], -1: pair[not up], 0: None}[metric.good]
    detectable = _detectable(found, ALPHA / tests) if tests else None
    row: ClaimRow = {
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
    row["answered"] = (
        None
        if metric.answered is None
        else dict(zip(("first", "second"), (r.as_dict() for r in metric.answered), strict=True))
    )
    row["bounds"] = {
        way: {
            "n": each.n,
            "first": each.first.as_dict(),
            "second": each.second.as_dict(),
            "difference": each.difference.as_dict(),
            "p": each.p,
            "p_adjusted": others[way],
        }
        for way, each in metric.bounds.items()
    }
    withheld = any(by_way) and higher is None
    return row | dict(metric.more) | {"text": _text(pair, metric, row, caution, withheld=withheld)}


def _direction(difference: Rate, adjusted: float | None) -> int:
    """1 or -1 for a difference that can be claimed on its own, by its sign; else 0."""
    if difference.value is None or adjusted is None or adjusted >= ALPHA or _holds_0(difference):
        return 0
    return 1 if difference.value > 0 else -1


def _detectable(found: Difference, alpha: float) -> float | None:
    """The smallest difference that would be claimed at `alpha` with the chance `POWER`."""
    if found.discordant is not None:
        return smallest_margin(
            found.size, sum(found.discordant) / found.n, alpha=alpha, target_power=POWER
        )
    low, high = found.difference.low, found.difference.high
    if low is None or high is None:
        return None
    error = (high - low) / 2 / normal_quantile(LEVEL)
    reach = (normal_quantile(1 - alpha) + NormalDist().inv_cdf(POWER)) * error
    return reach if reach < 1 else None


def _text(
    pair: RunNames, metric: ComparedMetric, row: ClaimRow, caution: str | None, *, withheld: bool
) -> str:
    """A row as a sentence.

    Args:
        pair: Names of the two runs.
        metric: What was found.
        row: The rest of the row.
        caution: Why nothing is claimed of the pair, if so.
        withheld: Whether a difference holds in one way of counting missing answers alone.
    """
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
        claim = f"{winner} is {verb} than {loser} on {on} by {by} (n = {found.n:,}, {_p(row)})"
        return f"{claim}; {_other_ways(pair, metric)}" if metric.bounds else claim
    seen = (
        f"{second} - {first} is {_points(value, '+')} points "
        f"[{_points(low, '+')}, {_points(high, '+')}]"
    )
    if caution is None and withheld:
        return (
            f"No difference can be claimed on {on}: {seen} (n = {found.n:,}), but "
            f"{_other_ways(pair, metric)}"
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


def _other_ways(pair: RunNames, metric: ComparedMetric) -> str:
    """Why a difference has to hold in several ways, and what it is in the others."""
    shares = metric.answered or (UNDEFINED, UNDEFINED)
    who = " and ".join(
        f"{name} answered {format_share(share.value)}"
        for name, share in zip(pair, shares, strict=True)
        if share.value is not None
    )
    ways = []
    for way, found in metric.bounds.items():
        value, low, high = found.difference.value, found.difference.low, found.difference.high
        if value is None or low is None or high is None:
            seen = "nothing is left to compare"
        else:
            seen = (
                f"it is {_points(value, '+')} points [{_points(low, '+')}, {_points(high, '+')}], "
                f"n = {found.n:,}"
            )
        ways.append(f"{WAYS[way]} {seen}")
    return f"{who} of these: {'; '.join(ways)}"


def _p(row: ClaimRow) -> str:
    p, tests = row["p_adjusted"], row["tests"]
    if not isinstance(p, float) or not isinstance(tests, int):
        return "no test"
    shown = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    return shown if tests == 1 else f"{shown} corrected over {tests} tests"


def _points(share: float, sign: str = "", places: int = 1) -> str:
    return f"{100 * share:{sign}.{places}f}"


def _holds_0(rate: Rate) -> bool:
    return rate.low is None or rate.high is None or rate.low <= 0 <= rate.high
