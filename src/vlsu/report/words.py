"""What a report says in sentences."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from vlsu.policy import Family
from vlsu.report.table import rate
from vlsu.runs import Run

__all__ = ["baseline_note", "date_of", "headline_sentence"]

_WHERE = {
    Family.LATE_FUSION: "of pairs where the worse of image and text decides",
    Family.ESCALATING: "where the two together are worse than either (escalating)",
    Family.DE_ESCALATING: "where they are milder together (de-escalating)",
}

_BASELINES = {
    "baseline/late-fusion": "A heuristic baseline, not a vision-language model: it grades image "
    "and text apart and cannot see joint harm, by construction. Where it is right on an escalating "
    "or de-escalating pair, it misgraded a part.",
    "baseline/majority": "A trivial baseline: it gives one answer to everything and looks at "
    "nothing.",
    "baseline/random": "A trivial baseline: it answers at random and looks at nothing.",
}


def headline_sentence(metrics: Mapping[str, Any]) -> str:
    """The result in words: accuracy of the pair in each family, in percent with its interval."""
    parts = []
    for family, where in _WHERE.items():
        found = rate(metrics["families"][family.value]["accuracy"])
        if found.value is None or found.low is None or found.high is None:
            continue
        low, high = round(100 * found.low), round(100 * found.high)
        parts.append(f"on {found.value:.0%} [{low}, {high}] {where}")
    if not parts:
        return "No pair of known severity was asked about."
    return f"Right {_joined(parts)}."


def baseline_note(run: Run) -> str:
    """What must be known of an embedded baseline; empty for a model."""
    spec: str = run.record["model"]["spec"]
    if not spec.startswith("baseline/"):
        return ""
    return _BASELINES.get(spec, "A heuristic baseline, not a vision-language model.")


def date_of(run: Run) -> str:
    """The day the run ended, such as ``2 March 2026``, in its own time zone."""
    record = run.record
    day = datetime.datetime.fromisoformat(record.get("ended") or record["started"])
    return f"{day.day} {day:%B %Y}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
