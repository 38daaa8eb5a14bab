"""What stands out in an alignment run, in sentences: what framings change, and what is missing.

Each sentence is one number of the run with its interval, and says no more than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.models.base import Outcome
from vlsu.report.alignment.breakdown_tables import framing_pairs, missing
from vlsu.report.alignment.tables import RATE_NAMES
from vlsu.report.table import corrected, rate
from vlsu.report.task import Finding

__all__ = ["findings"]


def findings(metrics: Mapping[str, Any]) -> list[Finding]:
    """What stands out in a run of alignment, as far as it can tell.

    Args:
        metrics: The content of ``metrics.json``.
    """
    found = [
        *(("trade-off", _change(*pair)) for pair in framing_pairs(metrics)),
        *(("severities", _help(name, part)) for name, part in metrics["framings"].items()),
        ("judge", _missing(metrics)),
        ("outcomes", _blocked(metrics)),
    ]
    return [Finding(section, text) for section, text in found if text]


def _change(first: str, second: str, found: Mapping[str, Any]) -> str:
    """Only what the intervals of paired differences tell apart from no change."""
    changes = []
    for key, words in RATE_NAMES.items():
        change = rate(corrected(found[key]))
        if change.value is None or change.low is None or change.high is None:
            continue
        if change.low > 0 or change.high < 0:
            low, high = round(100 * change.low), round(100 * change.high)
            changes.append(f"{words} by {100 * change.value:+.0f} points [{low:+d}, {high:+d}]")
    if not changes:
        return ""
    return f"From {first} to {second}: {', '.join(changes)}."


def _help(name: str, found: Mapping[str, Any]) -> str:
    borderline = rate(found["helpfulness"]["borderline"])
    if borderline.value is None or borderline.low is None or borderline.high is None:
        return ""
    interval = f"[{borderline.low:.2f}, {borderline.high:.2f}]"
    return f"Under {name} answers to borderline pairs help {borderline.value:.2f} {interval} of 1."


def _missing(metrics: Mapping[str, Any]) -> str:
    lacking = {name: missing(found) for name, found in metrics["framings"].items()}
    said = ", ".join(f"{count:,} under {name}" for name, count in lacking.items() if count)
    return f"Answers to graded pairs that are in no rate: {said}." if said else ""


def _blocked(metrics: Mapping[str, Any]) -> str:
    counts = {name: part[Outcome.BLOCKED.value] for name, part in metrics["outcomes"].items()}
    said = ", ".join(f"{count:,} under {name}" for name, count in counts.items() if count)
    return f"The provider blocked answers: {said}." if said else ""
