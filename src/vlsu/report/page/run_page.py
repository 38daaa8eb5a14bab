"""The page of one run, whatever its task."""

from __future__ import annotations

import polars as pl

from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.bibtex import references
from vlsu.report.contents import task_contents
from vlsu.report.notice import task_notice
from vlsu.report.page.render import Listed, description_of, listed, render
from vlsu.report.run_notes import date_of
from vlsu.report.task import TaskReport
from vlsu.runs import Run

__all__ = ["run_page"]


def run_page(
    task: TaskReport,
    run: Run,
    beside: str,
    *,
    redact: bool = False,
    live: Listed | None = None,
    enough: float = ENOUGH,
) -> tuple[str, pl.Series | None]:
    """The page of one run.

    Args:
        task: What a report shows of runs of its task.
        run: A finished run.
        beside: Name of the file that will hold all samples if the page cannot.
        redact: As in `vlsu.report.write_report`.
        live: The list of samples of a page that is served; else they are put into it.
        enough: The share answered below which the page opens with it.

    Returns:
        The page, and, if it needs that file, the identifiers of all samples in their order.

    Raises:
        RunError: The run is not finished.
    """
    metrics, contents = run.metrics, task_contents(task, run, redact=redact)
    samples, ids = (live, None) if live else _samples(task, run, beside, redact=redact)
    parts = task.page_parts(run, contents, enough)
    remarks = (*parts.remarks, "" if redact else description_of(run))
    page = render(
        task.template,
        contents.charts,
        title=f"{run.record['model']['spec']} on {run.record['dataset']['name']}",
        record=run.record,
        metrics=metrics,
        tables=contents.tables,
        notice=task_notice(task, run, enough),
        headline=task.headline(metrics, enough),
        date=date_of(run),
        findings=task.findings(metrics, enough),
        remarks=[remark for remark in remarks if remark],
        contents=parts.sections,
        listed=samples,
        order=task.samples.order,
        selects=task.samples.filters,
        bibtex=references([run]),
        **parts.values,
    )
    return page, ids


def _samples(
    task: TaskReport, run: Run, beside: str, *, redact: bool
) -> tuple[Listed, pl.Series | None]:
    ids = task.samples.ids([run])
    held = listed(
        run,
        task.samples.entries([run], ids),
        total=len(ids),
        columns=task.samples.columns,
        beside=beside,
        redact=redact,
    )
    return held, ids if held.beside else None
