"""The exact interval of a proportion beside SciPy's."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import binomtest

from vlsu.analysis.stats.exact import beta_share, clopper_pearson


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


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.integers(-3, 3))
@example(13.492098711400251, 24.101778202328695, 1)
def test_a_share_just_where_the_two_sides_change_places(a: float, b: float, steps: int) -> None:
    """Rounded, each of the two sides may be said to converge faster than the other."""
    x = (a + 1) / (a + b + 2)
    for _ in range(abs(steps)):
        x = math.nextafter(x, math.copysign(2, steps))
    assert beta_share(x, a, b) == pytest.approx(betainc(a, b, x), abs=1e-12)
