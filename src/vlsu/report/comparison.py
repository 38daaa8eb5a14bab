"""All that a report of several runs shows: a leaderboard, maps of models, what can be claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from vlsu.analysis.intervals import Rate
from vlsu.errors import VlsuError
from vlsu.policy import Family, Pattern
from vlsu.report.colours import colour
from vlsu.report.comparison_tables import claims, comparison_tables
from vlsu.report.dots import Estimate, Spec, interval_chart
from vlsu.report.heat import Cell, heat_map
from vlsu.report.oracle import Oracle
from vlsu.report.table import Table, corrected, format_rate, rate
from vlsu.report.tables import comparison_table, one_task, run_tables
from vlsu.report.trade_off import Point, trade_off_chart
from vlsu.runs import Run
from vlsu.runs.comparison import compare

__all__ = ["Compared", "compared", "report_tables"]

_COLOURS = ("joint", "image", "text", "late-fusion", "escalating", "de-escalating")
#: Metrics of the pair that runs are ranked by on the page: key -> its words.
_RANKED = {"accuracy": "accuracy on the pair", "f1_macro": "macro-F1 on the pair"}


@dataclass(frozen=True, slots=True)
class Compared:
    """Several runs side by side.

    Attributes:
        tables: By name; the first is the headline.
        charts: By name, in the order of the page.
        claims: What can and cannot be claimed, in sentences.
        trouble: Why the runs cannot be compared sample by sample, if they cannot.
    """

    tables: Mapping[str, Table]
    charts: Mapping[str, Spec]
    claims: Sequence[str]
    trouble: str = ""


def compared(runs: Sequence[Run], oracle: Oracle | None = None) -> Compared:
    """What a report of several runs shows.

    Runs that `vlsu.runs.comparison.compare` refuses, such as those of different datasets, stand
    side by side and are not compared.

    Args:
        runs: At least two finished runs of one task.
        oracle: A human grader's scores, to stand beside the models'.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    task, names = one_task(runs), _names(runs)
    tables = [comparison_table(runs)]
    said: list[str] = []
    trouble = ""
    try:
        result = compare(runs)
    except VlsuError as error:
        trouble = str(error)
    else:
        tables += _named_apart(comparison_tables(result), result["pairs"])
        said = list(claims(result))
    metrics = {name: run.metrics for name, run in zip(names, runs, strict=True)}
    if task == "alignment":
        charts = _alignment_charts(metrics)
    else:
        charts = _understanding_charts(metrics, oracle)
        tables.insert(1, _pattern_table(metrics))
        if oracle is not None:
            tables.insert(1, oracle.table())
    found = {table.name: table for table in tables if table.rows}
    return Compared(found, charts, said, trouble)


def report_tables(runs: Sequence[Run], *, redact: bool = False) -> tuple[Table, ...]:
    """The tables of one run, or those of several side by side.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    if len(runs) > 1:
        return tuple(compared(runs).tables.values())
    return run_tables(runs[0], redact=redact)


def _names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its model's if all differ, else its folder's, else its number too."""
    for names in (
        [str(run.record["model"]["spec"]) for run in runs],
        [run.path.resolve().name for run in runs],
    ):
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


