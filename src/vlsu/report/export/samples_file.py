"""All samples of a report in a Parquet file, for when a page cannot hold them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from vlsu.report.comparison.tasks import samples_of
from vlsu.report.export.slices import SlicedTables, Slices
from vlsu.runs import Run
from vlsu.runs.judging import JudgmentsFile

__all__ = ["write_samples"]

#: Samples in memory at once.
_BATCH = 12_500


def write_samples(runs: Sequence[Run], ids: pl.Series, out: Path) -> None:
    """Write samples of runs, with their texts and answers whole.

    A row a sample (`vlsu.report.understanding.listing.sample_frame`); of an alignment run a row an
    answer (`vlsu.report.alignment.listing.answer_frame`); of several runs as many for each of them
    (`vlsu.report.comparison.shared_listing.shared_frame`).

    Args:
        runs: One, or several of one task and dataset.
        ids: Of the samples, in the order of the report.
        out: The file; it is written whole or not at all.

    Raises:
        RunError: A run is not finished, or the file cannot be written.
    """
    samples = samples_of(runs)
    slices = Slices(ids, _BATCH)
    with ExitStack() as files:
        tables = [
            files.enter_context(SlicedTables(samples.tables(run), slices, out.absolute().parent))
            for run in runs
        ]
        file = files.enter_context(JudgmentsFile(out, pl.Schema()))
        for number, ids in enumerate(slices.ids):
            file.add(samples.frame(runs, ids, [of_run.part(number) for of_run in tables]))
