"""Ranking by probability: areas under curves, and thresholds.

AUROC and average precision are no means of independent scores: each row is compared with the
others. Their variance comes from the influence of each row (for AUROC the structural components of
DeLong et al. 1988, which Obuchowski 1997 sums over clusters), and Wilson's interval on the
effective size takes it from there, as it keeps its coverage near 0 and 1, where the normal interval
does not. `benchmarks/diagnosis_coverage.py` shows the coverage of all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.clustering import estimated_share
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.understanding.graded_probabilities import GradedProbabilities

__all__ = ["WANTED_RECALLS", "auroc", "average_precision", "threshold_for_recall"]

Tree = dict[str, object]

#: Recalls of unsafe that a threshold is given for.
WANTED_RECALLS = (0.80, 0.90, 0.95, 0.99)


def auroc(scored: GradedProbabilities) -> Rate:
    """Area under the ROC curve: the chance that an unsafe row has a larger p than another.

    Ties count half (Mann and Whitney 1947; Hanley and McNeil 1982). Undefined unless there are
    rows of both kinds.

    Example:
        >>> p = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9])
        >>> unsafe = np.array([False, False, True, False, True, True])
        >>> print(auroc(GradedProbabilities(p, unsafe, cluster=None)))
        0.889 [0.228, 0.995]
    """
    steps = _Steps.from_rows(scored)
    if not steps.positives or not steps.negatives:
        return UNDEFINED
    # By distinct p: the share of the other kind that a row of one kind stands on the right side of.
    over = (steps.negatives - steps.false + steps.new_false / 2) / steps.negatives
    under = (steps.true - steps.new_true / 2) / steps.positives
    value = float(steps.new_true @ over) / steps.positives
    influence = np.where(
        scored.unsafe,
        (over[steps.of_row] - value) * (scored.n / steps.positives),
        (under[steps.of_row] - value) * (scored.n / steps.negatives),
    )
    return _area(scored, value, influence)


def average_precision(scored: GradedProbabilities) -> Rate:
    """Mean precision at the p of each unsafe row: sum of (gain in recall) x precision.

    Over distinct p, descending, without interpolation, as scikit-learn's `average_precision_score`.
    It depends on the share of unsafe rows, and with few of them it is biased upwards (Boyd, Eng and
    Page 2013), which its interval allows for. Undefined unless there are rows of both kinds.

    Example:
        >>> p = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9])
        >>> unsafe = np.array([False, False, True, False, True, True])
        >>> print(average_precision(GradedProbabilities(p, unsafe, cluster=None)))
        0.917 [0.255, 0.997]
    """
    steps = _Steps.from_rows(scored)
    if not steps.positives or not steps.negatives:
        return UNDEFINED
    flagged = steps.true + steps.false
    precision = steps.true / flagged
    value = float(steps.new_true @ precision) / steps.positives
    # A row of p also stands among those flagged at every smaller p: there it raises the precision
    # by its own label less the precision, over how many are flagged.
    gain = _from_here_down(steps.new_true / flagged)
    loss = _from_here_down(steps.new_true / flagged * precision)
    of_row, unsafe = steps.of_row, scored.unsafe
    influence = unsafe * (precision[of_row] + gain[of_row] - value) - loss[of_row]
    return _area(scored, value, influence * (scored.n / steps.positives))


def threshold_for_recall(scored: GradedProbabilities, wanted: float) -> Tree:
    """The largest threshold whose recall of unsafe reaches `wanted`, with its precision.

    The threshold is chosen on the rows it is measured on, which hardly flatters it: it is an order
    statistic of the unsafe rows alone, so its true recall is on average k / (P + 1) where k / P is
    measured, and the others are independent of it. Cross-fitting is worse here: it measures other
    thresholds than the one that is given (`benchmarks/diagnosis_coverage.py` has both).

    Args:
        scored: The rows.
        wanted: Recall to reach, in (0, 1].

    Returns:
        ``wanted``; ``threshold``: flag where p is at least this, `None` without unsafe rows; and
        over the rows ``recall`` and ``precision`` of unsafe, and ``flagged``, the share of rows.

    Example:
        >>> p = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9])
        >>> unsafe = np.array([False, False, True, False, True, True])
        >>> found = threshold_for_recall(GradedProbabilities(p, unsafe, cluster=None), wanted=0.9)
        >>> found["threshold"], found["precision"]["value"]
        (0.4, 0.75)
    """
    unsafe = scored.p[scored.unsafe]
    if not len(unsafe):
        nothing = dict.fromkeys(("recall", "precision", "flagged"), UNDEFINED.as_dict())
        return {"wanted": wanted, "threshold": None, **nothing}
    # Less a rounding error, so that 0.95 of 100 is 95 and not 96.
    needed = max(1, math.ceil(wanted * len(unsafe) - 1e-9))
    threshold = float(unsafe[-needed])
    flagged = scored.p >= threshold
    return {
        "wanted": wanted,
        "threshold": threshold,
        "recall": scored.rate(flagged, scored.unsafe).as_dict(),
        "precision": scored.rate(scored.unsafe, flagged).as_dict(),
        "flagged": scored.rate(flagged).as_dict(),
    }


@dataclass(frozen=True, slots=True)
class _Steps:
    """The rows by distinct p, descending.

    Attributes:
        of_row: Step of each row, shape ``(n,)``.
        true: Unsafe rows with a p at least as large, by step; so `false` of the others.
        new_true: Unsafe rows of just that p; so `new_false`.
    """

    of_row: IntArray
    true: FloatArray
    false: FloatArray
    new_true: FloatArray
    new_false: FloatArray

    @classmethod
    def from_rows(cls, scored: GradedProbabilities) -> _Steps:
        of_row = np.zeros(scored.n, dtype=np.int64)
        of_row[:-1] = np.cumsum((scored.p[1:] != scored.p[:-1])[::-1])[::-1]
        new_true = np.bincount(of_row, weights=scored.unsafe).astype(np.float64)
        new_false = np.bincount(of_row).astype(np.float64) - new_true
        return cls(of_row, np.cumsum(new_true), np.cumsum(new_false), new_true, new_false)

    @property
    def positives(self) -> float:
        return float(self.true[-1])

    @property
    def negatives(self) -> float:
        return float(self.false[-1])


def _from_here_down(values: FloatArray) -> FloatArray:
    """Sum of a step's value and of those of all smaller p."""
    return np.cumsum(values[::-1])[::-1]


def _area(scored: GradedProbabilities, value: float, influence: FloatArray) -> Rate:
    """An area under a curve, with its interval."""
    units = min(scored.units(scored.unsafe), scored.units(~scored.unsafe))
    variance = scored.variance(influence)
    rows = float(min(scored.unsafe.sum(), (~scored.unsafe).sum()))
    most = float(scored.n)
    return estimated_share(value, variance, units, most=most, rows=rows, level=scored.level).rate
