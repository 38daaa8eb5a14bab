"""Counts by group and cell: sums and tables over few cells are those over all entries."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.analysis.table.cells import GroupCounts

CELLS, GROUPS = 40, 300


def made(seed: int) -> tuple[GroupCounts, np.ndarray]:
    """Groups of one to nine entries, and the same as a full table."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 10, GROUPS)
    cell = np.concatenate([rng.choice(CELLS, size, replace=False) for size in sizes])
    count = rng.integers(1, 4, len(cell))
    table = np.zeros((GROUPS, CELLS), dtype=np.int64)
    table[np.repeat(np.arange(GROUPS), sizes), cell] = count
    counts = GroupCounts(
        start=np.concatenate([[0], np.cumsum(sizes)]),
        cell=cell.astype(np.int32),
        count=count.astype(np.int32),
        alone=rng.integers(0, 5, CELLS),
    )
    return counts, table


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.5, 1.0])
@given(seed=st.integers(0, 2**32 - 1))
def test_sums_and_tables_are_those_of_the_full_table(share: float, seed: int) -> None:
    counts, table = made(seed)
    rng = np.random.default_rng(seed)
    for _ in range(3):
        inside = rng.random(CELLS) < share
        added = np.where(inside, rng.integers(-2, 3, (3, CELLS)), 0)
        np.testing.assert_array_equal(counts.sums(added), added @ table.T)
        column = np.where(inside, rng.integers(0, 5, CELLS), -1)
        whole = table @ (column[:, None] == np.arange(5))
        found = np.concatenate([np.zeros((0, 5)), *counts.tables(column, 5)])
        np.testing.assert_array_equal(found, whole[whole.any(axis=1)])


def test_counts_are_let_go_when_nobody_needs_them() -> None:
    counts, table = made(0)
    added = (np.arange(CELLS) == 3).astype(np.int64)[None, :]
    np.testing.assert_array_equal(counts.sums(added), added @ table.T)
    there = weakref.ref(counts)
    gc.disable()
    try:
        del counts
        assert there() is None
    finally:
        gc.enable()
