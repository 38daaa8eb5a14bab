"""Variances over samples and over reruns, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from vlsu.analysis.stats.redrawing import DrawVariance, draw_variance, rerun_intervals


def test_the_variances_are_unbiased_for_what_they_are_of() -> None:
    rng = np.random.default_rng(1)
    n, draws, times = 60, 3, 4000
    chance = np.where(rng.random((times, n)) < 0.5, 0.9, 0.3)
    right = rng.random((times, n, draws)) < chance[..., None]
    each = np.arange(n)
    found = [draw_variance((r - r.mean()) / n, each, each) for r in right]
    # Binomial within a sample, and between samples that of 0.9 or 0.3, by definition.
    within = (0.9 * 0.1 + 0.3 * 0.7) / 2 / n
    between = 0.3**2 / n
    assert np.mean([v.within for v in found]) == pytest.approx(within, rel=0.02)
    assert np.mean([v.mean for v in found]) == pytest.approx(between + within / draws, rel=0.02)
    assert np.mean([v.once for v in found]) == pytest.approx(0.6 * 0.4 / n, rel=0.02)


def test_what_shares_a_request_or_a_group_moves_together() -> None:
    right = np.array([[1.0, 0], [1, 0], [1, 1], [1, 1]])
    influence = (right - right.mean()) / 4
    alone = draw_variance(influence, np.arange(4), np.arange(4))
    shared = draw_variance(influence, np.array([0, 0, 1, 2]), np.array([0, 0, 1, 2]))
    assert alone.within == pytest.approx(2 * 0.5 / 16)
    assert shared.within == pytest.approx(4 * 0.5 / 16)
    assert shared.mean > alone.mean


def test_answers_that_never_differ_leave_all_variance_to_the_samples() -> None:
    right = np.repeat([[1.0], [1.0], [0.0]], 4, axis=1)
    found = draw_variance((right - right.mean()) / 3, np.arange(3), np.arange(3))
    assert (found.within, found.share) == (0.0, 1.0)
    nothing = draw_variance(np.zeros((5, 2)), np.arange(5), np.arange(5))
    assert nothing.share == 1.0


def test_no_flip_in_few_draws_is_no_proof_of_none() -> None:
    never = DrawVariance(draws=2, mean=0.0, within=0.0)
    found = rerun_intervals(1.0, 0.1, 0.0, never, unit=0.01)
    # One flip in two draws: 1.96 sqrt(0.01^2 / 2 * 3 / 2).
    assert found["over_reruns"].low == pytest.approx(1 - 1.959964 * 0.01 * 0.75**0.5)
    assert found["over_samples"].low == pytest.approx(0.9)
    assert found["both"].low == pytest.approx(1 - 0.1 * 2**0.5)
    assert found["both"].high == 1.0
