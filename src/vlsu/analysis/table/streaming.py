"""Judgments and samples read in slices, as columns of numbers, so that a million fit into memory.

Names, texts and image hashes are identified by 64-bit hashes; of a million, two are the same by
chance once in forty million runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import polars as pl

from vlsu.analysis.table.cells import FAILED
from vlsu.analysis.table.columns import Frame
from vlsu.data.links import LINKS
from vlsu.errors import DataError, RunError, VlsuError
from vlsu.policy import SEVERITY_CODES, Outcome

__all__ = [
    "collect_in_slices",
    "graded_judgments",
    "hash_columns",
    "join_partitioned",
    "partition_count",
]

#: Rows read together; a few hundred bytes each while they are.
_READ = 100_000
#: Rows joined or grouped together, which takes several times their memory.
_AT_A_TIME = 200_000


def collect_in_slices(frame: Frame, narrow: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
    """A frame's rows as `narrow` maps them, in their order, reading a slice of them at a time.

    Collected at once, a scan holds the text of a million rows before the first are narrow.

    Args:
        frame: Best a scan, of which parts can be read; what goes before is done for every part.
        narrow: Makes of each row one or none, whatever the others are.
    """
    lazy = frame.lazy()
    rows = int(lazy.select(pl.len()).collect(engine="streaming").item())
    return pl.concat(
        narrow(lazy.slice(first, _READ)).collect(engine="streaming")
        for first in range(0, max(rows, 1), _READ)
    )


def join_partitioned(
    left: pl.DataFrame, right: pl.DataFrame, how: Literal["inner", "left"] = "inner"
) -> pl.DataFrame:
    """Both frames' columns by `sample`, a hash, in no order; takes little more than they do."""
    number = partition_count(max(left.height, right.height))
    partition = pl.col("sample") % number
    return pl.concat(
        left.filter(partition == n).join(right.filter(partition == n), on="sample", how=how)
        for n in range(number)
    )


def partition_count(rows: int) -> int:
    """Into how many partitions rows are divided; rows of one hash are in one partition."""
    return max(1, -(-rows // _AT_A_TIME))


def graded_judgments(judgments: Frame, modalities: Sequence[str], *extra: str) -> pl.LazyFrame:
    """Judgments with a gold grade: `sample` (hash), `gold`, `predicted` (code or `FAILED`).

    Args:
        judgments: As in ``judgments.parquet``.
        modalities: Those to keep.
        extra: Columns to carry along.

    Raises:
        RunError: A column is missing.
    """
    lazy = judgments.lazy()
    needed = ("sample_id", "modality", "expected", "predicted", "outcome", *extra)
    _require(lazy, needed, RunError, "judgments")
    code = pl.col("predicted").replace_strict(SEVERITY_CODES, default=FAILED, return_dtype=pl.Int8)
    return lazy.filter(
        pl.col("modality").is_in(modalities) & pl.col("expected").is_not_null()
    ).select(
        *extra,
        sample=pl.col("sample_id").hash(),
        gold=pl.col("expected").replace_strict(SEVERITY_CODES, return_dtype=pl.Int8),
        predicted=pl.when(pl.col("outcome") == Outcome.OK.value).then(code).otherwise(FAILED),
    )


def hash_columns(samples: Frame, names: Sequence[str]) -> pl.LazyFrame:
    """Hashes of the samples' columns, null where a value is, beside `sample`, the id's hash.

    Args:
        samples: A dataset's samples; `id` must be there, the columns `LINKS` may be missing.
        names: The columns.

    Raises:
        DataError: A column is missing.
    """
    lazy = samples.lazy()
    present = lazy.collect_schema().names()
    lazy = lazy.with_columns(
        pl.lit(None, dtype=pl.String).alias(name) for name in LINKS if name not in present
    )
    _require(lazy, ("id", *names), DataError, "samples")
    return lazy.select(
        sample=pl.col("id").hash(),
        **{name: pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash()) for name in names},
    )


def _require(frame: pl.LazyFrame, names: Sequence[str], error: type[VlsuError], what: str) -> None:
    present = frame.collect_schema().names()
    if missing := [name for name in names if name not in present]:
        raise error(f"the {what} have no column {missing[0]!r}; they have {', '.join(present)}")
