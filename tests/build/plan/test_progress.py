"""How far a cell is, and how many tries are to come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from vlsu.build.plan.progress import Count, forecast, why_short


def numbers(rate):
    """Low end, value and high end of a rate that has all of them."""
    found = [rate.low, rate.value, rate.high]
    assert None not in found
    return found


@given(wanted=st.integers(0, 500), have=st.integers(0, 500), lost=st.integers(0, 500))
def test_the_rates_are_those_of_a_reference_library(wanted, have, lost):
    found = forecast(Count(wanted=wanted, have=have, lost={"grades": lost}), cost=3.0)
    missing, tried = max(0, wanted - have), have + lost
    assert found.missing == missing
    if not tried:
        assert found.tries.value is None
        return
    low, high = proportion_confint(have, tried, method="wilson")
    assert found.kept.low == pytest.approx(low, abs=1e-12)
    assert found.kept.high == pytest.approx(high, abs=1e-12)
    if not missing:
        assert found.tries.value == found.cost.value == 0
    elif have:
        assert found.tries.value == pytest.approx(missing * tried / have)
        assert sorted(numbers(found.tries)) == numbers(found.tries)
        assert numbers(found.cost) == pytest.approx([n * 3 / tried for n in numbers(found.tries)])
    else:
        assert found.tries.value is None
        assert found.tries.low == pytest.approx(missing / high)
        assert found.tries.high is None


def test_no_cost_is_forecast_where_calls_have_no_known_price():
    found = forecast(Count(wanted=9, have=3, lost={"grades": 3}), cost=None)
    assert found.tries.value == 12
    assert (found.cost.value, found.cost.low, found.cost.high) == (None, None, None)


@pytest.mark.slow
def test_the_interval_holds_the_expected_number_as_often_as_it_says():
    """Simulated: with a true share of 0.3 after 60 tries, 100 more samples take 333.3 tries."""
    rng = np.random.default_rng(5)
    held = 0
    for have in rng.binomial(60, 0.3, 4000):
        count = Count(wanted=int(have) + 100, have=int(have), lost={"grades": 60 - int(have)})
        low, _, high = numbers(forecast(count).tries)
        held += low <= 100 / 0.3 <= high
    assert 0.93 < held / 4000 < 0.97


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (Count(wanted=3, have=3), None),
        (Count(wanted=0), None),
        (Count(wanted=3), "not tried yet"),
        (Count(wanted=3, open=2), "2 records not decided yet"),
        (Count(wanted=3, have=1), "1 of 3 so far, nothing lost"),
        (
            Count(wanted=3, have=1, lost={"images": 1, "queries": 4}, reasons={"refused": 5}),
            "5 of 6 tries lost, most at queries: refused (5)",
        ),
    ],
)
def test_why_a_cell_is_short(count, said):
    assert why_short(count) == said
