"""What the page of an understanding run shows beside what all pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.policy import Family, Severity
from vlsu.report.answered import answered_value
from vlsu.report.table import rate
from vlsu.report.task import Contents, PageParts
from vlsu.report.understanding.tables import FAMILY_MEANING, SCORES, graded

__all__ = ["page_parts"]

#: Sections of the page: identifier -> title in its navigation.
_SECTIONS = {
    "patterns": "Patterns",
    "parts": "Parts and pair",
    "late-fusion": "Late fusion",
    "modalities": "Modalities",
    "borderline": "Errors",
    "categories": "Categories",
    "calibration": "Calibration",
    "outcomes": "Outcomes",
    "samples": "Samples",
    "settings": "Settings",
}
#: Score of the pair -> what it is over.
_OVER = {
    "accuracy": "of all pairs",
    "f1_macro": "safe, borderline, unsafe alike",
    "f1_binary": "unsafe against the rest",
    "f1_binary_strict": "borderline and unsafe against safe",
}


def page_parts(metrics: Mapping[str, Any], contents: Contents, notes: Sequence[str]) -> PageParts:
    """What the page of an understanding run shows beside what all pages show.

    Args:
        metrics: The content of ``metrics.json``.
        contents: The run's tables and charts.
        notes: What must be known of the run.
    """
    prefixes = ("borderline-", "over-", "minimal-")
    diagnosed = any(name.startswith(prefixes) for name in contents.charts)
    return PageParts(
        _sections(contents, diagnosed=diagnosed),
        notes,
        {
            "families": _families(metrics),
            "scores": _scores(metrics),
            "severities": [severity.label for severity in Severity],
            "asked": graded(metrics),
            "diagnosed": diagnosed,
        },
    )


def _sections(found: Contents, *, diagnosed: bool) -> list[tuple[str, str]]:
    """The sections that this run has."""
    there = {
        "patterns": "patterns" in found.charts,
        "parts": "flow" in found.charts,
        "late-fusion": "late-fusion" in found.charts,
        "modalities": "modalities" in found.charts,
        "borderline": diagnosed,
        "categories": "severities" in found.charts,
        "calibration": "calibration" in found.tables,
    }
    return [(id_, title) for id_, title in _SECTIONS.items() if there.get(id_, True)]


def _families(metrics: Mapping[str, Any]) -> list[dict[str, object]]:
    found = metrics["families"]
    if not any(part["n"] for part in found.values()):
        return []
    return [
        {
            "family": family.value,
            "meaning": FAMILY_MEANING[family],
            "accuracy": rate(found[family.value]["accuracy"]),
            "n": found[family.value]["n"],
            "answered": answered_value(found[family.value]),
        }
        for family in Family
    ]


def _scores(metrics: Mapping[str, Any]) -> list[dict[str, object]]:
    """The scores of the pair, or of what else was asked about."""
    found = graded(metrics)
    if "joint" in found:
        joint = metrics["joint"]
        return [
            {
                "name": SCORES[key],
                "rate": rate(joint[key]),
                "what": words,
                "answered": answered_value(joint),
            }
            for key, words in _OVER.items()
        ]
    return [
        {
            "name": f"{SCORES[key]}, {m}",
            "rate": rate(metrics[m][key]),
            "what": f"of {m}s alone",
            "answered": answered_value(metrics[m]),
        }
        for m in found
        for key in ("accuracy", "f1_macro")
    ]
