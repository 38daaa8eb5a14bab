"""All that a report of one run shows: its tables and its charts, made once for every format."""

from __future__ import annotations

from vlsu.report.charts.dots import captioned
from vlsu.report.charts.legible import legible
from vlsu.report.cost import cost_tables, run_ledger
from vlsu.report.judgments import scan_judgments
from vlsu.report.run_policy import policy_of
from vlsu.report.settings import settings_table
from vlsu.report.task import Contents, TaskReport
from vlsu.report.usage import latency_chart, usage, usage_table
from vlsu.runs import Run

__all__ = ["category_titles", "task_contents"]


def task_contents(task: TaskReport, run: Run, *, redact: bool = False) -> Contents:
    """What a report of this run shows.

    Args:
        task: What a report shows of runs of its task.
        run: A finished run.
        redact: Leave out what is not for others: the server's name.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    metrics = run.metrics
    of_task, charts = task.contents(run, category_titles(run))
    tables = list(of_task)
    if used := usage(scan_judgments(run), task.unit, task.units(metrics)):
        tables.append(usage_table(used, task.unit))
        if (chart := latency_chart(used, task.unit)) is not None:
            charts["latency"] = chart
    if (costs := run_ledger(run)) is not None:
        tables += cost_tables(costs)
    tables.append(settings_table(task, run, redact=redact))
    return Contents(
        {table.name: table for table in tables if table.rows},
        {
            name: captioned(legible(chart), task.caption(name, metrics))
            for name, chart in charts.items()
        },
    )


def category_titles(run: Run) -> dict[str, str]:
    """``{"C9": "C9: Interpersonal Violence"}`` by the run's policy; empty if it is not at hand."""
    policy = policy_of(run)
    return {} if policy is None else {category.id: category.title for category in policy.categories}
