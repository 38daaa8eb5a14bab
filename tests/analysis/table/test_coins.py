"""Fair coins: they fall as the binomial distribution says, and each by itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from vlsu.analysis.table.coins import heads_of, tossed_sums

FEW = np.arange(1, 65)
SINGLE = np.ones(3_000, dtype=np.int64)
MANY = np.array([1, 1, 61, 2, 5_000, 3, 64, 65])


@pytest.mark.parametrize("coins", [1, 2, 7, 8, 9, 16, 17, 32, 33, 60, 64, 65, 5_000])
def test_heads_are_binomial(coins: int) -> None:
    heads = heads_of(np.array([coins]), 20_000, np.random.default_rng(coins))[:, 0]
    edges = np.unique(binom.ppf(np.linspace(0, 1, 12)[1:-1], coins, 0.5))
    expected = np.diff(binom.cdf([-1, *edges, coins], coins, 0.5))
    seen = np.histogram(heads, [-0.5, *(edges + 0.5), coins + 0.5])[0]
    kept = expected > 0
    assert not seen[~kept].any()
    assert chisquare(seen[kept], expected[kept] * len(heads)).pvalue > 1e-4


@pytest.mark.parametrize("coins", [FEW, SINGLE, MANY], ids=["few", "single", "many"])
def test_there_are_never_more_heads_than_coins(coins: np.ndarray) -> None:
    heads = heads_of(coins, 500, np.random.default_rng(3))
    assert heads.shape == (500, len(coins))
    assert (heads <= coins).all()
    assert (heads.mean(axis=0) > 0).all()


@pytest.mark.parametrize("count", [1, 3, 8, 12])
def test_no_coin_tells_of_another_or_of_the_next_toss(count: int) -> None:
    heads = heads_of(np.full(40, count), 20_000, np.random.default_rng(5)).astype(float)
    for pairs in (np.corrcoef(heads.T), np.corrcoef(heads[1:].T, heads[:-1].T)):
        aside = pairs[~np.eye(len(pairs), dtype=bool)]
        assert np.abs(aside).max() < 6 / np.sqrt(20_000)


def test_no_coins_are_no_heads() -> None:
    assert heads_of(SINGLE[:0], 3, np.random.default_rng(0)).shape == (3, 0)
    assert not tossed_sums(SINGLE[:0], np.zeros((0, 2)), 3, np.random.default_rng(0)).any()


@pytest.mark.parametrize("coins", [FEW, SINGLE, MANY], ids=["few", "single", "many"])
def test_sums_have_the_mean_and_the_covariance_of_their_coins(coins: np.ndarray) -> None:
    times = 20_000
    gained = np.random.default_rng(1).integers(-9, 10, (len(coins), 3)).astype(float)
    sums = tossed_sums(coins, gained, times, np.random.default_rng(7))
    covariance = (gained * (coins / 4)[:, None]).T @ gained
    error = np.sqrt(np.diag(covariance) / times)
    assert (np.abs(sums.mean(axis=0) - coins / 2 @ gained) < 5 * error).all()
    size = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert (np.abs(np.cov(sums.T) - covariance) < 5 * np.sqrt(2 / times) * size).all()


@pytest.mark.parametrize("each", [1.0, 2.0**40], ids=["small", "large"])
@pytest.mark.parametrize("coins", [1, 12, 5_000])
def test_sums_of_heads_are_exact(coins: int, each: float) -> None:
    alike = np.full(7, coins)
    gained = each * np.random.default_rng(1).integers(-9, 10, (len(alike), 2)).astype(float)
    sums = tossed_sums(alike, gained, 20, np.random.default_rng(5))
    heads = heads_of(alike, 20, np.random.default_rng(5))
    np.testing.assert_array_equal(sums, heads @ gained)
