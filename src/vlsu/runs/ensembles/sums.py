"""Progress, estimates, requests and costs of several runs together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.models.base import Outcome
from vlsu.runs.asking.progress import Progress
from vlsu.runs.estimate import Estimate
from vlsu.runs.record_schema import RunRecord

__all__ = ["SummedProgress", "summed_costs", "summed_estimate", "summed_requests"]

_COUNTS = ("needed", "asked", "reused", "shared", "stored")
_BY_KIND = ("retries", "errors", "unanswered")


class SummedProgress:
    """Reports the progress of several runs, one after the other, as that of one.

    Args:
        progress: To which it is reported.
        needed: Requests of each run, in their order.
    """

    def __init__(self, progress: Progress, needed: Sequence[int]) -> None:
        self._progress = progress
        self._before, self._left = 0, list(needed)

    def begin(self, total: int, *, at_most: bool = False) -> None:
        """The run under way needs this many."""
        self._left[0] = total
        self._progress.begin(self._before + sum(self._left), at_most=at_most)

    def next_member(self) -> None:
        """The next run begins."""
        self._before += self._left.pop(0)

    def finished(self) -> None:
        """Of one run; that all are is reported by the ensemble."""

    def stored(self, count: int) -> None:
        """Passed on."""
        self._progress.stored(count)

    def answered(self, outcome: Outcome) -> None:
        """Passed on."""
        self._progress.answered(outcome)

    def spared(self, count: int) -> None:
        """Passed on."""
        self._progress.spared(count)

    def retried(self, kind: str) -> None:
        """Passed on."""
        self._progress.retried(kind)

    def waiting(self, seconds: float, why: str) -> None:
        """Passed on."""
        self._progress.waiting(seconds, why)


def summed_estimate(parts: Sequence[Estimate], samples: int) -> Estimate:
    """What several runs over the same samples take together.

    Args:
        parts: Of each run; a run without a price counts as free if another has one.
        samples: How many they share.
    """
    requests: Counter[str] = Counter()
    for each in parts:
        requests.update(each.requests)
    costs = [each.cost for each in parts if each.cost is not None]
    cached = [each.cost_cached for each in parts if each.cost_cached is not None]
    batch = [each.cost_batch for each in parts if each.cost is not None]
    currencies = {each.currency for each in parts if each.cost is not None}
    times = [each.seconds for each in parts]
    tokens = sum(each.input_tokens for each in parts)
    sources = dict.fromkeys(each.cost_source for each in parts if each.cost_source)
    return Estimate(
        samples=samples,
        requests=dict(requests),
        images_sent=sum(each.images_sent for each in parts),
        images_distinct=max((each.images_distinct for each in parts), default=0),
        input_tokens=sum(each.input_tokens for each in parts),
        output_tokens=sum(each.output_tokens for each in parts),
        cost=sum(costs) if costs else None,
        cost_source="; ".join(sources) or None,
        stored=sum(each.stored for each in parts),
        out=sum(each.out for each in parts),
        lacking=tuple(dict.fromkeys(line for each in parts for line in each.lacking)),
        currency=currencies.pop() if len(currencies) == 1 else None,
        cached_share=sum(each.cached_share * each.input_tokens for each in parts) / max(1, tokens),
        cost_cached=sum(cached) if cached else None,
        cost_batch=_sum_if_known(batch),
        seconds=_sum_if_known(times),
    )


def _sum_if_known(parts: Sequence[float | None]) -> float | None:
    """The sum; `None` of nothing, and where one is not known."""
    known = [each for each in parts if each is not None]
    return sum(known) if known and len(known) == len(parts) else None


def summed_requests(records: Sequence[RunRecord]) -> dict[str, object]:
    """``requests`` of the records of several runs, added up."""
    parts: list[Mapping[str, Any]] = [record.get("requests", {}) for record in records]
    found: dict[str, object] = {
        name: sum(part.get(name, 0) for part in parts)
        for name in _COUNTS
        if all(name in part for part in parts)
    }
    for name in _BY_KIND:
        counts: Counter[str] = Counter()
        for part in parts:
            counts.update(part.get(name, {}))
        found[name] = dict(sorted(counts.items()))
    return found


def summed_costs(records: Sequence[RunRecord]) -> dict[str, object]:
    """The costs of the records of several runs, added up; empty where none is known."""
    priced = [record for record in records if "cost" in record]
    if not priced:
        return {}
    costs = [record["cost"] for record in priced]
    of: Counter[str] = Counter()
    saved: Counter[str] = Counter()
    for cost in costs:
        of.update(cost.get("of", {}))
        saved.update(cost.get("saved", {}))
    currencies = {cost.get("currency") for cost in costs}
    return {
        "cost": {
            "total": round(sum(cost["total"] for cost in costs), 6),
            "currency": currencies.pop() if len(currencies) == 1 else None,
            "of_start": round(sum(cost.get("of_start", 0.0) for cost in costs), 6),
            "of": {spec: round(cost, 6) for spec, cost in of.items()},
            "source": "; ".join(dict.fromkeys(cost.get("source", "") for cost in costs)),
            "prices": {spec: each for cost in costs for spec, each in cost["prices"].items()},
            "saved": {why: round(money, 6) for why, money in saved.items()},
        }
    }
