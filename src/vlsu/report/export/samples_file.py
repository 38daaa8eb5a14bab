"""All samples of a report in a Parquet file, for when a page cannot hold them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from vlsu.report.comparison.tasks import samples_of
from vlsu.runs import Run
from vlsu.runs.judging import JudgmentsFile

__all__ = ["write_samples"]

#: Samples in memory at once.
_BATCH = 25_000


def write_samples(runs: Sequence[Run], out: Path) -> None:
    """Write the samples of runs in the order of the report, with their texts and answers whole.

    A row a sample (`vlsu.report.understanding.listing.sample_frame`); of an alignment run a row an
    answer (`vlsu.report.alignment.listing.answer_frame`); of several runs as many for each of them
    (`vlsu.report.comparison.shared_listing.shared_frame`).

    Raises:
        RunError: A run is not finished, or the file cannot be written.
    """
    samples = samples_of(runs)
    ids = samples.ids(runs)
    with JudgmentsFile(out, pl.Schema()) as file:
        for start in range(0, len(ids), _BATCH):
            file.add(samples.frame(runs, ids[start : start + _BATCH]))
