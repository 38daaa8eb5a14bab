"""Confusions of two runs, as they are and swapped, against tables added up by loops."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from vlsu.analysis.comparison.paired_tables import confusions, swapped
from vlsu.analysis.table.paired_cells import PairedCells, PairedTabulation
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import MODALITIES, Outcome

TIMES = 50


def by_loops(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.zeros((3, 4)), np.zeros((3, 4))
    for gold, one, other in np.ndindex(3, 4, 4):
        count = table[gold * 16 + one * 4 + other]
        first[gold, one] += count
        second[gold, other] += count
    return first, second


def two_runs(samples: int, groups: int) -> PairedCells:
    """Random grades and answers; groups of samples, if any."""
    rng = np.random.default_rng(1)
    gold, one, other = (rng.integers(0, 3, (samples, 3)) for _ in range(3))
    none = pl.Series([None] * samples, dtype=pl.String)
    group = pl.Series(rng.integers(0, groups, samples).astype(str)) if groups else none
    found = PairedTabulation(2)
    all_ok = {(m, Outcome.OK.value): samples for m in MODALITIES}
    found.count(gold, [one, other], none, [group, none, none], [all_ok, all_ok])
    return found.cells()


def test_confusions_are_sums_over_the_other_run() -> None:
    tables = np.random.default_rng(0).integers(0, 9, (7, 48))
    for k, each in enumerate(zip(*confusions(tables), strict=True)):
        np.testing.assert_array_equal(each, by_loops(tables[k]))
        np.testing.assert_array_equal(confusions(tables[k]), by_loops(tables[k]))


@pytest.mark.parametrize("groups", [0, 30], ids=["samples", "groups"])
def test_swapped_runs_are_those_of_swapped_tables(groups: int) -> None:
    first, second = two_runs(200, groups).runs
    column = first.gold[:, 2] * 16 + first.predicted[:, 2] * 4 + second.predicted[:, 2]
    resampler = Resampler(first, 1, 0)
    mirror = np.arange(48).reshape(3, 4, 4).swapaxes(1, 2).reshape(-1)
    tables = resampler.swap(column, np.eye(48), mirror, TIMES, "joint")
    assert (tables >= 0).all()
    assert (tables.sum(axis=1) == resampler.count(column, 48).sum()).all()
    assert len(np.unique(tables, axis=0)) > TIMES / 2
    found = swapped(resampler, column, TIMES, "joint")
    for k, each in enumerate(zip(*found, strict=True)):
        np.testing.assert_array_equal(each, by_loops(tables[k]))
