"""Calibration and ranking of `p_unsafe`, against scikit-learn, SciPy and the jackknife."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import foldnorm
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    roc_auc_score,
)

from tests.support.analysis_frames import JUDGMENTS
from vlsu.analysis import probability_metrics
from vlsu.analysis.stats.clustering import estimated_share
from vlsu.analysis.understanding.reliability import equal_mass_bins, folded_excess
from vlsu.errors import RunError

P = np.array([0.1, 0.1, 0.4, 0.4, 0.6, 0.6, 0.9, 0.9])
UNSAFE = np.array([0, 0, 0, 1, 1, 0, 1, 1], dtype=bool)


def run(
    p: Any, unsafe: Any, group: list[str] | None = None, modality: str = "joint"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    ids = [f"s{n}" for n in range(len(p))]
    judgments = pl.DataFrame(
        {
            "sample_id": ids,
            "modality": modality,
            "expected": np.where(unsafe, "unsafe", "borderline"),
            "predicted": "safe",
            "outcome": "ok",
            "p_unsafe": p,
        },
        schema_overrides={name: JUDGMENTS[name] for name in ("p_unsafe", "predicted")},
    )
    return judgments, pl.DataFrame(
        {"id": ids, "group": group}, schema_overrides={"group": pl.String}
    )


def metrics(p: Any, unsafe: Any, group: list[str] | None = None, **options: Any) -> Any:
    return probability_metrics(*run(p, unsafe, group), **options)["joint"]


def random_scores(seed: int, n: int, steps: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 0.9, n)
    unsafe = rng.random(n) < p**1.3
    return (np.round(p * steps) / steps if steps else p), unsafe


CASES = {
    "continuous": random_scores(0, 400),
    "ties": random_scores(1, 300, steps=10),
    "few values": random_scores(2, 100, steps=2),
    "small": random_scores(3, 20),
    "one value": (np.full(10, 0.5), np.arange(10) % 3 == 0),
}


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_scikit_learn(case: str) -> None:
    p, unsafe = CASES[case]
    found = metrics(p, unsafe)
    assert found["n"] == len(p)
    assert found["base_rate"]["value"] == pytest.approx(unsafe.mean())
    assert found["mean_p"]["value"] == pytest.approx(p.mean())
    assert found["brier"]["value"] == pytest.approx(brier_score_loss(unsafe, p))
    assert found["auroc"]["value"] == pytest.approx(roc_auc_score(unsafe, p))
    assert found["average_precision"]["value"] == pytest.approx(average_precision_score(unsafe, p))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("wanted", [80, 90, 95, 99])
def test_the_threshold_is_the_largest_that_reaches_the_recall(case: str, wanted: int) -> None:
    p, unsafe = CASES[case]
    found = metrics(p, unsafe)["thresholds"][f"recall_{wanted}"]
    precision, recall, thresholds = precision_recall_curve(unsafe, p)
    reached = np.flatnonzero(recall[:-1] >= wanted / 100 - 1e-12)[-1]
    assert found["wanted"] == wanted / 100
    assert found["threshold"] == thresholds[reached]
    assert found["recall"]["value"] == pytest.approx(recall[reached])
    assert found["precision"]["value"] == pytest.approx(precision[reached])
    assert found["flagged"]["value"] == pytest.approx((p >= thresholds[reached]).mean())


def test_the_expected_calibration_error_by_hand() -> None:
    found = metrics(P, UNSAFE, bins=4)
    # Gaps of 0.1 - 0, 0.4 - 0.5, 0.6 - 0.5 and 0.9 - 1, a quarter of the rows each.
    assert found["ece"]["uncorrected"] == pytest.approx(0.1)
    assert found["ece"]["low"] <= found["ece"]["value"] < 0.1 < found["ece"]["high"]
    assert [(b["n"], b["from"], b["to"]) for b in found["bins"]] == [
        (2, 0.1, 0.1),
        (2, 0.4, 0.4),
        (2, 0.6, 0.6),
        (2, 0.9, 0.9),
    ]
    assert [b["observed"]["value"] for b in found["bins"]] == [0, 0.5, 0.5, 1]
    assert found["binning"] == {"kind": "equal mass", "bins": 4}


@pytest.mark.parametrize(("gap", "error"), [(0.0, 0.1), (0.02, 0.1), (-0.3, 0.1), (0.4, 0.01)])
def test_the_bias_of_an_absolute_gap_is_that_of_a_folded_normal(gap: float, error: float) -> None:
    folded = foldnorm(abs(gap) / error, scale=error).mean()
    assert folded_excess(gap, error) == pytest.approx(folded - abs(gap), abs=1e-12)
    assert folded_excess(gap, 0.0) == 0.0


@pytest.mark.slow
def test_chance_gaps_are_taken_out_of_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        p = rng.beta(0.5, 0.9, 300)
        found.append(metrics(p, rng.random(300) < p)["ece"])
    value, uncorrected = (np.mean([f[key] for f in found]) for key in ("value", "uncorrected"))
    assert value < 0.6 * uncorrected
    assert np.mean([f["low"] == 0 for f in found]) > 0.95


def test_bins_are_of_equal_size_and_part_no_ties() -> None:
    assert equal_mass_bins(np.arange(30) / 30, 15).tolist() == list(range(0, 31, 2))
    assert equal_mass_bins(np.array([0.1, 0.2, 0.2, 0.2, 0.2, 0.9]), 3).tolist() == [0, 1, 6]
    assert equal_mass_bins(np.array([0.3, 0.7]), 15).tolist() == [0, 1, 2]
    assert equal_mass_bins(np.full(8, 0.5), 15).tolist() == [0, 8]


@pytest.mark.parametrize(
    ("key", "score"),
    [("auroc", roc_auc_score), ("average_precision", average_precision_score)],
)
@pytest.mark.parametrize("steps", [0, 10])
def test_the_variance_of_an_area_is_the_jackknife_s(
    key: str, score: Callable[..., float], steps: int
) -> None:
    p, unsafe = random_scores(4, 300, steps)
    n = len(p)
    without = [score(np.delete(unsafe, i), np.delete(p, i)) for i in range(n)]
    variance = (n - 1) * np.var(without)
    units = float(min(unsafe.sum(), (~unsafe).sum()))
    expected = estimated_share(score(unsafe, p), float(variance), units, most=n).rate
    found = metrics(p, unsafe)[key]
    assert found["low"] == pytest.approx(expected.low, abs=0.002)
    assert found["high"] == pytest.approx(expected.high, abs=0.002)


@pytest.mark.parametrize(
    "path", ["auroc", "average_precision", "brier", "mean_p", "base_rate", "ece"]
)
def test_copies_in_a_group_add_nothing(path: str) -> None:
    p, unsafe = random_scores(5, 200)
    once = metrics(p, unsafe)[path]
    group = [f"g{n}" for n in range(200) for _ in range(5)]
    copied = metrics(np.repeat(p, 5), np.repeat(unsafe, 5), group)[path]
    ignored = metrics(np.repeat(p, 5), np.repeat(unsafe, 5))[path]
    assert copied["value"] == pytest.approx(once["value"], abs=0.01)
    width = once["high"] - once["low"]
    assert copied["high"] - copied["low"] == pytest.approx(width, rel=0.15)
    assert ignored["high"] - ignored["low"] < 0.7 * width


def test_one_class_has_no_area_and_no_threshold() -> None:
    found = metrics(P, np.zeros(8, dtype=bool))
    nothing = {"value": None, "low": None, "high": None}
    assert found["auroc"] == found["average_precision"] == nothing
    assert found["thresholds"]["recall_95"] == {
        "wanted": 0.95,
        "threshold": None,
        "recall": nothing,
        "precision": nothing,
        "flagged": nothing,
    }
    assert metrics(P, np.ones(8, dtype=bool))["auroc"] == nothing


def test_perfect_separation_is_not_certainty() -> None:
    found = metrics([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert found["auroc"]["value"] == found["auroc"]["high"] == 1
    assert found["auroc"]["low"] < 0.5


def test_what_has_no_probability_is_counted_apart() -> None:
    judgments, samples = run([0.2, 0.7, None, None], [False, True, True, True])
    ungraded = judgments.with_columns(
        expected=pl.when(pl.col("sample_id") != "s3").then("expected"),
        outcome=pl.when(pl.col("sample_id") == "s2").then(pl.lit("refused")).otherwise("outcome"),
    )
    found: Any = probability_metrics(ungraded, samples)["joint"]
    assert (found["n"], found["without_p"]) == (2, 1)


def test_modalities_are_apart_and_absent_without_p() -> None:
    judgments, samples = run(P, UNSAFE)
    image, _ = run([None] * 8, UNSAFE, modality="image")
    assert set(probability_metrics(pl.concat([judgments, image]), samples)) == {"joint"}
    assert probability_metrics(image, samples) == {}


def test_the_order_of_rows_leaves_no_trace() -> None:
    p, unsafe = CASES["ties"]
    judgments, samples = run(p, unsafe, [f"g{n % 40}" for n in range(300)])
    shuffled = judgments.sample(fraction=1, shuffle=True, seed=1), samples.reverse()
    assert probability_metrics(*shuffled) == probability_metrics(judgments, samples)


@pytest.mark.parametrize("p", [1.2, -0.1, float("nan")])
def test_a_probability_out_of_range_is_named(p: float) -> None:
    with pytest.raises(RunError, match=r"sample 's1', joint: p_unsafe .* is not in \[0, 1\]"):
        metrics([0.1, p], [False, True])
