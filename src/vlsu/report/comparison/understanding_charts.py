"""Charts of several understanding runs: pure functions from their numbers to Vega-Lite.

Runs are called by their labels (`vlsu.report.run_labels`). What no run can pass by grading image
and text apart, and what a human grader reaches, stand below them as reference rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.policy import Family, Pattern
from vlsu.report.answered import answered_tooltip, answered_value
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.charts.heat import HeatCell, heat_map
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.table import format_rate, rate
from vlsu.report.understanding.answered import answered_share

__all__ = ["CEILING", "ceiling_of", "patterns_of", "understanding_charts"]

#: What the row of the best that grading apart can reach is called.
CEILING = "late-fusion ceiling"
#: Metrics of the pair that runs are ranked by on the page: key -> its name.
_RANKED = {"accuracy": "accuracy on the pair", "f1_macro": "macro-F1 on the pair"}

Runs = Mapping[str, Mapping[str, Any]]


def understanding_charts(runs: Runs, oracle: Oracle | None) -> dict[str, Spec]:
    """Leaderboards, the map of runs and patterns, and families.

    Args:
        runs: Label -> content of ``metrics.json``, in the order of every chart.
        oracle: A human grader's scores.
    """
    charts: dict[str, Spec] = {}
    for key, words in _RANKED.items():
        if board := _leaderboard(runs, oracle, key, words):
            charts[f"leaderboard-{key}"] = board
    if patterns := patterns_of(runs):
        charts["models"] = _pattern_map(runs, patterns, oracle)
    if families := _families(runs, oracle):
        charts["families"] = families
    return charts


def ceiling_of(runs: Runs) -> Rate | None:
    """What grading image and text apart could reach at best, of the run with the most samples."""
    known = [
        (found["joint"]["n"], found["late_fusion"]["gold_ceiling"])
        for found in runs.values()
        if found.get("late_fusion", {}).get("gold_ceiling", {}).get("value") is not None
    ]
    return rate(max(known, key=lambda pair: pair[0])[1]) if known else None


def patterns_of(runs: Runs) -> list[str]:
    """The patterns of any run, family by family."""
    order = list(Family)
    names = dict.fromkeys(name for found in runs.values() for name in found["patterns"])
    return sorted(names, key=lambda name: order.index(Pattern.parse(name).family))


def _leaderboard(runs: Runs, oracle: Oracle | None, key: str, words: str) -> Spec | None:
    estimates = [
        IntervalMark(
            name,
            rate(found["joint"][key]),
            found["joint"]["n"],
            "model",
            answered=_share(found),
        )
        for name, found in runs.items()
        if found.get("joint", {}).get("n")
    ]
    if not estimates:
        return None
    if oracle is not None and (human := oracle.joint.get(key)) is not None:
        estimates.append(IntervalMark(oracle.name, human, oracle.n, "human"))
    groups = dict.fromkeys(estimate.group for estimate in estimates)
    colours = {"model": colour("joint"), "human": colour("text")}
    return interval_chart(
        estimates,
        description=f"{words.capitalize()} of each run",
        axis=words,
        colours={group: colours[group] for group in groups},
        reference=ceiling_of(runs) if key == "accuracy" else None,
    )


def _families(runs: Runs, oracle: Oracle | None) -> Spec | None:
    found = [
        IntervalMark(
            name,
            rate(tree["accuracy"]),
            tree["n"],
            family.value,
            answered=answered_value(tree),
        )
        for name, metrics in runs.items()
        for family in Family
        if (tree := metrics["families"][family.value])["n"]
    ]
    if not found:
        return None
    if oracle is not None:
        found += [
            IntervalMark(oracle.name, *oracle.families[family.value], group=family.value)
            for family in Family
            if family.value in oracle.families
        ]
    return interval_chart(
        found,
        description="Accuracy on the pair of each run, by family",
        axis="accuracy on the pair",
        colours={family.value: colour(family.value) for family in Family},
    )


def _pattern_map(runs: Runs, patterns: Sequence[str], oracle: Oracle | None) -> Spec:
    cells = []
    for pattern in patterns:
        family = Pattern.parse(pattern).family
        trees = {
            name: tree for name, found in runs.items() if (tree := found["patterns"].get(pattern))
        }
        known = {name: (rate(tree["accuracy"]), f"{tree['n']:,}") for name, tree in trees.items()}
        best = 1.0 if family is Family.LATE_FUSION else 0.0
        known[CEILING] = (Rate(best, best, best), "by definition")
        if oracle is not None and pattern in oracle.patterns:
            human, n = oracle.patterns[pattern]
            known[oracle.name] = (human, f"{n:,}")
        for name, (accuracy, among) in known.items():
            told = {
                "run": name,
                "pattern": f"{pattern}, {family.value}",
                "accuracy": f"{best:.2f}" if name == CEILING else format_rate(accuracy),
                "n": among,
                **answered_tooltip(trees.get(name, {})),
            }
            unanswered = answered_value(trees.get(name, {})) == 0
            value = accuracy.value
            cells.append(
                HeatCell(
                    pattern,
                    name,
                    value,
                    family.value,
                    "–" if value is None or unanswered else f"{value:.2f}".removeprefix("0"),
                    tooltip=told,
                    chosen={"pattern": pattern, "run": name} if name in runs else {},
                )
            )
    rows = [*runs, CEILING]
    if oracle is not None and oracle.patterns:
        rows.append(oracle.name)
    return heat_map(
        cells,
        description="Accuracy on the pair by run and pattern",
        columns=patterns,
        rows=rows,
        row_px=34,
        upright=len(patterns) > 18,
    )


def _share(metrics: Mapping[str, Any]) -> float | None:
    """The share of pairs that a run answered."""
    part = answered_share(metrics)
    return None if part is None else part.share.value
