"""Rankings by words and by meaning made into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["fused"]


def fused(
    positions: Sequence[int],
    words: NDArray[np.float64],
    meaning: NDArray[np.float64],
    share: float,
) -> list[tuple[int, float]]:
    """The convex combination of two rankings' scores (Bruch, Gai and Ingber 2023).

    Against reciprocal rank fusion it keeps how far apart scores are: a caption that merely shares a
    word with the query does not overtake one that says the same in other words.

    Args:
        positions: Of the candidates.
        words: Of each the score by words, 0 for none and 1 for the highest.
        meaning: Of each the score by meaning, 0 for an average candidate and 1 for the nearest.
        share: Weight of the latter, from 0 to 1.

    Returns:
        Positions with their scores, highest first; of equal ones the smaller position first.

    Example:
        >>> fused([7, 8, 9], np.array([1.0, 0.0, 0.5]), np.array([0.0, 1.0, 0.5]), 0.75)
        [(8, 0.75), (9, 0.5), (7, 0.25)]
    """
    scores = share * meaning + (1 - share) * words
    order = np.lexsort((np.asarray(positions, dtype=np.int64), -scores))
    return [(int(positions[i]), float(scores[i])) for i in order]
