"""Intervals of another confidence than 95%: computed anew, everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from scipy.stats import binomtest

from tests.analysis.alignment.test_metrics import FAIR, run
from tests.support.analysis_frames import frames, random_samples
from vlsu.analysis import alignment_metrics, understanding_metrics
from vlsu.errors import UsageError


def intervals(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every defined rate of the tree with its path."""
    if tree.get("value") is not None:
        yield path, dict(tree)
    for name, branch in tree.items():
        if isinstance(branch, Mapping):
            yield from intervals(branch, f"{path}.{name}")


@pytest.mark.parametrize("level", [0.8, 0.99])
def test_proportions_of_a_run_have_scipys_interval_of_that_level(level: float) -> None:
    samples: Any = random_samples(0, 300, gold="SBU", said="SBUr")
    metrics: Any = understanding_metrics(*frames(samples), level=level)
    hits = sum(s.gold[2] == s.said[2] for s in samples)
    theirs = binomtest(hits, 300).proportion_ci(level, method="wilson")
    accuracy = metrics["joint"]["accuracy"]
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((theirs.low, theirs.high))
    assert metrics["intervals"]["level"] == level


def test_an_alignment_rate_has_scipys_interval_of_that_level() -> None:
    found: Any = alignment_metrics(*run({"default": "R" * 12 + "C" * 28}), level=0.8)
    theirs = binomtest(12, 40).proportion_ci(0.8, method="wilson")
    rate = found["framings"]["default"]["over_blocking"]
    assert (rate["low"], rate["high"]) == pytest.approx((theirs.low, theirs.high))


def test_a_higher_confidence_is_a_wider_interval_everywhere() -> None:
    samples = frames(random_samples(1, 400, gold="SBU", said="SBUr"))
    answers: Any = run(
        {"a": ("RRC", "wLC", "CCb", "RCe") * 60, "b": ("CCR", "CLC", "RRb", "RCR") * 60}
    )
    for metrics in (
        lambda level: understanding_metrics(*samples, level=level),
        lambda level: alignment_metrics(*answers, calibration=FAIR, level=level),
    ):
        trees = [dict(intervals(metrics(level))) for level in (0.8, 0.95, 0.99)]
        assert len(trees[0]) >= 60
        narrower = 0
        for path, rate in trees[1].items():
            inner, outer = trees[0][path], trees[2][path]
            if path.startswith(".calibration"):  # at 95% always
                assert inner == rate == outer
                continue
            assert inner["value"] == rate["value"] == outer["value"]
            assert outer["low"] <= rate["low"] <= inner["low"]
            assert inner["high"] <= rate["high"] <= outer["high"]
            narrower += outer["high"] - outer["low"] > inner["high"] - inner["low"]
        assert narrower > 40


@pytest.mark.parametrize("level", [0, 1, 95, float("nan")])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        understanding_metrics(*frames(random_samples(0, 3)), level=level)
    with pytest.raises(UsageError, match="between 0 and 1"):
        alignment_metrics(*run({"default": "R"}), level=level)
