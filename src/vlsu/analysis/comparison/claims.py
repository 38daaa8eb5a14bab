"""What can be claimed of the differences between runs; see `vlsu.analysis.comparison.families`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from statistics import NormalDist
from typing import Any

from vlsu.analysis.comparison.claim_text import claim_text
from vlsu.analysis.comparison.differences import Difference
from vlsu.analysis.comparison.families import (
    ALPHA,
    EXPLORATORY,
    PRIMARY,
    SECONDARY,
    WORST_CASE,
    ComparedMetric,
    Corrected,
    RunNames,
    corrected,
    family_of,
)
from vlsu.analysis.comparison.worst_case import WorstCase
from vlsu.analysis.stats.intervals import LEVEL, normal_quantile
from vlsu.analysis.stats.power import smallest_margin

__all__ = ["ALPHA", "POWER", "ComparedMetric", "test_differences"]

#: With this chance a difference of the size called detectable would have been claimed.
POWER = 0.8

ClaimRow = dict[str, Any]


def test_differences(
    pairs: Mapping[RunNames, Mapping[str, ComparedMetric]],
    caution: Mapping[RunNames, str],
    *,
    primary: Collection[str],
    secondary: Collection[str],
) -> dict[RunNames, dict[str, ClaimRow]]:
    """Every metric of every pair with its corrected p and what can be claimed of it.

    A difference is claimed, or marked, if its corrected p, or its q, is below `ALPHA` and its
    interval does not hold 0; and, where answers are missing, if that is so in the same direction
    however they are counted. Nothing is ever called equal: where nothing is claimed, the row has
    how large a difference would have been missed.

    Args:
        pairs: Names of two runs -> metric's name -> what was found.
        caution: Pairs of which nothing is claimed, and why; they are in no family of tests.
        primary: Metrics that decide.
        secondary: Metrics that are tested once all primary tests hold.

    Returns:
        The same with a row for each metric: ``label``; ``role``; ``better_is``
        (``higher``, ``lower`` or `None`); ``n`` samples; ``first``, ``second``, ``difference``
        (second minus first), each ``{"value", "low", "high"}``; ``p``;
        ``p_adjusted`` and ``q``, of the way of counting missing answers that speaks the most
        against the claim; ``family`` and ``tests`` (tests in it); ``discordant`` (``{"first",
        "second"}``: samples that the first, or the second, alone hits; `None` for an F1);
        ``detectable`` (the smallest difference these samples would show with a chance of 80%,
        corrected; `None` if none); ``higher`` and ``better`` (the run's name, or `None` where
        nothing is claimed or neither is better); ``marked`` (of an exploratory row the run that is
        ahead, or `None`); ``text``; the metric's further members; ``answered`` (``{"first",
        "second"}``, each a rate, or `None`); and ``bounds`` (way of counting missing answers ->
        ``n``, ``first``, ``second``, ``difference``, ``p``, ``p_adjusted``; of the worst case also
        ``region`` and ``missing``; empty where nothing is missing).
    """
    roles = dict.fromkeys(secondary, SECONDARY) | dict.fromkeys(primary, PRIMARY)
    tested = {pair: metrics for pair, metrics in pairs.items() if pair not in caution}
    results = corrected(tested, roles, lambda metric: metric.p)
    ways = {w for metrics in tested.values() for m in metrics.values() for w in m.ways()}
    otherwise = {way: corrected(tested, roles, _by(way)) for way in ways}
    rows: dict[RunNames, dict[str, ClaimRow]] = {}
    for pair, metrics in pairs.items():
        rows[pair] = {}
        for name, metric in metrics.items():
            untested = Corrected(roles.get(name, EXPLORATORY), family_of(metric, roles.get(name)))
            found = results.get((pair, name), untested)
            others = {
                way: otherwise.get(way, {}).get((pair, name), untested).p_adjusted
                for way in metric.ways()
            }
            row = _row(pair, metric, found, others, cautious=pair in caution)
            text = claim_text(pair, metric, row, found, caution.get(pair))
            rows[pair][name] = row | dict(metric.more) | {"text": text}
    return rows


def _by(way: str) -> Callable[[ComparedMetric], float | None]:
    """The p of a metric with missing answers counted in this way, where it has it."""
    return lambda metric: metric.ways().get(way, metric.difference).p


def _row(
    pair: RunNames,
    metric: ComparedMetric,
    test: Corrected,
    others: Mapping[str, float | None],
    *,
    cautious: bool,
) -> ClaimRow:
    found, first_up = metric.difference, metric.direction > 0
    evidence = test.q if test.role == EXPLORATORY else test.p_adjusted
    holds = not cautious and evidence is not None and evidence < ALPHA and metric.holds
    higher = pair[first_up] if holds else None
    better = {1: pair[first_up], -1: pair[not first_up], 0: None}[metric.good] if holds else None
    claimed = test.role != EXPLORATORY
    return {
        "label": metric.label,
        "role": test.role,
        "better_is": {1: "higher", -1: "lower", 0: None}[metric.good],
        "n": found.n,
        "first": found.first.as_dict(),
        "second": found.second.as_dict(),
        "difference": found.difference.as_dict(),
        "p": found.p,
        "p_adjusted": test.p_adjusted,
        "q": test.q,
        "family": test.family,
        "tests": test.tests,
        "discordant": None
        if found.discordant is None
        else dict(zip(("first", "second"), found.discordant, strict=True)),
        "detectable": _detectable(found, ALPHA / test.tests) if test.tests else None,
        "higher": higher if claimed else None,
        "better": better if claimed else None,
        "marked": None if claimed else better or higher,
        "answered": None
        if metric.answered is None
        else dict(zip(("first", "second"), (r.as_dict() for r in metric.answered), strict=True)),
        "bounds": {
            way: {
                "n": each.n,
                "first": each.first.as_dict(),
                "second": each.second.as_dict(),
                "difference": each.difference.as_dict(),
                "p": each.p,
                "p_adjusted": others[way],
                **(_region(metric.worst_case) if way == WORST_CASE else {}),
            }
            for way, each in metric.ways().items()
        },
    }


def _region(worst: WorstCase | None) -> dict[str, object]:
    """What the missing ones leave open, without and with the error of sampling."""
    if worst is None:
        return {}
    low, high = worst.lower.difference.value, worst.upper.difference.value
    return {
        "difference": worst.interval.as_dict(),
        "region": {"low": low, "high": high},
        "missing": dict(zip(("first", "second"), worst.missing, strict=True)),
    }


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
