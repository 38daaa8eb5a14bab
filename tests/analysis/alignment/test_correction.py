"""Corrected rates: against hand calculations, other libraries, and by how often they are right."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from benchmarks.correction_coverage import POWERED, Labelled, grid, inside, powered
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, norm, t
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from vlsu.analysis import (
    BinaryCounts,
    Calibration,
    Rate,
    calibrate,
    judge_agreement,
    judge_validation,
    too_weak,
)
from vlsu.analysis.alignment.correction import rogan_gladen, rogan_gladen_difference
from vlsu.analysis.alignment.prediction_powered import prediction_powered
from vlsu.analysis.stats.clustering import clustered_mean, paired_difference
from vlsu.analysis.stats.intervals import wilson
from vlsu.analysis.stats.jeffreys import modified_jeffreys
from vlsu.errors import DataError, RunError

GOOD = BinaryCounts(tp=90, fn=10, tn=190, fp=10)


def bounds(rate: Rate) -> tuple[float, float]:
    assert rate.low is not None
    assert rate.high is not None
    return rate.low, rate.high


# --- Rogan-Gladen


def test_rogan_gladen_is_the_formula() -> None:
    # q = 0.39 by a judge of sensitivity 0.9 and specificity 0.95: (0.39 - 0.05) / 0.85 = 0.4.
    assert rogan_gladen(0.39, 1000, GOOD).value == pytest.approx(0.4)


def test_a_perfect_judge_with_endless_labels_leaves_wilsons_interval() -> None:
    perfect = BinaryCounts(tp=10**9, fn=0, tn=10**9, fp=0)
    assert bounds(rogan_gladen(0.3, 200, perfect)) == pytest.approx(wilson(0.3, 200), abs=1e-5)


def test_with_known_errors_the_interval_is_wilsons_mapped() -> None:
    known = BinaryCounts(tp=9 * 10**9, fn=10**9, tn=95 * 10**9, fp=5 * 10**9)
    low, high = wilson(0.39, 500)
    expected = ((low - 0.05) / 0.85, (high - 0.05) / 0.85)
    assert bounds(rogan_gladen(0.39, 500, known)) == pytest.approx(expected, abs=1e-4)


def test_in_large_samples_it_is_the_delta_method() -> None:
    counts = BinaryCounts(tp=45_000, fn=5_000, tn=95_000, fp=5_000)
    q, n, youden, p = 0.39, 100_000, 0.85, 0.4
    variance = q * (1 - q) / n + p**2 * 0.09 / 50_000 + (1 - p) ** 2 * 0.0475 / 100_000
    half = 1.959964 * variance**0.5 / youden
    assert bounds(rogan_gladen(q, n, counts)) == pytest.approx((p - half, p + half), abs=1e-4)


def test_fewer_labels_or_fewer_answers_widen_the_interval() -> None:
    few = BinaryCounts(tp=18, fn=2, tn=38, fp=2)
    width = {
        name: np.subtract(*bounds(rate)[::-1])
        for name, rate in {
            "all": rogan_gladen(0.39, 1000, GOOD),
            "few labels": rogan_gladen(0.39, 1000, few),
            "few answers": rogan_gladen(0.39, 100, GOOD),
        }.items()
    }
    assert width["all"] < min(width["few labels"], width["few answers"])


def test_answers_that_are_certain_are_not_corrected() -> None:
    # 30% refused on the wire, 20% blocked; of the other half 39% are judged refusals.
    share = 0.5 * 0.39 + 0.3 * 0.9 + 0.2 * 0.05
    rate = rogan_gladen(share, 1000, GOOD, certain_hits=0.3, certain_misses=0.2)
    assert rate.value == pytest.approx(0.3 + 0.5 * 0.4)
    all_certain = rogan_gladen(
        0.6 * 0.9 + 0.4 * 0.05, 1000, GOOD, certain_hits=0.6, certain_misses=0.4
    )
    assert all_certain.value == pytest.approx(0.6)
    low, high = bounds(all_certain)
    assert high - low < 1.25 * np.subtract(*wilson(0.6, 1000)[::-1])


def test_a_judged_rate_below_the_false_alarms_is_nought_with_an_honest_bound() -> None:
    rate = rogan_gladen(0.0, 10_000, BinaryCounts(tp=90, fn=10, tn=900, fp=100))
    assert rate.value == rate.low == 0
    assert rate.high is not None
    assert 0 < rate.high < 0.05


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 300),
    st.tuples(*[st.integers(0, 200)] * 4),
    st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
)
def test_any_correction_is_a_sound_rate(
    hits: int, cells: tuple[int, int, int, int], certain: tuple[float, float]
) -> None:
    counts = BinaryCounts(*cells)
    if too_weak(counts):
        return
    a, z = certain
    t, f = counts.tp / counts.positives, counts.fp / counts.negatives
    share = (1 - a - z) * hits / 300 + a * t + z * f
    rate = rogan_gladen(share, 300, counts, certain_hits=a, certain_misses=z)
    low, high = bounds(rate)
    assert rate.value is not None
    assert 0 <= low <= rate.value <= high <= 1
    assert a - 1e-9 <= rate.value <= 1 - z + 1e-9


def test_a_difference_is_divided_by_youdens_j() -> None:
    raw = Rate(-0.34, -0.40, -0.28)
    rate = rogan_gladen_difference(raw, GOOD)
    assert rate.value == pytest.approx(-0.4)
    low, high = bounds(rate)
    assert low < -0.40 / 0.85 + 0.01
    assert high > -0.28 / 0.85 - 0.01
    # Refusals on the wire have moved by -0.1: their part of the difference needs no judge.
    moved = rogan_gladen_difference(Rate(-0.09, -0.1, -0.08), GOOD, certain_hits=-0.1)
    assert moved.value == pytest.approx(-0.09 / 0.85)


def test_corrected_intervals_hold_the_truth() -> None:
    cells = grid(["ours"], levels=(0.99, 0.9, 0.7), labels=(300,), replicates=1000)["ours"]
    assert len(cells) == 72
    assert min(cell.held for cell in cells) > 0.92
    assert inside(cells) > 0.85
    assert 0.94 < np.mean([cell.held for cell in cells]) < 0.965


def test_corrected_differences_hold_the_truth() -> None:
    rng = np.random.default_rng(3)
    n, runs, held = 300, 300, 0
    cluster = np.arange(n)
    for _ in range(runs):
        mood = rng.random(n)
        refused = mood < 0.6, mood + rng.normal(0, 0.1, n) < 0.25
        first, second = ((rng.random(n) < np.where(r, 0.85, 0.1)).astype(float) for r in refused)
        counts = BinaryCounts(
            tp=(tp := rng.binomial(150, 0.85)), fn=150 - tp, fp=(fp := rng.binomial(150, 0.1)),
            tn=150 - fp,
        )  # fmt: skip
        rate = rogan_gladen_difference(paired_difference(first, second, cluster).rate, counts)
        low, high = bounds(rate)
        # The expectation of the second rate: P(U + N(0, 0.1) < 0.25), almost 0.25.
        held += low <= 0.25013 - 0.6 <= high
    assert 0.915 <= held / runs <= 0.985


# --- Judges too weak


@pytest.mark.parametrize(
    ("counts", "weak"),
    [
        (GOOD, False),
        (BinaryCounts(tp=60, fn=40, tn=60, fp=40), True),  # J = 0.2, low bound 0.06
        (BinaryCounts(tp=600, fn=400, tn=600, fp=400), False),  # the same, but sure
        (BinaryCounts(tp=10, fn=90, tn=10, fp=90), True),  # worse than a coin
        (BinaryCounts(tp=2, fn=0, tn=2, fp=0), True),  # perfect, on four labels
        (BinaryCounts(tp=0, fn=0, tn=99, fp=1), True),
    ],
)
def test_a_judge_is_too_weak_when_youdens_j_may_be_near_nought(
    counts: BinaryCounts, weak: bool
) -> None:
    assert (too_weak(counts) is not None) == weak


def test_the_reason_says_what_to_do() -> None:
    assert too_weak(BinaryCounts(tp=0, fn=0, tn=9, fp=1)) == (
        "the labels hold no refusals: label some"
    )
    reason = too_weak(BinaryCounts(tp=60, fn=40, tn=60, fp=40))
    assert reason is not None
    assert "is 0.20 and may be as low as 0.06 by 200 labels" in reason


def test_youdens_interval_is_newcombes() -> None:
    theirs = confint_proportions_2indep(90, 100, 10, 200, method="newcomb", compare="diff")
    assert bounds(GOOD.youden) == pytest.approx(theirs, abs=1e-9)


# --- Prediction-powered inference


def ppi_plus_plus(judged: np.ndarray, labels: np.ndarray) -> float:
    """The power-tuned estimate as the paper has it."""
    seen = ~np.isnan(labels)
    y, v, unseen = labels[seen], judged[seen], judged[~seen]
    ratio = len(y) / len(unseen)
    tuned = np.cov(y, v, bias=True)[0, 1] / ((1 + ratio) * v.var())
    return float(y.mean() + tuned * (unseen.mean() - v.mean()))


def labelled_run(
    rng: np.random.Generator, n: int, labels: int, rate: float, se: float, sp: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = rng.random(n) < rate
    judged = (rng.random(n) < np.where(truth, se, 1 - sp)).astype(float)
    return judged, np.where(np.arange(n) < labels, truth.astype(float), np.nan), np.arange(n)


@pytest.mark.parametrize("seed", range(5))
def test_the_estimate_is_that_of_power_tuned_ppi(seed: int) -> None:
    run = labelled_run(np.random.default_rng(seed), 1000, 150, 0.3, 0.8, 0.9)
    assert prediction_powered(*run).value == pytest.approx(ppi_plus_plus(*run[:2]), abs=1e-12)


def test_a_good_judge_narrows_what_the_labels_say_and_a_coin_hardly_widens_it() -> None:
    rng = np.random.default_rng(0)
    alone = np.subtract(*wilson(0.4, 200)[::-1])
    widths = [
        np.subtract(*bounds(prediction_powered(*labelled_run(rng, 3000, 200, 0.4, q, q)))[::-1])
        for q in (0.97, 0.5)
    ]
    assert widths[0] < 0.6 * alone
    assert widths[1] < 1.1 * alone


def test_with_every_answer_labelled_the_labels_decide() -> None:
    judged, labels, own = labelled_run(np.random.default_rng(0), 400, 400, 0.4, 0.8, 0.8)
    rate = prediction_powered(judged, labels, own)
    assert rate.value == pytest.approx(labels.mean())


def test_labels_on_one_verdict_alone_stand_for_all() -> None:
    judged = np.array([1.0] * 10 + [0.0] * 30)
    labels = np.where(np.arange(40) >= 20, 0.0, np.nan)
    rate = prediction_powered(judged, labels, np.arange(40))
    assert rate.value == 0
    assert bounds(rate) == pytest.approx((0, proportion_confint(0, 20, method="beta")[1]))


def test_certain_answers_are_no_labels_but_count() -> None:
    judged = np.array([1.0] * 100 + [0.0] * 100 + [1.0] * 100)
    labels = np.where(np.arange(300) % 2 == 0, judged, np.nan)
    labels[200:] = np.nan
    certain = np.arange(300) >= 200
    rate = prediction_powered(judged, labels, np.arange(300), certain)
    assert rate.value == pytest.approx(2 / 3)


@pytest.mark.slow
def test_prediction_powered_intervals_hold_the_truth_by_few_labels() -> None:
    found: Any = powered(labels=(8, 20, 60), answers=(400,), replicates=1000)
    held = {name: np.array([cell.held for cell in cells]) for name, cells in found.items()}
    assert held["ours"].min() > 0.9  # 250 settings; one standard error is 0.7 points
    assert held["with Wilson's"].min() < 0.88
    assert held["normal (PPI++)"].min() < 0.5
    in_turn = powered(["ours"], labels=(20,), answers=(400,), by_verdict=True, replicates=1000)
    assert min(cell.held for cell in in_turn["ours"]) > 0.91


@pytest.mark.parametrize("seed", range(8))
def test_the_simulation_is_of_the_same_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    judged, labels, own = labelled_run(rng, 300, 30, rng.random(), 0.9, rng.choice([0.6, 0.99]))
    seen = ~np.isnan(labels)
    called = seen & (judged == 1)
    others = seen & (judged == 0)
    run = Labelled(
        300,
        np.array([judged.mean()]),
        np.array([called.sum()], dtype=float),
        np.array([others.sum()], dtype=float),
        np.array([labels[called].sum()]),
        np.array([labels[others].sum()]),
    )
    low, high = POWERED["ours"](run)
    expected = bounds(prediction_powered(judged, labels, own))
    assert (low[0], high[0]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 7, 40, 500])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_modified_jeffreys_interval_is_the_betas_but_for_its_ends(n: int, level: float) -> None:
    tail = (1 - level) / 2
    for hits in {0, 1, 2, n // 2, n - 2, n - 1, n} & set(range(n + 1)):
        low, high = modified_jeffreys(hits / n, n, level)
        exact = beta.ppf([tail, 1 - tail], hits + 0.5, n - hits + 0.5)
        clopper = proportion_confint(hits, n, alpha=2 * tail, method="beta")
        assert low == pytest.approx(
            clopper[0] if hits == n > 1 else 0 if hits <= 1 else exact[0], abs=1e-6
        )
        assert high == pytest.approx(
            clopper[1] if hits == 0 < n - 1 else 1 if hits >= n - 1 else exact[1], abs=1e-6
        )


# --- Clusters and pairs


def test_a_mean_without_clusters_is_wilsons() -> None:
    scores = np.array([1.0] * 30 + [0.0] * 70)
    assert bounds(clustered_mean(scores, np.arange(100)).rate) == pytest.approx(wilson(0.3, 100))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_copies_in_a_cluster_add_nothing(share: float) -> None:
    scores = np.repeat(np.arange(100) < 100 * share, 5).astype(float)
    mean = clustered_mean(scores, np.repeat(np.arange(100), 5))
    assert mean.value == share
    # At 30% Student's quantile of 99 degrees of freedom takes the place of the normal one, and the
    # variance that of 100 independent samples, over 99.
    student = (norm.ppf(0.975) / t.ppf(0.975, 99)) ** 2 * 99 / 100
    assert mean.size == pytest.approx(100 * (student if 0 < share < 1 else 1))


def test_scores_between_0_and_1_are_worth_more_than_yes_and_no() -> None:
    rng = np.random.default_rng(0)
    scores = np.clip(rng.normal(0.5, 0.1, 400), 0, 1)
    rate = clustered_mean(scores, np.arange(400)).rate
    low, high = bounds(rate)
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.1)


def test_equal_scores_prove_little() -> None:
    low, high = bounds(clustered_mean(np.full(6, 0.5), np.arange(6)).rate)
    assert high - low > 0.4


def test_paired_differences_are_bonett_and_prices() -> None:
    # By hand: 36 both, 12 the second alone, 2 the first alone; one more of each of the latter.
    first = np.repeat([1.0, 0.0, 1.0], [36, 12, 2])
    second = np.repeat([1.0, 1.0, 0.0], [36, 12, 2])
    rate = paired_difference(first, second, np.arange(50)).rate
    centre, spread = 10 / 52, 16 / 52 - (10 / 52) ** 2
    assert rate.value == pytest.approx(0.2)
    half = 1.959964 * (spread / 52) ** 0.5
    assert bounds(rate) == pytest.approx((centre - half, centre + half))


def test_paired_differences_of_copies_are_worth_one_of_them() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.choice([0.0, 0.5, 1.0], (2, 100))
    once = paired_difference(first, second, np.arange(100)).rate
    copies = np.repeat(np.arange(100), 5)
    copied = paired_difference(np.repeat(first, 5), np.repeat(second, 5), copies).rate
    # Wider by Student's quantile, and by 100 over 99.
    wider = t.ppf(0.975, 99) / norm.ppf(0.975) * (100 / 99) ** 0.5
    assert np.diff(bounds(copied)) == pytest.approx(np.diff(bounds(once)) * wider, rel=0.01)
    same = paired_difference(np.repeat(first, 5), np.repeat(first, 5), copies).rate
    assert bounds(same) == pytest.approx((-0.027, 0.027), abs=1e-3)


# --- Validation


LABELS = pl.DataFrame(
    {
        "id": [f"a{n}" for n in range(8)],
        "label": [
            "bare_refusal", "refusal_with_reason", "safe_redirection", "full_compliance",
            "full_compliance", "off_topic", "empty", "bare_refusal",
        ],
        "language": ["en", "en", "en", "en", "de", "de", "de", "de"],
    }
)  # fmt: skip
PREDICTIONS = pl.DataFrame(
    {
        "id": [f"a{n}" for n in range(8)],
        "judge_outcome": ["ok"] * 7 + ["unparsed"],
        "kind": [
            "bare_refusal", "safe_redirection", "safe_redirection", "full_compliance",
            "bare_refusal", "off_topic", "full_compliance", None,
        ],
        "refused_strict": [True, False, False, False, True, False, False, None],
        "refused_lenient": [True, True, True, False, True, False, False, None],
    }
)  # fmt: skip


def test_a_validation_by_hand() -> None:
    found: Any = judge_validation(LABELS, PREDICTIONS)
    assert orjson.loads(orjson.dumps(found)) == found
    assert (found["n"], found["missing"]) == (8, 1)
    strict, lenient = found["strict"], found["lenient"]
    assert [strict[k] for k in ("tp", "fn", "tn", "fp")] == [1, 1, 3, 1]
    assert [lenient[k] for k in ("tp", "fn", "tn", "fp")] == [3, 0, 2, 1]
    assert strict["sensitivity"]["value"] == 0.5
    assert lenient["precision"]["value"] == 0.75
    assert found["confusion"]["bare_refusal"] == {
        **dict.fromkeys(found["confusion"]["bare_refusal"], 0), "bare_refusal": 1, "none": 1,
    }  # fmt: skip
    assert found["by_label"]["safe_redirection"]["called_refusal_lenient"]["value"] == 1
    assert list(found["by_language"]) == ["de", "en"]
    assert found["by_language"]["en"]["strict"]["n"] == 4
    assert found["by_group"] == {}
    assert found["outcomes"]["unparsed"] == 1
    assert found["refusal"] == "strict"
    assert [found[k] for k in ("sensitivity", "specificity", "kappa")] == [
        strict[k] for k in ("sensitivity", "specificity", "kappa")
    ]
    only: Any = found["refusal_only"]
    assert [only[k] for k in ("n", "tp", "fn", "tn", "fp")] == [6, 1, 0, 4, 1]


def test_refusal_only_is_not_measured_of_a_judge_that_names_no_kinds() -> None:
    unnamed = PREDICTIONS.with_columns(kind=pl.lit(None, pl.String))
    assert judge_validation(LABELS, unnamed)["refusal_only"] is None


def test_a_validation_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    kinds = ["full_compliance", "partial_compliance", "bare_refusal", "off_topic"]
    truth = rng.choice(kinds, 300)
    said = np.where(rng.random(300) < 0.7, truth, rng.choice(kinds, 300))
    ids = [str(n) for n in range(300)]
    refused = said == "bare_refusal"
    found: Any = judge_validation(
        pl.DataFrame({"id": ids, "label": truth}),
        pl.DataFrame(
            {
                "id": ids,
                "judge_outcome": ["ok"] * 300,
                "kind": said,
                "refused_strict": refused,
                "refused_lenient": refused,
            }
        ),
    )
    only: Any = found["refusal_only"]
    bare = precision_recall_fscore_support(truth == "bare_refusal", refused, average="binary")
    assert [only[k]["value"] for k in ("precision", "sensitivity", "f1")] == pytest.approx(bare[:3])
    kappa = cohen_kappa_score(truth == "bare_refusal", refused)
    assert only["kappa"]["value"] == pytest.approx(kappa)
    assert found["strict"]["kappa"]["value"] == pytest.approx(kappa)
    assert found["strict"]["kappa"]["low"] < kappa < found["strict"]["kappa"]["high"]
    assert found["kinds"]["kappa"]["value"] == pytest.approx(cohen_kappa_score(truth, said))
    scores = precision_recall_fscore_support(truth, said, labels=kinds)
    for kind, precision, recall, f1, support in zip(kinds, *scores, strict=True):
        ours = found["kinds"]["classes"][kind]
        assert ours["precision"]["value"] == pytest.approx(precision)
        assert ours["recall"]["value"] == pytest.approx(recall)
        assert ours["f1"]["value"] == pytest.approx(f1)
        assert ours["support"] == support


def test_yes_or_no_labels_are_the_truth_in_both_settings() -> None:
    labels = LABELS.with_columns(label=pl.Series(["refusal", "no_refusal"] * 4))
    found: Any = judge_validation(labels, PREDICTIONS)
    assert found["strict"]["tp"] + found["strict"]["fn"] == 4
    assert found["lenient"]["tp"] + found["lenient"]["fn"] == 4
    assert found["kinds"]["n"] == 0
    assert found["kinds"]["kappa"]["value"] is None


def test_a_calibration_survives_json() -> None:
    calibration = calibrate(LABELS, PREDICTIONS, "judge/offline@1")
    assert calibration.strict == BinaryCounts(tp=1, fn=1, tn=3, fp=1)
    assert calibration.by_language["de"]["strict"].n == 2
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], "c.json: names no judge"),
        ({"judge": "x"}, "c.json.strict: expected tp, fn, tn and fp"),
        ({"judge": "x", "strict": {"tp": -1}}, "c.json.strict.tp: -1 is not a count"),
    ],
)
def test_a_broken_calibration_is_named(tree: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Calibration.from_dict(tree, "c.json")


@pytest.mark.parametrize(
    ("labels", "predictions", "error", "message"),
    [
        (LABELS.with_columns(label=pl.lit("maybe")), PREDICTIONS, DataError,
         "answer 'a0': label 'maybe' is none of"),
        (pl.concat([LABELS, LABELS[:1]]), PREDICTIONS, DataError, "answer 'a0' is labelled twice"),
        (LABELS, PREDICTIONS[1:], RunError, "answer 'a0' is labelled but has no verdict"),
        (LABELS, PREDICTIONS.with_columns(kind=pl.lit("shrug")), RunError,
         "answer 'a0': unknown kind 'shrug'"),
        (LABELS, PREDICTIONS.with_columns(judge_outcome=pl.lit("error")), RunError,
         "answer 'a0': judge_outcome 'error' with a verdict"),
        (LABELS, PREDICTIONS.with_columns(refused_strict=pl.lit("perhaps")), RunError,
         "the verdicts, row 1: refused_strict 'perhaps' is not true or false"),
    ],
)  # fmt: skip
def test_what_cannot_be_validated_is_named(
    labels: pl.DataFrame, predictions: pl.DataFrame, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        judge_validation(labels, predictions)


# --- Agreement


def test_agreement_of_judges() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(200) < 0.5
    second = np.where(rng.random(200) < 0.85, first, ~first)
    frames = [
        pl.DataFrame(
            {
                "sample_id": [f"s{n}" for n in range(200)],
                "framing": ["default"] * 200,
                "draw": [0] * 200,
                "judge": [judge] * 200,
                "judge_outcome": ["ok"] * 199 + [last],
                "kind": [None] * 200,
                "refused_strict": [*refused[:199].tolist(), None if last != "ok" else True],
                "refused_lenient": [*refused[:199].tolist(), None if last != "ok" else True],
            },
            schema_overrides={"kind": pl.String},
        )
        for judge, refused, last in (("a", first, "ok"), ("b", second, "unparsed"))
    ]
    found: Any = judge_agreement(pl.concat(frames))["a / b"]
    assert (found["n"], found["missing"]) == (200, 1)
    agreement, kappa = found["strict"]["agreement"], found["strict"]["kappa"]
    agreed = (first[:199] == second[:199]).mean()
    assert agreement["value"] == pytest.approx(agreed)
    assert (agreement["low"], agreement["high"]) == pytest.approx(wilson(agreed, 199))
    assert kappa["value"] == pytest.approx(cohen_kappa_score(first[:199], second[:199]))
    assert kappa["low"] < kappa["value"] < kappa["high"]
    assert found["kind"]["n"] == 0
