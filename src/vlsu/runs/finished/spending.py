"""What runs cost for what they get right: points for money, and which run none beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from vlsu.analysis.stats.intervals import Rate
from vlsu.runs.finished.ledger import cost_figures
from vlsu.runs.graded import tells_unsafe_alone
from vlsu.runs.run import Run

__all__ = ["spending", "unbeaten"]


def spending(runs: Sequence[Run], names: Sequence[str]) -> dict[str, Any]:
    """What finished runs of one task cost, what they score, and how long a request takes.

    Args:
        runs: The runs.
        names: Of the same.

    Returns:
        ``metric``, the score's name in `metrics.json` (`None` for alignment runs, which no single
        score ranks), and ``runs``: name -> ``score`` (a rate), ``total``, ``per_1000`` (of
        samples) and ``currency``, ``points_per_unit`` (of the score, in hundredths, for one unit
        of money spent on 1,000 samples), ``latency_s`` (the median of a judgment),
        ``unbeaten_in_cost`` and ``unbeaten_in_latency`` (whether no other run is at least as good
        and cheaper, or faster). Empty where no run has a price.

    Raises:
        RunError: A run is not finished or damaged.
    """
    if not any("cost" in run.record for run in runs):
        return {}
    metric = _metric(runs)
    found = {name: _of(run, metric) for name, run in zip(names, runs, strict=True)}
    currencies = {each["currency"] for each in found.values() if each["per_1000"] is not None}
    for part, key in (("cost", "per_1000"), ("latency", "latency_s")):
        alike = part == "latency" or len(currencies) == 1
        points = {
            name: (each[key], each["score"]["value"])
            for name, each in found.items()
            if alike and each[key] is not None and each["score"]["value"] is not None
        }
        best = unbeaten(points)
        for name, each in found.items():
            each[f"unbeaten_in_{part}"] = name in best if name in points else None
    return {"metric": metric, "runs": found}


def unbeaten(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Those that no other matches in score for less, or beats for as much (the Pareto front).

    Args:
        points: Name -> what it takes, the less the better, and what it scores.

    Example:
        >>> sorted(unbeaten({"a": (1.0, 0.5), "b": (2.0, 0.7), "c": (3.0, 0.6)}))
        ['a', 'b']
    """
    return {
        name
        for name, (takes, scores) in points.items()
        if not any(
            other <= takes and score >= scores and (other, score) != (takes, scores)
            for other, score in points.values()
        )
    }


def _metric(runs: Sequence[Run]) -> str | None:
    if runs[0].record.task != "understanding":
        return None
    if any("joint" not in run.metrics for run in runs):
        return None
    return "joint.f1_binary" if any(map(tells_unsafe_alone, runs)) else "joint.accuracy"


def _of(run: Run, metric: str | None) -> dict[str, Any]:
    cost = cost_figures(run)
    score = Rate(None, None, None)
    if metric is not None:
        found = run.metrics["joint"].get(metric.removeprefix("joint."))
        score = score if found is None else Rate.from_json(found)
    each = cost.get("per_1000")
    points = 100 * score.value / each if each and score.value is not None else None
    seconds = pl.col("latency_s")  # earlier versions wrote 0 for a batch
    latency = run.judged(seconds.filter(seconds > 0).median()).item()
    return {
        "score": score.as_dict(),
        "total": cost.get("total"),
        "per_1000": each,
        "currency": run.record["cost"].get("currency") if cost else None,
        "points_per_unit": points,
        "latency_s": latency,
    }
