"""The judgments of a run, read lazily: a report of a million samples holds none of them at once."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from vlsu.analysis import Tabulation
from vlsu.analysis.table.cells import Cells
from vlsu.data.links import with_links
from vlsu.errors import VlsuError
from vlsu.policy import MODALITIES
from vlsu.runs import Run
from vlsu.runs.graded import recorded_severities

__all__ = ["is_among", "run_cells", "scan_judgments"]

#: Judgments counted at once.
_PART = 600_000


def scan_judgments(run: Run) -> pl.LazyFrame:
    """The judgments, unread: one row a sample and modality (and framing and draw).

    Raises:
        RunError: The run is not finished, or the file is damaged.
    """
    return run.scan()


def is_among(ids: pl.LazyFrame, column: str = "id") -> pl.Expr:
    """Whether an identifier is one of a few: of other rows a Parquet file's texts are not read.

    Args:
        ids: In memory, with a column `id`.
        column: The rows' column of identifiers.
    """
    return pl.col(column).is_in(ids.select("id").collect().to_series().implode())


def run_cells(run: Run) -> Cells:
    """The samples of an understanding run as the cells its metrics were taken from.

    Counted from the judgments and their gold grades, a part of the samples at a time. The groups of
    the dataset count where it is at hand.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    tabulation = Tabulation(severities=recorded_severities([run]))
    for judgments, gold in _parts(run):
        tabulation.add(judgments, gold)
    return tabulation.cells()


def _parts(run: Run) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    columns = ("sample_id", "modality", "predicted", "outcome", "expected", "expected_category")
    frame = scan_judgments(run).select(columns)
    links = _links(run)
    parts = 1 + int(frame.select(pl.len()).collect().item()) // _PART
    for part in range(parts):
        chosen = pl.col("sample_id").hash() % parts == part
        judgments = frame.filter(chosen).collect(engine="streaming")
        gold = judgments.group_by("sample_id").agg(
            *(
                pl.col("expected").filter(pl.col("modality") == m).first().alias(f"{m}_grade")
                for m in MODALITIES
            ),
            joint_category=pl.col("expected_category")
            .filter(pl.col("modality") == "joint")
            .first(),
        )
        if links is not None:
            gold = with_links(gold, links)
        yield judgments.drop("expected_category"), gold


def _links(run: Run) -> pl.DataFrame | None:
    """What samples share, where the dataset is at hand."""
    try:
        return run.dataset.links()
    except VlsuError:
        return None
