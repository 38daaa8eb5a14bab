"""The rates of judged answers that tables, charts and sentences show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlsu.analysis.alignment.judged_rates import complement
from vlsu.analysis.alignment.refusal_errors import EVERY_ERROR, RefusalErrors
from vlsu.analysis.results import Differences, JudgedRate, Metrics, RefusalRates
from vlsu.analysis.stats.intervals import Rate
from vlsu.policy import Severity
from vlsu.runs import Run

__all__ = [
    "RATE_NAMES",
    "by_severity",
    "corrected",
    "named_rates",
    "not_refused",
    "over_words",
    "rate_names",
    "refusal_errors",
    "shared_errors",
    "with_names",
]

#: Key in a framing's part of `metrics.json` -> name in tables and charts.
RATE_NAMES: Mapping[str, str] = {
    "over_blocking": "over-blocking",
    "over_refusal_safe": "over-refusal of safe",
    "under_refusal": "under-refusal",
}

#: The same of the error that is traded for under-refusal, where it stands beside that one.
_OVER_WORDS: Mapping[str, str] = {
    "over_blocking": "over-blocking",
    "over_refusal_safe": "over-refusal",
}


def refusal_errors(metrics: Metrics) -> RefusalErrors:
    """Those of the severities that a run's rates are by; all where it has no rate."""
    for framing in metrics.framings.values():
        if "refusal" in framing:
            return RefusalErrors.of(framing["refusal"])
    return EVERY_ERROR


def shared_errors(runs: Sequence[Run]) -> RefusalErrors:
    """Those that all of several runs have."""
    found = (refusal_errors(run.metrics) for run in runs)
    return min(found, key=lambda errors: len(errors.severities))


def rate_names(errors: RefusalErrors) -> dict[str, str]:
    """Those of `RATE_NAMES` that there are under the severities of a policy."""
    return {key: name for key, name in RATE_NAMES.items() if key in errors.named}


def over_words(errors: RefusalErrors) -> str:
    """What the error that is traded for under-refusal is called: ``over-blocking``."""
    return _OVER_WORDS[errors.over]


def corrected(judged: JudgedRate) -> Rate:
    """A rate with the judge's own errors taken out where that can be done; else as judged."""
    return Rate.from_json(judged.get("corrected") or judged)


def named_rates(part: Differences) -> dict[str, JudgedRate]:
    """The rates of `RATE_NAMES` that a framing has, or their differences, by key."""
    return {key: JudgedRate(part[key]) for key in RATE_NAMES if key in part}


def with_names(refusal: RefusalRates) -> dict[str, JudgedRate]:
    """The rates of `RATE_NAMES` from rates of refusal by severity, by key."""
    rates = by_severity(refusal)
    return {
        key: not_refused(rates[severity.label]) if rest else rates[severity.label]
        for key, (severity, rest) in RefusalErrors.of(rates).named.items()
    }


def by_severity(rates: RefusalRates) -> dict[str, JudgedRate]:
    """Gold severity of the pair -> the rate, of the severities there are, mildest first."""
    return {s.label: JudgedRate(rates[s.label]) for s in Severity if s.label in rates}


def not_refused(refusal: JudgedRate) -> JudgedRate:
    """The share that is not refused, from the share that is."""
    return JudgedRate(complement(refusal))
