"""What each task contributes to a report of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.charts.dots import Spec
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.table import Table
from vlsu.report.task import SampleList
from vlsu.runs import Run

__all__ = ["Comparison", "TaskComparison"]

#: As `vlsu.runs.finished.comparison.compare` makes it.
Comparison = Mapping[str, Any]


class TaskComparison(Protocol):
    """What a report shows of several runs of one task.

    Attributes:
        samples: How the samples of several runs of one dataset are listed.
    """

    samples: SampleList

    def in_order(self, runs: Sequence[Run]) -> list[Run]:
        """The runs in the order, and hence under the letters, of every table and chart."""

    def table(
        self,
        runs: Sequence[Run],
        names: Sequence[str],
        comparison: Comparison | None = None,
        oracle: Oracle | None = None,
    ) -> Table:
        """The headline of the runs.

        Args:
            runs: Finished runs.
            names: Of the runs.
            comparison: Of these runs, if they can be compared; ranks are from there.
            oracle: A human grader's scores.
        """

    def words(self, runs: Sequence[Run]) -> Mapping[str, object]:
        """Further values for the page's template."""

    def tables(
        self, runs: Sequence[Run], names: Sequence[str], oracle: Oracle | None = None
    ) -> list[Table]:
        """Further tables of the runs side by side."""

    def charts(
        self, runs: Sequence[Run], labels: Sequence[str], oracle: Oracle | None = None
    ) -> dict[str, Spec]:
        """The charts of the runs side by side, by name, in the order of the page.

        Args:
            runs: Finished runs.
            labels: Of the runs.
            oracle: A human grader's scores.
        """

    def sentence(self, comparison: Comparison, runs: Sequence[Run], enough: float = ENOUGH) -> str:
        """The result in a sentence or two; empty if nothing ranks the runs.

        Args:
            comparison: Of these runs.
            runs: The runs compared.
            enough: Share answered below which a run or framing is at no end.
        """
