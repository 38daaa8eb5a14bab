"""Recall at one false-flag rate: against the bootstrap, and a paired test by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from tests.support.guards import guard_of, noisy, samples_of
from vlsu.analysis.deployment.guards.equal import (
    AtRate,
    at_rate,
    paired_recall,
    recall_rate,
    with_target,
)
from vlsu.analysis.deployment.guards.pairs import compared_guards
from vlsu.analysis.deployment.guards.thresholds import recall_at
from vlsu.analysis.stats.clustering import paired_difference
from vlsu.analysis.stats.holm import holm


def bootstrap(scores: list[np.ndarray], harmful: np.ndarray, rate: float, draws: int) -> np.ndarray:
    """Recalls at the rate in resamples of all samples; shape ``(draws, guards)``."""
    rng = np.random.default_rng(0)
    found = np.empty((draws, len(scores)))
    for draw in range(draws):
        rows = rng.integers(0, len(harmful), len(harmful))
        found[draw] = [recall_at(each[rows], harmful[rows], rate) for each in scores]
    return found


def test_variances_are_those_of_the_bootstrap() -> None:
    samples, guards = noisy(3, 1200)
    scores = [guard.worst(samples) for guard in guards]
    drawn = bootstrap(scores, samples.harmful, 0.1, 1500)
    sides = [at_rate(samples, each, 0.1, crossed=False) for each in scores]
    influence = [side.influence(samples, samples.harmful) for side in sides]
    for number, each in enumerate(influence):
        assert np.sqrt(samples.variance(each)) == pytest.approx(drawn[:, number].std(), rel=0.12)
    apart = samples.variance(influence[1] - influence[0])
    assert np.sqrt(apart) == pytest.approx((drawn[:, 1] - drawn[:, 0]).std(), rel=0.12)
    # Without what the threshold varies by, the interval would be too short.
    known = AtRate(sides[0].flags, sides[0].target, None, 0.1)
    alone = np.sqrt(samples.variance(known.influence(samples, samples.harmful)))
    assert alone < 0.85 * drawn[:, 0].std()


def test_a_known_operating_point_is_a_plain_paired_difference() -> None:
    samples = samples_of("U" * 40 + "S" * 40)
    rng = np.random.default_rng(1)
    flags = [(rng.random(80) < share).astype(float) for share in (0.5, 0.7)]
    first, second = (AtRate(each, each, None, 0.1) for each in flags)
    found = paired_recall(samples, first, second, samples.harmful)
    plain = paired_difference(flags[0][:40], flags[1][:40], np.arange(40))
    assert found.difference.value == pytest.approx(plain.value)
    assert found.difference.low == pytest.approx(plain.rate.low, abs=0.01)
    assert found.difference.high == pytest.approx(plain.rate.high, abs=0.01)
    # The p of the interval's statistic: two samples that differ, one each way, are added.
    b, c = ((flags[i][:40] > flags[1 - i][:40]).sum() + 1 for i in (1, 0))
    centre = (b - c) / 42
    z = centre / np.sqrt(((b + c) / 42 - centre**2) / 42)
    assert found.p == pytest.approx(2 * norm.sf(abs(z)), rel=0.1)


def test_clusters_of_several_ways_count_as_in_other_metrics() -> None:
    samples, _ = noisy(5, 200)
    rng = np.random.default_rng(5)
    crossed = replace(samples, cluster=rng.integers(0, 60, (200, 3)))
    influence = rng.standard_normal(200)
    rows = crossed.graded(np.arange(200.0))
    assert crossed.variance(influence) == pytest.approx(rows.squares(influence))
    assert samples.variance(influence) == pytest.approx(200 / 199 * influence @ influence)


def test_copies_count_once() -> None:
    samples, guards = noisy(4, 300)
    gold = "".join("SBU"[code] for code in samples.gold)
    twice = samples_of(gold * 2, group=list(range(300)) * 2)
    once, copied = (
        recall_rate(s, at_rate(s, np.tile(guards[0].score, k), 0.1, crossed=False), s.harmful)
        for s, k in ((samples, 1), (twice, 2))
    )
    assert copied.value == pytest.approx(once.value)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)  # type: ignore[operator]


def test_a_guard_is_brought_to_the_rate_of_one_with_verdicts_alone() -> None:
    samples, (guard, other) = noisy(6, 600)
    verdicts = guard_of((other.score >= 0.6).astype(float), "verdicts", scored=False)
    (pair,) = compared_guards([guard, verdicts], samples, 0.05)
    rate = float(verdicts.score[~samples.harmful].mean())
    assert pair["at"] == {"false_flags": pytest.approx(rate), "of": "verdicts"}
    brought = with_target(samples, guard.worst(samples), verdicts.score, crossed=True)
    assert brought.flags[~samples.harmful].mean() == pytest.approx(rate, abs=0.02)
    assert pair["recall"]["second"] == pytest.approx(verdicts.score[samples.harmful].mean())
    assert pair["recall"]["first"] == pytest.approx(brought.flags[samples.harmful].mean())


def test_two_with_verdicts_alone_are_not_compared_at_one_rate() -> None:
    samples, guards = noisy(6, 600)
    fixed = [guard_of((g.score >= 0.6).astype(float), g.name, scored=False) for g in guards]
    (pair,) = compared_guards(fixed, samples, 0.05)
    assert pair["at"] is None
    assert pair["recall"]["higher"] is None
    assert pair["recall"]["p"] is None
    harmless = [guard.score[~samples.harmful].mean() for guard in fixed]
    assert pair["false_flags"]["difference"]["value"] == pytest.approx(harmless[1] - harmless[0])


def test_coarse_scores_reach_the_same_rate() -> None:
    samples, (fine, coarse) = noisy(7, 900, (1.5, 1.5), digits=None)
    coarse = guard_of((coarse.score * 4).round() / 4, "coarse")
    (pair,) = compared_guards([fine, coarse], samples, 0.05)
    # Its own lowest threshold within the bound flags hardly any harmless sample.
    assert (coarse.score[~samples.harmful] >= 1.0).mean() < 0.03
    assert abs(pair["recall"]["difference"]["value"]) < 0.15


def test_the_better_guard_is_claimed_and_all_pairs_are_corrected() -> None:
    samples, guards = noisy(8, 1500, (0.6, 1.2, 2.4))
    pairs = compared_guards(guards, samples, 0.1)
    assert [(p["first"][-1], p["second"][-1]) for p in pairs] == [
        ("0", "1"),
        ("0", "2"),
        ("1", "2"),
    ]
    assert {p["recall"]["higher"] for p in pairs} == {"guard 1", "guard 2"}
    adjusted = holm({str(n): p["recall"]["p"] for n, p in enumerate(pairs)})
    assert [p["recall"]["p_adjusted"] for p in pairs] == list(adjusted.values())


def test_alike_guards_are_not_claimed() -> None:
    samples, guards = noisy(9, 1500, (1.2, 1.2, 1.2))
    assert {p["recall"]["higher"] for p in compared_guards(guards, samples, 0.1)} == {None}


def test_nothing_is_claimed_that_missing_answers_could_turn() -> None:
    samples, (weak, strong) = noisy(10, 600, (1.0, 1.4))
    (whole,) = compared_guards([weak, strong], samples, 0.1)
    assert whole["recall"]["higher"] == "guard 1"
    # The weaker one's answers to harmful samples go missing where it passed them.
    gaps = samples.harmful & (weak.score < 0.5) & (np.arange(600) % 2 == 0)
    silent = guard_of(np.where(gaps, np.nan, weak.score), weak.name)
    (pair,) = compared_guards([silent, strong], samples, 0.1)
    assert pair["recall"]["difference"]["value"] >= whole["recall"]["difference"]["value"] - 0.01
    assert pair["recall"]["higher"] is None
