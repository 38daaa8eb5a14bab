"""Stacking: against scikit-learn, and that nothing of a sample's own gold grade gets through."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.combining.logistic import fit_logistic
from vlsu.analysis.combining.stacking import FEWEST, FOLDS, STRENGTH, features, stacked
from vlsu.analysis.combining.verdicts import MISSING, OUTCOMES, Verdicts
from vlsu.analysis.shortcuts.crossvalidation import grouped_folds
from vlsu.errors import DataError
from vlsu.policy import Severity

ALL = tuple(Severity)


def made(n: int, seed: int, right: float = 0.7) -> tuple[Verdicts, IntArray]:
    """Two voters of which each is right so often, the second with a probability, some missing."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    severity = np.where(rng.random((n, 2)) < right, gold[:, None], rng.integers(0, 3, (n, 2)))
    severity[rng.random((n, 2)) < 0.1] = MISSING
    p = np.full((n, 2), np.nan)
    p[:, 1] = np.clip(rng.normal(0.2 + 0.3 * severity[:, 1], 0.2), 0, 1)
    p[severity[:, 1] == MISSING, 1] = np.nan
    outcome = np.where(severity == MISSING, OUTCOMES.index("refused"), 0)
    return Verdicts(severity, outcome, p, np.full((n, 2), MISSING), [ALL, ALL]), gold


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("strength", [0.1, 1.0, 10.0])
def test_coefficients_and_probabilities_are_scikit_learns(classes: int, strength: float) -> None:
    rng = np.random.default_rng(classes)
    x: FloatArray = rng.normal(size=(200, 4))
    y = (x[:, 0] + rng.normal(size=200) > 0).astype(np.int64)
    y += (classes == 3) * (x[:, 1] + rng.normal(size=200) > 0.5)
    mine = fit_logistic(x, y, strength)
    # Of two classes it has one vector of coefficients, the difference of the two here.
    theirs = LogisticRegression(C=strength * (2 if classes == 2 else 1), tol=1e-10, max_iter=10_000)
    theirs.fit(x, y)
    assert mine.probabilities(x) == pytest.approx(theirs.predict_proba(x), abs=1e-5)
    if classes == 3:
        assert mine.coefficients == pytest.approx(theirs.coef_, abs=1e-4)
        centred = theirs.intercept_ - theirs.intercept_.mean()
        assert mine.intercepts == pytest.approx(centred, abs=1e-4)
    else:
        assert mine.coefficients[1] - mine.coefficients[0] == pytest.approx(
            theirs.coef_[0], abs=1e-4
        )


def test_each_sample_is_predicted_from_the_other_folds_as_by_scikit_learn() -> None:
    verdicts, gold = made(300, seed=1)
    cluster = np.arange(300) // 3
    found = stacked(verdicts, gold, cluster, seed=5)
    folds = grouped_folds(gold, cluster, np.random.default_rng(5))
    x = features(verdicts)
    for fold in range(FOLDS):
        model = LogisticRegression(C=STRENGTH, tol=1e-10, max_iter=10_000)
        model.fit(x[folds != fold], gold[folds != fold])
        chance = model.predict_proba(x[folds == fold])[:, 2]
        mine = found.p_unsafe[folds == fold]
        answered = ~np.isnan(mine)
        assert mine[answered] == pytest.approx(chance[answered], abs=1e-5)


def test_no_cluster_is_on_both_sides_of_a_fold() -> None:
    """Voters that tell the clusters apart, and nothing else, help within a cluster alone."""
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(15), 20)
    gold = np.arange(15)[cluster] % 3
    severity = rng.integers(0, 3, (15, 8))[cluster]
    verdicts = Verdicts(
        severity,
        np.zeros_like(severity),
        np.full(severity.shape, np.nan),
        np.full(severity.shape, MISSING),
        [ALL] * 8,
    )
    leaking = stacked(verdicts, gold, np.arange(300))
    assert (leaking.severity == gold).mean() == 1
    apart = stacked(verdicts, gold, cluster)
    assert (apart.severity == gold).mean() < 0.6


def test_shuffled_labels_give_chance_accuracy() -> None:
    verdicts, gold = made(900, seed=3, right=0.9)
    cluster = np.arange(900)
    assert (stacked(verdicts, gold, cluster).severity == gold).mean() > 0.8
    shuffled = np.random.default_rng(4).permutation(gold)
    right = (stacked(verdicts, shuffled, cluster).severity == shuffled).mean()
    assert abs(right - 1 / 3) < 4 * np.sqrt(2 / 9 / 900)


def test_who_has_no_gold_grade_is_predicted_by_all_folds() -> None:
    verdicts, gold = made(240, seed=7)
    hidden = gold.copy()
    hidden[200:] = MISSING
    found = stacked(verdicts, hidden, np.arange(240))
    model = LogisticRegression(C=STRENGTH, tol=1e-10, max_iter=10_000)
    x = features(verdicts)
    model.fit(x[:200], gold[:200])
    chance = model.predict_proba(x[200:])[:, 2]
    known = ~np.isnan(found.p_unsafe[200:])
    assert found.p_unsafe[200:][known] == pytest.approx(chance[known], abs=1e-5)


def test_it_is_the_same_each_time_and_its_folds_follow_the_seed() -> None:
    verdicts, gold = made(150, seed=8)
    first, again, other = (
        stacked(verdicts, gold, np.arange(150), seed=seed).p_unsafe for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


def test_an_item_that_nobody_answered_has_the_outcome_of_the_missing() -> None:
    verdicts, gold = made(150, seed=9)
    silent = ~verdicts.answered.any(axis=1)
    found = stacked(verdicts, gold, np.arange(150))
    assert silent.any()
    assert (found.severity[silent] == MISSING).all()
    assert {OUTCOMES[code].value for code in found.outcome[silent]} == {"refused"}
    assert (found.severity[~silent] != MISSING).all()


def test_too_little_data_is_one_line() -> None:
    verdicts, gold = made(60, seed=10)
    few = gold.copy()
    few[FEWEST - 1 :] = MISSING
    with pytest.raises(DataError, match=r"^stack: 29 pairs with a gold grade, of 29 clusters"):
        stacked(verdicts, few, np.arange(60), what="pairs")
    with pytest.raises(DataError, match=r"^stack: 60 pairs .* of 6 clusters"):
        stacked(verdicts, gold, np.arange(60) // 10, what="pairs")
    with pytest.raises(DataError, match="all the same"):
        stacked(verdicts, np.zeros(60, dtype=np.int64), np.arange(60), what="pairs")
