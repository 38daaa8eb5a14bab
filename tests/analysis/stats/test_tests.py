"""McNemar, sign flips, Holm and power, against SciPy, statsmodels, enumeration and simulation."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests

from vlsu.analysis.stats.holm import holm
from vlsu.analysis.stats.mcnemar import mcnemar, sign_flip
from vlsu.analysis.stats.power import (
    independent_discordance,
    power,
    samples_needed,
    smallest_margin,
)
from vlsu.errors import UsageError


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (0, 1), (0, 6), (3, 3), (7, 15), (40, 61), (1200, 1300)]
)
def test_mcnemar_is_scipys_and_statsmodels(first: int, second: int) -> None:
    found = mcnemar(first, second)
    assert found == mcnemar(second, first)
    theirs = their_mcnemar([[50, first], [second, 9]], exact=True).pvalue
    assert found == pytest.approx(theirs, rel=1e-9)
    if first + second:
        assert found == pytest.approx(binomtest(first, first + second).pvalue, rel=1e-9)


def test_mcnemar_holds_at_a_million_discordant_samples() -> None:
    assert mcnemar(499_000, 501_000) == pytest.approx(binomtest(499_000, 10**6).pvalue, rel=1e-6)


def by_enumeration(differences: list[int]) -> float:
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    return float(np.mean(np.array(sums) >= abs(sum(differences))))


@given(st.lists(st.integers(-4, 4), max_size=10))
def test_a_sign_flip_is_its_enumeration(differences: list[int]) -> None:
    assert sign_flip(Counter(differences)) == pytest.approx(by_enumeration(differences))


def test_a_sign_flip_of_single_samples_is_mcnemars_test() -> None:
    assert sign_flip({1: 15, -1: 7, 0: 80}) == mcnemar(7, 15)
    assert sign_flip({3: 15, -3: 7}) == mcnemar(7, 15)


def test_many_unequal_groups_are_normal_and_that_is_near() -> None:
    few = {1: 1900, -1: 1800, 2: 1500, -2: 1450}  # worked out: 9,600 steps
    many = {d: 4 * units for d, units in few.items()}  # the same share of them, four times over
    z = (100 + 100) / (3700 + 4 * 2950) ** 0.5
    draws = np.random.default_rng(0).standard_normal(400_000)
    assert sign_flip(few) == pytest.approx(np.mean(np.abs(draws) >= z), abs=0.003)
    assert sign_flip(many) == pytest.approx(np.mean(np.abs(draws) >= 2 * z), abs=0.003)


@pytest.mark.parametrize("tests", [1, 2, 17, 40])
def test_holm_is_statsmodels(tests: int) -> None:
    p = np.random.default_rng(tests).choice([0.0, 1e-4, 0.002, 0.02, 0.4, 1.0], tests).tolist()
    adjusted = holm(dict(enumerate(p)))
    assert list(adjusted) == list(range(tests))
    theirs = multipletests(p, method="holm")[1]
    assert list(adjusted.values()) == pytest.approx(list(theirs))


def test_holm_of_no_tests() -> None:
    assert holm({}) == {}


def test_power_by_hand() -> None:
    # All discordant samples fall to one side; 6 of them are the fewest that are significant.
    assert power(14, 0.5, 0.5) == pytest.approx(float(binom.sf(5, 14, 0.5)))
    assert power(5, 1.0, 1.0) == 0  # 2 * 0.5**5 is above 0.05
    assert power(6, 1.0, 1.0) == 1


@pytest.mark.parametrize(
    ("n", "discordance", "margin", "alpha"),
    [
        (60, 0.3, 0.15, 0.05),
        (400, 0.2, 0.06, 0.05),
        (1500, 0.4, 0.05, 0.05),
        (400, 0.2, 0.1, 0.003),
    ],
)
def test_power_is_what_a_simulation_finds(
    n: int, discordance: float, margin: float, alpha: float
) -> None:
    rng = np.random.default_rng(0)
    better, worse = (discordance + margin) / 2, (discordance - margin) / 2
    counts = rng.multinomial(n, [worse, better, 1 - discordance], size=5_000).tolist()
    found = np.mean([b < c and mcnemar(b, c) <= alpha for b, c, _ in counts])
    assert power(n, discordance, margin, alpha) == pytest.approx(found, abs=0.02)


def test_the_normal_approximation_joins_on() -> None:
    exact, normal = power(3_999, 0.25, 0.02), power(4_001, 0.25, 0.02)
    assert exact == pytest.approx(normal, abs=0.002)


def test_samples_needed_have_the_power_and_the_margin_back() -> None:
    n = samples_needed(0.05, 0.3)
    # Connor's (1987) formula by hand: (1.96 sqrt(.3) + .8416 sqrt(.3 - .0025))^2 / .0025 = 938.4.
    # That is of the test without continuity; an exact one needs about 2 / 0.05 more at most.
    assert 938 < n <= 978
    assert power(n, 0.3, 0.05) >= 0.8 > power(n - 15, 0.3, 0.05)
    assert smallest_margin(n, 0.3) == pytest.approx(0.05, abs=0.001)
    assert samples_needed(0.05, 0.3, target_power=0.9) > n
    assert samples_needed(0.05, 0.3, alpha=0.01) > n


def test_too_few_samples_see_nothing() -> None:
    assert smallest_margin(5, 0.3) is None
    assert smallest_margin(0, 0.3) is None
    assert smallest_margin(6, 0.0) is not None
    assert smallest_margin(14, 0.1) == pytest.approx(0.506, abs=0.002)


def by_bisection(n: int, discordance: float, alpha: float, target_power: float) -> float | None:
    def seen(margin: float) -> bool:
        return power(n, max(discordance, margin), margin, alpha) >= target_power

    if not seen(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-3 * high and high > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


@settings(deadline=None)
@given(
    st.integers(1, 20_000),
    st.floats(0, 1),
    st.sampled_from([0.05, 0.0025, 0.0001]),
    st.sampled_from([0.5, 0.8, 0.95]),
)
@example(10**9, 1e-7, 0.05, 0.8)
@example(50_000, 0.0001, 0.05, 0.8)
@example(7, 0.0, 0.05, 0.8)
@example(500, 0.1, 0.05, 0.025)  # as often as chance alone makes a claim
@example(2, 0.0, 0.5, 0.02)
def test_the_smallest_margin_is_that_of_plain_bisection(
    n: int, discordance: float, alpha: float, target_power: float
) -> None:
    found = smallest_margin(n, discordance, alpha=alpha, target_power=target_power)
    assert found == by_bisection(n, discordance, alpha, target_power)


@settings(deadline=None)
@given(
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.sampled_from([0.05, 0.0025, 0.0001, 0.9]),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_samples_needed_are_those_of_plain_bisection(
    discordance: float, part: float, alpha: float, target_power: float
) -> None:
    margin = discordance * max(part, 0.02)
    low, high = 0, 8
    while power(high, discordance, margin, alpha) < target_power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        seen = power(middle, discordance, margin, alpha) >= target_power
        low, high = (low, middle) if seen else (middle, high)
    found = samples_needed(margin, discordance, alpha=alpha, target_power=target_power)
    assert found == high


def test_discordance_of_runs_that_err_apart() -> None:
    assert independent_discordance(0.6, 0.1) == pytest.approx(0.6 * 0.3 + 0.7 * 0.4)


@pytest.mark.parametrize(
    ("arguments", "options", "names"),
    [
        ((0.0, 0.3), {}, "margin 0"),
        ((1.5, 0.3), {}, "margin 1.5"),
        ((0.3, 0.2), {}, "discordance 0.2"),
        ((0.3, 1.2), {}, "discordance 1.2"),
        ((0.1, 0.3), {"alpha": 1.0}, "alpha 1"),
        ((0.1, 0.3), {"target_power": 0.0}, "power 0"),
    ],
)
def test_numbers_out_of_range_are_named(
    arguments: tuple[float, float], options: dict[str, float], names: str
) -> None:
    with pytest.raises(UsageError, match=names):
        samples_needed(*arguments, **options)
