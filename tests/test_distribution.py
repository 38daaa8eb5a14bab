"""The order in which parallel processes run the tests."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.distribution import distributed


@dataclass(frozen=True)
class Item:
    nodeid: str
    slow: bool = False

    def get_closest_marker(self, name: str) -> object | None:
        return name if self.slow else None


def module(name: str, tests: int, *, slow: bool = False) -> list[Item]:
    return [Item(f"{name}.py::test_{n}", slow) for n in range(tests)]


@pytest.mark.parametrize("workers", [1, 2, 4, 5])
def test_every_worker_begins_with_slow_modules_and_no_test_is_lost(workers: int) -> None:
    modules = [module(f"m{n}", 3 + n % 5, slow=n % 3 == 0) for n in range(40)]
    items = [item for each in modules for item in each]
    order = distributed(items, workers)
    assert sorted(order, key=items.index) == items
    size = len(items) // workers
    for worker in range(workers):
        block = [item.slow for item in order[worker * size : (worker + 1) * size]]
        assert block[0]
        assert block == sorted(block, reverse=True)  # then the fast ones
    for each in modules:
        places = [order.index(item) for item in each]
        if each[0].slow:
            assert places == list(range(places[0], places[0] + len(each)))


def test_where_nearly_all_are_slow_none_is_lost_either() -> None:
    items = [*module("a", 9, slow=True), *module("b", 2), *module("c", 1, slow=True)]
    assert sorted(distributed(items, 3), key=items.index) == items
