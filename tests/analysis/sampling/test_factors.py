"""The factor model against scikit-learn's, and the bins that it cuts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import FactorAnalysis

from vlsu.analysis.sampling.allocation import STRATA
from vlsu.analysis.sampling.factors import FactorModel, difficulty_bins
from vlsu.analysis.sampling.forecast import BINS, UNASKED, Forecast


def outcomes(loadings: list[float], n: int = 6000, seed: int = 0) -> np.ndarray:
    """Right and wrong of models of even odds that find the same samples hard."""
    rng = np.random.default_rng(seed)
    weight = np.array(loadings)[:, None]
    latent = weight * rng.standard_normal(n) + np.sqrt(1 - weight**2) * rng.standard_normal(
        (len(loadings), n)
    )
    return (latent > 0).astype(float)


def test_loadings_and_scores_are_those_of_scikit_learn():
    right = outcomes([0.9, 0.8, 0.5])
    ours = FactorModel.fit(right, np.zeros(right.shape[1], dtype=int))
    theirs = FactorAnalysis(1).fit(right.T)
    assert ours.loadings[:, 0] == pytest.approx(np.abs(theirs.components_[0]), abs=0.01)
    scores = theirs.transform(right.T)[:, 0]
    assert abs(np.corrcoef(scores, ours.scores[:, 0])[0, 1]) > 0.999


def test_a_model_unlike_the_others_hardly_counts():
    right = outcomes([0.8, 0.8, 0.0])
    model = FactorModel.fit(right, np.zeros(right.shape[1], dtype=int))
    assert abs(model.loadings[2, 0]) < 0.05 < 0.3 < model.loadings[0, 0]
    same = right.copy()
    same[2] = 1 - same[2]
    other = FactorModel.fit(same, np.zeros(right.shape[1], dtype=int))
    assert other.scores == pytest.approx(model.scores, abs=0.05)


def test_the_chance_that_is_predicted_comes_true():
    """Of the samples that three models make likely, a fourth is right as often as predicted."""
    right = outcomes([0.8] * 4)
    model = FactorModel.fit(right[:3], np.zeros(right.shape[1], dtype=int))
    for votes in range(4):
        of = right[:3].sum(axis=0) == votes
        assert model.chance[of].mean() == pytest.approx(right[3][of].mean(), abs=0.05)


def test_samples_without_an_answer_are_as_their_stratum():
    right = outcomes([0.8, 0.8])
    right[:, :1000] = np.nan
    right[0, 1000:2000] = np.nan
    stratum = np.repeat([0, 1], 3000)
    model = FactorModel.fit(right, stratum)
    assert (model.scores[:1000] == 0).all()
    assert model.chance[:1000] == pytest.approx(0.5, abs=0.03)
    one, both = model.scores[1000:2000].std(), model.scores[2000:].std()
    assert 0 < one < both


def test_one_model_is_half_believed():
    right = outcomes([1.0])
    model = FactorModel.fit(right, np.zeros(right.shape[1], dtype=int))
    assert sorted(set(model.chance.round(2))) == [0.25, 0.75]


@given(st.lists(st.floats(0.02, 0.98), min_size=8, max_size=400), st.integers(1, 3))
def test_bins_are_large_enough_and_in_order(chances, most):
    chance = np.array(chances)
    bins = difficulty_bins(chance, most, least=4)
    assert bins.max() < most
    assert np.bincount(bins).min() >= 4
    assert (np.diff(bins[np.argsort(chance, kind="stable")]) >= 0).all()


def test_a_forecast_cuts_large_patterns_and_takes_every_modality_as_control():
    rng = np.random.default_rng(0)
    gold = np.repeat([[0, 0, 0], [2, 0, 2], [0, 0, 3]], [900, 40, 60], axis=0)
    right = outcomes([0.8, 0.8], len(gold))[:, :, None].repeat(3, axis=2)
    answers = np.where(right == 1, gold, 1)
    answers[:, rng.random(len(gold)) < 0.1, 1] = UNASKED
    forecast = Forecast.of(answers, gold, 2)
    assert set(forecast.bin[:900]) == {0, 1, 2}
    assert set(forecast.bin[900:]) == {0}  # too few, and without a joint grade
    assert forecast.controls.shape == (1000, 3)
    assert set(forecast.factors) == {"image", "text", "joint"}
    stratum = np.repeat([0, 34, 3], [900, 40, 60]) * BINS + forecast.bin
    deviation = forecast.deviation(stratum)
    assert deviation.shape == (STRATA * BINS,)
    assert deviation.min() >= 0.3  # no sample's chance falls below 0.6 times another's
    # Two models, and one more that is right half of the time.
    share = (2 * forecast.chance[:900][forecast.bin[:900] == 0].mean() + 0.5) / 3
    assert deviation[0] == pytest.approx(np.sqrt(share * (1 - share)))
    assert deviation.max() <= 0.5
