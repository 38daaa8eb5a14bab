"""The tables of a run: one set of rows for the page, Markdown, LaTeX, JSON and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.errors import UsageError, VlsuError
from vlsu.policy import MODALITIES, Family, Policy, default_policy
from vlsu.report.alignment_tables import alignment_comparison, alignment_tables
from vlsu.report.breakdown import breakdown
from vlsu.report.judgments import run_cells, scan_judgments
from vlsu.report.settings import settings_table
from vlsu.report.table import Table, format_rate
from vlsu.report.understanding_tables import understanding_tables
from vlsu.report.usage import usage, usage_table
from vlsu.runs import Run

__all__ = [
    "category_titles",
    "comparison_table",
    "one_task",
    "run_tables",
]


def category_titles(run: Run) -> dict[str, str]:
    """``{"C9": "C9: Interpersonal Violence"}`` by the run's policy; empty if it is not at hand."""

    def of_run(policy: Policy) -> bool:
        return bool(policy.hash == run.record["policy"]["hash"])

    policy = default_policy()
    if not of_run(policy):
        try:
            policy = run.dataset.policy
        except VlsuError:
            return {}
        if not of_run(policy):
            return {}
    return {category.id: category.title for category in policy.categories}


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


def run_tables(run: Run) -> tuple[Table, ...]:
    """Every table of a run, in the order of the report.

    Raises:
        RunError: The run is not finished.
    """
    metrics = run.metrics
    titles = category_titles(run)
    if run.record["task"] == "alignment":
        return alignment_tables(run, titles)
    parts = breakdown(run_cells(run))
    used = usage_table(usage(scan_judgments(run), "modality", MODALITIES), "modality")
    return (
        *understanding_tables(metrics, run.record, parts, titles),
        *([used] if used.rows else []),
        settings_table(run),
    )


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
