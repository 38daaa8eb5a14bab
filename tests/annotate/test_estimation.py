"""Dawid-Skene and MACE against crowd-kit, and against answers whose truth is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import digamma

from vlsu.annotate.consensus.estimation import Answers, _digamma, dawid_skene, mace


def simulated(seed: int, *, items: int = 200, graders: int = 6, skills=(0.9, 0.6)):
    """Answers of graders of whom the first half are better; every item has four."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, items)
    skill = np.where(np.arange(graders) < graders / 2, *skills)
    item, grader, label = [], [], []
    for i in range(items):
        for g in random.choice(graders, 4, replace=False):
            wrong = random.random() > skill[g]
            item.append(i)
            grader.append(int(g))
            label.append(int((truth[i] + (random.integers(1, 3) if wrong else 0)) % 3))
    return truth, Answers.of(item, grader, label, 3)


def reference(model, answers):
    """Probabilities by crowd-kit.

    Its MACE mixes names up unless they are sorted in the order in which they first occur, so that
    graders and labels are numbered so here.
    """
    pandas = pytest.importorskip("pandas")
    item, _ = pandas.factorize(answers.item)
    grader, _ = pandas.factorize(answers.grader)
    label, names = pandas.factorize(answers.label)
    frame = pandas.DataFrame({"task": item, "worker": grader, "label": label})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit_predict_proba(frame)[range(len(names))].sort_index().to_numpy()
    return found[:, np.argsort(names)]


@pytest.mark.parametrize("seed", range(3))
def test_dawid_skene_gives_what_crowd_kit_gives(seed):
    crowdkit = pytest.importorskip("crowdkit.aggregation")
    _, answers = simulated(seed)
    ours = dawid_skene(answers, iterations=200, tolerance=1e-9)
    theirs = reference(crowdkit.DawidSkene(n_iter=200, tol=1e-12), answers)
    np.testing.assert_allclose(ours.probabilities, theirs, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_mace_gives_what_crowd_kit_gives(seed):
    crowdkit = pytest.importorskip("crowdkit.aggregation")
    _, answers = simulated(seed)
    ours = mace(answers, iterations=100)
    theirs = reference(crowdkit.MACE(n_iter=100, random_state=0), answers)
    np.testing.assert_allclose(ours.probabilities, theirs, atol=2e-3)


@pytest.mark.parametrize("model", [dawid_skene, mace])
def test_good_graders_weigh_more_than_a_majority_allows(model):
    truth, answers = simulated(7, items=1000, skills=(0.95, 0.4))
    votes = np.zeros((1000, 3))
    np.add.at(votes, (answers.item, answers.label), 1)
    found = model(answers)
    by_majority = (votes.argmax(axis=1) == truth).mean()
    assert (found.labels == truth).mean() > by_majority + 0.02
    assert found.competence[:3].min() > found.competence[3:].max()


@pytest.mark.parametrize("model", [dawid_skene, mace])
def test_one_answer_is_an_estimate(model):
    found = model(Answers.of([0], [0], [2], 3))
    assert found.probabilities.shape == (1, 3)
    assert found.labels.tolist() == [2]


def test_the_digamma_function_is_scipys():
    x = np.concatenate([np.linspace(0.01, 10, 1000), np.geomspace(10, 1e8, 100)])
    np.testing.assert_allclose(_digamma(x), digamma(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("item", "grader", "label"), [([], [], []), ([0], [0, 1], [0]), ([0], [0], [3])]
)
def test_answers_that_do_not_fit_are_refused(item, grader, label):
    with pytest.raises(ValueError, match="label"):
        Answers.of(item, grader, label, 3)
