"""Two plain classifiers: a linear one on similarities, and a tree of two questions.

Both weight the grades alike however often they occur, or each sample alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["ridge", "tree"]

#: Samples on either side of a question of the tree, at least.
LEAF = 4
#: Questions from the root to a leaf.
DEPTH = 2

#: Of conjugate gradients: what may be left of the right side, and steps at most.
_TOLERANCE, _ITERATIONS = 1e-7, 300
_TINY = np.finfo(np.float64).tiny


def ridge(
    kernel: FloatArray,
    labels: IntArray,
    train: IntArray,
    test: IntArray,
    *,
    balanced: bool = True,
    penalty: float = 0.5,
) -> IntArray:
    """Predictions of one ridge regression a class, the largest of which decides; ``(len(test),)``.

    The weighted least squares of targets 1 and -1 with an intercept and a penalty on the squared
    coefficients, solved by way of the kernel.

    Args:
        kernel: Similarities of all samples, ``(n, n)``.
        labels: Classes 0 .. k - 1, ``(n,)``; each occurs in `train`.
        train: Samples to learn from.
        test: Samples to predict.
        balanced: Whether classes weigh alike, and not samples.
        penalty: On the squared coefficients.
    """
    known = labels[train]
    weight = _weights(known, balanced=balanced)
    share = weight / weight.sum()
    inner = kernel[np.ix_(train, train)]
    outer = kernel[np.ix_(test, train)]
    mean = inner @ share
    centre = float(share @ mean)
    root = np.sqrt(weight)
    centred = (inner - mean[:, None] - mean + centre) * root[:, None] * root
    targets = np.where(known[:, None] == np.arange(int(labels.max()) + 1), 1.0, -1.0)
    intercept = share @ targets
    dual = _solved(centred, penalty, root[:, None] * (targets - intercept))
    seen = outer - (outer @ share)[:, None] - mean + centre
    scores = seen @ (root[:, None] * dual) + intercept
    # Rounded, so that scores that are equal but for the last bits are a tie: the first class.
    predictions: IntArray = np.argmax(scores.round(5), axis=1).astype(np.int64)
    return predictions


def _solved(matrix: FloatArray, penalty: float, right: FloatArray) -> FloatArray:
    """``x`` of ``(matrix + penalty * I) x = right`` by conjugate gradients, each column for itself.

    In the place of LAPACK: its threads wait for each other on small matrices where the cores are
    busy, and then a second's work takes a minute.
    """
    residual = np.ascontiguousarray(right.T)
    found, step = np.zeros_like(residual), residual.copy()
    squares = (residual**2).sum(axis=1, keepdims=True)
    enough = _TOLERANCE**2 * squares
    for _ in range(_ITERATIONS):
        if (squares <= enough).all():
            break
        # The matrix is symmetric.
        image = np.einsum("ij,kj->ki", matrix, step) + penalty * step
        length = squares / np.maximum((step * image).sum(axis=1, keepdims=True), _TINY)
        found += length * step
        residual -= length * image
        before, squares = squares, (residual**2).sum(axis=1, keepdims=True)
        step = residual + squares / np.maximum(before, _TINY) * step
    return found.T


def tree(
    features: FloatArray,
    labels: IntArray,
    train: IntArray,
    test: IntArray,
    *,
    balanced: bool = True,
) -> IntArray:
    """Predictions of a tree of `DEPTH` questions of the form "at most?", by Gini's impurity.

    Args:
        features: Of all samples, ``(n, d)``.
        labels: Classes 0 .. k - 1, ``(n,)``.
        train: Samples to learn from.
        test: Samples to predict.
        balanced: Whether classes weigh alike, and not samples.
    """
    known = labels[train]
    mass = _weights(known, balanced=balanced)[:, None] * (
        known[:, None] == np.arange(int(labels.max()) + 1)
    )
    return _grown(features[train], mass, DEPTH).predict(features[test])


def _weights(labels: IntArray, *, balanced: bool) -> FloatArray:
    if not balanced:
        return np.ones(len(labels))
    counts = np.bincount(labels)
    weights: FloatArray = len(labels) / ((counts > 0).sum() * counts[labels])
    return weights


@dataclass(frozen=True, slots=True)
class _Node:
    """A leaf, which has a label, or a question: is this feature at most the bound?"""

    label: int
    feature: int = -1
    bound: float = 0.0
    below: _Node | None = None
    above: _Node | None = None

    def predict(self, features: FloatArray) -> IntArray:
        if self.below is None or self.above is None:
            return np.full(len(features), self.label, dtype=np.int64)
        at_most = features[:, self.feature] <= self.bound
        found = self.above.predict(features)
        found[at_most] = self.below.predict(features[at_most])
        return found


def _grown(features: FloatArray, mass: FloatArray, depth: int) -> _Node:
    """The tree over samples with these weights by class, ``(n, k)``."""
    label = int(np.argmax(mass.sum(axis=0).round(9)))
    if not depth or len(mass) < 2 * LEAF or (mass.sum(axis=0) > 0).sum() < 2:
        return _Node(label)
    best, split = float(_impurity(mass.sum(axis=0))) - 1e-12, None
    for feature, values in enumerate(features.T):
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        below = np.cumsum(mass[order], axis=0)[:-1]
        cost = _impurity(below) + _impurity(mass.sum(axis=0) - below)
        place = np.arange(1, len(values))
        allowed = (np.diff(ranked) > 0) & (place >= LEAF) & (place <= len(values) - LEAF)
        cost = np.where(allowed, cost, np.inf)
        at = int(np.argmin(cost.round(9)))
        if cost[at] < best:
            best, split = float(cost[at]), (feature, float(ranked[at] + ranked[at + 1]) / 2)
    if split is None:
        return _Node(label)
    feature, bound = split
    inside = features[:, feature] <= bound
    return _Node(
        label,
        feature,
        bound,
        _grown(features[inside], mass[inside], depth - 1),
        _grown(features[~inside], mass[~inside], depth - 1),
    )


def _impurity(mass: FloatArray) -> FloatArray:
    """Gini's impurity times the weight, of weights by class in the last axis."""
    whole = mass.sum(axis=-1)
    squares = (mass**2).sum(axis=-1)
    impurity: FloatArray = whole - np.divide(
        squares, whole, out=np.zeros_like(squares), where=whole > 0
    )
    return impurity