def _named_apart(tables: Sequence[Table], pairs: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Tables whose names are unique: those of pairs carry the pair's number."""
    seen: dict[str, int] = {}
    named = []
    for table in tables:
        seen[table.name] = number = seen.get(table.name, 0) + 1
        of_pair = table.name in ("headline", "families", "patterns", "categories")
        name = f"pair-{number}-{table.name}" if of_pair else table.name
        named.append(Table(name, table.title, table.columns, table.rows, table.note))
    return named


def _understanding_charts(
    metrics: Mapping[str, Mapping[str, Any]], oracle: Oracle | None
) -> dict[str, Spec]:
    charts: dict[str, Spec] = {}
    for key, words in _RANKED.items():
        estimates = [
            Estimate(name, rate(found["joint"][key]), found["joint"]["n"], "model")
            for name, found in metrics.items()
            if found.get("joint", {}).get("n")
        ]
        if not estimates:
            continue
        estimates.sort(key=lambda e: -(e.rate.value or 0.0))
        ceiling = None
        if key == "accuracy":
            tree = next(iter(metrics.values())).get("late_fusion", {}).get("gold_ceiling")
            ceiling = None if tree is None else rate(tree)
        if oracle is not None and (human := oracle.joint.get(key)) is not None:
            estimates.append(Estimate(oracle.name, human, oracle.n, "human"))
        charts[f"leaderboard-{key}"] = interval_chart(
            estimates,
            description=f"{words.capitalize()} of each run",
            axis=words,
            colours={"model": colour("joint"), "human": colour("text")}
            if oracle is not None
            else {"model": colour("joint")},
            reference=ceiling,
        )
    families = [
        Estimate(family.value, rate(tree["accuracy"]), tree["n"], name)
        for family in Family
        for name, found in metrics.items()
        if (tree := found["families"][family.value])["n"]
    ]
    if families:
        charts["families"] = interval_chart(
            families,
            description="Accuracy on the pair by family, of each run",
            axis="accuracy",
            colours=dict(zip(metrics, cycle(map(colour, _COLOURS)), strict=False)),
        )
    if patterns := _patterns(metrics):
        charts["models"] = _pattern_map(metrics, patterns)
    return charts


def _patterns(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The patterns of any run, family by family."""
    order = list(Family)
    names = dict.fromkeys(name for found in metrics.values() for name in found["patterns"])
    return sorted(names, key=lambda name: order.index(Pattern.parse(name).family))


def _pattern_map(metrics: Mapping[str, Mapping[str, Any]], patterns: Sequence[str]) -> Spec:
    cells = []
    for pattern in patterns:
        family = Pattern.parse(pattern).family.value
        for name, found in metrics.items():
            if (tree := found["patterns"].get(pattern)) is None:
                continue
            share = tree["accuracy"]["value"]
            told = {"pattern": f"{pattern}, {family}", "run": name}
            told |= {"accuracy": format_rate(tree["accuracy"]), "n": f"{tree['n']:,}"}
            number = "–" if share is None else f"{share:.2f}"
            cells.append(Cell(name, pattern, share, family, number, told=told))
    return heat_map(
        cells,
        description="Accuracy on the pair by pattern and run",
        columns=list(metrics),
        rows=patterns,
        row_px=28,
    )


def _pattern_table(metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for pattern in _patterns(metrics):
        trees = [found["patterns"].get(pattern) for found in metrics.values()]
        counts = {tree["n"] for tree in trees if tree}
        rows.append(
            (
                pattern,
                Pattern.parse(pattern).family.value,
                "–".join(f"{n:,}" for n in sorted({min(counts), max(counts)})),
                *("–" if tree is None else format_rate(tree["accuracy"]) for tree in trees),
            )
        )
    return Table(
        "models",
        "Accuracy on the pair by pattern and run",
        ("pattern", "family", "n", *metrics),
        tuple(rows),
        "Each with its [95% interval]; whether two runs differ is told by their paired difference.",
    )


def _alignment_charts(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Spec]:
    colours = dict(zip(metrics, cycle(map(colour, _COLOURS)), strict=False))
    points = [
        Point(f"{name}, {framing}", over, under, colours[name])
        for name, found in metrics.items()
        for framing, tree in found["framings"].items()
        if (over := _measured(tree, "over_blocking"))
        and (under := _measured(tree, "under_refusal"))
    ]
    return {"trade-off": trade_off_chart(points)} if points else {}


def _measured(tree: Mapping[str, Any], key: str) -> Rate | None:
    found = rate(corrected(tree[key]))
    return None if found.value is None else found
