"""Runs in order, each with the ranks it could have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.stats.intervals import UNDEFINED

__all__ = ["leaderboard"]


def leaderboard(
    rows: Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]],
    names: Sequence[str],
    metrics: Mapping[str, int],
) -> dict[str, list[dict[str, object]]]:
    """Runs by value, best first, with the interval of each one's rank.

    A run's rank is at least 1 + the runs that are claimed better than it, and at most the number of
    runs - those it is claimed better than. All claims, over all pairs of runs and all declared
    metrics, hold at once with a chance of at least 95%, and with them all these intervals, on every
    board (Mogstad, Romano, Shaikh and Wilhelm 2024). Percentiles of ranks in a bootstrap would not
    where runs are nearly alike, and could contradict the claims. Of a metric that is not declared
    nothing is claimed: any rank is open.

    Args:
        rows: Of every pair, as `vlsu.analysis.comparison.claims.test_differences` makes them.
        names: Of the runs.
        metrics: Path -> 1 where higher is better, -1 where lower is.

    Returns:
        Path -> runs, each ``{"run", "n", "value": {"value", "low", "high"}, "rank": {"value",
        "low", "high"}, "answered": {"value", "low", "high"}, "role"}``; equal values share the
        lower rank. A metric that a run lacks is left out.
    """
    boards: dict[str, list[dict[str, object]]] = {}
    for path, good in metrics.items():
        values: dict[str, Mapping[str, Any]] = {}
        sizes: dict[str, int] = {}
        answered: dict[str, object] = {}
        better: dict[str, set[str]] = {name: set() for name in names}
        role = ""
        for (first, second), found in rows.items():
            row = found.get(path)
            if row is None:  # of a severity that the policy, or a model, lacks
                continue
            role = row["role"]
            values |= {first: row["first"], second: row["second"]}
            sizes |= {first: row["n"], second: row["n"]}
            shares = row["answered"] or dict.fromkeys(("first", "second"), UNDEFINED.as_dict())
            answered |= {first: shares["first"], second: shares["second"]}
            if row["better"] is not None:
                better[second if row["better"] == first else first].add(row["better"])
        if len(values) < len(names) or any(value["value"] is None for value in values.values()):
            continue
        scores = {name: good * values[name]["value"] for name in names}
        boards[path] = [
            {
                "run": name,
                "n": sizes[name],
                "value": dict(values[name]),
                "rank": {
                    "value": 1 + sum(score > scores[name] for score in scores.values()),
                    "low": 1 + len(better[name]),
                    "high": len(names) - sum(name in others for others in better.values()),
                },
                "answered": answered[name],
                "role": role,
            }
            for name in sorted(names, key=lambda name: -scores[name])
        ]
    return boards
