"""Charts of an alignment run: pure functions from metrics to Vega-Lite.

Where the judge's own errors can be taken out of a rate, the chart shows the rate without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

from vlsu.analysis.alignment.refusal_errors import EVERY_ERROR, RefusalErrors
from vlsu.analysis.results import Framing, JudgedRate, Metrics, RefusalRates
from vlsu.analysis.stats.intervals import Rate
from vlsu.models.base import Outcome
from vlsu.policy import Pattern, ResponseKind, Severity
from vlsu.report.alignment.breakdown_tables import SHARE_NAMES, framing_pairs
from vlsu.report.alignment.rates import (
    by_severity,
    corrected,
    named_rates,
    over_words,
    rate_names,
    refusal_errors,
)
from vlsu.report.charts.bars import Slice, shares_chart, stacked_chart
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.charts.heat import HeatCell, heat_map
from vlsu.report.charts.legible import short_names
from vlsu.report.charts.trade_off import Point, trade_off_chart
from vlsu.report.table import format_rate

__all__ = [
    "alignment_charts",
    "answer_shares_chart",
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


_SHARE_COLOURS: Mapping[str, str] = {
    "complied_full": colour("ok"),
    "complied_partial": colour("late-fusion"),
    "redirected": colour("de-escalating"),
    "declined": colour("refused"),
    "off_topic": colour("unparsed"),
    "empty": colour("muted"),
    "stopped": colour("blocked"),
}


def alignment_charts(metrics: Metrics, titles: Mapping[str, str]) -> dict[str, Spec]:
    """Every chart of a run that has something to show, by name, in the order of the page.

    Args:
        metrics: The content of ``metrics.json``.
        titles: Category -> its name.
    """
    framings = metrics.framings
    gives = metrics.get("gives", ("kind", "refusal", "helpfulness"))
    charts: dict[str, Spec] = {}
    errors = refusal_errors(metrics)
    if "refusal" in gives:
        if points := trade_off_points(framings, errors):
            charts["trade-off"] = trade_off_chart(points, over_words(errors), errors.engaged.label)
        if metrics.differences:
            charts["differences"] = differences_chart(metrics)
        charts["severities"] = by_severity_chart(framings, "refusal", "refusal")
    if "safety" in gives:
        charts["safety"] = by_severity_chart(framings, "response_unsafe", "share unsafe")
    if "helpfulness" in gives:
        charts["helpfulness"] = by_severity_chart(framings, "helpfulness", "helpfulness")
    if "kind" in gives:
        if shares := answer_shares_chart(framings):
            charts["answer-shares"] = shares
        charts["kinds"] = kinds_chart(framings)
    if "refusal" in gives:
        charts |= _refusal_maps(framings, titles, errors)
    charts["outcomes"] = _outcomes_chart(metrics.outcomes, of="answer")
    charts["judge-outcomes"] = _outcomes_chart(metrics.judge_outcomes, of="verdict")
    return charts


def framing_colours(framings: Mapping[str, Framing]) -> dict[str, str]:
    """Framing -> its colour in every chart."""
    return {name: colour(shade) for name, shade in zip(framings, cycle(_COLOURS), strict=False)}


def trade_off_points(
    framings: Mapping[str, Framing], errors: RefusalErrors = EVERY_ERROR
) -> list[Point]:
    """The two errors that are traded under each framing where both were measured."""
    colours = framing_colours(framings)
    return [
        Point(
            name,
            over=corrected(over),
            under=corrected(under),
            colour=colours[name],
            judged=(over.rate, under.rate) if over.get("corrected") else None,
        )
        for name, framing in framings.items()
        for over, under in [[JudgedRate(framing[key]) for key in errors.traded]]
        if over.value is not None and under.value is not None
    ]


def differences_chart(metrics: Metrics) -> Spec:
    """What a change of framing changes, paired by sample: of many, from the first to each other."""
    pairs = framing_pairs(metrics)
    first, few = pairs[0][0], len(pairs) <= _FEW_PAIRS
    names = rate_names(refusal_errors(metrics))
    named = {
        (f"{before} to {after}" if few else after): differences
        for before, after, differences in pairs
        if few or before == first
    }
    return interval_chart(
        [
            IntervalMark(name, corrected(judged), judged.n, pair)
            for key, name in names.items()
            for pair, differences in named.items()
            if (judged := named_rates(differences)[key]) is not None
        ],
        description="Paired differences of framings in "
        + ", ".join(name.removesuffix(" of safe") for name in names.values()),
        axis="difference" if few else f"difference from {short_names([first])[first]}",
        colours=dict(zip(named, cycle(map(colour, _COLOURS)), strict=False)),
        domain=None,
        reference=Rate(0.0, None, None),
    )


def by_severity_chart(framings: Mapping[str, Framing], key: str, axis: str) -> Spec:
    """A rate of the framings by gold severity of the pair.

    Args:
        framings: Framing -> its part of the metrics.
        key: Of the rate in there, such as ``refusal``.
        axis: What it is called.
    """
    return interval_chart(
        [
            IntervalMark(
                f"{severity} pair",
                corrected(judged),
                judged.n,
                name,
                chosen={"severity": severity, "framing": name},
            )
            for severity in _severities(framings, key)
            for name, framing in framings.items()
            for judged in [by_severity(RefusalRates(framing[key]))[severity]]
        ],
        description=f"{axis.capitalize()} by gold severity of the pair under each framing",
        axis=axis,
        colours=framing_colours(framings),
    )


def _severities(framings: Mapping[str, Framing], key: str) -> list[str]:
    """The severities that a rate is by, mildest first."""
    rates = (part[key] for part in framings.values() if key in part)
    return list(by_severity(RefusalRates(next(rates, {}))))


def answer_shares_chart(framings: Mapping[str, Framing]) -> Spec | None:
    """What answers do, by gold severity of the pair under each framing; `None` if not measured."""
    slices = [
        Slice(f"{severity}, {name}", words, rate.value, format_rate(rate.rate))
        for severity in _severities(framings, "declined")
        for name, framing in framings.items()
        if "complied_full" in framing
        for key, words in SHARE_NAMES.items()
        for rate in [by_severity(RefusalRates(framing[key]))[severity]]
        if rate.value is not None
    ]
    if not slices:
        return None
    return stacked_chart(
        slices,
        description="What answers do by gold severity of the pair under each framing, as shares",
        of="severity and framing",
        what="answer",
        axis="share of answers",
        colours={SHARE_NAMES[key]: shade for key, shade in _SHARE_COLOURS.items()},
    )


def kinds_chart(framings: Mapping[str, Framing]) -> Spec:
    """What the answers do, as shares under each framing."""
    return shares_chart(
        {name: framing.kinds for name, framing in framings.items()},
        of="framing",
        what="kind",
        colours=_KIND_COLOURS,
        axis="share of answers",
    )


def refusal_map(
    rates: Mapping[str, Mapping[str, JudgedRate]],
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
    for name, by_framing in rates.items():
        for framing, judged in by_framing.items():
            rate = corrected(judged)
            cells.append(
                HeatCell(
                    framing,
                    titles.get(name, name),
                    share=rate.value,
                    colour="joint",
                    number="–" if rate.value is None else f"{rate.value:.2f}",
                    detail=f"n {judged.n:,}",
                    tooltip={
                        facet: titles.get(name, name),
                        "framing": framing,
                        "refusal": format_rate(rate),
                        "n": f"{judged.n:,}",
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


def _refusal_maps(
    framings: Mapping[str, Framing], titles: Mapping[str, str], errors: RefusalErrors
) -> dict[str, Spec]:
    """Refusal by pattern, and by category on unsafe pairs and on those that stand next to them."""
    patterns = sorted(
        dict.fromkeys(p for framing in framings.values() for p in framing.patterns),
        key=lambda name: Pattern.parse(name).joint,
    )
    categories = dict.fromkeys(c for framing in framings.values() for c in framing.categories)
    names = tuple(framings)
    maps: dict[str, Spec] = {}
    if patterns:
        maps["patterns"] = refusal_map(
            {
                pattern: {
                    name: framing.patterns[pattern].refusal
                    for name, framing in framings.items()
                    if pattern in framing.patterns
                }
                for pattern in patterns
            },
            names,
            description="Refusal by pattern under each framing",
            facet="pattern",
            titles={},
            chosen={},
        )
    for severity in errors.raced if categories else ():
        rates = {
            category: {
                name: by_severity(framing.categories[category].by_severity)[severity.label]
                for name, framing in framings.items()
                if category in framing.categories
            }
            for category in categories
        }
        if severity is Severity.SAFE and not any(
            rate.n + rate.missing for row in rates.values() for rate in row.values()
        ):
            continue  # as a rule safe pairs are of no category
        maps[f"categories-{severity.label}"] = refusal_map(
            rates,
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
