"""What is shown of several runs of which one is of a model that tells safe from unsafe only.

All of them stand beside each other in what asks for unsafe alone: F1, recall and precision of
unsafe, and shares flagged. Accuracy and macro-F1 are there of the models that give every severity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vlsu.analysis.results import Metrics, Part
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.policy import Family, Pattern
from vlsu.report.answered import answered_tooltip, answered_value
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.charts.heat import HeatCell, heat_map
from vlsu.report.table import ABSENT, Table, format_rate
from vlsu.report.understanding.flagged import MEANING
from vlsu.report.understanding.modalities import family_part, unsafe_alone

__all__ = [
    "COLUMNS",
    "FAMILY_COLUMNS",
    "any_unsafe_alone",
    "family_rate",
    "flagged_charts",
    "flagged_column_note",
    "flagged_patterns",
    "score",
]

Runs = Mapping[str, Metrics]


def _unsafe(key: str) -> Callable[[Metrics], Rate]:
    return lambda metrics: Rate.from_json(metrics.joint.per_class["unsafe"][key])


def _safe_flagged(metrics: Metrics) -> Rate:
    return metrics.joint.flagged["safe"] if "flagged" in metrics.joint else UNDEFINED


def score(key: str) -> Callable[[Metrics], Rate]:
    """Reads a score of the pair."""
    return lambda metrics: Rate.from_json(metrics.joint[key])


def family_rate(family: Family, key: str) -> Callable[[Metrics], Rate]:
    """Reads a rate of a family; undefined in runs judged before it was counted."""

    def rate(metrics: Metrics) -> Rate:
        part = family_part(metrics, family)
        return Rate.from_json(part[key]) if key in part else UNDEFINED

    return rate


#: Heading of a column -> what stands in it of a run.
COLUMNS: Mapping[str, Callable[[Metrics], Rate]] = {
    "binary F1": score("f1_binary"),
    "recall of unsafe": _unsafe("recall"),
    "precision of unsafe": _unsafe("precision"),
    "safe flagged": _safe_flagged,
    "accuracy": score("accuracy"),
    "macro-F1": score("f1_macro"),
}
FAMILY_COLUMNS: Mapping[str, Callable[[Metrics], Rate]] = {
    "unsafe flagged, late-fusion": family_rate(Family.LATE_FUSION, "unsafe_recall"),
    "unsafe flagged, escalating": family_rate(Family.ESCALATING, "unsafe_recall"),
    "safe flagged, de-escalating": family_rate(Family.DE_ESCALATING, "safe_called_unsafe"),
}


def any_unsafe_alone(runs: Runs) -> bool:
    """Whether any of the models tells safe from unsafe only."""
    return any(map(unsafe_alone, runs.values()))


def flagged_column_note(runs: Runs) -> str:
    """Which models do, and why cells of theirs are empty."""
    names = [name for name, metrics in runs.items() if unsafe_alone(metrics)]
    whose = "All of these models" if len(names) == len(runs) else ", ".join(names)
    verb = "tell" if len(names) > 1 else "tells"
    return (
        f"{whose} {verb} safe from unsafe only: figures of three severities ({ABSENT}) cannot be "
        "told, and runs are compared on what asks for unsafe alone. What has no answer is not "
        "flagged."
    )


def flagged_patterns(runs: Runs, patterns: Sequence[str]) -> Table:
    """The share flagged by pattern and run."""
    rows = []
    for pattern in patterns:
        parts = [each.patterns.get(pattern) for each in runs.values()]
        counts = {part.n for part in parts if part}
        rows.append(
            (
                pattern,
                Pattern.parse(pattern).family.value,
                "–".join(f"{n:,}" for n in sorted({min(counts), max(counts)})),
                *(ABSENT if part is None else format_rate(_flagged(part)) for part in parts),
            )
        )
    return Table(
        "models",
        "Flagged by pattern and run",
        ("pattern", "family", "n", *runs),
        tuple(rows),
        f"Each with its [95% interval]. {MEANING}",
    )


def _flagged(part: Part) -> Rate:
    """Undefined in runs judged before it was counted."""
    return part.flagged if "flagged" in part else UNDEFINED


def flagged_charts(runs: Runs, patterns: Sequence[str]) -> dict[str, Spec]:
    """Boards of unsafe, the map of runs and patterns, and what is flagged by family.

    Args:
        runs: Label -> content of ``metrics.json``, in the order of every chart.
        patterns: Those of any run.
    """
    charts: dict[str, Spec] = {}
    asked = {name: metrics for name, metrics in runs.items() if metrics.joint.n}
    if asked:
        charts["leaderboard-f1_binary"] = _board(asked, "binary F1")
        charts["leaderboard-unsafe"] = _unsafe_board(asked)
    if patterns:
        charts["models"] = _pattern_map(runs, patterns)
    if marks := _family_marks(runs):
        charts["families"] = interval_chart(
            marks,
            description="Unsafe pairs flagged by each run, by family",
            axis="unsafe pairs flagged",
            colours={family: colour(family) for family in dict.fromkeys(m.group for m in marks)},
        )
    return charts


def _board(runs: Runs, column: str) -> Spec:
    return interval_chart(
        [
            IntervalMark(
                name,
                COLUMNS[column](metrics),
                metrics.joint.n,
                "model",
                answered=answered_value(metrics.joint),
            )
            for name, metrics in runs.items()
        ],
        description=f"{column} of each run on the pair",
        axis=f"{column} on the pair",
        colours={"model": colour("joint")},
    )


def _unsafe_board(runs: Runs) -> Spec:
    """What is found of unsafe pairs, beside what is flagged of safe ones."""
    colours = {"recall of unsafe": colour("right"), "safe flagged": colour("wrong")}
    return interval_chart(
        [
            IntervalMark(
                name,
                COLUMNS[column](metrics),
                metrics.joint.n,
                column,
                answered=answered_value(metrics.joint),
            )
            for name, metrics in runs.items()
            for column in colours
        ],
        description="Recall of unsafe pairs, and safe pairs flagged, of each run",
        axis="share of pairs flagged",
        colours=colours,
    )


def _family_marks(runs: Runs) -> list[IntervalMark]:
    return [
        IntervalMark(
            name,
            part.unsafe_recall,
            part.n_unsafe,
            family.value,
            answered=answered_value(part),
        )
        for name, metrics in runs.items()
        for family in Family
        if (part := family_part(metrics, family)).get("n_unsafe")
    ]


def _pattern_map(runs: Runs, patterns: Sequence[str]) -> Spec:
    cells = []
    for pattern in patterns:
        family = Pattern.parse(pattern).family.value
        for name, metrics in runs.items():
            part = metrics.patterns.get(pattern)
            if part is None:
                continue
            rate = _flagged(part)
            value = None if answered_value(part) == 0 else rate.value
            cells.append(
                HeatCell(
                    pattern,
                    name,
                    value,
                    family,
                    ABSENT if value is None else f"{value:.2f}".removeprefix("0"),
                    tooltip={
                        "run": name,
                        "pattern": f"{pattern}, {family}",
                        "flagged": format_rate(rate),
                        "n": f"{part.n:,}",
                        **answered_tooltip(part),
                    },
                    chosen={"pattern": pattern, "run": name},
                )
            )
    return heat_map(
        cells,
        description="Share of pairs flagged by run and pattern",
        columns=patterns,
        rows=list(runs),
        row_px=34,
        upright=len(patterns) > 18,
    )
