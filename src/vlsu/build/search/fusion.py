"""Several rankings made into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["CONSTANT", "fused"]

#: The constant of the method's authors; it keeps the first few ranks from deciding all.
CONSTANT = 60


def fused(
    rankings: Mapping[str, Sequence[int]], weights: Mapping[str, float] | None = None
) -> list[tuple[int, float]]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009).

    Args:
        rankings: Items by name of the ranking, each item once, best first.
        weights: Of rankings; 1 if not given.

    Returns:
        Items with their scores, the sum of ``weight / (CONSTANT + rank)``, best first; of equal
        scores the smaller item first.

    Example:
        >>> [item for item, _ in fused({"words": [3, 1, 2], "meaning": [1, 4]})]
        [1, 3, 4, 2]
    """
    scores: dict[int, float] = {}
    for name, ranking in rankings.items():
        weight = 1.0 if weights is None else weights.get(name, 1.0)
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + weight / (CONSTANT + rank)
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))
