"""What a finished run can be asked for, by its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.results import Metrics
from vlsu.data import Dataset
from vlsu.errors import UsageError
from vlsu.runs.finished.alignment import FinishedAlignment
from vlsu.runs.finished.understanding import FinishedUnderstanding
from vlsu.runs.run import Run

__all__ = ["TASKS", "FinishedTask", "task_of"]


class FinishedTask(Protocol):
    """What the runs of one task can be asked for, once they are finished.

    Attributes:
        name: As in ``run.yaml``.
        flagged: What happens to a request that is flagged in a deployment, such as ``blocked``.
    """

    name: str
    flagged: str

    def metrics_at(self, run: Run, dataset: Dataset, level: float) -> Metrics:
        """The metrics of a run with intervals of this confidence, from its judgments.

        Raises:
            RunError: The run's judgments are damaged.
        """

    def comparison(
        self,
        runs: Sequence[Run],
        names: Sequence[str],
        dataset: Dataset,
        seed: int,
        enough: float,
        declared: Declared,
    ) -> dict[str, object]:
        """What a comparison says of these runs; arguments as `vlsu.runs.finished.comparison`.

        Raises:
            UsageError: They have nothing in common.
            RunError: A run's judgments are damaged.
        """

    def judged_pairs(self, run: Run) -> pl.DataFrame:
        """Pairs with a gold grade as `vlsu.analysis.deployment.projection` wants them.

        With the column `framing`, which is empty where the task has none.

        Raises:
            RunError: The run is not finished, did not ask for pairs, or its judge does not detect
                refusals.
        """


#: Task -> what its finished runs can be asked for.
TASKS: Mapping[str, FinishedTask] = {
    task.name: task for task in (FinishedUnderstanding(), FinishedAlignment())
}


def task_of(run: Run) -> FinishedTask:
    """What a finished run can be asked for.

    Raises:
        UsageError: It is a framing search, which is shown in its own way.
    """
    if (task := TASKS.get(run.record.task)) is None:
        raise UsageError(f"{run.path}: a framing search; see tuning.md in that folder")
    return task
