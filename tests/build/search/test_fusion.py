"""Reciprocal rank fusion."""

from __future__ import annotations

import pytest

from vlsu.build.search.fusion import fused


def test_scores_are_the_sum_of_reciprocal_ranks():
    found = dict(fused({"bm25": [7, 8], "embedding": [8]}))
    assert found[8] == pytest.approx(1 / 62 + 1 / 61)
    assert found[7] == pytest.approx(1 / 61)


def test_one_ranking_is_kept_as_it_is():
    assert [item for item, _ in fused({"bm25": [5, 1, 9]})] == [5, 1, 9]


def test_equal_scores_are_in_the_order_of_items():
    assert [item for item, _ in fused({"bm25": [9], "embedding": [2]})] == [2, 9]


def test_a_weight_decides_between_rankings():
    weights = {"embedding": 0.5}
    assert [item for item, _ in fused({"bm25": [9], "embedding": [2]}, weights)] == [9, 2]


def test_nothing_gives_nothing():
    assert fused({"bm25": [], "embedding": []}) == []
