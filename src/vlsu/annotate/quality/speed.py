"""How fast graders answer, and which answers are faster than anybody reads.

A flag is a reason to look, never one to pay less: `docs/graders.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from vlsu.analysis.stats.intervals import Rate
from vlsu.annotate.quality.scores import share

__all__ = ["flagged", "least_seconds", "median_seconds", "too_fast"]

#: Seconds in which an item can be looked at and a key be pressed at all.
_LOOK = 1.0
#: Seconds more for an image.
_IMAGE = 0.5
#: Characters a second that nobody reads: some three times the mean of silent reading, 238 English
#: words a minute (Brysbaert 2019). A script that says more with a character has a milder bound.
_CHARACTERS = 70.0
#: Share of too fast answers above which a grader is flagged, if its interval is above it.
_FLAGGED = 0.05


def least_seconds(modality: str, characters: int) -> float:
    """The time below which an answer was given too fast to have seen the item.

    Args:
        modality: ``"image"``, ``"text"`` or ``"joint"``.
        characters: Of the text; not counted for an image.

    Example:
        >>> least_seconds("image", 0), least_seconds("text", 140), least_seconds("joint", 140)
        (1.5, 3.0, 3.5)
    """
    image = 0.0 if modality == "text" else _IMAGE
    return _LOOK + image + (0 if modality == "image" else characters / _CHARACTERS)


def median_seconds(answers: pl.DataFrame) -> dict[str, float]:
    """Median of `seconds` by modality, where they are known."""
    answers = answers.drop_nulls("seconds")
    found = answers.group_by("modality").agg(pl.col("seconds").median()).sort("modality")
    return {name: round(seconds, 1) for name, seconds in found.iter_rows()}


def too_fast(answers: pl.DataFrame, lengths: Mapping[str, int]) -> Rate | None:
    """The share of answers below `least_seconds`; `None` without one whose time is known.

    Args:
        answers: `item`, `modality` and `seconds`.
        lengths: Item -> characters of its text.
    """
    rows = answers.select("item", "modality", "seconds").drop_nulls("seconds").iter_rows()
    fast = [seconds < least_seconds(kind, lengths.get(item, 0)) for item, kind, seconds in rows]
    return share(sum(fast), len(fast))


def flagged(rate: Rate | None) -> bool:
    """Whether a share of too fast answers is above one in twenty, beyond chance."""
    return rate is not None and rate.low is not None and rate.low > _FLAGGED
