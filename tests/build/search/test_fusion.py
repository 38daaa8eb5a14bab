"""Scores by words and by meaning combined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.search.fusion import fused


def order(words, meaning, share):
    return [at for at, _ in fused([4, 5, 6], np.array(words), np.array(meaning), share)]


def test_scores_are_the_weighted_sum():
    found = dict(fused([1, 2], np.array([1.0, 0.5]), np.array([-0.5, 1.0]), 0.8))
    assert found[1] == pytest.approx(0.2 * 1.0 + 0.8 * -0.5)
    assert found[2] == pytest.approx(0.2 * 0.5 + 0.8 * 1.0)


def test_the_share_decides_between_the_two():
    words, meaning = [1.0, 0.5, 0.0], [0.0, 0.5, 1.0]
    assert order(words, meaning, 0.2) == [4, 5, 6]
    assert order(words, meaning, 0.8) == [6, 5, 4]


def test_equal_scores_are_in_the_order_of_positions():
    assert order([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], 0.5) == [4, 5, 6]


def test_nothing_gives_nothing():
    assert fused([], np.array([]), np.array([]), 0.5) == []


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), max_size=20), st.floats(0, 1))
def test_who_is_better_in_both_is_never_behind(rows, share):
    words = np.array([row[0] for row in rows], dtype=float)
    meaning = np.array([row[1] for row in rows], dtype=float)
    places = {at: n for n, (at, _) in enumerate(fused(range(len(rows)), words, meaning, share))}
    for a, b in zip(range(len(rows)), range(1, len(rows)), strict=False):
        if words[a] >= words[b] and meaning[a] >= meaning[b]:
            assert places[a] < places[b]
