"""The tasks whose runs a report can show, and what it shows of a run by its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.alignment.report import AlignmentReport
from vlsu.report.contents import category_titles, task_contents
from vlsu.report.notice import Notice, task_notice
from vlsu.report.table import Table
from vlsu.report.task import Contents, TaskReport
from vlsu.report.understanding.report import UnderstandingReport
from vlsu.runs import Run
from vlsu.runs.finished.tasks import task_of
from vlsu.runs.run import one_task as run_task

__all__ = [
    "REPORTS",
    "contents",
    "metric_tables",
    "notes",
    "notice",
    "one_task",
    "report_of",
    "run_tables",
]

#: Task -> what a report shows of its runs.
REPORTS: Mapping[str, TaskReport] = {
    task.name: task for task in (UnderstandingReport(), AlignmentReport())
}


def report_of(run: Run) -> TaskReport:
    """What a report shows of runs of this run's task.

    Raises:
        UsageError: It is a framing search.
    """
    return REPORTS[task_of(run).name]


def one_task(runs: Sequence[Run]) -> TaskReport:
    """The task of the runs, which a report of several must share.

    Raises:
        UsageError: They are of different tasks, or framing searches.
    """
    run_task(runs, "write a report of each task")
    return report_of(runs[0])


def contents(run: Run, *, redact: bool = False) -> Contents:
    """The tables and charts of a run; see `vlsu.report.contents`.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    return task_contents(report_of(run), run, redact=redact)


def run_tables(run: Run, *, redact: bool = False) -> tuple[Table, ...]:
    """Every table of a run, in the order of the report.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    return tuple(contents(run, redact=redact).tables.values())


def metric_tables(run: Run) -> tuple[Table, ...]:
    """The tables of a run that its `metrics.json` holds: no judgment is read, whatever its size.

    Raises:
        RunError: The run is not finished.
    """
    return tuple(report_of(run).metric_tables(run, category_titles(run)))


def notice(run: Run, enough: float = ENOUGH) -> Notice | None:
    """What a report of this run opens with; `None` where enough was answered.

    Args:
        run: A finished run.
        enough: The share that is.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    return task_notice(report_of(run), run, enough)


def notes(run: Run) -> list[str]:
    """What must be known of the model, and of the judge, beside the numbers."""
    return report_of(run).notes(run)
