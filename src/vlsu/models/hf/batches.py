"""Batches of requests that go well together, halved when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["Batches"]

_log = logging.getLogger(__name__)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Batches:
    """Runs work in batches of items of one kind, ordered by size.

    Args:
        limit: Maximum items in a batch.
        out_of_memory: Whether an error says that memory ran out.
        release: Frees what memory can be freed, before a smaller batch is tried.
    """

    def __init__(
        self,
        limit: int,
        out_of_memory: Callable[[BaseException], bool],
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self._limit = limit
        self._limits: dict[int, int] = {}
        self._out_of_memory = out_of_memory
        self._release = release

    def limit(self, kind: int) -> int:
        """Maximum items in a batch of a kind, as far as known."""
        return self._limits.get(kind, self._limit)

    def lower(self, kind: int, limit: int) -> None:
        """Lower the maximum for a kind; it is never raised again."""
        self._limits[kind] = max(1, min(limit, self.limit(kind)))

    def run(
        self,
        items: Sequence[_Item],
        shape: Callable[[_Item], tuple[int, ...]],
        work: Callable[[list[_Item]], list[_Result]],
    ) -> list[_Result]:
        """The results of all items, in their order.

        Args:
            items: The items.
            shape: An item's kind, and then its size: neighbours in this order share a batch.
            work: The results of a batch of one kind.

        Raises:
            Exception: What `work` raised of a batch, or of a single item if memory ran out.
        """
        order = sorted(range(len(items)), key=lambda index: shape(items[index]))
        results: dict[int, _Result] = {}
        for chunk in self._chunks(order, lambda index: shape(items[index])[0]):
            done = self._halving(shape(items[chunk[0]])[0], [items[i] for i in chunk], work)
            results.update(zip(chunk, done, strict=True))
        return [results[index] for index in range(len(items))]

    def _chunks(self, order: Sequence[int], kind: Callable[[int], int]) -> Iterator[list[int]]:
        start = 0
        while start < len(order):
            first = kind(order[start])
            end = start + 1
            while (
                end < len(order) and end - start < self.limit(first) and kind(order[end]) == first
            ):
                end += 1
            yield list(order[start:end])
            start = end

    def _halving(
        self, kind: int, batch: list[_Item], work: Callable[[list[_Item]], list[_Result]]
    ) -> list[_Result]:
        try:
            return work(batch)
        except Exception as error:
            if len(batch) == 1 or not self._out_of_memory(error):
                raise
        # Outside of the handler: the error's traceback would hold on to the memory.
        self._release()
        half = len(batch) // 2
        self.lower(kind, half)
        _log.warning("out of memory with %d requests at once; going on with %d", len(batch), half)
        results: list[_Result] = []
        while len(results) < len(batch):
            start, size = len(results), self.limit(kind)
            results += self._halving(kind, batch[start : start + size], work)
        return results
