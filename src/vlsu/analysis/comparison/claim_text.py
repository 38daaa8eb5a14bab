"""What can be claimed of a difference between two runs, and what cannot, as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.comparison.families import (
    EXPLORATORY,
    WORST_CASE,
    ComparedMetric,
    Corrected,
)
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.answered import format_share

__all__ = ["claim_text", "points"]

#: How missing answers can be counted, as sentences have it.
_WAYS = {
    "missing_as_wrong": "with what is missing as wrong",
    "missing_left_out": "on those that both answered",
    WORST_CASE: "with the missing ones against it",
}


def claim_text(
    pair: tuple[str, str],
    metric: ComparedMetric,
    row: Mapping[str, Any],
    test: Corrected,
    caution: str | None,
) -> str:
    """A row as a sentence, without its full stop.

    Only on a primary or a secondary metric a run is called better; on an exploratory one it is
    ahead, if it is marked.

    Args:
        pair: Names of the two runs.
        metric: What was found.
        row: The rest of the row.
        test: The row's test among the others.
        caution: Why nothing is claimed of the pair, if so.
    """
    first, second = pair
    found, on = metric.difference, metric.label
    value, low, high = found.difference.value, found.difference.low, found.difference.high
    if value is None or low is None or high is None:
        return f"Nothing to compare on {on}: no sample has both runs' answer and a gold grade"
    seen = f"{second} - {first} is {_between(found.difference)} (n = {found.n:,})"
    if caution is not None:
        return f"Nothing is claimed on {on}, {caution}: {seen}"
    ahead = row["better"] or row["higher"] or row["marked"]
    if ahead is not None:
        behind = second if ahead == first else first
        low, high = sorted((abs(low), abs(high)))
        by = f"{points(abs(value))} points [{points(low)}, {points(high)}]"
        on_by = f"{behind} on {on} by {by} (n = {found.n:,}, {_evidence(row)})"
        if row["marked"] is not None:
            claim = f"Marked, to be followed up: {ahead} is {_ahead(metric, pair, ahead)} {on_by}"
        else:
            claim = f"{ahead} is {'better' if row['better'] else 'higher'} than {on_by}"
        return f"{claim}{_also(pair, metric)}"
    if metric.ways() and _would_hold(row, found):
        return f"No difference can be claimed on {on}: {seen}, but {_other_ways(pair, metric)}"
    sees = f"{second} - {first} is {_between(found.difference)}, n = {found.n:,}"
    if test.gated:
        return (
            f"No difference can be claimed on {on}, which is tested only where all primary tests "
            f"hold: {sees}"
        )
    detectable = row["detectable"]
    missed = (
        f"a difference under {points(detectable, places=0 if detectable >= 0.1 else 1)} points "
        "would likely not be seen"
        if isinstance(detectable, float)
        else "too few for any difference to be seen"
    )
    return f"No difference can be claimed on {on}: {sees}, {_evidence(row)}; {missed}"


def points(share: float, sign: str = "", places: int = 1) -> str:
    """A share, or a difference of shares, in percentage points."""
    return f"{100 * share:{sign}.{places}f}"


def _ahead(metric: ComparedMetric, pair: tuple[str, str], ahead: str) -> str:
    """``ahead of`` where one is better; else ``above``."""
    return "ahead of" if metric.good else "above"


def _would_hold(row: Mapping[str, Any], found: Any) -> bool:
    """Whether the difference is beyond chance as the row itself counts what is missing."""
    low, high = found.difference.low, found.difference.high
    return bool(row["p"] is not None and row["p"] < 0.05 and (low > 0 or high < 0))


def _also(pair: tuple[str, str], metric: ComparedMetric) -> str:
    """What a difference that holds in every way of counting is in the others."""
    if metric.bounds:
        return f"; {_other_ways(pair, metric)}"
    if metric.worst_case is None:
        return ""
    least = metric.worst_case.against(metric.direction).difference.value
    return (
        f"; by {points(abs(least or 0.0))} at least, whatever the missing are "
        f"({_missing(pair, metric.worst_case.missing)})"
    )


def _missing(pair: tuple[str, str], counts: tuple[int, int]) -> str:
    """``7 of the first and 6 of the second``."""
    each = [f"{count:,} of {name}" for name, count in zip(pair, counts, strict=True) if count]
    return " and ".join(each)


def _other_ways(pair: tuple[str, str], metric: ComparedMetric) -> str:
    """Why a difference has to hold in several ways, and what it is in the others."""
    ways = []
    for way, found in metric.ways().items():
        if found.difference.value is None:
            seen = "nothing is left to compare"
        else:
            seen = f"it is {_between(found.difference)}, n = {found.n:,}"
        ways.append(f"{_WAYS[way]} {seen}")
    return f"{_who(pair, metric)}: {'; '.join(ways)}"


def _who(pair: tuple[str, str], metric: ComparedMetric) -> str:
    """What is missing of either run."""
    if metric.bounds or metric.worst_case is None:
        shares = metric.answered or (UNDEFINED, UNDEFINED)
        known = [
            f"{name} answered {format_share(share.value)}"
            for name, share in zip(pair, shares, strict=True)
            if share.value is not None
        ]
        return f"{' and '.join(known)} of these"
    return f"missing are {_missing(pair, metric.worst_case.missing)}"


def _between(difference: Rate) -> str:
    value, low, high = difference.value, difference.low, difference.high
    if value is None or low is None or high is None:
        return "unknown"
    return f"{points(value, '+')} points [{points(low, '+')}, {points(high, '+')}]"


def _evidence(row: Mapping[str, Any]) -> str:
    q, p, tests = row["q"], row["p_adjusted"], row["tests"]
    if row["role"] == EXPLORATORY and isinstance(q, float):
        return _shown("q", q)
    if not isinstance(p, float) or not isinstance(tests, int):
        return "no test"
    return _shown("p", p) if tests == 1 else f"{_shown('p', p)} corrected over {tests} tests"


def _shown(name: str, number: float) -> str:
    return f"{name} = {number:.3f}" if number >= 0.001 else f"{name} < 0.001"
