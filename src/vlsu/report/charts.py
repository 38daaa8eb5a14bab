"""Chart specifications: pure functions from metrics to Vega-Lite.

What was not measured keeps its row and has no dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Family, Pattern, Severity
from vlsu.report.dots import SIZING, Estimate, Spec, interval_chart
from vlsu.report.table import rate
from vlsu.report.tables import CAUSES, SCORES

__all__ = [
    "attribution_chart",
    "categories_chart",
    "confusion_chart",
    "dominance_chart",
    "late_fusion_chart",
    "modalities_chart",
    "outcomes_chart",
    "pattern_chart",
    "shares_chart",
]


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
        **SIZING,
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
    total = found["joint_errors"]
    return interval_chart(
        [
            Estimate(
                key.replace("_", " "),
                rate(found[key]["share"]),
                total,
                remark=f"{found[key]['count']:,} of {total:,}",
            )
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
    return shares_chart(
        {m: counts[m] for m in MODALITIES if sum(counts.get(m, {}).values())},
        of="modality",
        what="outcome",
        colours={outcome.value: f"var(--{outcome.value})" for outcome in Outcome},
        axis="share of judgments",
    )


def shares_chart(
    counts: Mapping[str, Mapping[str, int]],
    *,
    of: str,
    what: str,
    colours: Mapping[str, str],
    axis: str,
) -> Spec:
    """A stacked bar a row, of the shares that its counts have in their sum.

    Args:
        counts: Row -> part -> number; rows that sum to 0 are left out.
        of: What a row is, such as ``modality``.
        what: What a part is, such as ``outcome``.
        colours: Part -> colour, in the order of the stack.
        axis: Title of the axis of shares.
    """
    rows = [
        {
            of: name,
            what: part.replace("_", " "),
            "rank": rank,
            "share": parts.get(part, 0) / sum(parts.values()),
            "shown": f"{parts.get(part, 0) / sum(parts.values()):.1%}",
            "count": parts.get(part, 0),
        }
        for name, parts in counts.items()
        if sum(parts.values())
        for rank, part in enumerate(colours)
    ]
    domain = [part.replace("_", " ") for part in colours]
    return {
        "description": f"Shares of the {what}s by {of}",
        **SIZING,
        "height": len({row[of] for row in rows}) * 34,
        "data": {"values": rows},
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {
                "field": of,
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "domain": False, "ticks": False},
            },
            "x": {
                "field": "share",
                "type": "quantitative",
                "stack": "zero",
                "scale": {"domain": [0, 1]},
                "title": axis,
            },
            "order": {"field": "rank"},
            "color": {
                "field": what,
                "type": "nominal",
                "scale": {"domain": domain, "range": list(colours.values())},
                "legend": {"title": None, "orient": "top"},
            },
            "tooltip": [
                {"field": of},
                {"field": what},
                {"field": "count"},
                {"field": "shown", "title": "share"},
            ],
        },
    }
