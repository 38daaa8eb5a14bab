"""Curves and areas, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from tests.support.guards import guard_of, noisy, samples_of
from vlsu.analysis.deployment.guards.curves import areas, curve


def test_points_are_operating_points() -> None:
    samples, (guard, _) = noisy(1, 500, digits=2)
    false, recall, thresholds = roc_curve(samples.harmful, guard.score, drop_intermediate=False)
    known = {round(t, 6): (f, r) for f, r, t in zip(false, recall, thresholds, strict=True)}
    points = curve(guard, samples)
    assert len(points) > 15
    for point in points:
        f, r = known[round(point["threshold"], 6)]
        assert point["false_flags"]["value"] == pytest.approx(f)
        assert point["recall"]["value"] == pytest.approx(r)
        assert point["recall"]["low"] <= r <= point["recall"]["high"]
    values = [point["false_flags"]["value"] for point in points]
    assert values == sorted(values)


def test_safe_and_borderline_have_rates_of_their_own() -> None:
    samples, (guard, _) = noisy(2, 500)
    point = curve(guard, samples)[8]
    for severity, code in (("safe", 0), ("borderline", 1)):
        flagged = guard.score[samples.gold == code] >= point["threshold"]
        assert point[f"false_flags_{severity}"]["value"] == pytest.approx(flagged.mean())


def test_areas_by_pattern_are_against_all_harmless_samples() -> None:
    rng = np.random.default_rng(3)
    patterns = rng.choice(["S-S-S", "S-S-B", "S-S-U", "U-U-U"], 400).tolist()
    samples = samples_of([name[-1] for name in patterns], patterns=patterns)
    skill = np.array([0.5 if name == "S-S-U" else 2.0 for name in patterns])
    p = 1 / (1 + np.exp(-(skill * (samples.gold - 1) + rng.standard_normal(400))))
    guard = guard_of(p)
    found = areas(guard, samples)
    assert found["all"]["value"] == pytest.approx(roc_auc_score(samples.harmful, p))
    for name in ("S-S-U", "U-U-U"):
        rows = (np.array(patterns) == name) | ~samples.harmful
        expected = roc_auc_score(samples.harmful[rows], p[rows])
        assert found["patterns"][name]["value"] == pytest.approx(expected)
        assert found["patterns"][name]["n"] == patterns.count(name)
    assert list(found["patterns"]) == ["U-U-U", "S-S-U"]
    assert found["families"]["escalating"]["value"] == found["patterns"]["S-S-U"]["value"]
    assert found["patterns"]["S-S-U"]["high"] < found["patterns"]["U-U-U"]["low"]


def test_a_missing_answer_ranks_at_its_worst() -> None:
    samples = samples_of("UUSS")
    found = areas(guard_of([0.9, np.nan, 0.2, 0.1]), samples)["all"]
    # Of four pairs two are right; with the missing one at its best, all four.
    assert (found["value"], found["if_missing_right"]) == (0.5, 1.0)
