"""The tasks of which a report can compare runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlsu.report.comparison.alignment import AlignmentComparison
from vlsu.report.comparison.task import TaskComparison
from vlsu.report.comparison.understanding import UnderstandingComparison
from vlsu.report.task import SampleList
from vlsu.report.tasks import one_task, report_of
from vlsu.runs import Run

__all__ = ["COMPARISONS", "comparison_of", "samples_of"]

#: Task -> what a report shows of several of its runs.
COMPARISONS: Mapping[str, TaskComparison] = {
    "understanding": UnderstandingComparison(),
    "alignment": AlignmentComparison(),
}


def comparison_of(runs: Sequence[Run]) -> TaskComparison:
    """What a report shows of these runs side by side.

    Raises:
        UsageError: They are of different tasks.
    """
    return COMPARISONS[one_task(runs).name]


def samples_of(runs: Sequence[Run]) -> SampleList:
    """How the samples of one run, or of several of one task and dataset, are listed.

    Raises:
        UsageError: They are of different tasks.
    """
    return comparison_of(runs).samples if len(runs) > 1 else report_of(runs[0]).samples
