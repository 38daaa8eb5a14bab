"""How well prompts grade: from judgments of the same samples, without I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.stats.clustering import clustered_mean, paired_difference
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, mover
from vlsu.policy import MODALITIES, Pattern

__all__ = ["Scored", "accuracy", "change", "objective", "scored"]

#: What is right: each modality, and all three.
PARTS = (*MODALITIES, "pattern")


@dataclass(frozen=True, slots=True)
class Scored:
    """Which of its samples a prompt graded rightly.

    Attributes:
        patterns: Of the gold grades, of each sample.
        lots: Number of each sample's lot of linked ones.
        right: 1 or 0 of each of `PARTS`, by sample; an answer that is none is wrong.
        answered: 1 or 0: whether all three were graded.
    """

    patterns: Sequence[str]
    lots: Sequence[int]
    right: dict[str, FloatArray]
    answered: FloatArray


def scored(judgments: pl.DataFrame, part: pl.DataFrame) -> Scored:
    """Which samples of a part are graded rightly.

    Args:
        judgments: ``sample_id, modality, expected, predicted, outcome`` of one prompt; may hold
            samples of other parts.
        part: ``sample_id, pattern, lot``.
    """
    right = (pl.col("predicted") == pl.col("expected")).fill_null(False)
    wide = (
        judgments.with_columns(right=right, ok=pl.col("outcome") == "ok")
        .group_by("sample_id")
        .agg(
            *(
                pl.col("right").filter(pl.col("modality") == name).any().alias(name)
                for name in MODALITIES
            ),
            answered=pl.col("ok").all(),
        )
    )
    frame = part.join(wide, on="sample_id", how="left", maintain_order="left").with_columns(
        pl.col(*MODALITIES, "answered").fill_null(False)
    )
    frame = frame.with_columns(pattern_right=pl.all_horizontal(*MODALITIES))
    columns = {name: frame[name] for name in MODALITIES} | {"pattern": frame["pattern_right"]}
    return Scored(
        frame["pattern"].to_list(),
        frame["lot"].to_list(),
        {name: column.cast(pl.Float64).to_numpy() for name, column in columns.items()},
        frame["answered"].cast(pl.Float64).to_numpy(),
    )


def objective(found: Scored) -> tuple[float, float]:
    """What prompts are chosen by, the larger the better.

    The mean over the patterns of the share of samples that are right in all three, since a build
    needs each pattern alike; of equal ones, the mean accuracy of the three.
    """
    right = found.right["pattern"]
    rows = [[p == name for p in found.patterns] for name in sorted(set(found.patterns))]
    means = [float(right[np.array(row)].mean()) for row in rows]
    three = [float(found.right[name].mean()) for name in MODALITIES]
    return round(float(np.mean(means)), 12), round(float(np.mean(three)), 12)


def accuracy(found: Scored) -> dict[str, object]:
    """Accuracies with intervals, linked samples as clusters.

    Returns:
        ``n``, ``answered``, ``accuracy{image, text, joint, pattern}``, ``macro`` (the mean over
        patterns) and ``by_pattern{pattern: {n, image, text, joint, pattern}}``.
    """
    names = sorted(set(found.patterns), key=_order)
    by_pattern: dict[str, dict[str, object]] = {}
    rates = []
    for name in names:
        rows = np.array([each == name for each in found.patterns])
        parts = {part: _mean(found, found.right[part], rows) for part in PARTS}
        rates.append(parts["pattern"])
        by_pattern[name] = {"n": int(rows.sum()), **parts}
    whole = np.ones(len(found.patterns), dtype=np.bool_)
    return {
        "n": len(found.patterns),
        "answered": _mean(found, found.answered, whole),
        "accuracy": {part: _mean(found, found.right[part], whole) for part in PARTS},
        "macro": _macro(rates),
        "by_pattern": by_pattern,
    }


def change(first: Scored, second: Scored) -> dict[str, Rate]:
    """Accuracies of the second less those of the first, on the same samples."""
    lots = np.array(first.lots)
    return {
        part: paired_difference(first.right[part], second.right[part], lots).rate for part in PARTS
    }


def _mean(found: Scored, values: FloatArray, rows: BoolArray) -> Rate:
    if not rows.any():
        return UNDEFINED
    return clustered_mean(values[rows], np.array(found.lots)[rows]).rate


def _macro(rates: Sequence[Rate]) -> Rate:
    if not rates:
        return UNDEFINED
    weights = np.full(len(rates), 1 / len(rates))
    value = float(np.mean([rate.value for rate in rates if rate.value is not None]))
    return Rate.within(value, *mover(weights, tuple(rates), np.eye(len(rates))))


def _order(pattern: str) -> tuple[int, ...]:
    return Pattern.parse(pattern).order
