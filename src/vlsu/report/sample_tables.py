"""The tables that the samples of a run are read from."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

__all__ = ["SampleTables"]


@dataclass(frozen=True, slots=True)
class SampleTables:
    """What the rows of a run's samples are made of, unread, with the columns they need.

    Attributes:
        judgments: By `sample_id`, in the order of the run.
        reruns: The further draws, by `sample_id`; `None` of a run with one draw.
        content: What the dataset holds of the samples, by `id`; `None` where it is not at hand.
    """

    judgments: pl.LazyFrame
    reruns: pl.LazyFrame | None
    content: pl.LazyFrame | None
