"""The tables of a run: one set of rows for the page, Markdown, LaTeX, JSON and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.errors import UsageError
from vlsu.policy import Family
from vlsu.report.alignment_tables import alignment_comparison, alignment_tables
from vlsu.report.breakdown import Breakdown
from vlsu.report.contents import category_titles, contents
from vlsu.report.table import Table, format_rate
from vlsu.report.understanding_tables import understanding_tables
from vlsu.runs import Run

__all__ = ["comparison_table", "metric_tables", "one_task", "run_tables"]


def one_task(runs: Sequence[Run]) -> str:
    """The task of the runs, which a report of several must share.

    Raises:
        UsageError: They are of different tasks.
    """
    first, *others = runs
    task: str = first.record["task"]
    for run in others:
        if run.record["task"] != task:
            raise UsageError(
                f"{first.path} is a run of {task}, {run.path} of {run.record['task']}; "
                "write a report of each task"
            )
    return task


def run_tables(run: Run, *, redact: bool = False) -> tuple[Table, ...]:
    """Every table of a run, in the order of the report; see `vlsu.report.contents`.

    Raises:
        RunError: The run is not finished.
    """
    return tuple(contents(run, redact=redact).tables.values())


def metric_tables(run: Run) -> tuple[Table, ...]:
    """The tables of a run that its `metrics.json` holds: no judgment is read, whatever its size.

    Raises:
        RunError: The run is not finished.
    """
    titles = category_titles(run)
    if run.record["task"] == "alignment":
        return tuple(alignment_tables(run, titles))
    return understanding_tables(run.metrics, run.record, Breakdown(), titles)


def comparison_table(runs: Sequence[Run]) -> Table:
    """The headline of several runs, a row each.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    if one_task(runs) == "alignment":
        return alignment_comparison(runs)
    rows = []
    for run in runs:
        metrics = run.metrics
        joint = metrics["joint"]
        rows.append(
            (
                run.record["model"]["spec"],
                run.record["prompt"]["name"],
                f"{run.record['dataset']['name']} {run.record['dataset']['version']}",
                str(joint["n"]),
                *(format_rate(joint[key]) for key in ("accuracy", "f1_macro", "f1_binary")),
                *(format_rate(metrics["families"][f.value]["accuracy"]) for f in Family),
            )
        )
    return Table(
        "comparison",
        "Runs side by side",
        ("model", "prompt", "dataset", "n", "accuracy", "macro-F1", "binary F1", *Family),
        tuple(rows),
        "Of the pair, each with its [95% interval]; the last three columns are accuracy by family. "
        "Intervals that overlap do not show that two runs are alike, nor the reverse.",
    )
