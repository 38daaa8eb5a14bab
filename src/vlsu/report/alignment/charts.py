"""Charts of an alignment run: pure functions from metrics to Vega-Lite.

Where the judge's own errors can be taken out of a rate, the chart shows the rate without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.models.base import Outcome
from vlsu.policy import Pattern, ResponseKind, Severity
from vlsu.report.alignment.breakdown_tables import framing_pairs
from vlsu.report.alignment.tables import RATE_NAMES
from vlsu.report.charts.bars import shares_chart
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.charts.heat import HeatCell, heat_map
from vlsu.report.charts.legible import short_names
from vlsu.report.charts.trade_off import Point, trade_off_chart
from vlsu.report.table import corrected, format_rate, rate

__all__ = [
    "alignment_charts",
    "by_severity_chart",
    "differences_chart",
    "framing_colours",
    "kinds_chart",
    "refusal_map",
    "trade_off_points",
]

#: Pairs of framings drawn each; of more only those with the first framing.
_FEW_PAIRS = 3
_COLOURS = ("late-fusion", "escalating", "de-escalating", "image", "text", "joint")
_KIND_COLOURS: Mapping[str, str] = {
    ResponseKind.FULL_COMPLIANCE: colour("ok"),
    ResponseKind.PARTIAL_COMPLIANCE: colour("late-fusion"),
    ResponseKind.SAFE_REDIRECTION: colour("de-escalating"),
    ResponseKind.REFUSAL_WITH_REASON: colour("refused"),
    ResponseKind.BARE_REFUSAL: colour("blocked"),
    ResponseKind.OFF_TOPIC: colour("unparsed"),
    ResponseKind.EMPTY: colour("muted"),
    "none": colour("line"),
}


def alignment_charts(metrics: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Spec]:
    """Every chart of a run that has something to show, by name, in the order of the page.

    Args:
        metrics: The content of ``metrics.json``.
        titles: Category -> its name.
    """
    framings: Mapping[str, Any] = metrics["framings"]
    gives = metrics.get("gives", ("kind", "refusal", "helpfulness"))
    charts: dict[str, Spec] = {}
    if "refusal" in gives:
        if points := trade_off_points(framings):
            charts["trade-off"] = trade_off_chart(points)
        if metrics["differences"]:
            charts["differences"] = differences_chart(metrics)
        charts["severities"] = by_severity_chart(framings, "refusal", "refusal")
    if "safety" in gives:
        charts["safety"] = by_severity_chart(framings, "response_unsafe", "share unsafe")
    if "helpfulness" in gives:
        charts["helpfulness"] = by_severity_chart(framings, "helpfulness", "helpfulness")
    if "kind" in gives:
        charts["kinds"] = kinds_chart(framings)
    if "refusal" in gives:
        charts |= _refusal_maps(framings, titles)
    charts["outcomes"] = _outcomes_chart(metrics["outcomes"], of="answer")
    charts["judge-outcomes"] = _outcomes_chart(metrics["judge_outcomes"], of="verdict")
    return charts


def framing_colours(framings: Mapping[str, Any]) -> dict[str, str]:
    """Framing -> its colour in every chart."""
    return {name: colour(found) for name, found in zip(framings, cycle(_COLOURS), strict=False)}


def trade_off_points(framings: Mapping[str, Any]) -> list[Point]:
    """Over-blocking against under-refusal under each framing where both were measured."""
    colours = framing_colours(framings)
    return [
        Point(
            name,
            over=rate(corrected(found["over_blocking"])),
            under=rate(corrected(found["under_refusal"])),
            colour=colours[name],
            judged=(rate(found["over_blocking"]), rate(found["under_refusal"]))
            if found["over_blocking"].get("corrected")
            else None,
        )
        for name, found in framings.items()
        if found["over_blocking"]["value"] is not None
        and found["under_refusal"]["value"] is not None
    ]


def differences_chart(metrics: Mapping[str, Any]) -> Spec:
    """What a change of framing changes, paired by sample: of many, from the first to each other."""
    pairs = framing_pairs(metrics)
    first, few = pairs[0][0], len(pairs) <= _FEW_PAIRS
    named = {
        (f"{before} to {after}" if few else after): found
        for before, after, found in pairs
        if few or before == first
    }
    return interval_chart(
        [
            IntervalMark(words, rate(corrected(found[key])), found[key]["n"], pair)
            for key, words in RATE_NAMES.items()
            for pair, found in named.items()
        ],
        description="Paired differences of framings in over-blocking, over-refusal, under-refusal",
        axis="difference" if few else f"difference from {short_names([first])[first]}",
        colours=dict(zip(named, cycle(map(colour, _COLOURS)), strict=False)),
        domain=None,
        reference=Rate(0.0, None, None),
    )


def by_severity_chart(framings: Mapping[str, Any], key: str, axis: str) -> Spec:
    """A rate of the framings by gold severity of the pair.

    Args:
        framings: Framing -> its part of the metrics.
        key: Of the rate in there, such as ``refusal``.
        axis: What it is called.
    """
    return interval_chart(
        [
            IntervalMark(
                f"{severity.label} pair",
                rate(corrected(found[key][severity.label])),
                found[key][severity.label]["n"],
                name,
                chosen={"severity": severity.label, "framing": name},
            )
            for severity in Severity
            for name, found in framings.items()
        ],
        description=f"{axis.capitalize()} by gold severity of the pair under each framing",
        axis=axis,
        colours=framing_colours(framings),
    )


def kinds_chart(framings: Mapping[str, Any]) -> Spec:
    """What the answers do, as shares under each framing."""
    return shares_chart(
        {name: found["kinds"] for name, found in framings.items()},
        of="framing",
        what="kind",
        colours=_KIND_COLOURS,
        axis="share of answers",
    )


def refusal_map(
    rates: Mapping[str, Mapping[str, Mapping[str, Any]]],
    framings: Sequence[str],
    *,
    description: str,
    facet: str,
    titles: Mapping[str, str],
    chosen: Mapping[str, str],
) -> Spec:
    """Refusal by row and framing; a fuller colour is more refusal.

    Args:
        rates: Row -> framing -> the rate.
        framings: The columns.
        description: What the chart shows.
        facet: The filter of the sample list that a row's name is a value of.
        titles: Row -> its name in words, where it has another.
        chosen: Other filters that a cell's samples match.
    """
    cells = []
    for name, found in rates.items():
        for framing, tree in found.items():
            value = corrected(tree)["value"]
            cells.append(
                HeatCell(
                    framing,
                    titles.get(name, name),
                    share=value,
                    colour="joint",
                    number="–" if value is None else f"{value:.2f}",
                    detail=f"n {tree['n']:,}",
                    tooltip={
                        facet: titles.get(name, name),
                        "framing": framing,
                        "refusal": format_rate(corrected(tree)),
                        "n": f"{tree['n']:,}",
                    },
                    chosen={facet: name, "framing": framing, **chosen},
                )
            )
    return heat_map(
        cells,
        description=description,
        columns=framings,
        rows=[titles.get(name, name) for name in rates],
        row_px=36,
    )


def _refusal_maps(framings: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Spec]:
    """Refusal by pattern, and by category on borderline and on unsafe pairs."""
    patterns = sorted(
        dict.fromkeys(p for found in framings.values() for p in found["patterns"]),
        key=lambda name: Pattern.parse(name).joint,
    )
    categories = dict.fromkeys(c for found in framings.values() for c in found["categories"])
    names = tuple(framings)
    maps: dict[str, Spec] = {}
    if patterns:
        maps["patterns"] = refusal_map(
            {
                pattern: {
                    name: found["patterns"][pattern]["refusal"]
                    for name, found in framings.items()
                    if pattern in found["patterns"]
                }
                for pattern in patterns
            },
            names,
            description="Refusal by pattern under each framing",
            facet="pattern",
            titles={},
            chosen={},
        )
    for severity in (Severity.BORDERLINE, Severity.UNSAFE) if categories else ():
        maps[f"categories-{severity.label}"] = refusal_map(
            {
                category: {
                    name: found["categories"][category]["by_severity"][severity.label]
                    for name, found in framings.items()
                    if category in found["categories"]
                }
                for category in categories
            },
            names,
            description=f"Refusal on {severity.label} pairs by category under each framing",
            facet="category",
            titles=titles,
            chosen={"severity": severity.label},
        )
    return maps


def _outcomes_chart(counts: Mapping[str, Mapping[str, int]], of: str) -> Spec:
    colours = {outcome.value: colour(outcome.value) for outcome in Outcome}
    return shares_chart(
        counts,
        of="framing",
        what="outcome",
        colours=colours if of == "answer" else {**colours, "not_judged": colour("line")},
        axis=f"share of {of}s",
    )
