"""Rates of single graders: on known items, against the others, against themselves, over time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.intervals import Rate, mover, wilson
from vlsu.policy import NOT_SURE

__all__ = ["agreement_scores", "change", "mean_score", "share"]

_UNIT = ("item", "modality")


def share(hits: int, n: int) -> Rate | None:
    """A share with Wilson's interval; `None` of nothing."""
    return Rate.within(hits / n, *wilson(hits / n, n)) if n else None


def mean_score(scores: pl.DataFrame) -> Rate | None:
    """The mean of `score` with its interval; the modalities of an `item` are one cluster.

    Returns:
        `None` without a row.
    """
    if scores.is_empty():
        return None
    cluster = scores["item"].rank("dense").cast(pl.Int64).to_numpy()
    return clustered_mean(scores["score"].cast(pl.Float64).to_numpy(), cluster).rate


def change(
    scores: pl.DataFrame, mean: Callable[[pl.DataFrame], Rate | None] = mean_score
) -> Rate | None:
    """How much a mean score is higher in the second half than in the first.

    The interval is Newcombe's (1998) hybrid of the halves' own intervals.

    Args:
        scores: In the order of time; with an odd number the one in the middle is of the second.
        mean: From a half to its rate.

    Returns:
        In [-1, 1]; `None` with fewer than two rows.
    """
    half = scores.height // 2
    first, second = mean(scores.head(half)), mean(scores.tail(scores.height - half))
    if first is None or second is None or first.value is None or second.value is None:
        return None
    low, high = mover(np.array([-1.0, 1.0]), (first, second), np.eye(2), least=-1.0)
    return Rate.within(second.value - first.value, low, high)


def agreement_scores(grades: pl.DataFrame) -> pl.DataFrame:
    """Of each grade the share of the others' grades of the same unit that are the same.

    `not_sure` is no grade, of either side; units without another grade have no score.

    Args:
        grades: `item`, `modality`, `grader`, `grade`, in the order of time.

    Returns:
        The same with `score`, in the same order.

    Example:
        >>> found = agreement_scores(pl.DataFrame({
        ...     "item": ["a"] * 3, "modality": ["text"] * 3, "grader": ["x", "y", "z"],
        ...     "grade": ["safe", "safe", "unsafe"]}))
        >>> found["score"].to_list()
        [0.5, 0.5, 0.0]
    """
    others = pl.len().over(*_UNIT) - 1
    same = pl.len().over(*_UNIT, "grade") - 1
    return (
        grades.filter(pl.col("grade") != NOT_SURE)
        .with_columns(score=same.cast(pl.Float64) / others, others=others)
        .filter(pl.col("others") > 0)
        .drop("others")
    )
