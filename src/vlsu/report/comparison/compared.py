"""All that a report of several runs shows: a leaderboard, maps of models, what can be claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.errors import VlsuError
from vlsu.report.charts.dots import Spec, captioned
from vlsu.report.charts.legible import legible
from vlsu.report.comparison.charts import difference_charts
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.comparison.spending import spending_charts, spending_tables
from vlsu.report.comparison.tables import (
    PAIR_TABLES,
    claims,
    comparison_tables,
    held_table,
    marked_table,
    open_claims,
)
from vlsu.report.comparison.task import Comparison
from vlsu.report.comparison.tasks import comparison_of
from vlsu.report.notice import Notice
from vlsu.report.run_labels import run_labels, run_names
from vlsu.report.table import Table
from vlsu.report.tasks import notice, report_of, run_tables
from vlsu.runs import Run
from vlsu.runs.finished.comparison import compare

__all__ = ["Compared", "compared", "comparison_table", "in_order", "report_tables"]

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
        primary: The metrics that decide, in words; `secondary` likewise.
        left_open: Those of them that say what cannot.
        trouble: Why the runs cannot be compared sample by sample, if they cannot.
        notices: Name of a run that answered too little -> what is to be known of that.
    """

    tables: Mapping[str, Table]
    charts: Mapping[str, Spec]
    headline: str = ""
    claims: Sequence[str] = field(default_factory=list)
    left_open: Sequence[str] = field(default_factory=list)
    primary: Sequence[str] = field(default_factory=list)
    secondary: Sequence[str] = field(default_factory=list)
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
    task, names = comparison_of(runs), run_names(runs)
    labels = run_labels(names)
    comparison: Comparison | None = None
    trouble = ""
    try:
        comparison = compare(runs, enough=enough)
    except VlsuError as error:
        trouble = str(error)
    tables = [task.table(runs, names, comparison, oracle), *task.tables(runs, names, oracle)]
    charts = task.charts(runs, labels, oracle)
    notices = {
        name: warning
        for name, run in zip(names, runs, strict=True)
        if (warning := notice(run, enough)) is not None
    }
    caption = _caption(runs, labels)
    if comparison is None:
        return Compared(
            {table.name: table for table in tables if table.rows},
            {name: captioned(legible(chart), caption) for name, chart in charts.items()},
            trouble=trouble,
            notices=notices,
        )
    label_of = dict(zip((run["name"] for run in comparison["runs"]), labels, strict=True))
    charts |= difference_charts(comparison, label_of) | spending_charts(comparison, label_of)
    tables += [*spending_tables(comparison), held_table(comparison), marked_table(comparison)]
    tables += _named_apart(comparison_tables(comparison), comparison["pairs"])
    return Compared(
        {table.name: table for table in tables if table.rows},
        {name: captioned(legible(chart), caption) for name, chart in charts.items()},
        task.sentence(comparison, runs, enough),
        list(claims(comparison)),
        list(open_claims(comparison)),
        primary=_labels(comparison, comparison["declared"]["primary"]),
        secondary=_labels(comparison, comparison["declared"]["secondary"]),
        notices=notices,
    )


def _labels(comparison: Comparison, paths: Sequence[str]) -> list[str]:
    rows = comparison["pairs"][0]["metrics"]
    return [rows[path]["label"] for path in paths if path in rows]


def _caption(runs: Sequence[Run], labels: Sequence[str]) -> str:
    """By the letters of the runs, the shares answered of those that did not answer all."""
    shares = {
        label.partition(" ")[0]: min(
            (
                part.share.value
                for part in report_of(run).answered_parts(run.metrics)
                if part.share.value is not None
            ),
            default=1.0,
        )
        for label, run in zip(labels, runs, strict=True)
    }
    lacking = [f"{name} {format_share(share)}" for name, share in shares.items() if share < 1]
    if len(lacking) > _CAPTIONED:
        lacking = [*lacking[:_CAPTIONED], f"and {len(lacking) - _CAPTIONED} more, see the table"]
    return f"answered, at least: {', '.join(lacking)}" if lacking else ""


def in_order(runs: Sequence[Run]) -> list[Run]:
    """The runs as a page has them, in this order and under these letters everywhere.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    return comparison_of(runs).in_order(runs)


def comparison_table(runs: Sequence[Run], names: Sequence[str] | None = None) -> Table:
    """The headline of several runs, which are not compared sample by sample for it.

    Args:
        runs: Of one task.
        names: Of the runs, if not those of `vlsu.report.run_labels.run_names`.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    return comparison_of(runs).table(runs, names or run_names(runs))


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


def _named_apart(tables: Sequence[Table], pairs: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Tables whose names are unique: those of pairs carry the pair's number."""
    seen: dict[str, int] = {}
    named = []
    for table in tables:
        seen[table.name] = number = seen.get(table.name, 0) + 1
        name = f"pair-{number}-{table.name}" if table.name in PAIR_TABLES else table.name
        named.append(Table(name, table.title, table.columns, table.rows, table.note))
    return named
