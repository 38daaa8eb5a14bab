"""Chart specifications: pure functions from metrics to Vega-Lite.

Colours are the custom properties of the page's stylesheet (``var(--joint)``), so that one drawing
serves light, dark and print. Estimates are drawn as a dot with its 95% interval; hovering tells
value, interval and n. What was not measured keeps its row and has no dot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlsu.analysis.intervals import Rate
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Family, Pattern, Severity
from vlsu.report.table import rate
from vlsu.report.tables import CAUSES, SCORES

__all__ = [
    "CONFIG",
    "Estimate",
    "Spec",
    "attribution_chart",
    "categories_chart",
    "confusion_chart",
    "dominance_chart",
    "interval_chart",
    "late_fusion_chart",
    "modalities_chart",
    "outcomes_chart",
    "pattern_chart",
]

Spec = dict[str, object]

#: Look shared by all charts.
CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "axisQuantitative": {"tickCount": 6, "labelFlush": False},
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "symbolOpacity": 1},
}

#: As wide as the place in the page; the height is that of the rows, axes aside.
_SIZING: Spec = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
_ROW_PX = 26
_GROUPED_ROW_PX = 20
#: Room on the right for the counts, in pixels.
_COUNT_PX = 52
_SHAPES = ("circle", "square", "diamond", "triangle-up")


@dataclass(frozen=True, slots=True)
class Estimate:
    """One dot of a chart: a rate, how many it was measured on, where it stands."""

    label: str
    rate: Rate
    n: int | None = None
    group: str = ""

    @property
    def row(self) -> dict[str, object]:
        """The datum of the dot; its texts are made here so that all formats agree."""
        value, low, high = self.rate.value, self.rate.low, self.rate.high
        shown = "" if value is None or low is None else f"{value:.3f}"
        between = "" if value is None or low is None else f"{low:.3f} to {high:.3f}"
        return {
            "label": self.label,
            "group": self.group,
            "value": value,
            "low": low,
            "high": high,
            "n": self.n,
            "shown": shown,
            "interval": between,
            "count": "" if self.n is None else f"n {self.n:,}",
        }


def interval_chart(
    estimates: Sequence[Estimate],
    *,
    description: str,
    axis: str,
    colours: Mapping[str, str],
    domain: tuple[float, float] | None = (0.0, 1.0),
    reference: Rate | None = None,
) -> Spec:
    """Dots with intervals, a row a label; groups of one label stand below each other.

    Args:
        estimates: In the order of the rows.
        description: What the chart shows, for those who cannot see it.
        axis: Title of the value's axis.
        colours: Group -> colour, in the order of the legend; there is no legend for one group.
        domain: Of the value; `None` fits the data and 0.
        reference: Drawn as a line across all rows.
    """
    labels = list(dict.fromkeys(e.label for e in estimates))
    groups = list(colours)
    grouped = len(groups) > 1
    side_by_side = len({(e.label, e.group) for e in estimates}) > len(labels)
    scale: Spec = {"zero": True} if domain is None else {"domain": list(domain)}
    y: Spec = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": labels},
        "axis": {"title": None, "domain": False, "ticks": False, "labelPadding": 8},
    }
    colour: Spec = {
        "field": "group",
        "type": "nominal",
        "scale": {"domain": groups, "range": list(colours.values())},
        "legend": {"title": None, "orient": "top"} if grouped else None,
    }
    tooltip = [
        {"field": "label", "title": " "},
        *([{"field": "group", "title": "of"}] if grouped else []),
        {"field": "shown", "title": axis.partition(",")[0]},
        {"field": "interval", "title": "95% interval"},
        *([{"field": "n", "title": "n"}] if any(e.n is not None for e in estimates) else []),
    ]
    encoding: Spec = {"y": y, "color": colour}
    if side_by_side:
        encoding["yOffset"] = {"field": "group", "type": "nominal", "scale": {"domain": groups}}
    at = {"field": "value", "type": "quantitative", "scale": scale, "title": axis}
    low = {"field": "low", "type": "quantitative", "scale": scale, "title": axis}
    shape = {
        "field": "group",
        "type": "nominal",
        "scale": {"domain": groups, "range": list(_SHAPES[: len(groups)])},
        "legend": colour["legend"],
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "opacity": 0.45},
            "encoding": {"x": low, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"x": at, "shape": shape},
        },
        {  # nothing to see: a target wide enough to hover
            "mark": {"type": "rule", "strokeWidth": 16, "opacity": 0},
            "encoding": {"x": low, "x2": {"field": "high"}, "tooltip": tooltip},
        },
    ]
    if not grouped and any(e.n is not None for e in estimates):
        layers.append(
            {
                "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 11},
                "encoding": {
                    "x": {"value": "width"},
                    "text": {"field": "count"},
                    "color": {"value": "var(--muted)"},
                },
            }
        )
    if reference is not None and reference.value is not None:
        layers.insert(
            0,
            {
                "data": {"values": [{"reference": reference.value}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1},
                "encoding": {
                    "x": {"field": "reference", "type": "quantitative", "scale": scale},
                    "y": {"value": 0},
                    "y2": {"value": "height"},
                    "color": {"value": "var(--muted)"},
                    "yOffset": None,
                },
            },
        )
    return {
        "description": description,
        **_SIZING,
        "height": len(labels) * (_GROUPED_ROW_PX * len(groups) if side_by_side else _ROW_PX),
        "padding": {"left": 2, "top": 4, "bottom": 4, "right": 12 if grouped else _COUNT_PX},
        "data": {"values": [e.row for e in estimates]},
        "encoding": encoding,
        "layer": layers,
    }


def pattern_chart(metrics: Mapping[str, Any], family: Family) -> Spec:
    """Accuracy of the pair in each pattern of one family; the line is the family's."""
    estimates = [
        Estimate(name, rate(found["accuracy"]), found["n"])
        for name, found in metrics["patterns"].items()
        if Pattern.parse(name).family is family
    ]
    return interval_chart(
        estimates,
        description=f"Accuracy of the joint judgments by {family.value} pattern",
        axis="accuracy",
        colours={"": f"var(--{family.value})"},
        reference=rate(metrics["families"][family.value]["accuracy"]),
    )


