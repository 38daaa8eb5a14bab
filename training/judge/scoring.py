"""Figures for yes-or-no answers, with intervals from a bootstrap over clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95


def scores(gold: Bools, called: Bools, clusters: Sequence[str]) -> dict[str, object]:
    """Precision, recall, F1 and Cohen's kappa, each with its interval.

    Args:
        gold: What is so, shape (n,).
        called: What was said, shape (n,).
        clusters: What each row belongs to; whole clusters are drawn again, with replacement.
    """
    names, of = np.unique(np.array(clusters), return_inverse=True)
    cells = [gold & called, ~gold & called, gold & ~called, ~gold & ~called]
    counts = np.stack([np.bincount(of, weights=c, minlength=len(names)) for c in cells], axis=1)
    draws = np.random.default_rng(SEED).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES
    )
    point, spread = _figures(counts.sum(axis=0)), _figures(draws @ counts)
    tail = 100 * (1 - LEVEL) / 2
    result: dict[str, object] = {"n": len(gold), "positive": int(gold.sum())}
    for name, value in point.items():
        kept = spread[name][~np.isnan(spread[name])]
        low, high = np.percentile(kept, [tail, 100 - tail]) if len(kept) else (np.nan, np.nan)
        result[name] = {"value": _round(value), "low": _round(low), "high": _round(high)}
    return result


def _figures(cells: Floats) -> dict[str, Floats]:
    """From counts (..., 4) of hits, false alarms, misses and correct rejections."""
    hit, alarm, miss, right = (cells[..., i] for i in range(4))
    n = cells.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = ((hit + alarm) * (hit + miss) + (miss + right) * (alarm + right)) / n**2
        return {
            "precision": hit / (hit + alarm),
            "recall": hit / (hit + miss),
            "f1": 2 * hit / (2 * hit + alarm + miss),
            "kappa": ((hit + right) / n - chance) / (1 - chance),
        }


def _round(value: float | Floats) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)
