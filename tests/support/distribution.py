"""How tests are distributed to processes: as many as keep the machine busy, slow tests first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from typing import Protocol, TypeVar

__all__ = ["distributed", "processes"]


class _Item(Protocol):
    """What is needed of a `pytest.Item`."""

    @property
    def nodeid(self) -> str: ...

    def get_closest_marker(self, name: str) -> object | None: ...


T = TypeVar("T", bound=_Item)


def processes() -> int:
    """Two more than processors: some tests wait for a process, a server or a time to pass."""
    return (os.cpu_count() or 1) + 2


def distributed(items: Sequence[T], workers: int) -> list[T]:
    """The tests in an order in which each worker begins with slow ones and ends with fast ones.

    ``--dist worksteal`` gives each worker a block of the order, and takes from the end of a block
    for a worker that has finished its own. Modules are kept together, as their tests share
    fixtures; those with tests marked slow are given to the workers in turn.

    Args:
        items: The tests, those of a module one after another.
        workers: How many there are.
    """
    modules = [list(each) for _, each in groupby(items, lambda item: item.nodeid.split("::")[0])]
    slow = [each for each in modules if any(item.get_closest_marker("slow") for item in each)]
    blocks: list[list[T]] = [[] for _ in range(workers)]
    for number, module in enumerate(slow):
        blocks[number % workers] += module
    fast = [item for module in modules if module not in slow for item in module]
    left = len(items)
    for number, block in enumerate(blocks):
        room = max(0, left // (workers - number) - len(block))  # blocks of the scheduler's sizes
        block += fast[:room]
        del fast[:room]
        left -= len(block)
    return [item for block in blocks for item in block] + fast