def modalities_chart(metrics: Mapping[str, Any]) -> Spec:
    """Each score for image, text and pair."""
    return interval_chart(
        [
            Estimate(words, rate(metrics[m][key]), metrics[m]["n"], m)
            for key, words in SCORES.items()
            for m in MODALITIES
        ],
        description="Accuracy and F1 scores of image, text and joint judgments",
        axis="value",
        colours={m: f"var(--{m})" for m in MODALITIES},
    )


def confusion_chart(metrics: Mapping[str, Any], modality: str) -> Spec:
    """Gold against predicted severity; shade is the share within a gold severity."""
    rows = []
    said = (*(s.label for s in Severity), "none")
    for gold, counts in metrics[modality]["confusion"].items():
        total = sum(counts.values())
        for predicted in said:
            share = counts[predicted] / total if total else 0.0
            rows.append(
                {
                    "gold": gold,
                    "predicted": predicted,
                    "count": counts[predicted],
                    "share": share,
                    "shown": f"{share:.0%} of gold {gold}" if total else "",
                }
            )
    return {
        "description": f"Confusion of gold and predicted severity, {modality}",
        **_SIZING,
        "height": len(Severity) * 44,
        "data": {"values": rows},
        "encoding": {
            "x": {
                "field": "predicted",
                "type": "nominal",
                "sort": list(said),
                "axis": {"title": "predicted", "labelAngle": 0, "orient": "top"},
            },
            "y": {
                "field": "gold",
                "type": "nominal",
                "sort": [s.label for s in Severity],
                "axis": {"title": "gold", "labelPadding": 6},
            },
            "tooltip": [
                {"field": "gold"},
                {"field": "predicted"},
                {"field": "count"},
                {"field": "shown", "title": "share"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "rect", "fill": f"var(--{modality})", "cornerRadius": 3},
                "encoding": {
                    "fillOpacity": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": [0.05, 1]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 13},
                "encoding": {
                    "text": {"field": "count", "type": "quantitative"},
                    "color": {
                        "condition": {"test": "datum.share > 0.55", "value": "var(--on-accent)"},
                        "value": "var(--ink)",
                    },
                },
            },
        ],
        "config": {"axis": {"domain": False, "ticks": False, "grid": False}},
    }


def attribution_chart(metrics: Mapping[str, Any]) -> Spec:
    """What the model got right alone where it got the pair wrong."""
    found = metrics["attribution"]
    return interval_chart(
        [
            Estimate(key.replace("_", " "), rate(found[key]["share"]), found[key]["count"])
            for key in CAUSES
        ],
        description="Shares of joint errors by whether image and text were right alone",
        axis="share of joint errors",
        colours={"": "var(--joint)"},
    )


def late_fusion_chart(metrics: Mapping[str, Any]) -> Spec:
    """The model against taking the worse of two grades."""
    found = metrics["late_fusion"]
    accuracy, agreement = "accuracy", "agreement"
    return interval_chart(
        [
            Estimate("worse of gold", rate(found["gold_ceiling"]), group=accuracy),
            Estimate("worse of its own", rate(found["of_predictions"]), group=accuracy),
            Estimate("joint answer", rate(metrics["joint"]["accuracy"]), group=accuracy),
            Estimate("agreement", rate(found["agreement"]), group=agreement),
        ],
        description="Accuracy of late fusion and of the model's joint answers, and how often the "
        "two agree",
        axis="accuracy or agreement",
        colours={accuracy: "var(--joint)", agreement: "var(--text)"},
    )


def dominance_chart(metrics: Mapping[str, Any]) -> Spec:
    """Kappa of the joint answer with each modality's own."""
    groups = {"all": "all pairs", "joint_correct": "pair right", "joint_wrong": "pair wrong"}
    found = metrics["dominance"]
    return interval_chart(
        [
            Estimate(f"with {m} alone", rate(found[f"kappa_{m}"][key]), group=words)
            for m in ("image", "text")
            for key, words in groups.items()
        ],
        description="Cohen's kappa of the joint prediction with the prediction for one modality",
        axis="Cohen's kappa",
        colours=dict(
            zip(groups.values(), ("var(--joint)", "var(--right)", "var(--wrong)"), strict=True)
        ),
        domain=None,
    )


def categories_chart(metrics: Mapping[str, Any], titles: Mapping[str, str]) -> Spec:
    """Accuracy of the pair by gold category."""
    return interval_chart(
        [
            Estimate(titles.get(name, name), rate(found["accuracy"]), found["n"])
            for name, found in metrics["categories"].items()
        ],
        description="Accuracy of the joint judgments by gold category of the pair",
        axis="accuracy",
        colours={"": "var(--joint)"},
        reference=rate(metrics["joint"]["accuracy"]),
    )


def outcomes_chart(metrics: Mapping[str, Any]) -> Spec:
    """What became of the requests, as shares within each modality."""
    counts: Mapping[str, Mapping[str, int]] = metrics["outcomes"]
    rows = []
    for modality in (m for m in MODALITIES if sum(counts.get(m, {}).values())):
        total = sum(counts[modality].values())
        for rank, outcome in enumerate(Outcome):
            count = counts[modality].get(outcome.value, 0)
            rows.append(
                {
                    "modality": modality,
                    "outcome": outcome.value,
                    "rank": rank,
                    "share": count / total,
                    "shown": f"{count / total:.1%}",
                    "count": count,
                }
            )
    return {
        "description": "Shares of the outcomes by modality",
        **_SIZING,
        "height": len({row["modality"] for row in rows}) * 34,
        "data": {"values": rows},
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {
                "field": "modality",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "domain": False, "ticks": False},
            },
            "x": {
                "field": "share",
                "type": "quantitative",
                "stack": "zero",
                "scale": {"domain": [0, 1]},
                "title": "share of judgments",
            },
            "order": {"field": "rank"},
            "color": {
                "field": "outcome",
                "type": "nominal",
                "scale": {"domain": list(Outcome), "range": [f"var(--{o.value})" for o in Outcome]},
                "legend": {"title": None, "orient": "top"},
            },
            "tooltip": [
                {"field": "modality"},
                {"field": "outcome"},
                {"field": "count"},
                {"field": "shown", "title": "share"},
            ],
        },
    }
