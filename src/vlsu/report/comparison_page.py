"""The page of several runs."""

from __future__ import annotations

from collections.abc import Sequence

from vlsu.report.page import render
from vlsu.report.tables import comparison_table, one_task
from vlsu.report.words import notes
from vlsu.runs import Run

__all__ = ["comparison_page"]


def comparison_page(runs: Sequence[Run]) -> str:
    """The page of several runs: their headlines side by side.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    return render(
        "comparison.html.jinja",
        {},
        title="Runs side by side",
        task=one_task(runs),
        table=comparison_table(runs),
        notes=[(run.record["model"]["spec"], note) for run in runs for note in notes(run)],
    )
