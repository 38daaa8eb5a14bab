"""A run's metrics at another confidence than that of `metrics.json`, from its judgments."""

from __future__ import annotations

from pathlib import Path

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import LEVEL, require_level
from vlsu.runs.finished.pairing import dataset_of
from vlsu.runs.finished.tasks import task_of
from vlsu.runs.run import Run

__all__ = ["metrics_at"]


def metrics_at(run: Run, level: float, dataset: str | Path | None = None) -> Metrics:
    """The metrics of a finished run with intervals of this confidence, computed anew.

    At 0.95 they are those of `metrics.json`. At any other, what was not made from judgments and
    gold grades alone is not among them: the judge's calibration, corrections by labels in the run,
    agreement of judges.

    Args:
        run: The run.
        level: In (0, 1).
        dataset: The dataset's folder, if it was moved since the run.

    Raises:
        UsageError: `level` is out of range, or the run a framing search.
        RunError: The run is not finished or damaged.
        DataError: The dataset is not found.
    """
    require_level(level)
    if level == LEVEL:
        return run.metrics
    found = dataset_of([run], dataset)
    return task_of(run).metrics_at(run, found, level)
