"""The exact interval of a proportion beside SciPy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from vlsu.analysis.stats.exact import clopper_pearson


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_it_is_scipys(n: int, share: float, level: float) -> None:
    hits = round(share * n)
    theirs = binomtest(hits, n).proportion_ci(level, method="exact")
    assert clopper_pearson(hits, n, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("n", [1, 10, 100, 1_000_000])
def test_without_a_hit_the_bound_is_a_closed_form(n: int) -> None:
    low, high = clopper_pearson(0, n)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / n))
    assert clopper_pearson(n, n)[1] == 1.0
