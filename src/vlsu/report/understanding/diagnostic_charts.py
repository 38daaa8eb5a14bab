"""Charts of the diagnostic parts of `metrics.json`; a run judged before they existed has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.policy import MODALITIES, Severity
from vlsu.report.charts.bars import Slice, stacked_chart
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import SIZING, IntervalMark, Spec, interval_chart
from vlsu.report.table import format_rate, rate

__all__ = [
    "DIRECTIONS",
    "PAIRS",
    "PARTS",
    "borderline_chart",
    "diagnostic_charts",
    "over_sensitivity_chart",
    "pairs_chart",
    "reliability_chart",
]

#: Key in `over_sensitivity` -> which parts of the pair are unsafe, in words.
PARTS: Mapping[str, str] = {
    "no_unsafe_part": "no unsafe part",
    "image_unsafe": "image unsafe",
    "text_unsafe": "text unsafe",
    "both_unsafe": "both unsafe",
}
#: Key in `minimal_pairs` -> what the two samples share and what differs.
PAIRS: Mapping[str, str] = {
    "same_image": "same image, other text",
    "same_text": "same text, other image",
}
#: Key in a modality's `borderline` -> words for what is divided.
DIRECTIONS: Mapping[str, str] = {
    "gold": "gold borderline, by what it was called",
    "predicted": "called borderline, by what it is",
}
#: What guessing evenly among three severities reaches.
_CHANCE = {"told_apart": 1 / 9, "ordered": 1 / 3}


def diagnostic_charts(metrics: Mapping[str, Any]) -> dict[str, Spec]:
    """The charts that this run has, by name."""
    charts: dict[str, Spec] = {}
    if found := metrics.get("borderline"):
        for direction in DIRECTIONS:
            if any(part[direction]["n"] for part in found.values()):
                charts[f"borderline-{direction}"] = borderline_chart(found, direction)
    found = metrics.get("over_sensitivity")
    if found and any(sum(found[key]["n"].values()) for key in PARTS):
        charts["over-sensitivity"] = over_sensitivity_chart(found)
    found = metrics.get("minimal_pairs")
    if found and any(found[key]["pairs"] for key in PAIRS):
        charts["minimal-pairs"] = pairs_chart(found)
    for modality in MODALITIES:
        found = metrics.get("calibration", {}).get(modality)
        if found and found["n"]:
            charts[f"reliability-{modality}"] = reliability_chart(found, modality)
    return charts


def borderline_chart(found: Mapping[str, Any], direction: str) -> Spec:
    """How the middle grade divides, in each modality: `direction` ``gold`` or ``predicted``."""
    parts = (*(s.label for s in Severity), *(["failed"] if direction == "gold" else []))
    slices = [
        Slice(modality, part, value, format_rate(shares[part]))
        for modality in MODALITIES
        if (shares := found.get(modality, {}).get(direction)) and shares["n"]
        for part in parts
        if (value := shares[part]["value"]) is not None
    ]
    return stacked_chart(
        slices,
        description=f"Shares of what is {DIRECTIONS[direction]}, by modality",
        of="modality",
        what="called" if direction == "gold" else "is",
        axis="share",
        colours={part: colour("error" if part == "failed" else part) for part in parts},
    )


def over_sensitivity_chart(found: Mapping[str, Any]) -> Spec:
    """How often a pair is called unsafe, by its gold grade and by which of its parts is unsafe."""
    colours = (colour("joint"), colour("image"), colour("text"), colour("wrong"))
    return interval_chart(
        [
            IntervalMark(
                f"{severity.label} pair",
                rate(found[key][severity.label]),
                found[key]["n"][severity.label],
                words,
            )
            for severity in Severity
            for key, words in PARTS.items()
        ],
        description="Share of pairs called unsafe by gold grade and unsafe parts",
        axis="share called unsafe",
        colours=dict(zip(PARTS.values(), colours, strict=True)),
    )


def pairs_chart(found: Mapping[str, Any]) -> Spec:
    """Whether the answer follows when one half of a pair changes."""
    measures = {"told_apart": "both right", "ordered": "right order"}
    return interval_chart(
        [
            IntervalMark(
                f"{PAIRS[key].partition(',')[0]}: {words}",
                rate(found[key][measure]),
                found[key]["pairs"],
                chance=_CHANCE[measure],
            )
            for key in PAIRS
            if found[key]["pairs"]
            for measure, words in measures.items()
        ],
        description="Minimal pairs told apart and put in order, with what guessing reaches",
        axis="share of pairs",
        colours={"": colour("joint")},
    )


def reliability_chart(found: Mapping[str, Any], modality: str) -> Spec:
    """Observed share of unsafe against the mean of `p_unsafe`, by bin; the diagonal is ideal."""
    data = [
        {
            "p": bin_["mean_p"],
            **rate(bin_["observed"]).as_dict(),
            "shown": format_rate(bin_["observed"]),
            "said": f"{bin_['mean_p']:.3f} ({bin_['from']:.3f} to {bin_['to']:.3f})",
            "n": bin_["n"],
        }
        for bin_ in found["bins"]
    ]
    unit: Spec = {"domain": [0, 1]}
    x: Spec = {"type": "quantitative", "scale": unit, "title": "p_unsafe, mean of the bin"}
    y: Spec = {"type": "quantitative", "scale": unit, "title": "share that is unsafe"}
    tooltip = [
        {"field": "said", "title": "mean p (range)"},
        {"field": "shown", "title": "unsafe"},
        {"field": "n"},
    ]
    return {
        "description": f"Reliability of p_unsafe, {modality}",
        **SIZING,
        "height": 260,
        "data": {"values": data},
        "layer": [
            {
                "data": {"values": [{"p": 0, "value": 0}, {"p": 1, "value": 1}]},
                "mark": {"type": "line", "strokeDash": [4, 3], "strokeWidth": 1, "tooltip": None},
                "encoding": {
                    "x": {**x, "field": "p"},
                    "y": {**y, "field": "value"},
                    "color": {"value": colour("muted")},
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "opacity": 0.45},
                "encoding": {
                    "x": {**x, "field": "p"},
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "color": {"value": colour(modality)},
                    "tooltip": tooltip,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "x": {**x, "field": "p"},
                    "y": {**y, "field": "value"},
                    "color": {"value": colour(modality)},
                    "tooltip": tooltip,
                },
            },
        ],
    }
