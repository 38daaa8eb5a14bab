"""Small patterns and categories: by hand. The witness of metrics.json has SciPy's figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.analysis_frames import Judged, frames
from tests.support.values import present
from vlsu.analysis import understanding_metrics
from vlsu.analysis.stats.pooling import pooled_shares


def metrics(samples: list[Judged]) -> Any:
    return understanding_metrics(*frames(samples), replicates=20)


def judged(gold: str, category: str, n: int, hits: int) -> list[Judged]:
    wrong = "S" if gold[2] != "S" else "U"
    return [
        Judged(gold, gold[:2] + (gold[2] if number < hits else wrong), category=category)
        for number in range(n)
    ]


def test_categories_that_differ_by_their_patterns_alone_are_equal_in_one_mix() -> None:
    """Of U-U-U 90% are right and of S-S-U 30%, in both categories: .84 and .54 look like much."""
    samples = [
        *judged("UUU", "C1", 540, 486),
        *judged("SSU", "C1", 60, 18),
        *judged("UUU", "C2", 160, 144),
        *judged("SSU", "C2", 240, 72),
    ]
    found = metrics(samples)["categories"]
    assert found["C1"]["accuracy"]["value"] == pytest.approx(0.84)
    assert found["C2"]["accuracy"]["value"] == pytest.approx(0.54)
    for category in ("C1", "C2"):
        rate = found[category]["accuracy_standardised"]
        assert rate["value"] == pytest.approx(0.72, abs=0.002)
        assert rate["low"] < rate["value"] < rate["high"]


def test_a_category_without_an_error_stays_so_in_any_mix() -> None:
    samples = [*judged("UUU", "C1", 20, 20), *judged("SSU", "C2", 20, 10)]
    rate = metrics(samples)["categories"]["C1"]["accuracy_standardised"]
    assert (rate["value"], rate["high"]) == (1, 1)
    assert 0.3 < rate["low"] < 0.839  # Wilson's of 20 of 20, in a harder mix


def test_a_pattern_of_few_samples_is_drawn_to_its_family_and_one_of_many_is_not() -> None:
    samples = [
        *judged("SSU", "C1", 3, 0),
        *judged("SSB", "C1", 200, 150),
        *judged("SBU", "C1", 200, 160),
        *judged("BSU", "C1", 200, 140),
    ]
    found = metrics(samples)["patterns"]
    few, many = found["S-S-U"], found["S-S-B"]
    assert few["accuracy"]["value"] == 0
    assert 0.1 < few["accuracy_pooled"]["value"] < 0.75
    assert many["accuracy_pooled"]["value"] == pytest.approx(0.75, abs=0.01)
    assert few["pooling"] > 0.3 > 0.2 > many["pooling"]


def test_a_pattern_alone_in_its_family_has_nothing_to_be_drawn_to() -> None:
    found = metrics([*judged("SSU", "C1", 9, 3), *judged("UUU", "C1", 9, 3)])["patterns"]["S-S-U"]
    assert found["accuracy_pooled"] == {"value": None, "low": None, "high": None}
    assert found["pooling"] is None


def test_the_order_of_the_parts_does_not_matter() -> None:
    shares, sizes = np.array([0.1, 0.5, 0.9]), np.array([4.0, 9.0, 25.0])
    forth = pooled_shares(shares, sizes) or []
    back = pooled_shares(shares[::-1], sizes[::-1]) or []
    for one, other in zip(forth, reversed(back), strict=True):
        assert one.rate.value == pytest.approx(other.rate.value)


def test_a_part_of_which_every_sample_is_known_keeps_its_share() -> None:
    # as in a draw that has come to all samples of two patterns
    shares, sizes = [0.25, 0.0, 2 / 3, 1.0, 0.5], [5.03, 12.0, 1e15, 1e15, 9.6]
    parts = pooled_shares(np.array(shares), np.array(sizes))
    assert parts is not None
    for part, share in zip(parts[2:4], shares[2:4], strict=True):
        bounds = present(part.rate.low), present(part.rate.value), present(part.rate.high)
        assert bounds == pytest.approx((share, share, share), abs=1e-6)
