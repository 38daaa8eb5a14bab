"""Precision, recall and F1 from confusion counts, over any leading replicate axes.

A confusion is an array ``(..., 3, 4)``: gold severity by predicted severity, the last column for
outcomes other than `ok`. Such a failure is a miss of its gold class and a false positive of none.
The label set is fixed, the policy's severities: a class with nothing to score (0/0) scores 0 and
still counts in the macro mean, as scikit-learn does with ``labels=[0, 1, 2], zero_division=0``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["binary_f1", "class_f1", "class_precision", "macro_f1", "weighted_f1"]


def class_f1(confusion: FloatArray | IntArray) -> FloatArray:
    """F1 of each gold severity, shape ``(..., 3)``: 2 TP / (support + predicted).

    Example:
        >>> confusion = np.array([[8, 1, 1, 0], [2, 6, 2, 0], [0, 1, 8, 1]])
        >>> class_f1(confusion).round(3).tolist()
        [0.8, 0.667, 0.762]
    """
    hits = np.diagonal(confusion[..., :3], axis1=-2, axis2=-1).astype(np.float64)
    return _divide(2 * hits, _support(confusion) + _predicted(confusion))


def class_precision(confusion: FloatArray | IntArray) -> FloatArray:
    """Precision of each severity, shape ``(..., 3)``: TP / predicted.

    Example:
        >>> confusion = np.array([[8, 1, 1, 0], [2, 6, 2, 0], [0, 1, 8, 1]])
        >>> class_precision(confusion).round(3).tolist()
        [0.8, 0.75, 0.727]
    """
    hits = np.diagonal(confusion[..., :3], axis1=-2, axis2=-1).astype(np.float64)
    return _divide(hits, _predicted(confusion))


def binary_f1(confusion: FloatArray | IntArray, *positive: int) -> FloatArray:
    """F1 of severities taken together as the positive class, shape ``(...)``.

    Example:
        >>> confusion = np.array([[8, 1, 1, 0], [2, 6, 2, 0], [0, 1, 8, 1]])
        >>> round(float(binary_f1(confusion, 2)), 3)  # unsafe against the rest
        0.762
    """
    gold, predicted = confusion[..., positive, :], confusion[..., :, positive]
    hits = gold[..., positive].sum(axis=(-2, -1))
    return _divide(2 * hits, gold.sum(axis=(-2, -1)) + predicted.sum(axis=(-2, -1)))


def macro_f1(confusion: FloatArray | IntArray, classes: Sequence[int] | None = None) -> FloatArray:
    """Unweighted mean of the class F1s, shape ``(...)``.

    Args:
        confusion: Gold by prediction.
        classes: Those that there are; by default all three.

    Example:
        >>> confusion = np.array([[8, 1, 1, 0], [2, 6, 2, 0], [0, 1, 8, 1]])
        >>> round(float(macro_f1(confusion)), 3)
        0.743
    """
    f1 = class_f1(confusion)
    if classes is not None and len(classes) < f1.shape[-1]:
        f1 = f1[..., list(classes)]
    mean: FloatArray = f1.mean(axis=-1)
    return mean


def weighted_f1(confusion: FloatArray | IntArray) -> FloatArray:
    """Mean of the class F1s by gold support, shape ``(...)``.

    Example:
        >>> confusion = np.array([[8, 1, 1, 0], [0, 0, 0, 0], [0, 1, 8, 1]])
        >>> round(float(weighted_f1(confusion)), 3)
        0.865
    """
    support = _support(confusion)
    return _divide((class_f1(confusion) * support).sum(axis=-1), support.sum(axis=-1))


def _support(confusion: FloatArray | IntArray) -> FloatArray | IntArray:
    """Samples of each gold severity, shape ``(..., 3)``.

    Written out, as NumPy is slow to sum the few columns of each of thousands of small tables. In
    one order in memory, however the tables lie: the order of later sums depends on it.
    """
    columns = np.moveaxis(confusion, -1, 0)
    support = columns[0] + columns[1] + columns[2] + columns[3]
    return np.ascontiguousarray(support)


def _predicted(confusion: FloatArray | IntArray) -> FloatArray | IntArray:
    """Samples called each severity, shape ``(..., 3)``."""
    rows = np.moveaxis(confusion[..., :3], -2, 0)
    predicted: FloatArray | IntArray = rows[0] + rows[1] + rows[2]
    return predicted


def _divide(top: FloatArray | IntArray, bottom: FloatArray | IntArray) -> FloatArray:
    """Elementwise quotient, 0 where the bottom is 0."""
    quotient = np.zeros(top.shape)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient
