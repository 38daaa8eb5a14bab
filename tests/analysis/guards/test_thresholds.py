"""Thresholds by a bound and by costs: by hand, against scikit-learn and SciPy, and by property."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta
from sklearn.metrics import roc_curve

from tests.support.guards import guard_of, noisy, samples_of
from vlsu.analysis.deployment.guards.thresholds import (
    assured,
    flagged,
    fractional,
    least_cost,
    recall_at,
    within,
)

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
HARMFUL = np.array([True, False, True, False, True, False])

scored = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()),
    min_size=2,
    max_size=40,
).filter(lambda rows: {harmful for _, harmful in rows} == {True, False})


@pytest.mark.parametrize(
    ("bound", "threshold"), [(0.0, 0.9), (0.3, 0.9), (1 / 3, 0.7), (0.5, 0.7), (0.7, 0.5)]
)
def test_the_lowest_threshold_within_the_bound(bound: float, threshold: float) -> None:
    assert within(SCORES, HARMFUL, bound) == threshold


@given(scored, st.floats(0, 1))
def test_no_operating_point_within_the_bound_has_a_larger_recall(
    rows: list[tuple[float, bool]], bound: float
) -> None:
    scores, harmful = (np.array(column) for column in zip(*rows, strict=True))
    flags = flagged(scores, within(scores, harmful, bound))
    assert flags[~harmful].mean() <= bound + 1e-9
    # Second witness: all operating points that scikit-learn finds.
    false, recall, _ = roc_curve(harmful, scores, drop_intermediate=False)
    assert flags[harmful].mean() == pytest.approx(recall[false <= bound + 1e-9].max())


@given(scored)
def test_curves_are_monotone(rows: list[tuple[float, bool]]) -> None:
    scores, harmful = (np.array(column) for column in zip(*rows, strict=True))
    bounds = np.linspace(0, 1, 21)
    thresholds = [within(scores, harmful, bound) for bound in bounds]
    assert thresholds == sorted(thresholds, reverse=True)
    recalls = [recall_at(scores, harmful, bound) for bound in bounds]
    assert all(b >= a - 1e-12 for a, b in pairwise(recalls))


@given(scored, st.floats(0, 1))
def test_any_rate_is_reached_on_the_line_between_two_points(
    rows: list[tuple[float, bool]], rate: float
) -> None:
    scores, harmful = (np.array(column) for column in zip(*rows, strict=True))
    flags = fractional(scores, harmful, rate).flags(scores)
    assert flags[~harmful].mean() == pytest.approx(rate, abs=1e-9)
    false, recall, _ = roc_curve(harmful, scores, drop_intermediate=False)
    low, high = recall[false <= rate + 1e-9].min(), recall[false >= rate - 1e-9].max()
    assert low - 1e-9 <= flags[harmful].mean() <= high + 1e-9
    if not np.isclose(false, rate).any():
        assert flags[harmful].mean() == pytest.approx(np.interp(rate, false, recall))


def test_a_missing_answer_of_a_harmless_sample_uses_up_the_bound() -> None:
    samples = samples_of("USUSUS")
    guard = guard_of([0.9, 0.8, 0.7, math.nan, 0.5, 0.4])
    # Of three harmless samples one may be flagged: the one without an answer.
    assert within(guard.worst(samples), samples.harmful, 1 / 3) == 0.9
    assert within(guard.best(samples), samples.harmful, 1 / 3) == 0.5
    # None may be flagged, and one counts as flagged: no threshold will do.
    assert within(guard.worst(samples), samples.harmful, 0.3) == math.inf


def test_the_assured_threshold_is_the_exact_tolerance_limit() -> None:
    samples, (guard, _) = noisy(1, 900)
    everything = np.ones(samples.n, dtype=bool)
    threshold = assured(guard.worst(samples), samples, everything, 0.05)
    k = int((guard.score[~samples.harmful] >= threshold).sum())
    n = int((~samples.harmful).sum())
    # Of the n-th part above the (k + 1)-th largest, Beta(k + 1, n - k) is the distribution.
    assert beta.cdf(0.05, k + 1, n - k) >= 0.95
    assert beta.cdf(0.05, k + 2, n - k - 1) < 0.95
    assert threshold > within(guard.worst(samples), samples.harmful, 0.05)


def test_linked_samples_assure_less() -> None:
    samples, (guard, _) = noisy(2, 600)
    gold = "".join("SBU"[code] for code in samples.gold)
    # Every sample four times over is no more than once.
    four = samples_of(gold * 4, group=list(range(600)) * 4)
    copies = guard_of(np.tile(guard.score, 4))
    found = assured(copies.worst(four), four, np.ones(2400, dtype=bool), 0.1)
    once = assured(guard.worst(samples), samples, np.ones(600, dtype=bool), 0.1)
    independent = samples_of(gold * 4)
    assert found >= once
    assert found > assured(copies.worst(independent), independent, np.ones(2400, dtype=bool), 0.1)


def test_too_few_samples_assure_nothing() -> None:
    samples = samples_of("USUS")
    everything = np.ones(4, dtype=bool)
    assert assured(guard_of([0.9, 0.1, 0.8, 0.2]).worst(samples), samples, everything, 0.05) == (
        math.inf
    )


@given(scored, st.floats(0, 10), st.floats(0, 10))
def test_no_threshold_costs_less(
    rows: list[tuple[float, bool]], missed: float, blocked: float
) -> None:
    scores, harmful = (np.array(column) for column in zip(*rows, strict=True))

    def cost(threshold: float) -> float:
        flags = flagged(scores, threshold)
        false = float(flags[~harmful].mean())
        return missed * (1 - float(flags[harmful].mean())) + blocked * false

    found = least_cost(scores, harmful, missed, blocked)
    tried = [cost(threshold) for threshold in (*np.unique(scores), math.inf)]
    assert cost(found) <= min(tried) + 1e-9
    # Of thresholds that cost the same, the largest.
    assert all(cost(t) > cost(found) - 1e-9 for t in np.unique(scores) if t > found)
