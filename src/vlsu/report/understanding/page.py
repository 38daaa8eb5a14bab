"""What the page of an understanding run shows beside what all pages show."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.policy import Family, patterns_of
from vlsu.report.answered import answered_value
from vlsu.report.task import Contents, PageParts
from vlsu.report.understanding.diagnostic_tables import probability_notes
from vlsu.report.understanding.flagged import family_tile, flagged_scores
from vlsu.report.understanding.modalities import (
    SCORE_NAMES,
    family_part,
    graded,
    modality_scores,
    said_of,
    severities_of,
    unsafe_alone,
)
from vlsu.report.understanding.tables import FAMILY_MEANING

__all__ = ["page_parts"]

#: Sections of the page: identifier -> title in its navigation.
_SECTIONS = {
    "patterns": "Patterns",
    "parts": "Parts and pair",
    "late-fusion": "Late fusion",
    "swap": "Exchanged halves",
    "reruns": "Asked again",
    "modalities": "Modalities",
    "borderline": "Errors",
    "categories": "Categories",
    "calibration": "Calibration",
    "outcomes": "Outcomes",
    "cost": "Cost",
    "samples": "Samples",
    "settings": "Settings",
}
#: Score of the pair -> what it is over.
_OVER = {
    "accuracy": "of all pairs",
    "f1_macro": "{} alike",
    "f1_binary": "unsafe against the rest",
    "f1_binary_strict": "borderline and unsafe against safe",
}


def page_parts(metrics: Metrics, contents: Contents, notes: Sequence[str]) -> PageParts:
    """What the page of an understanding run shows beside what all pages show.

    Args:
        metrics: The content of ``metrics.json``.
        contents: The run's tables and charts.
        notes: What must be known of the run.
    """
    prefixes = ("borderline-", "over-", "minimal-")
    diagnosed = any(name.startswith(prefixes) for name in contents.charts)
    return PageParts(
        _sections(contents, diagnosed=diagnosed, alone=unsafe_alone(metrics)),
        notes,
        {
            "families": _families(metrics),
            "scores": _scores(metrics),
            "severities": [severity.label for severity in severities_of(metrics)],
            "listed_patterns": len(patterns_of(severities_of(metrics))),
            "asked": graded(metrics),
            "diagnosed": diagnosed,
            "probability_notes": probability_notes(metrics),
            "alone": unsafe_alone(metrics),
            "scored": [severity.label for severity in said_of(metrics)],
        },
    )


def _sections(contents: Contents, *, diagnosed: bool, alone: bool) -> list[tuple[str, str]]:
    """The sections that this run has."""
    there = {
        "patterns": "patterns" in contents.charts,
        "parts": "flow" in contents.charts,
        "late-fusion": "late-fusion" in contents.charts or "dominance" in contents.charts,
        "swap": "swap" in contents.charts,
        "reruns": "reruns" in contents.charts,
        "modalities": "modalities" in contents.charts,
        "borderline": diagnosed,
        "categories": "severities" in contents.charts,
        "calibration": "calibration" in contents.tables,
        "cost": "savings" in contents.tables,
    }
    titles = _SECTIONS | ({"late-fusion": "Agreement"} if alone else {})
    return [(id_, title) for id_, title in titles.items() if there.get(id_, True)]


def _families(metrics: Metrics) -> list[dict[str, object]]:
    parts = {family: family_part(metrics, family) for family in Family}
    if not any(part.n for part in parts.values()):
        return []
    return [
        {
            "family": family.value,
            "meaning": FAMILY_MEANING[family],
            "accuracy": part.accuracy,
            "n": part.n,
            "answered": answered_value(part),
            **(family_tile(part) if unsafe_alone(metrics) else {}),
        }
        for family, part in parts.items()
    ]


def _scores(metrics: Metrics) -> list[dict[str, object]]:
    """The scores of the pair, or of what else was asked about."""
    modalities = graded(metrics)
    classes = ", ".join(severity.label for severity in severities_of(metrics))
    if unsafe_alone(metrics):
        return [
            {
                "name": name if "joint" in modalities else f"{name}, {modality}",
                "rate": rate,
                "what": what,
                "answered": answered_value(modality_scores(metrics, modality)),
            }
            for modality in (("joint",) if "joint" in modalities else modalities)
            for name, (rate, what) in flagged_scores(metrics, modality).items()
        ]
    if "joint" in modalities:
        return [
            {
                "name": SCORE_NAMES[key],
                "rate": Rate.from_json(metrics.joint[key]),
                "what": over.format(classes),
                "answered": answered_value(metrics.joint),
            }
            for key, over in _OVER.items()
            if key in metrics.joint
        ]
    return [
        {
            "name": f"{SCORE_NAMES[key]}, {modality}",
            "rate": Rate.from_json(metrics[modality][key]),
            "what": f"of {modality}s alone",
            "answered": answered_value(modality_scores(metrics, modality)),
        }
        for modality in modalities
        for key in ("accuracy", "f1_macro")
    ]
