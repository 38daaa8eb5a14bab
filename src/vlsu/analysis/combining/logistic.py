"""Multinomial logistic regression with a quadratic penalty, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["Logistic", "fit_logistic"]

_STEPS, _TOLERANCE = 100, 1e-9
#: On the intercepts, of which only the differences matter; keeps the system regular.
_RIDGE = 1e-10


@dataclass(frozen=True, slots=True)
class Logistic:
    """A fitted model of ``k`` classes.

    Attributes:
        classes: Their labels, ascending; shape ``(k,)``.
        coefficients: Shape ``(k, d)``.
        intercepts: Shape ``(k,)``; they sum to 0.
    """

    classes: IntArray
    coefficients: FloatArray
    intercepts: FloatArray

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Of each class, shape ``(n, k)``.

        Args:
            features: Shape ``(n, d)``.
        """
        return _softmax(features @ self.coefficients.T + self.intercepts)


def fit_logistic(features: FloatArray, labels: IntArray, strength: float = 1.0) -> Logistic:
    """Fit a model of the classes that occur.

    Minimises the summed log loss plus half the squared coefficients over `strength`; intercepts
    are not penalised. Of three classes and more that is scikit-learn's ``LogisticRegression`` with
    ``C=strength``; of two, whose coefficients it does not double, with ``C=2 * strength``.

    Args:
        features: Shape ``(n, d)``.
        labels: Whole numbers, of at least two kinds; shape ``(n,)``.
        strength: The inverse of the penalty's weight, above 0.
    """
    classes = np.unique(labels)
    k = len(classes)
    with_one = np.hstack([features, np.ones((len(features), 1))])
    width = with_one.shape[1]
    target = (labels[:, None] == classes).astype(np.float64)
    penalty = np.append(np.full(width - 1, 1 / strength), _RIDGE)
    weights = np.zeros((k, width))

    def loss(at: FloatArray) -> float:
        scores = with_one @ at.T
        top = scores.max(axis=1, keepdims=True)
        total = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0] - (scores * target).sum(axis=1)
        return float(total.sum() + (penalty * at**2).sum() / 2)

    now = loss(weights)
    for _ in range(_STEPS):
        p = _softmax(with_one @ weights.T)
        gradient = (p - target).T @ with_one + penalty * weights
        if np.abs(gradient).max() < _TOLERANCE * max(1.0, len(labels)):
            break
        step = np.linalg.solve(_hessian(with_one, p, penalty), gradient.ravel()).reshape(k, width)
        size = 1.0
        while (after := loss(weights - size * step)) > now and size > 1e-6:
            size /= 2
        if after >= now:
            break
        weights, now = weights - size * step, after
    intercepts = weights[:, -1]
    return Logistic(classes, weights[:, :-1], intercepts - intercepts.mean())


def _hessian(features: FloatArray, p: FloatArray, penalty: FloatArray) -> FloatArray:
    """Second derivatives of the loss, ``(k * d, k * d)``."""
    k, width = p.shape[1], features.shape[1]
    whole = np.zeros((k, width, k, width))
    for i in range(k):
        for j in range(i, k):
            weight = p[:, i] * ((i == j) - p[:, j])
            block = (features * weight[:, None]).T @ features
            whole[i, :, j, :] = block
            whole[j, :, i, :] = block
        whole[i, range(width), i, range(width)] += penalty
    return whole.reshape(k * width, k * width)


def _softmax(scores: FloatArray) -> FloatArray:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    share: FloatArray = raised / raised.sum(axis=1, keepdims=True)
    return share
