"""Holm's correction: a family of tests whose chance of any false claim is bounded."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

__all__ = ["holm"]

T = TypeVar("T", bound=Hashable)


def holm(p: Mapping[T, float]) -> dict[T, float]:
    """Adjusted p by name (Holm 1979), in the order given.

    Claiming all with an adjusted p below alpha makes any false claim with a chance of at most
    alpha, whatever the dependence between the tests.

    Example:
        >>> holm({"accuracy": 0.01, "recall": 0.04, "precision": 0.03})
        {'accuracy': 0.03, 'recall': 0.06, 'precision': 0.06}
    """
    adjusted: dict[T, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        largest = max(largest, min(1.0, p[name] * (len(p) - rank)))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p}
