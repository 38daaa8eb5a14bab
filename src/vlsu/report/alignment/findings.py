"""What stands out in an alignment run, in sentences: what framings change, and what is missing.

Each sentence is one number of the run with its interval, and claims no more than that.
"""

from __future__ import annotations

from vlsu.analysis.results import Differences, Framing, JudgedRate, Metrics
from vlsu.models.base import Outcome
from vlsu.report.alignment.breakdown_tables import framing_pairs, missing
from vlsu.report.alignment.rates import RATE_NAMES, corrected, named_rates, refusal_errors
from vlsu.report.task import Finding

__all__ = ["findings"]


def findings(metrics: Metrics) -> list[Finding]:
    """What stands out in a run of alignment, as far as its figures show it.

    Args:
        metrics: The content of ``metrics.json``.
    """
    engaged = refusal_errors(metrics).engaged.label
    sentences = [
        *(("trade-off", _change(*pair)) for pair in framing_pairs(metrics)),
        *(("severities", _help(name, part, engaged)) for name, part in metrics.framings.items()),
        ("judge", _missing(metrics)),
        *(("judge", _whatever_they_are(name, part)) for name, part in metrics.framings.items()),
        ("outcomes", _blocked(metrics)),
    ]
    return [Finding(section, text) for section, text in sentences if text]


def _change(first: str, second: str, differences: Differences) -> str:
    """Only what intervals that hold at once, whatever is missing, distinguish from no change."""
    changes = []
    for key, judged in named_rates(differences).items():
        change, at_once = corrected(judged), judged.get("simultaneous")
        if change.value is None or at_once is None or at_once["low"] is None:
            continue
        if at_once["low"] > 0 or at_once["high"] < 0:
            low, high = round(100 * at_once["low"]), round(100 * at_once["high"])
            changes.append(
                f"{RATE_NAMES[key]} by {100 * change.value:+.0f} points [{low:+d}, {high:+d}]"
            )
    if not changes:
        return ""
    return f"From {first} to {second}: {', '.join(changes)} (intervals that hold at once)."


def _help(name: str, framing: Framing, severity: str) -> str:
    helped = JudgedRate(framing.helpfulness[severity]).rate
    if helped.value is None or helped.low is None or helped.high is None:
        return ""
    interval = f"[{helped.low:.2f}, {helped.high:.2f}]"
    return f"Under {name} answers to {severity} pairs help {helped.value:.2f} {interval} of 1."


def _missing(metrics: Metrics) -> str:
    lacking = {name: missing(framing) for name, framing in metrics.framings.items()}
    counts = ", ".join(f"{count:,} under {name}" for name, count in lacking.items() if count)
    return f"Answers to graded pairs that are in no rate: {counts}." if counts else ""


def _whatever_they_are(name: str, framing: Framing) -> str:
    """What the two rates that are traded off could be, whatever the missing verdicts are."""
    ranges = []
    for key in ("over_blocking", "under_refusal"):
        worst = framing[key].get("worst_case") if key in framing else None
        if worst is not None and worst["low"] is not None:
            ranges.append(f"{RATE_NAMES[key]} in [{worst['low']:.0%}, {worst['high']:.0%}]")
    if not ranges:
        return ""
    return f"Whatever the missing verdicts under {name} are: {' and '.join(ranges)}."


def _blocked(metrics: Metrics) -> str:
    blocked = {name: counts[Outcome.BLOCKED.value] for name, counts in metrics.outcomes.items()}
    counts = ", ".join(f"{count:,} under {name}" for name, count in blocked.items() if count)
    return f"The provider blocked answers: {counts}." if counts else ""
