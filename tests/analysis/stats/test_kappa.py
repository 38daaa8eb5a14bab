"""The interval of kappa: the Bayesian bootstrap by another way, and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vlsu.analysis.stats.kappa import cohen_kappa, kappa_interval


def test_the_bounds_are_those_of_dirichlet_tables() -> None:
    """One agreement more for the high bound, one disagreement more for the low one."""
    table = np.array([[20, 4, 1], [6, 10, 2], [0, 3, 9]])
    found = kappa_interval(table, table.sum(), np.random.default_rng(0), 20_000)
    same = np.eye(3).astype(bool)
    quantiles = []
    for side, share in ((~same, 0.025), (same, 0.975)):
        alpha = table + np.where(side, 1 / side.sum(), 0.02)
        drawn = stats.dirichlet(alpha.ravel()).rvs(20_000, random_state=1).reshape(-1, 3, 3)
        quantiles.append(np.quantile(cohen_kappa(drawn), share))
    assert (found.low, found.high) == pytest.approx(tuple(quantiles), abs=0.01)
    assert found.value == pytest.approx(float(cohen_kappa(table)))


def test_two_severities_are_a_table_of_two() -> None:
    three = np.array([[20, 0, 5], [0, 0, 0], [4, 0, 21]])
    two = three[np.ix_([0, 2], [0, 2])]
    as_two = kappa_interval(two, 50, np.random.default_rng(0), 1000, (0, 1))
    assert kappa_interval(three, 50, np.random.default_rng(0), 1000, (0, 2)) == as_two


def test_half_the_size_is_a_wider_interval() -> None:
    table = np.array([[20, 5], [4, 21]])
    whole, half = (
        kappa_interval(table, size, np.random.default_rng(0), 4000, (0, 1)) for size in (50, 25)
    )
    widths = [(rate.high or 0) - (rate.low or 0) for rate in (whole, half)]
    assert widths[1] == pytest.approx(widths[0] * 2**0.5, rel=0.1)


def test_full_agreement_and_none_are_not_certain() -> None:
    agreed = kappa_interval(np.diag([5, 3, 2]), 10, np.random.default_rng(0), 2000)
    assert agreed.value == agreed.high == 1
    assert agreed.low is not None
    assert 0.3 < agreed.low < 0.9
    apart = kappa_interval(np.array([[0, 5], [5, 0]]), 10, np.random.default_rng(0), 2000, (0, 1))
    assert apart.value == -1
    assert apart.high is not None
    assert -0.9 < apart.high < 0


@pytest.mark.parametrize(
    ("margin", "kappa", "n"),
    [
        ((1 / 3, 1 / 3, 1 / 3), -0.3, 40),
        ((0.7, 0.2, 0.1), -0.09, 40),
        ((0.96, 0.02, 0.02), 0.6, 100),
        ((0.96, 0.02, 0.02), 0.9, 400),
    ],
)
def test_it_holds_the_truth(margin: tuple[float, ...], kappa: float, n: int) -> None:
    shares = np.array(margin)
    cells = (1 - kappa) * np.outer(shares, shares) + kappa * np.diag(shares)
    rng = np.random.default_rng(0)
    held = known = 0
    for table in rng.multinomial(n, cells.ravel(), size=400).reshape(-1, 3, 3):
        if not np.isnan(cohen_kappa(table)):
            rate = kappa_interval(table, n, rng, 400)
            known += 1
            held += (rate.low or 0) <= kappa <= (rate.high or 0)
    assert 0.925 <= held / known <= 0.995  # 95% with a standard error of 1.1 points
