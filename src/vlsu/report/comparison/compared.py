"""All that a report of several runs shows: a leaderboard, maps of models, what can be claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.errors import VlsuError
from vlsu.policy import Pattern
from vlsu.report.answered import answered_parts
from vlsu.report.charts.dots import Spec, captioned
from vlsu.report.charts.legible import legible
from vlsu.report.comparison.charts import (
    difference_charts,
    patterns_of,
    trade_off,
    understanding_charts,
)
from vlsu.report.comparison.findings import comparison_sentence
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.comparison.tables import claims, comparison_tables, held_table, open_claims
from vlsu.report.notice import Notice, notice
from vlsu.report.run_labels import run_labels, run_names
from vlsu.report.table import Table, format_rate
from vlsu.report.tables import comparison_table, one_task, run_tables
from vlsu.runs import Run
from vlsu.runs.finished.comparison import compare

__all__ = ["Compared", "compared", "in_order", "report_tables"]

#: Runs named in the caption of a chart.
_CAPTIONED = 8


@dataclass(frozen=True, slots=True)
class Compared:
    """Several runs side by side.

    Attributes:
        tables: By name; the first is the headline.
        charts: By name, in the order of the page.
        headline: The result in words.
        claims: What can and cannot be claimed, in sentences.
        left_open: Those of them that say what cannot.
        trouble: Why the runs cannot be compared sample by sample, if they cannot.
        notices: Name of a run that answered too little -> what is to be known of that.
    """

    tables: Mapping[str, Table]
    charts: Mapping[str, Spec]
    headline: str = ""
    claims: Sequence[str] = field(default_factory=list)
    left_open: Sequence[str] = field(default_factory=list)
    trouble: str = ""
    notices: Mapping[str, Notice] = field(default_factory=dict)


def compared(runs: Sequence[Run], oracle: Oracle | None = None, enough: float = ENOUGH) -> Compared:
    """What a report of several runs shows.

    Runs that `vlsu.runs.finished.comparison.compare` refuses, such as those of different datasets,
    stand side by side and are not compared.

    Args:
        runs: At least two finished runs of one task, in the order of every chart and table.
        oracle: A human grader's scores, to stand beside the models'.
        enough: The share that a run must have answered to be compared in one way alone.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    task, names = one_task(runs), run_names(runs)
    labels = run_labels(names)
    result: dict[str, Any] | None = None
    trouble = ""
    try:
        result = compare(runs, enough=enough)
    except VlsuError as error:
        trouble = str(error)
    tables = [comparison_table(runs, names, ranks=_ranks(result, names), oracle=oracle)]
    labelled = {label: run.metrics for label, run in zip(labels, runs, strict=True)}
    if task == "alignment":
        charts = trade_off(labelled)
    else:
        charts = understanding_charts(labelled, oracle)
        tables.append(_pattern_table(dict(zip(names, (r.metrics for r in runs), strict=True))))
        if oracle is not None:
            tables.append(oracle.table())
    notices = {
        name: found
        for name, run in zip(names, runs, strict=True)
        if (found := notice(run, enough)) is not None
    }
    caption = _caption(labelled)
    if result is None:
        return Compared(
            {table.name: table for table in tables if table.rows},
            {name: captioned(legible(chart), caption) for name, chart in charts.items()},
            trouble=trouble,
            notices=notices,
        )
    known_as = dict(zip((run["name"] for run in result["runs"]), labels, strict=True))
    charts |= difference_charts(result, known_as)
    tables.append(held_table(result))
    tables += _named_apart(comparison_tables(result), result["pairs"])
    return Compared(
        {table.name: table for table in tables if table.rows},
        {name: captioned(legible(chart), caption) for name, chart in charts.items()},
        comparison_sentence(result, runs, enough),
        list(claims(result)),
        list(open_claims(result)),
        notices=notices,
    )


def _caption(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """By the letters of the runs, the shares answered of those that did not answer all."""
    shares = {
        label.partition(" ")[0]: min(
            (part.share.value for part in answered_parts(found) if part.share.value is not None),
            default=1.0,
        )
        for label, found in metrics.items()
    }
    lacking = [f"{name} {format_share(share)}" for name, share in shares.items() if share < 1]
    if len(lacking) > _CAPTIONED:
        lacking = [*lacking[:_CAPTIONED], f"and {len(lacking) - _CAPTIONED} more, see the table"]
    return f"answered, at least: {', '.join(lacking)}" if lacking else ""


def in_order(runs: Sequence[Run]) -> list[Run]:
    """The runs as a page has them, in this order and under these letters everywhere.

    Of understanding, those first whose accuracy on the pair is higher; others as they are given.

    Raises:
        RunError: One of them is not finished.
    """
    if any(run.record["task"] != "understanding" for run in runs):
        return list(runs)
    return sorted(runs, key=lambda run: -(run.metrics["joint"]["accuracy"]["value"] or 0.0))


def report_tables(
    runs: Sequence[Run],
    *,
    redact: bool = False,
    oracle: Oracle | None = None,
    enough: float = ENOUGH,
) -> tuple[Table, ...]:
    """The tables of one run, or those of several side by side.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    if len(runs) > 1:
        return tuple(compared(in_order(runs), oracle, enough).tables.values())
    return run_tables(runs[0], redact=redact)


def _ranks(result: Mapping[str, Any] | None, names: Sequence[str]) -> dict[str, str]:
    """Name -> rank on accuracy of the pair with the ranks it could have; empty if not ranked."""
    board = (result or {}).get("leaderboard", {}).get("joint.accuracy")
    if result is None or board is None:
        return {}
    known_as = dict(zip((run["name"] for run in result["runs"]), names, strict=True))
    ranks = {}
    for each in board:
        rank = each["rank"]
        between = "" if rank["low"] == rank["high"] else f" ({rank['low']}–{rank['high']})"
        ranks[known_as[each["run"]]] = f"{rank['value']}{between}"
    return ranks


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


def _pattern_table(metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for pattern in patterns_of(metrics):
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
