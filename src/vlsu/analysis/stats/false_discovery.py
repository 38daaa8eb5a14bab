"""The false discovery rate: of what is marked among many tests, how much is chance on average."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

__all__ = ["false_discovery"]

T = TypeVar("T", bound=Hashable)


def false_discovery(p: Mapping[T, float], *, any_dependence: bool = False) -> dict[T, float]:
    """The q of each test, in the order given: the smallest rate at which it would be marked.

    Marking all with a q below alpha makes the expected share of chance among what is marked at most
    alpha (Benjamini and Hochberg 1995), if the tests are independent or depend on each other
    positively (Benjamini and Yekutieli 2001). Where nothing differs at all, every mark is chance,
    and any mark occurs with a chance of at most alpha.

    Args:
        p: By name.
        any_dependence: Whether that shall be proven for tests that depend on each other in any way
            (Benjamini and Yekutieli 2001): q is larger by 1 + 1/2 + ... + 1/m for m tests.

    Example:
        >>> false_discovery({"accuracy": 0.01, "recall": 0.5, "precision": 0.02})
        {'accuracy': 0.03, 'recall': 0.5, 'precision': 0.03}
    """
    count = len(p)
    scale = count * (sum(1 / k for k in range(1, count + 1)) if any_dependence else 1)
    q: dict[T, float] = {}
    least = 1.0
    for rank, name in zip(range(count, 0, -1), sorted(p, key=p.__getitem__)[::-1], strict=True):
        least = min(least, p[name] * scale / rank)
        q[name] = least
    return {name: q[name] for name in p}
