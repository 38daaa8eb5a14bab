"""Sizes of strata: the optimum by trying all, nesting, and why the halves are crossed."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.analysis.sampling.allocation import (
    STRATA,
    crossed_sizes,
    deviations,
    neyman,
    proportional_sizes,
    smallest_size,
    stratum_name,
    stratum_of,
)
from vlsu.policy import PATTERNS


def variance(population, deviation, sizes):
    return sum(
        (n_h * s_h) ** 2 * (1 / n - 1 / n_h)
        for n_h, s_h, n in zip(population, deviation, sizes, strict=True)
    )


@pytest.mark.parametrize("size", [6, 9, 14, 20])
def test_neyman_is_the_best_of_all_sizes(size):
    population, deviation = np.array([12, 5, 9]), np.array([0.3, 0.5, 0.25])
    least = np.array([2, 2, 2])
    found = neyman(population, deviation, size, least)
    best = min(
        (sizes for sizes in product(*(range(2, n + 1) for n in population)) if sum(sizes) == size),
        key=lambda sizes: variance(population, deviation, sizes),
    )
    assert variance(population, deviation, found) == pytest.approx(
        variance(population, deviation, best)
    )
    assert found.sum() == size


strata = st.lists(st.tuples(st.integers(0, 40), st.floats(0.01, 1)), min_size=1, max_size=6).filter(
    lambda rows: any(n for n, _ in rows)
)


@given(strata)
def test_a_larger_size_contains_the_smaller_and_exhausts_all(rows):
    population, deviation = (np.array(column) for column in zip(*rows, strict=True))
    least = np.minimum(population, 2)
    before = least
    for size in range(int(least.sum()), int(population.sum()) + 1):
        sizes = neyman(population, deviation, size, least)
        assert sizes.sum() == size
        assert (sizes >= before).all()
        assert (sizes <= population).all()
        before = sizes
    assert (before == population).all()


def test_proportional_sizes_are_in_proportion():
    population = np.array([[600, 300, 100, 3, 0], [600, 300, 100, 2, 1]])
    least = np.minimum(population, 2)
    sizes = proportional_sizes(population, 200, least)
    assert sizes.sum(axis=1).tolist() == [100, 100]
    assert sizes[:, 3:].tolist() == [[2, 0], [2, 1]]  # a tiny stratum is asked in full, or nearly
    assert sizes[0, :3] == pytest.approx([59, 29, 10], abs=1)
    assert smallest_size(least) == 18


def test_the_size_of_a_half_follows_what_the_other_half_showed():
    population = np.full((2, 2), 100)
    least = np.full((2, 2), 2)
    shown = deviations(np.array([[10, 5], [5, 5]]), np.full((2, 2), 10))
    sizes = crossed_sizes(population, (40, 40), shown, least)
    assert sizes[0].tolist() == [20, 20]
    assert sizes[1, 0] < sizes[1, 1]


def test_deviations_from_few_samples_are_cautious():
    shown = deviations(np.array([0, 4, 2, 0, 500]), np.array([0, 4, 4, 4, 1000]))
    expected = [0.5, np.sqrt(5 / 36), 0.5, np.sqrt(5 / 36), 0.5]
    assert shown == pytest.approx(expected, abs=1e-6)
    assert deviations(np.array([1000]), np.array([1000])) == 0.25


def test_strata_have_the_names_of_patterns():
    grades = np.array([(p.image, p.text, p.joint) for p in PATTERNS])
    assert [stratum_name(n) for n in stratum_of(grades).tolist()] == [str(p) for p in PATTERNS]
    assert stratum_name(int(stratum_of(np.array([0, 3, 2])))) == "S-?-U"
    assert stratum_of(np.array([3, 3, 3])) == STRATA - 1


def expected_total(cross: bool) -> Fraction:
    """Of hits, exactly: over every order two strata of 8 samples, 7 and 4 of them right, can have.

    A stratum is dealt into halves by turns; two of each half are the pilot, and 10 are drawn.
    """
    population, least = np.full((2, 2), 4), np.full((2, 2), 2)
    total, orders = Fraction(0), 0
    for first, second in product(combinations(range(8), 7), combinations(range(8), 4)):
        right = np.zeros((2, 8), dtype=int)
        right[0, list(first)] = right[1, list(second)] = 1
        halves = right.reshape(2, 4, 2).transpose(2, 0, 1)  # half, stratum, place
        shown = deviations(halves[:, :, :2].sum(axis=2), least)
        sizes = crossed_sizes(population, (5, 5), shown if cross else shown[::-1], least)
        total += sum(
            Fraction(4, int(sizes[h, k])) * int(halves[h, k, : sizes[h, k]].sum())
            for h in (0, 1)
            for k in (0, 1)
        )
        orders += 1
    return total / orders


def test_crossed_halves_are_unbiased_exactly_and_uncrossed_ones_are_not():
    assert expected_total(cross=True) == 11
    assert expected_total(cross=False) != 11
