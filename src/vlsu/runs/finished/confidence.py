"""A run's metrics at another confidence than that of `metrics.json`, from its judgments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from vlsu.analysis import (
    Calibration,
    StratifiedSample,
    Tabulation,
    alignment_metrics,
    cell_metrics,
    diagnosis,
    stratified_metrics,
)
from vlsu.analysis.stats.intervals import LEVEL, require_level
from vlsu.data import Dataset
from vlsu.policy import MODALITIES
from vlsu.runs.asking.plan import Subset
from vlsu.runs.columns import VERDICT_COLUMNS
from vlsu.runs.finished.pairing import JUDGED_COLUMNS, dataset_of
from vlsu.runs.run import Run
from vlsu.runs.understanding.sampling import gold_rows
from vlsu.runs.understanding.strata import Strata

__all__ = ["metrics_at"]

#: Samples looked at together; bounds memory.
SAMPLES = 200_000


def metrics_at(run: Run, level: float, dataset: str | Path | None = None) -> dict[str, Any]:
    """The metrics of a finished run with intervals of this confidence, computed anew.

    At 0.95 they are those of `metrics.json`. At any other, what was not made from judgments and
    gold grades alone is not among them: the judge's calibration, corrections by labels in the run,
    agreement of judges.

    Args:
        run: The run.
        level: In (0, 1).
        dataset: Where the dataset lies, if not where it lay when the run was made.

    Raises:
        UsageError: `level` is out of range.
        RunError: The run is not finished or damaged.
        DataError: The dataset is not to be found.
    """
    require_level(level)
    if level == LEVEL:
        return run.metrics
    found = dataset_of([run], dataset)
    if run.record["task"] == "alignment":
        return _of_alignment(run, found, level)
    if "sampling" in run.metrics:
        return _of_a_draw(run, found, level)
    tabulation = Tabulation()
    for judgments, gold in _parts(run, found):
        tabulation.add(judgments, gold)
    return cell_metrics(tabulation.cells(), level=level) | diagnosis(
        run.scan(), found.frame(), level=level
    )


def _parts(run: Run, dataset: Dataset) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Judgments and gold grades of all samples of the run, judged or not."""
    subset = Subset(run.record["limit"], run.record["seed"])
    size = subset.size(dataset)
    ids = subset.frame(dataset).select(sample_id="id")
    gold = gold_rows(dataset).join(ids, on="sample_id", how="semi")
    count = max(1, -(-size // SAMPLES))
    for part in range(count):
        mine = pl.col("sample_id").hash() % count == part
        yield (
            run.judged(pl.col(JUDGED_COLUMNS), where=mine),
            gold.filter(mine).collect(engine="streaming"),
        )


def _of_a_draw(run: Run, dataset: Dataset, level: float) -> dict[str, Any]:
    strata = Strata.of(dataset, run.record["sampling"]["seed"])
    halves = strata.samples.select("half", sample_id="id")
    judgments = run.judged(pl.col(JUDGED_COLUMNS)).join(halves, on="sample_id")
    gold = gold_rows(dataset).collect().join(halves, on="sample_id")
    gold = gold.join(judgments, on="sample_id", how="semi")
    cells = []
    for half in (0, 1):
        tabulation = Tabulation()
        of_half = pl.col("half") == half
        tabulation.add(judgments.filter(of_half), gold.filter(of_half))
        cells.append(tabulation.cells())
    return stratified_metrics(StratifiedSample.from_halves(cells, strata.population), level=level)


def _of_alignment(run: Run, dataset: Dataset, level: float) -> dict[str, Any]:
    subset = Subset(run.record["limit"], run.record["seed"])
    columns = (*(f"{m}_grade" for m in MODALITIES), "joint_category", "group")
    calibration = run.metrics["calibration"]
    metrics = alignment_metrics(
        run.judged(pl.col(VERDICT_COLUMNS)),
        subset.frame(dataset).select(pl.col("id").alias("sample_id"), *columns),
        calibration=None if calibration is None else Calibration.from_dict(calibration),
        gives=run.metrics["gives"],
        refusal=run.metrics["refusal"],
        level=level,
    )
    del metrics["calibration"]  # at 95% whatever the level
    return metrics
