"""Charts of the diagnostic parts of `metrics.json`; a run judged before they existed has none."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import (
    BorderlineErrors,
    Metrics,
    MinimalPairs,
    OverSensitivity,
    ProbabilityScores,
)
from vlsu.analysis.stats.intervals import Rate
from vlsu.policy import MODALITIES, Severity
from vlsu.report.charts.bars import Slice, stacked_chart
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import SIZING, IntervalMark, Spec, interval_chart
from vlsu.report.table import format_rate
from vlsu.report.understanding.modalities import said_of, unsafe_alone

__all__ = [
    "DIRECTIONS",
    "PAIRS",
    "PARTS",
    "borderline_chart",
    "borderline_shares",
    "diagnostic_charts",
    "guessing",
    "minimal_pair_parts",
    "over_sensitivity_chart",
    "over_sensitivity_grades",
    "over_sensitivity_parts",
    "pairs_chart",
    "probability_scores",
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


def guessing(severities: int) -> dict[str, float]:
    """What guessing evenly among so many severities reaches, by measure of `minimal_pairs`."""
    return {"told_apart": 1 / severities**2, "ordered": (severities - 1) / (2 * severities)}


def diagnostic_charts(metrics: Metrics) -> dict[str, Spec]:
    """The charts that this run has, by name."""
    charts: dict[str, Spec] = {}
    if metrics.get("borderline") and not unsafe_alone(metrics):
        for direction in DIRECTIONS:
            if any(part[direction]["n"] for part in metrics.borderline.values()):
                charts[f"borderline-{direction}"] = borderline_chart(metrics.borderline, direction)
    if metrics.get("over_sensitivity"):
        parts = over_sensitivity_parts(metrics.over_sensitivity)
        if any(sum(part.n.values()) for part in parts.values()):
            charts["over-sensitivity"] = over_sensitivity_chart(metrics.over_sensitivity)
    if metrics.get("minimal_pairs"):
        alone = unsafe_alone(metrics)
        pairs = {
            key: next(iter(minimal_pair_parts(metrics.minimal_pairs[key], alone).values()), None)
            for key in PAIRS
        }
        there = {key: part for key, part in pairs.items() if part is not None and part.pairs}
        if there:
            chance = guessing(len(said_of(metrics)))
            if alone:  # of a safe and an unsafe sample both measures are the same
                chance.pop("ordered")
            charts["minimal-pairs"] = pairs_chart(there, chance)
    for modality, scores in probability_scores(metrics).items():
        charts[f"reliability-{modality}"] = reliability_chart(scores, modality)
    return charts


def probability_scores(metrics: Metrics) -> dict[str, ProbabilityScores]:
    """Of the modalities whose answers have probabilities, in their usual order."""
    calibration = metrics.get("calibration") or {}
    return {
        modality: ProbabilityScores(calibration[modality])
        for modality in MODALITIES
        if calibration.get(modality) and calibration[modality]["n"]
    }


def over_sensitivity_parts(whole: OverSensitivity) -> dict[str, OverSensitivity]:
    """Which parts of the pair are unsafe, in words -> the rates over these pairs."""
    return {name: OverSensitivity(whole[key]) for key, name in PARTS.items()}


def over_sensitivity_grades(whole: OverSensitivity) -> tuple[str, ...]:
    """The gold grades of the pair by which it is known whether flagging it is an error."""
    return tuple(label for label in whole.n if "reason" not in whole[label])


def minimal_pair_parts(pairs: MinimalPairs, unsafe_alone: bool) -> dict[str, MinimalPairs]:
    """All pairs first, then by their grades; of a safe and an unsafe sample alone, if need be.

    Args:
        pairs: Those that share an image, or a text.
        unsafe_alone: Whether the model tells safe from unsafe only.
    """
    if unsafe_alone:
        told = pairs.by_grades.get("safe-unsafe")
        return {} if told is None else {"safe-unsafe": told}
    return {"all": pairs, **pairs.by_grades}


def borderline_shares(
    borderline: Mapping[str, BorderlineErrors], direction: str
) -> dict[str, dict[str, Rate]]:
    """Modality -> how its middle grade divides; those without one are left out.

    Args:
        borderline: Modality -> its part of the metrics.
        direction: One of `DIRECTIONS`.
    """
    names = (*(s.label for s in Severity), *(["failed"] if direction == "gold" else []))
    return {
        modality: {name: Rate.from_json(borderline[modality][direction][name]) for name in names}
        for modality in MODALITIES
        if modality in borderline and borderline[modality][direction]["n"]
    }


def borderline_chart(borderline: Mapping[str, BorderlineErrors], direction: str) -> Spec:
    """How the middle grade divides, in each modality: `direction` ``gold`` or ``predicted``."""
    parts = (*(s.label for s in Severity), *(["failed"] if direction == "gold" else []))
    slices = [
        Slice(modality, part, rate.value, format_rate(rate))
        for modality, shares in borderline_shares(borderline, direction).items()
        for part, rate in shares.items()
        if rate.value is not None
    ]
    return stacked_chart(
        slices,
        description=f"Shares of what is {DIRECTIONS[direction]}, by modality",
        of="modality",
        what="called" if direction == "gold" else "is",
        axis="share",
        colours={part: colour("error" if part == "failed" else part) for part in parts},
    )


def over_sensitivity_chart(whole: OverSensitivity) -> Spec:
    """How often a pair is called unsafe, by its gold grade and by which of its parts is unsafe."""
    colours = (colour("joint"), colour("image"), colour("text"), colour("wrong"))
    return interval_chart(
        [
            IntervalMark(
                f"{severity} pair",
                Rate.from_json(part[severity]),
                part.n[severity],
                name,
            )
            for severity in over_sensitivity_grades(whole)
            for name, part in over_sensitivity_parts(whole).items()
        ],
        description="Share of pairs called unsafe by gold grade and unsafe parts",
        axis="share called unsafe",
        colours=dict(zip(PARTS.values(), colours, strict=True)),
    )


def pairs_chart(pairs: Mapping[str, MinimalPairs], chance: Mapping[str, float]) -> Spec:
    """Whether the answer follows when one half of a pair changes.

    Args:
        pairs: What they share -> the pairs, some at least.
        chance: What `guessing` reaches, by measure; those that are not in it are not shown.
    """
    measures = {"told_apart": "both right", "ordered": "right order"}
    return interval_chart(
        [
            IntervalMark(
                f"{PAIRS[key].partition(',')[0]}: {name}",
                Rate.from_json(pairs[key][measure]),
                pairs[key].pairs,
                chance=chance[measure],
            )
            for key in PAIRS
            if key in pairs
            for measure, name in measures.items()
            if measure in chance
        ],
        description="Minimal pairs told apart and put in order, with what guessing reaches",
        axis="share of pairs",
        colours={"": colour("joint")},
    )


def reliability_chart(scores: ProbabilityScores, modality: str) -> Spec:
    """Observed share of unsafe against the mean of `p_unsafe`, by bin; the diagonal is ideal."""
    bins = [(bin_, Rate.from_json(bin_["observed"])) for bin_ in scores.bins]
    data = [
        {
            "p": bin_["mean_p"],
            **observed.as_dict(),
            "shown": format_rate(observed),
            "range": f"{bin_['mean_p']:.3f} ({bin_['from']:.3f} to {bin_['to']:.3f})",
            "n": bin_["n"],
        }
        for bin_, observed in bins
    ]
    unit: Spec = {"domain": [0, 1]}
    x: Spec = {"type": "quantitative", "scale": unit, "title": "p_unsafe, mean of the bin"}
    y: Spec = {"type": "quantitative", "scale": unit, "title": "share that is unsafe"}
    tooltip = [
        {"field": "range", "title": "mean p (range)"},
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
