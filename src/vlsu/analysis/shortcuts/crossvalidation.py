"""How often a classifier is right about samples of groups that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.clustering import Mean, clustered_mean
from vlsu.analysis.stats.intervals import Rate, mover

__all__ = ["FOLDS", "Hits", "cross_validated", "grouped_folds"]

#: Parts of the samples, each predicted from the others.
FOLDS = 5
#: Divisions into folds that are averaged, and the samples up to which that is done.
REPEATS, FEW = 4, 600

#: Classes and samples to train on and to predict -> predictions.
Classifier = Callable[[IntArray, IntArray, IntArray], IntArray]


@dataclass(frozen=True, slots=True)
class Hits:
    """How often each sample was predicted right.

    Attributes:
        share: Of the divisions into folds, by sample; shape ``(n,)``.
        labels: Classes 0 .. k - 1, each of which occurs; shape ``(n,)``.
        cluster: Of each sample; those of one are not independent; shape ``(n,)``.
    """

    share: FloatArray
    labels: IntArray
    cluster: IntArray

    @property
    def accuracy(self) -> Rate:
        """Share of the samples predicted right."""
        return self._mean(np.arange(len(self.share))).rate

    @property
    def balanced_accuracy(self) -> Rate:
        """Mean over the classes of the share of their samples predicted right."""
        rates = tuple(mean.rate for mean in self._by_class())
        weights = np.full(len(rates), 1 / len(rates))
        value = float(np.mean([rate.value for rate in rates]))
        return Rate.within(value, *mover(weights, rates, np.eye(len(rates))))

    @property
    def p(self) -> float:
        """Chance of a balanced accuracy as high if nothing can be told; one-sided.

        A classifier without information is right about a class with some chance, and these sum to
        1 over the k classes; the balanced accuracy then varies most if all are 1 / k. The samples
        of a cluster are taken to be right or wrong together (Kish 1965).
        """
        classes = int(self.labels.max()) + 1
        chance = 1 / classes
        weight = chance / np.bincount(self.labels)[self.labels]
        squares = float((np.bincount(self.cluster, weights=weight) ** 2).sum())
        error = np.sqrt(chance * (1 - chance) * squares)
        value = float(np.mean([mean.value for mean in self._by_class()]))
        return 1 - NormalDist().cdf((value - chance) / float(error))

    def _by_class(self) -> list[Mean]:
        classes = range(int(self.labels.max()) + 1)
        return [self._mean(np.flatnonzero(self.labels == k)) for k in classes]

    def _mean(self, rows: IntArray) -> Mean:
        order = rows[np.argsort(self.cluster[rows], kind="stable")]
        return clustered_mean(self.share[order], self.cluster[order])


def cross_validated(
    classifier: Classifier, labels: IntArray, apart: IntArray, cluster: IntArray, *, seed: int = 0
) -> Hits:
    """Predict each sample from those that have nothing in common with it.

    Args:
        classifier: Given classes, and which samples to train on and to predict, the predictions.
        labels: Classes 0 .. k - 1, shape ``(n,)``.
        apart: Samples of equal number are in one fold, shape ``(n,)``; at least `FOLDS` numbers.
        cluster: Samples of equal number are not independent, for the intervals; shape ``(n,)``.
        seed: Of the division into folds.
    """
    repeats = REPEATS if len(labels) <= FEW else 1
    share = np.zeros(len(labels))
    for repeat in range(repeats):
        folds = grouped_folds(labels, apart, np.random.default_rng([seed, repeat]))
        for fold in range(FOLDS):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            if len(test) and len(np.unique(labels[train])) > 1:
                share[test] += classifier(labels, train, test) == labels[test]
    return Hits(share / repeats, labels, cluster)


def grouped_folds(labels: IntArray, apart: IntArray, rng: np.random.Generator) -> IntArray:
    """A fold for each sample: those of a group in one, with like shares of each class.

    The groups whose samples are the least evenly divided among the classes come first, each into
    the fold that leaves the classes the most evenly divided among the folds; as scikit-learn's
    ``StratifiedGroupKFold``.

    Args:
        labels: Classes 0 .. k - 1, shape ``(n,)``.
        apart: Groups 0 .. g - 1, shape ``(n,)``.
        rng: Of the order among groups that are alike.
    """
    groups, classes = int(apart.max()) + 1, int(labels.max()) + 1
    counts = np.bincount(apart * classes + labels, minlength=groups * classes)
    table = counts.reshape(groups, classes).astype(np.float64)
    order = rng.permutation(groups)
    order = order[np.argsort(-table[order].std(axis=1), kind="stable")]
    whole = table.sum(axis=0)
    filled = np.zeros((FOLDS, classes))
    fold_of = np.zeros(groups, dtype=np.int64)
    for group in order.tolist():
        tried = filled + np.eye(FOLDS)[:, :, None] * table[group]
        uneven = (tried / whole).std(axis=1).mean(axis=1).round(12)
        fold = int(np.lexsort((filled.sum(axis=1), uneven))[0])
        filled[fold] += table[group]
        fold_of[group] = fold
    return fold_of[apart]
