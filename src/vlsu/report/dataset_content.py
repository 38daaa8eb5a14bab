"""What the dataset of a run holds of its samples, joined to their rows."""

from __future__ import annotations

import polars as pl

from vlsu.errors import VlsuError
from vlsu.policy import MODALITIES
from vlsu.report.judgments import is_among
from vlsu.runs import Run

__all__ = ["dataset_content", "with_content"]

_CONTENT = ("text", "image_sha256", "metadata")


def dataset_content(run: Run) -> pl.LazyFrame | None:
    """What `with_content` joins: by `id`, unread; `None` where the dataset is not at hand."""
    try:
        dataset = run.dataset
    except VlsuError:
        return None
    return dataset.frame().select("id", *_CONTENT, *(f"{m}_grade" for m in MODALITIES))


def with_content(
    content: pl.LazyFrame | None, rows: pl.LazyFrame, ids: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Rows by `id` with what the dataset holds of them, as far as it is at hand.

    That is `text`, `image_sha256`, `metadata` and the gold grades (`image_gold` and so on), which
    those in the rows precede. The rows come in no order.

    Args:
        content: As `dataset_content` has it.
        rows: With a column `id`.
        ids: Those in `rows`, where they are few; the rest of the dataset is not read.
    """
    if content is None:
        return rows
    if ids is not None:
        content = content.filter(is_among(ids))
    there = rows.collect_schema().names()
    grades = {m: [f"{m}_gold"] if f"{m}_gold" in there else [] for m in MODALITIES}
    return (
        rows.join(content, on="id", how="left")
        .with_columns(
            pl.coalesce(*known, f"{m}_grade").alias(f"{m}_gold") for m, known in grades.items()
        )
        .drop(f"{m}_grade" for m in MODALITIES)
    )
