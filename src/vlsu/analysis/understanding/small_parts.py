"""Patterns and categories of few samples: drawn towards their like, and in one mix of patterns."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.stats.pooling import PooledShare, pooled_shares
from vlsu.analysis.table.cells import Cells, CellShare
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.understanding.shares import NO_CATEGORY, category_accuracy, pattern_accuracy
from vlsu.policy import Pattern

__all__ = ["pooled_categories", "pooled_patterns", "standardised_categories"]

#: Halvings of the range of log odds; a shift is then exact to some fourteen digits.
_HALVINGS, _FARTHEST = 60, 40.0


def pooled_patterns(
    cells: Cells, estimator: Estimator | StratifiedEstimator
) -> Mapping[str, PooledShare]:
    """Joint accuracy of patterns in the light of the other patterns of their family.

    A pattern without another of its family is not there; see `vlsu.analysis.stats.pooling`.
    """
    families: dict[str, dict[str, CellShare]] = defaultdict(dict)
    for name, share in pattern_accuracy(cells).items():
        families[Pattern.parse(name).family.value][name] = share
    return {
        name: part
        for members in families.values()
        for name, part in _pooled(members, estimator).items()
    }


def pooled_categories(
    cells: Cells, estimator: Estimator | StratifiedEstimator
) -> Mapping[str, PooledShare]:
    """Joint accuracy of categories in the light of the others; none if there is but one."""
    shares = {
        name: share
        for name, share in category_accuracy(cells).items()
        if name != NO_CATEGORY and share.among.any()
    }
    return _pooled(shares, estimator)


def _pooled(
    shares: Mapping[str, CellShare], estimator: Estimator | StratifiedEstimator
) -> Mapping[str, PooledShare]:
    values = [estimator.rate(share).value for share in shares.values()]
    sizes = [estimator.effective_size(share.hits, share.among) for share in shares.values()]
    found = pooled_shares(
        np.array(values, dtype=np.float64), np.array(sizes, dtype=np.float64), estimator.level
    )
    return {} if found is None else dict(zip(shares, found, strict=True))


def standardised_categories(
    cells: Cells,
    estimator: Estimator | StratifiedEstimator,
    pooled: Mapping[str, PooledShare],
) -> Mapping[str, Rate]:
    """Joint accuracy that categories would have with the patterns of the whole dataset.

    A category of many S-S-U looks worse than one of many U-U-U, even if the model knows both
    equally well. The log odds of a pattern's accuracy are shifted by as much as makes its
    category's accuracy the observed one, and with this shift all patterns are weighted as in the
    dataset: indirect standardisation (Breslow and Day 1987) on the scale of log odds, on which no
    result is outside of [0, 1]. The bounds are those of the category's accuracy taken the same way;
    the patterns' accuracies are taken as known.

    Args:
        cells: The samples. Counted are joint judgments with a category and a pattern.
        estimator: Of these cells.
        pooled: As `pooled_patterns` gives it.

    Returns:
        Category -> rate; undefined where no sample of the category has a pattern.
    """
    patterns = pattern_accuracy(cells)
    if not patterns:
        return {}
    odds = np.array([_log_odds(n, share, estimator, pooled) for n, share in patterns.items()])
    parts = [share.among for share in patterns.values()]
    whole: BoolArray = np.logical_or.reduce(parts)
    mix = _mix(parts, whole, estimator)
    rates = {}
    for name, share in category_accuracy(cells).items():
        among = share.among & whole
        if name == NO_CATEGORY or not share.among.any():
            continue
        if not among.any():
            rates[name] = UNDEFINED
            continue
        observed = estimator.proportion(share.hits, among)
        own = _mix([part & among for part in parts], among, estimator)
        bounds = (observed.value, observed.low, observed.high)
        value, low, high = (_in_mix(each or 0.0, odds, own, mix) for each in bounds)
        rates[name] = Rate.within(value, low, high)
    return rates


def _mix(
    parts: Sequence[BoolArray], among: BoolArray, estimator: Estimator | StratifiedEstimator
) -> FloatArray:
    """Share of each part; sums to 1."""
    return np.array([estimator.proportion(part, among).value for part in parts], dtype=np.float64)


def _log_odds(
    name: str,
    share: CellShare,
    estimator: Estimator | StratifiedEstimator,
    pooled: Mapping[str, PooledShare],
) -> float:
    if name in pooled:
        value = pooled[name].rate.value or 0.0
    else:  # half a hit and half a miss more, so that neither 0 nor 1 is certain
        size = estimator.effective_size(share.hits, share.among)
        value = ((estimator.rate(share).value or 0.0) * size + 0.5) / (size + 1)
    return math.log(value / (1 - value))


def _in_mix(accuracy: float, odds: FloatArray, own: FloatArray, mix: FloatArray) -> float:
    """Accuracy in a mix of patterns of what has this accuracy in a mix of its own."""
    if accuracy in (0.0, 1.0):
        return accuracy
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float(own @ _shares(odds + middle)) < accuracy:
            low = middle
        else:
            high = middle
    return float(mix @ _shares(odds + (low + high) / 2))


def _shares(odds: FloatArray) -> FloatArray:
    shares: FloatArray = 1 / (1 + np.exp(-odds))
    return shares
