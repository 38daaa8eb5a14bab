"""Swaps of two runs: the coins are those that NumPy would toss."""

from __future__ import annotations

import numpy as np
import pytest

from vlsu.analysis.table.resampling import fair_coins

FEW = np.arange(1, 61)
SINGLE = np.ones(3_000, dtype=np.int64)
MANY = np.array([1, 1, 61, 2, 5_000, 3])


@pytest.mark.parametrize("coins", [FEW, SINGLE, MANY], ids=["few", "single", "many"])
def test_coins_are_the_draws_of_numpys_binomial(coins: np.ndarray) -> None:
    times = 2_000
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    heads = np.concatenate(list(fair_coins(coins, times, ours)))
    np.testing.assert_array_equal(heads, theirs.binomial(coins, 0.5, size=(times, len(coins))))
    assert ours.random() == theirs.random()  # and no draw more


def test_no_coins_are_no_heads() -> None:
    heads = np.concatenate(list(fair_coins(SINGLE[:0], 3, np.random.default_rng(0))))
    assert heads.shape == (3, 0)
