"""Further answers to a run's requests: ``reruns.parquet``.

The first draw of a run is in ``judgments.parquet``, and its requests have the keys of a run with
one draw. So a run can be given further draws at any time, and only those are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from vlsu.analysis.understanding.reruns import rerun_metrics
from vlsu.data import Dataset
from vlsu.policy import Severity
from vlsu.runs.columns import JUDGMENTS
from vlsu.runs.folder import RunFolder
from vlsu.runs.run import Run
from vlsu.runs.understanding.companions import lost_companion, scan_companion
from vlsu.runs.understanding.sampling import gold_rows

__all__ = ["RERUNS", "metrics_of_reruns", "numbered", "scan_reruns"]

#: Columns of ``reruns.parquet``: those of a judgment, and ``draw``, from 1 on.
RERUNS = pl.Schema({**JUDGMENTS, "draw": pl.Int64()})


def numbered(judgments: Iterator[pl.DataFrame], draw: int) -> Iterator[pl.DataFrame]:
    """Judgments of one draw, as ``reruns.parquet``."""
    for rows in judgments:
        yield rows.with_columns(draw=pl.lit(draw, dtype=pl.Int64))


def scan_reruns(run: Run) -> pl.LazyFrame:
    """The content of ``reruns.parquet``, unread.

    Raises:
        RunError: It is missing or damaged, or has not the rows of the run's further draws.
    """
    file = RunFolder(run.path).reruns_file
    frame = scan_companion(file, RERUNS)
    try:
        rows, last = frame.select(pl.len(), pl.col("draw").max()).collect().row(0)
    except (OSError, pl.exceptions.PolarsError):
        raise lost_companion(file) from None
    if rows and last != int(run.record.get("draws", 1)) - 1:
        raise lost_companion(file)
    return frame


def metrics_of_reruns(
    run: Run, dataset: Dataset, level: float, severities: Sequence[Severity]
) -> dict[str, object]:
    """``reruns`` of a finished run with intervals of another confidence; empty of one draw.

    Raises:
        RunError: As `scan_reruns`.
    """
    draws = run.record.get("draws", 1)
    if draws < 2:
        return {}
    found = rerun_metrics(
        run.scan(), scan_reruns(run), gold_rows(dataset), draws, level=level, severities=severities
    )
    return {"reruns": found}
