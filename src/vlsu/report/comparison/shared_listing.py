"""What the lists of the samples of several runs have in common, whatever the task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from vlsu.report.run_labels import run_labels, run_names
from vlsu.report.sample_tables import SampleTables
from vlsu.report.task import Ids
from vlsu.runs import Run

__all__ = [
    "ALL_RIGHT",
    "ALL_WRONG",
    "BATCH",
    "SOME_RIGHT",
    "labels_of",
    "shared_frame",
    "standing",
    "standing_of",
]

#: How the runs stand to what is right.
ALL_RIGHT, SOME_RIGHT, ALL_WRONG = "all right", "some right", "all wrong"
#: Samples described at once.
BATCH = 2048


def labels_of(runs: Sequence[Run]) -> list[str]:
    """What each run is called in filters and grids."""
    return run_labels(run_names(runs))


def standing(right: pl.Expr) -> pl.Expr:
    """Whether all, some or none of a sample's values are true, of two or more that are not null."""
    return standing_of(right.count(), right.sum())


def standing_of(known: pl.Expr, right: pl.Expr) -> pl.Expr:
    """The same from how many are known, and true."""
    return (
        pl.when(known < 2)
        .then(None)
        .when(right == known)
        .then(pl.lit(ALL_RIGHT))
        .when(right == 0)
        .then(pl.lit(ALL_WRONG))
        .otherwise(pl.lit(SOME_RIGHT))
    )


def shared_frame(
    frame: Callable[[Run, Ids, SampleTables], pl.DataFrame],
    runs: Sequence[Run],
    names: Sequence[str],
    ids: Ids,
    tables: Sequence[SampleTables],
) -> pl.DataFrame:
    """The rows of these samples of every run, by sample and then by run, which `run` names.

    Args:
        frame: A run, identifiers, its tables -> its rows of these samples.
        runs: Of one task and one dataset.
        names: What each is called.
        ids: Of the samples, in their order.
        tables: Of each run.
    """
    place = pl.DataFrame({"id": ids}, schema={"id": pl.String}).with_row_index("place")
    frames = [
        frame(run, ids, of_run).with_columns(run=pl.lit(name), number=pl.lit(n, dtype=pl.UInt32))
        for n, (run, name, of_run) in enumerate(zip(runs, names, tables, strict=True))
    ]
    return (
        pl.concat(frames, how="diagonal_relaxed")
        .join(place, on="id", how="left", maintain_order="left")
        .sort("place", "number", maintain_order=True)
        .drop("place", "number")
    )
