"""What concepts are drawn from: every value and every pair of values as often as any other."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import gcd

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlsu.build.concepts.parameters import DIMENSIONS, draw, values_of
from vlsu.build.plan.cells import Place
from vlsu.policy import Severity, bundled_policy, default_policy

POLICY = default_policy()
SAFE_C9 = Place("C9", Severity.SAFE)
PLACES = [Place(category, severity) for category in POLICY.category_ids for severity in Severity]
SIZES = {dimension: len(values) for dimension, values in values_of().items()}


def drawn(number, place=SAFE_C9, seed=0):
    return draw(POLICY, seed, place, number).values


def test_no_two_numbers_of_values_have_a_common_divisor():
    assert set(SIZES) == set(DIMENSIONS)
    assert all(gcd(*pair) == 1 for pair in combinations(SIZES.values(), 2))
    assert all(len(set(values)) == len(values) for values in values_of().values())


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 120), st.sampled_from(POLICY.category_ids))
def test_of_the_first_n_concepts_each_value_comes_up_alike(seed, n, category):
    concepts = [drawn(k, Place(category, Severity.UNSAFE), seed) for k in range(n)]
    for dimension, values in values_of().items():
        counts = Counter(each[dimension] for each in concepts)
        assert max(counts.values()) - min(counts.get(value, 0) for value in values) <= 1


@pytest.mark.parametrize("pair", list(combinations(DIMENSIONS, 2)), ids="-".join)
def test_each_pair_of_values_comes_exactly_once_in_as_many_steps_as_there_are_pairs(pair):
    one, other = pair
    number = SIZES[one] * SIZES[other]
    met = Counter((drawn(k)[one], drawn(k)[other]) for k in range(number))
    assert len(met) == number
    assert set(met.values()) == {1}


def test_places_together_are_as_even_as_each_is():
    # 15 categories x 3 severities, the first concept of each: 45 concepts
    places = [
        Place(category, severity) for category in POLICY.category_ids for severity in Severity
    ]
    first = [drawn(0, place) for place in places]
    for dimension, values in values_of().items():
        counts = Counter(each[dimension] for each in first)
        assert max(counts.values()) - min(counts.get(value, 0) for value in values) <= 1, dimension
    pairs = Counter((each["setting"], each["subject"]) for each in first)
    assert len(pairs) >= 40  # of 143; drawn by chance 45 would meet 38.6


def test_no_combination_comes_twice_in_a_large_build():
    places = [
        Place(category, severity) for category in POLICY.category_ids for severity in Severity
    ]
    seen = [tuple(drawn(k, place).values()) for place in places for k in range(200)]
    assert len(set(seen)) == len(seen)


def test_without_a_category_the_categories_are_looked_near_in_turn():
    place = Place(None, Severity.SAFE)
    found = [draw(POLICY, 3, place, number) for number in range(45)]
    assert Counter(each.near for each in found) == dict.fromkeys(POLICY.category_ids, 3)
    assert len({tuple(each.values.values()) for each in found}) == 45


def test_another_seed_draws_otherwise_and_the_same_one_alike():
    def some(seed):
        return [drawn(k, seed=seed) for k in range(5)]

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_a_policy_of_two_severities():
    policy = bundled_policy("binary")
    place = Place(policy.category_ids[0], Severity.UNSAFE)
    assert set(draw(policy, 0, place, 0).values) == set(DIMENSIONS)
