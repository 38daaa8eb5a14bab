"""The audit's features, classifiers and folds against scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.tree import DecisionTreeClassifier

from vlsu.analysis.shortcuts.classifiers import LEAF, ridge, tree
from vlsu.analysis.shortcuts.crossvalidation import FOLDS, Hits, cross_validated, grouped_folds
from vlsu.analysis.shortcuts.features import (
    SURFACE,
    equality,
    letters,
    scaled,
    surface,
    tfidf,
    words,
)

TEXTS = [
    "How do I bake bread at home?",
    "Where can I buy bread? And flour?",
    "They say bread is bad. Is it so?",
    "Post this at home, please.",
    "Größe und Brot, bitte!",
    "如何在家烤面包？",
    "",
]


def test_similarity_of_words_is_that_of_scikit_learn() -> None:
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit_transform(TEXTS)
    assert tfidf(map(words, TEXTS)) == pytest.approx((theirs @ theirs.T).toarray(), abs=1e-6)


def test_similarity_of_letters_is_that_of_scikit_learn() -> None:
    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2
    )
    theirs = vectorizer.fit_transform(TEXTS)
    assert tfidf(map(letters, TEXTS)) == pytest.approx((theirs @ theirs.T).toarray(), abs=1e-6)


def test_what_can_be_counted_in_a_text() -> None:
    counted = dict(zip(SURFACE, surface([TEXTS[2]])[0].tolist(), strict=True))
    assert (counted["characters"], counted["words"]) == (32, 8)
    assert (counted["sentences"], counted["questions"], counted["ends in a question"]) == (2, 1, 1)
    assert (counted["hedges"], counted["third person"], counted["pointing words"]) == (1, 1, 1)
    odd = dict(zip(SURFACE, surface([TEXTS[5]])[0].tolist(), strict=True))
    assert (odd["questions"], odd["ascii"]) == (1, 0)
    assert surface([""]).tolist()[0][:3] == [0, 0, 0]


def test_only_equal_values_are_alike_and_nothing_is_like_nothing() -> None:
    assert equality(["a", None, "a", None]).tolist() == [
        [1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1],
    ]  # fmt: skip


def test_features_that_do_not_vary_say_nothing() -> None:
    assert scaled(np.array([[1.0, 2.0], [1.0, 4.0]])) == pytest.approx(
        np.array([[1.0, -1.0], [-1.0, 1.0]])
    )
    assert scaled(np.ones((3, 2))).tolist() == [[0.0] * 3] * 3


@given(st.integers(0, 10_000), st.booleans(), st.integers(2, 3))
def test_the_linear_classifier_is_weighted_ridge_regression(
    seed: int, balanced: bool, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(40, 6))
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 40 - classes)])
    train, test = np.arange(30), np.arange(30, 40)
    known = labels[train]
    weight = 30 / (len(np.unique(known)) * np.bincount(known)[known]) if balanced else np.ones(30)
    targets = np.where(known[:, None] == np.arange(labels.max() + 1), 1.0, -1.0)
    theirs = Ridge(alpha=0.5).fit(features[train], targets, sample_weight=weight)
    scores = theirs.predict(features[test])
    ours = ridge(features @ features.T, labels, train, test, balanced=balanced)
    top = np.sort(scores, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-4
    assert (ours == scores.argmax(axis=1))[clear].all()


def test_a_classifier_that_sees_nothing_is_at_chance() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    said = ridge(np.zeros((40, 40)), labels, np.arange(40), np.arange(40))
    assert len(set(said.tolist())) == 1


def test_the_tree_is_as_good_as_scikit_learns() -> None:
    """Where questions are equally good the two take either, so in the mean of fifty."""
    rng = np.random.default_rng(0)
    right = []
    everyone = np.arange(60)
    for _ in range(50):
        features = rng.normal(size=(60, 3))
        labels = (features[:, 0] + features[:, 1] * features[:, 2] > 0).astype(np.int64)
        theirs = DecisionTreeClassifier(
            max_depth=2, min_samples_leaf=LEAF, class_weight="balanced", random_state=0
        ).fit(features, labels)
        said = tree(features, labels, everyone, everyone), theirs.predict(features)
        right.append([balanced_accuracy_score(labels, each) for each in said])
    ours, scikit = np.array(right).T
    assert ours.mean() == pytest.approx(scikit.mean(), abs=0.005)
    assert (ours == scikit).mean() > 0.8


@pytest.mark.parametrize("threshold", [2, 17, 30, 41])
def test_the_tree_asks_the_right_question(threshold: int) -> None:
    counted = np.random.default_rng(1).permutation(50)
    features = np.column_stack([np.arange(50) % 7, counted]).astype(float)
    labels = (counted > threshold).astype(np.int64)
    said = tree(features, labels, np.arange(50), np.arange(50))
    # Fewer than `LEAF` samples on a side are no question.
    assert (said == labels).all() or threshold + 1 < LEAF


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 14)), min_size=30, max_size=80),
    st.integers(0, 100),
)
def test_folds_keep_groups_together_and_are_as_even_as_scikit_learns(
    samples: list[tuple[int, int]], seed: int
) -> None:
    labels, groups = (
        np.unique(each, return_inverse=True)[1] for each in zip(*samples, strict=True)
    )
    folds = grouped_folds(labels, groups, np.random.default_rng(seed))
    assert all(len(set(folds[groups == g].tolist())) == 1 for g in range(groups.max() + 1))

    def unevenness(fold: np.ndarray) -> float:
        table = np.array([np.bincount(labels[fold == f], minlength=3) for f in range(FOLDS)])
        return float((table / np.maximum(1, table.sum(axis=0))).std(axis=0).mean())

    if np.bincount(labels).max() < FOLDS or groups.max() + 1 < FOLDS:
        return
    theirs = np.zeros(len(labels), dtype=int)
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where a class is in few of the folds
        for fold, (_, test) in enumerate(split.split(labels, labels, groups)):
            theirs[test] = fold
    assert unevenness(folds) <= unevenness(theirs) + 0.1


def test_no_sample_is_predicted_from_its_own_group() -> None:
    labels, apart = np.arange(60) % 2, np.arange(60) // 3
    seen = []

    def classifier(labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        assert not set(apart[train].tolist()) & set(apart[test].tolist())
        seen.extend(test.tolist())
        return labels[test]

    hits = cross_validated(classifier, labels, apart, apart)
    assert sorted(set(seen)) == list(range(60))
    assert hits.accuracy.value == hits.balanced_accuracy.value == 1
    assert hits.balanced_accuracy.low is not None
    assert 0.7 < hits.balanced_accuracy.low < 1  # twenty groups that are all right prove no more
    assert hits.p < 1e-3


def test_guessing_is_called_a_shortcut_as_seldom_as_said() -> None:
    """At 5%, in no more than 8% of 400 datasets in which nothing can be told."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        cluster = np.arange(60) // 2
        labels = rng.integers(0, 2, 60)
        share = np.repeat(rng.integers(0, 2, 30), 2).astype(float)  # twins are right together
        alarms += Hits(share, labels, cluster).p < 0.05
    assert alarms <= 32
