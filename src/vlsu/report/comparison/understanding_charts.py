"""Charts of several understanding runs: pure functions from their numbers to Vega-Lite.

Runs are called by their labels (`vlsu.report.run_labels`). What taking the worse of the gold image
and text grades reaches, and what a human grader does, stand below them as reference rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.policy import Family, Pattern
from vlsu.report.answered import answered_tooltip, answered_value
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.charts.heat import HeatCell, heat_map
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.table import format_rate
from vlsu.report.understanding.answered import answered_share
from vlsu.report.understanding.modalities import family_part

__all__ = ["CEILING", "ceiling_of", "patterns_of", "references_chart", "understanding_charts"]

#: What the row of the worse of the gold image and text grades is called; it is no upper limit.
CEILING = "late fusion, gold grades"
#: Metrics of the pair that runs are ranked by on the page: key -> its name.
_RANKED = {"accuracy": "accuracy on the pair", "f1_macro": "macro-F1 on the pair"}

#: Label of a run -> its metrics.
Runs = Mapping[str, Metrics]


def understanding_charts(runs: Runs, oracle: Oracle | None) -> dict[str, Spec]:
    """Leaderboards, the map of runs and patterns, and families.

    Args:
        runs: Label -> content of ``metrics.json``, in the order of every chart.
        oracle: A human grader's scores.
    """
    charts: dict[str, Spec] = {}
    for key, title in _RANKED.items():
        if board := _leaderboard(runs, oracle, key, title):
            charts[f"leaderboard-{key}"] = board
    if patterns := patterns_of(runs):
        charts["models"] = _pattern_map(runs, patterns, oracle)
    if families := _families(runs, oracle):
        charts["families"] = families
    return charts


def ceiling_of(runs: Runs) -> Rate | None:
    """What the worse of the two gold grades reaches, of the run with the most samples."""
    known = [
        (metrics.joint.n, ceiling)
        for metrics in runs.values()
        if "late_fusion" in metrics
        and (ceiling := metrics.late_fusion.gold_ceiling).value is not None
    ]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def patterns_of(runs: Runs) -> list[str]:
    """The patterns of any run, family by family."""
    order = list(Family)
    names = dict.fromkeys(name for metrics in runs.values() for name in metrics.patterns)
    return sorted(names, key=lambda name: order.index(Pattern.parse(name).family))


def references_chart(shared: Mapping[str, Mapping[str, Any]], human: str) -> Spec:
    """Accuracy of a human grader and of the runs on the same references.

    Args:
        shared: Label of a run -> `vlsu.analysis.agreement.references.reference_scores`.
        human: What the grader is called.
    """
    marks, known = [], set()
    for name, scores in shared.items():
        rate, n = Rate.from_json(scores["human"]["accuracy"]), scores["human"]["n"]
        if (rate, n) not in known:
            known.add((rate, n))
            marks.append(IntervalMark(human, rate, n, "human"))
        accuracy = Rate.from_json(scores["model"]["accuracy"])
        marks.append(IntervalMark(name, accuracy, scores["model"]["n"], "model"))
    return interval_chart(
        marks,
        description="Accuracy of a human grader and of each run against the consensus of the other "
        "graders",
        axis="accuracy against the other graders",
        colours={"model": colour("joint"), "human": colour("text")},
    )


def _leaderboard(runs: Runs, oracle: Oracle | None, key: str, title: str) -> Spec | None:
    estimates = [
        IntervalMark(
            name,
            Rate.from_json(metrics.joint[key]),
            metrics.joint.n,
            "model",
            answered=_share(metrics),
        )
        for name, metrics in runs.items()
        if metrics.joint.n
    ]
    if not estimates:
        return None
    if oracle is not None and (human := oracle.joint.get(key)) is not None:
        estimates.append(IntervalMark(oracle.name, human, oracle.n, "human"))
    groups = dict.fromkeys(estimate.group for estimate in estimates)
    colours = {"model": colour("joint"), "human": colour("text")}
    return interval_chart(
        estimates,
        description=f"{title.capitalize()} of each run",
        axis=title,
        colours={group: colours[group] for group in groups},
        reference=ceiling_of(runs) if key == "accuracy" else None,
    )


def _families(runs: Runs, oracle: Oracle | None) -> Spec | None:
    marks = [
        IntervalMark(
            name,
            part.accuracy,
            part.n,
            family.value,
            answered=answered_value(part),
        )
        for name, metrics in runs.items()
        for family in Family
        if (part := family_part(metrics, family)).n
    ]
    if not marks:
        return None
    if oracle is not None:
        marks += [
            IntervalMark(oracle.name, *oracle.families[family.value], group=family.value)
            for family in Family
            if family.value in oracle.families
        ]
    return interval_chart(
        marks,
        description="Accuracy on the pair of each run, by family",
        axis="accuracy on the pair",
        colours={family.value: colour(family.value) for family in Family},
    )


def _pattern_map(runs: Runs, patterns: Sequence[str], oracle: Oracle | None) -> Spec:
    cells = []
    for pattern in patterns:
        family = Pattern.parse(pattern).family
        parts = {
            name: part for name, metrics in runs.items() if (part := metrics.patterns.get(pattern))
        }
        known = {name: (part.accuracy, f"{part.n:,}") for name, part in parts.items()}
        best = 1.0 if family is Family.LATE_FUSION else 0.0
        known[CEILING] = (Rate(best, best, best), "by definition")
        if oracle is not None and pattern in oracle.patterns:
            human, n = oracle.patterns[pattern]
            known[oracle.name] = (human, f"{n:,}")
        for name, (accuracy, among) in known.items():
            part = parts.get(name)
            tooltip = {
                "run": name,
                "pattern": f"{pattern}, {family.value}",
                "accuracy": f"{best:.2f}" if name == CEILING else format_rate(accuracy),
                "n": among,
                **({} if part is None else answered_tooltip(part)),
            }
            unanswered = part is not None and answered_value(part) == 0
            value = accuracy.value
            cells.append(
                HeatCell(
                    pattern,
                    name,
                    value,
                    family.value,
                    "–" if value is None or unanswered else f"{value:.2f}".removeprefix("0"),
                    tooltip=tooltip,
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


def _share(metrics: Metrics) -> float | None:
    """The share of pairs that a run answered."""
    part = answered_share(metrics)
    return None if part is None else part.share.value
