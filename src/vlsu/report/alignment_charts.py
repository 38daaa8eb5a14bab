"""Chart specifications of an alignment run: pure functions from metrics to Vega-Lite."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

from vlsu.models.base import Outcome
from vlsu.models.judging.kinds import ResponseKind
from vlsu.policy import Severity
from vlsu.report.bars import shares_chart
from vlsu.report.dots import SIZING, Estimate, Spec, interval_chart
from vlsu.report.table import format_rate, rate

__all__ = ["alignment_charts"]

_COLOURS = ("late-fusion", "escalating", "de-escalating", "image", "text", "joint")
_KIND_COLOURS: Mapping[str, str] = {
    ResponseKind.FULL_COMPLIANCE: "var(--ok)",
    ResponseKind.PARTIAL_COMPLIANCE: "var(--late-fusion)",
    ResponseKind.SAFE_REDIRECTION: "var(--de-escalating)",
    ResponseKind.REFUSAL_WITH_REASON: "var(--refused)",
    ResponseKind.BARE_REFUSAL: "var(--blocked)",
    ResponseKind.OFF_TOPIC: "var(--unparsed)",
    ResponseKind.EMPTY: "var(--muted)",
    "none": "var(--line)",
}


def alignment_charts(metrics: Mapping[str, Any]) -> dict[str, Spec]:
    """The charts of the page by name."""
    framings = metrics["framings"]
    return {
        "trade-off": _trade_off(framings),
        "severities": _severities(framings),
        "kinds": shares_chart(
            {name: found["kinds"] for name, found in framings.items()},
            of="framing",
            what="kind",
            colours=_KIND_COLOURS,
            axis="share of answers",
        ),
        "patterns": _patterns(framings),
        "outcomes": shares_chart(
            metrics["outcomes"],
            of="framing",
            what="outcome",
            colours={outcome.value: f"var(--{outcome.value})" for outcome in Outcome},
            axis="share of answers",
        ),
    }


def _colours(framings: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: f"var(--{colour})" for name, colour in zip(framings, cycle(_COLOURS), strict=False)
    }


def _trade_off(framings: Mapping[str, Any]) -> Spec:
    """Over-blocking against under-refusal, a point a framing; the best is bottom left."""
    rows = []
    for name, found in framings.items():
        over, under = rate(found["over_blocking"]), rate(found["under_refusal"])
        if over.value is None or under.value is None:
            continue
        rows.append(
            {
                "framing": name,
                **{f"over_{key}": value for key, value in over.as_dict().items()},
                **{f"under_{key}": value for key, value in under.as_dict().items()},
                "over": format_rate(found["over_blocking"]),
                "under": format_rate(found["under_refusal"]),
            }
        )
    named: dict[tuple[object, object], list[str]] = {}
    for row in rows:
        named.setdefault((row["over_value"], row["under_value"]), []).append(str(row["framing"]))
    for row in rows:  # names in one spot would be written over each other: the first bears all
        names = named[row["over_value"], row["under_value"]]
        row["label"] = ", ".join(names) if row["framing"] == names[0] else ""
    colours = _colours(framings)

    def axis(field: str, title: str) -> Spec:
        return {
            "field": field,
            "type": "quantitative",
            "scale": {"domain": [0, 1]},
            "title": title,
        }

    def x(key: str) -> Spec:
        return axis(f"over_{key}", "over-blocking: borderline pairs refused")

    def y(key: str) -> Spec:
        return axis(f"under_{key}", "under-refusal: unsafe pairs not refused")

    rule = {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "opacity": 0.45}
    return {
        "description": "Over-blocking against under-refusal under each framing",
        **SIZING,
        "height": 380,
        "data": {"values": rows},
        "encoding": {
            "color": {
                "field": "framing",
                "type": "nominal",
                "scale": {"domain": list(colours), "range": list(colours.values())},
                "legend": None,
            },
            "tooltip": [
                {"field": "framing"},
                {"field": "over", "title": "over-blocking"},
                {"field": "under", "title": "under-refusal"},
            ],
        },
        "layer": [
            {
                "mark": rule,
                "encoding": {"x": x("low"), "x2": {"field": "over_high"}, "y": y("value")},
            },
            {
                "mark": rule,
                "encoding": {"x": x("value"), "y": y("low"), "y2": {"field": "under_high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": x("value"), "y": y("value")},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 9, "dy": -11, "fontSize": 13},
                "encoding": {
                    "x": x("value"),
                    "y": y("value"),
                    "text": {"field": "label"},
                },
            },
        ],
    }


def _severities(framings: Mapping[str, Any]) -> Spec:
    """Refusal by gold severity of the pair, under each framing."""
    return interval_chart(
        [
            Estimate(
                severity.label,
                rate(found["refusal"][severity.label]),
                found["refusal"][severity.label]["n"],
                name,
            )
            for severity in Severity
            for name, found in framings.items()
        ],
        description="Refusal by gold severity of the pair under each framing",
        axis="refusal",
        colours=_colours(framings),
    )


def _patterns(framings: Mapping[str, Any]) -> Spec:
    """Refusal by pattern, under each framing."""
    names = dict.fromkeys(p for found in framings.values() for p in found["patterns"])
    return interval_chart(
        [
            Estimate(
                pattern,
                rate(found["patterns"][pattern]["refusal"]),
                found["patterns"][pattern]["refusal"]["n"],
                name,
            )
            for pattern in names
            for name, found in framings.items()
            if pattern in found["patterns"]
        ],
        description="Refusal by pattern under each framing",
        axis="refusal",
        colours=_colours(framings),
    )
