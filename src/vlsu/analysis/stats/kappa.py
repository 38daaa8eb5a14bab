"""Cohen's kappa from agreement counts, over any leading replicate axes."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["chance_agreement", "cohen_kappa", "kappa_bounds"]


def chance_agreement(table: FloatArray | IntArray) -> FloatArray:
    """Agreement two raters of these margins reach by chance, in [0, 1].

    Args:
        table: First rater's class by second rater's class, shape ``(..., k, k)``, not empty.

    Example:
        >>> float(chance_agreement(np.array([[20, 5], [10, 15]])))
        0.5
    """
    n = table.sum(axis=(-2, -1), dtype=np.float64)
    expected: FloatArray = (table.sum(axis=-1) / n[..., None] * table.sum(axis=-2)).sum(axis=-1) / n
    return expected


def cohen_kappa(table: FloatArray | IntArray) -> FloatArray:
    """Agreement beyond chance: 1 is perfect, 0 chance, negative below it (Cohen 1960).

    NaN where it is undefined: an empty table, or both raters using one and the same class only, so
    that chance agreement is 1. scikit-learn's `cohen_kappa_score` gives NaN there too.

    Args:
        table: First rater's class by second rater's class, shape ``(..., k, k)``.

    Example:
        >>> float(cohen_kappa(np.array([[20, 5], [10, 15]])))
        0.4
    """
    n = table.sum(axis=(-2, -1), dtype=np.float64)
    agreed = np.trace(table, axis1=-2, axis2=-1)
    # Whole numbers up to the last division: chance agreement of exactly 1 must not be missed.
    chance = (table.sum(axis=-1, dtype=np.float64) * table.sum(axis=-2)).sum(axis=-1)
    room = n * n - chance
    kappa = np.full(n.shape, np.nan)
    np.divide(agreed * n - chance, room, out=kappa, where=room > 0)
    return kappa


def kappa_bounds(
    low: float, high: float, least_room: float, most_room: float | None = None
) -> tuple[float, float]:
    """Bounds of kappa from those of the agreement, with chance agreement taken as fixed.

    The assumption of Cohen's (1960) standard error.

    Args:
        low: Low bound of the share of agreements.
        high: High bound of it.
        least_room: 1 - chance agreement, above 0, for the low bound.
        most_room: The same for the high bound, where what is fixed is not sure; else `least_room`.

    Example:
        An agreement of 60% to 80% where 50% is expected by chance:

        >>> [round(bound, 3) for bound in kappa_bounds(0.6, 0.8, 0.5)]
        [0.2, 0.6]
    """
    room = least_room if most_room is None else most_room
    return max(-1.0, 1 - (1 - low) / least_room), 1 - (1 - high) / room
