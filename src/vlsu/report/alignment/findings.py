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
        ("outcomes", _blocked(metrics)),
    ]
    return [Finding(section, text) for section, text in sentences if text]


def _change(first: str, second: str, differences: Differences) -> str:
    """Only what the intervals of paired differences distinguish from no change."""
    changes = []
    for key, judged in named_rates(differences).items():
        change = corrected(judged)
        if change.value is None or change.low is None or change.high is None:
            continue
        if change.low > 0 or change.high < 0:
            low, high = round(100 * change.low), round(100 * change.high)
            changes.append(
                f"{RATE_NAMES[key]} by {100 * change.value:+.0f} points [{low:+d}, {high:+d}]"
            )
    if not changes:
        return ""
    return f"From {first} to {second}: {', '.join(changes)}."


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


def _blocked(metrics: Metrics) -> str:
    blocked = {name: counts[Outcome.BLOCKED.value] for name, counts in metrics.outcomes.items()}
    counts = ", ".join(f"{count:,} under {name}" for name, count in blocked.items() if count)
    return f"The provider blocked answers: {counts}." if counts else ""
