"""All samples of a report in a Parquet file, for when a page cannot hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from vlsu.report.alignment.samples import answer_frame, worst_answered_first
from vlsu.report.comparison.shared_samples import furthest_apart_first, shared_frame
from vlsu.report.run_labels import run_names
from vlsu.report.understanding.samples import sample_frame, worst_first
from vlsu.runs import Run
from vlsu.runs.judging import JudgmentsFile

__all__ = ["write_samples"]

#: Samples in memory at once.
_BATCH = 50_000


def write_samples(runs: Sequence[Run], out: Path) -> None:
    """Write the samples of runs in the order of the report, with their texts and answers whole.

    A row a sample (`vlsu.report.understanding.samples.sample_frame`); of an alignment run a row an
    answer (`vlsu.report.alignment.samples.answer_frame`); of several runs as many for each of them
    (`vlsu.report.comparison.shared_samples.shared_frame`).

    Raises:
        RunError: A run is not finished, or the file cannot be written.
    """
    if len(runs) > 1:
        ids = furthest_apart_first(runs)
        names = run_names(runs)
        read: Callable[[Sequence[str]], pl.DataFrame] = partial(shared_frame, runs, names)
    elif runs[0].record["task"] == "alignment":
        ids, read = worst_answered_first(runs[0]), partial(answer_frame, runs[0])
    else:
        ids, read = worst_first(runs[0]), partial(sample_frame, runs[0])
    with JudgmentsFile(out, pl.Schema()) as file:
        for start in range(0, len(ids), _BATCH):
            file.add(read(ids[start : start + _BATCH]))
