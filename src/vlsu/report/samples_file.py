"""All samples of a run in a Parquet file, for when a page cannot hold them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from vlsu.report.alignment_samples import answer_frame, worst_answered_first
from vlsu.report.samples import sample_frame, worst_first
from vlsu.runs import Run
from vlsu.runs.judging import JudgmentsFile

__all__ = ["write_samples"]

#: Samples in memory at once.
_BATCH = 50_000


def write_samples(run: Run, out: Path) -> None:
    """Write the samples of a run in the order of the report, with their texts and answers whole.

    A row a sample (`vlsu.report.samples.sample_frame`); of an alignment run a row an answer
    (`vlsu.report.alignment_samples.answer_frame`).

    Raises:
        RunError: The run is not finished, or the file cannot be written.
    """
    alignment = run.record["task"] == "alignment"
    order, frame = (
        (worst_answered_first, answer_frame) if alignment else (worst_first, sample_frame)
    )
    ids = order(run)
    with JudgmentsFile(out, pl.Schema()) as file:
        for start in range(0, len(ids), _BATCH):
            file.add(frame(run, ids[start : start + _BATCH]))
