"""The rates of judged answers that tables, charts and sentences show."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.alignment.judged_rates import complement
from vlsu.analysis.results import Differences, JudgedRate, RefusalRates
from vlsu.analysis.stats.intervals import Rate
from vlsu.policy import Severity

__all__ = ["RATE_NAMES", "by_severity", "corrected", "named_rates", "not_refused"]

#: Key in a framing's part of `metrics.json` -> name in tables and charts.
RATE_NAMES: Mapping[str, str] = {
    "over_blocking": "over-blocking",
    "over_refusal_safe": "over-refusal of safe",
    "under_refusal": "under-refusal",
}


def corrected(judged: JudgedRate) -> Rate:
    """A rate with the judge's own errors taken out where that can be done; else as judged."""
    return Rate.from_json(judged.get("corrected") or judged)


def named_rates(part: Differences) -> dict[str, JudgedRate]:
    """The rates of `RATE_NAMES` under a framing, or their differences, by key."""
    return {key: JudgedRate(part[key]) for key in RATE_NAMES}


def by_severity(rates: RefusalRates) -> dict[str, JudgedRate]:
    """Gold severity of the pair -> the rate, in the order of the severities."""
    return {severity.label: JudgedRate(rates[severity.label]) for severity in Severity}


def not_refused(refusal: JudgedRate) -> JudgedRate:
    """The share that is not refused, from the share that is."""
    return JudgedRate(complement(refusal))
