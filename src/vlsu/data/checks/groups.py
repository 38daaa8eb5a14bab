"""Joining pairs into groups: what is alike to something in a group belongs to it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Groups"]


class Groups:
    """Numbers 0 to n - 1, each in a group of its own until it is joined to another."""

    def __init__(self, n: int) -> None:
        self._parents = array("q", range(n))

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put the groups of both of each pair together."""
        for one, other in pairs:
            a, b = self._root(one), self._root(other)
            if a != b:
                self._parents[max(a, b)] = min(a, b)

    def together(self, one: int, other: int) -> bool:
        """Whether two numbers are in one group."""
        return self._root(one) == self._root(other)

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def first(self) -> NDArray[np.int64]:
        """For each number the least of its group."""
        numbers = range(len(self._parents))
        return np.fromiter(map(self._root, numbers), dtype=np.int64, count=len(numbers))
