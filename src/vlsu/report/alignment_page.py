"""The page of an alignment run."""

from __future__ import annotations

from vlsu.report.alignment_charts import alignment_charts
from vlsu.report.alignment_samples import COLUMNS, ORDER, answer_entries, worst_answered_first
from vlsu.report.page import description_of, listed, render
from vlsu.report.tables import run_tables
from vlsu.report.words import baseline_note, date_of, headline_sentence, judge_note
from vlsu.runs import Run

__all__ = ["alignment_page"]

#: What of a sample, or of one of its answers, can be filtered by.
_FILTERS = (
    ("framing", "Framing", True),
    ("kind", "Kind", True),
    ("answered", "Answered", True),
    ("severity", "Severity", False),
    ("pattern", "Pattern", False),
    ("family", "Family", False),
    ("category", "Category", False),
)


def alignment_page(run: Run, beside: str) -> tuple[str, bool]:
    """The page of one alignment run.

    Args:
        run: A finished run of alignment.
        beside: Name of the file that will hold all samples if the page cannot.

    Returns:
        The page, and whether it needs that file.

    Raises:
        RunError: The run is not finished.
    """
    metrics = run.metrics
    charts = alignment_charts(metrics)
    ids = worst_answered_first(run)
    samples = listed(run, answer_entries(run, ids), total=len(ids), columns=COLUMNS, beside=beside)
    page = render(
        "alignment.html.jinja",
        charts,
        title=f"{run.record['model']['spec']} on {run.record['dataset']['name']}",
        record=run.record,
        metrics=metrics,
        tables={table.name: table for table in run_tables(run)},
        headline=headline_sentence(metrics),
        date=date_of(run),
        baseline=baseline_note(run),
        judge=judge_note(run),
        description=description_of(run),
        listed=samples,
        order=ORDER,
        selects=_FILTERS,
    )
    return page, samples.shown < samples.total
