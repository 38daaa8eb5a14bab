"""Swaps of two runs: the coins are those that NumPy would toss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from vlsu.analysis.table.coins import fair_coins, tossed_sums

FEW = np.arange(1, 61)
SINGLE = np.ones(3_000, dtype=np.int64)
MIXED = np.tile([1, 1, 2, 1, 12, 60, 1, 31], 40)
MANY = np.array([1, 1, 61, 2, 5_000, 3])
#: A uniform number is a multiple of it.
UNIT = 2.0**-53


class Given:
    """Draws these numbers, a row after the other, and nothing else."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.rows = iter(numbers)
        self.bit_generator = np.random.PCG64(0)

    def random(self, shape: tuple[int, int]) -> np.ndarray:
        return np.array([next(self.rows) for _ in range(shape[0])])


def inverted(number: float, coins: int) -> int:
    """NumPy's ``random_binomial_inversion`` for a fair coin, until it would draw again."""
    heads, chance = 0, math.exp(coins * math.log(0.5))
    while number > chance and heads <= coins:
        heads += 1
        number -= chance
        chance = (coins - heads + 1) * 0.5 * chance / (heads * 0.5)
    return heads


@pytest.mark.parametrize(
    "coins", [FEW, SINGLE, MIXED, MANY], ids=["few", "single", "mixed", "many"]
)
def test_coins_are_the_draws_of_numpys_binomial(coins: np.ndarray) -> None:
    times = 2_000
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    heads = np.concatenate(list(fair_coins(coins, times, ours)))
    np.testing.assert_array_equal(heads, theirs.binomial(coins, 0.5, size=(times, len(coins))))
    assert ours.random() == theirs.random()  # and no draw more


@pytest.mark.parametrize("coins", range(1, 61))
def test_heads_change_at_the_same_number_as_step_by_step(coins: int) -> None:
    shares = np.cumsum([math.comb(coins, heads) / 2**coins for heads in range(coins)])
    near = (shares[:, None] + np.arange(-60, 61) * UNIT).reshape(-1)
    grid = (np.arange(1, 4096)[:, None] / 4096 + np.arange(-1, 2) * UNIT).reshape(-1)
    # Beyond all coins NumPy draws again: as rounding has it, at the last few units below 1.
    numbers = np.clip(np.concatenate([near, grid, [0.0]]), 0, 1 - 200 * UNIT)
    numbers = np.rint(numbers / UNIT) * UNIT
    given: Any = Given(numbers[:, None])
    found = np.concatenate(list(fair_coins(np.array([coins]), len(numbers), given)))[:, 0]
    assert found.tolist() == [inverted(number, coins) for number in numbers.tolist()]


def test_no_coins_are_no_heads() -> None:
    heads = np.concatenate(list(fair_coins(SINGLE[:0], 3, np.random.default_rng(0))))
    assert heads.shape == (3, 0)
    assert not tossed_sums(SINGLE[:0], np.zeros((0, 2)), 3, np.random.default_rng(0)).any()


@pytest.mark.parametrize("each", [1.0, 2.0**40], ids=["small", "large"])
@pytest.mark.parametrize("coins", [FEW, SINGLE, MANY], ids=["few", "single", "many"])
def test_sums_of_heads_are_exact(coins: np.ndarray, each: float) -> None:
    gained = each * np.random.default_rng(1).integers(-9, 10, (len(coins), 24)).astype(float)
    sums = tossed_sums(coins, gained, 300, np.random.default_rng(5))
    heads = np.random.default_rng(5).binomial(coins, 0.5, size=(300, len(coins)))
    np.testing.assert_array_equal(sums, heads @ gained)
