"""Choosing a threshold on some samples: by a bound on false flags, or by costs.

A threshold is always one of the scores seen, or infinite where none will do: then only missing
answers that are counted as flagged are. Flagged is what scores at least the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.deployment.guards.samples import GuardSamples
from vlsu.analysis.stats.exact import beta_quantile

__all__ = [
    "Chooser",
    "Fractional",
    "assured",
    "flagged",
    "fractional",
    "least_cost",
    "recall_at",
    "within",
]

#: Chooses a threshold: of scores, shape ``(n,)``, and the samples that it may look at.
Chooser = Callable[[FloatArray, BoolArray], float]


def flagged(scores: FloatArray, threshold: float) -> FloatArray:
    """1 where a sample is flagged at this threshold, else 0; shape ``(n,)``."""
    return (scores >= threshold).astype(np.float64)


def within(scores: FloatArray, harmful: BoolArray, bound: float) -> float:
    """The smallest threshold at which at most this share of the harmless is flagged.

    Recall rises as the threshold falls, so this one has the largest recall within the bound.

    Args:
        scores: Shape ``(n,)``; infinite where an answer is missing.
        harmful: Shape ``(n,)``.
        bound: Share of the harmless, in [0, 1].

    Example:
        >>> scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
        >>> harmful = np.array([True, False, True, False, True, False])
        >>> within(scores, harmful, 1 / 3), within(scores, harmful, 0.0)
        (0.7, 0.9)
    """
    harmless = np.sort(scores[~harmful])[::-1]
    # Less a rounding error, so that 0.07 of 100 is 7.
    allowed = math.floor(bound * len(harmless) + 1e-9)
    above = scores[np.isfinite(scores)]
    if allowed < len(harmless):
        above = above[above > harmless[allowed]]
    return float(above.min()) if above.size else math.inf


def assured(
    scores: FloatArray,
    samples: GuardSamples,
    among: BoolArray,
    bound: float,
    confidence: float = 0.95,
) -> float:
    """The smallest threshold whose false-flag rate is at most the bound with this confidence.

    The upper bound of Clopper and Pearson (1934), one-sided, on the effective size of the harmless;
    thresholds are tried from the largest down, which needs no correction for how many (fixed
    sequence). For independent samples without ties the chance that the true rate is above the bound
    is at most 1 - confidence, whatever the distribution of scores: the tolerance limit of Wilks
    (1941), the umbrella algorithm of Tong, Feng and Li (2018).

    Args:
        scores: Shape ``(n,)``; infinite where an answer is missing.
        samples: For their clusters.
        among: Samples to choose on, shape ``(n,)``.
        bound: Share of the harmless, in (0, 1).
        confidence: One-sided.
    """
    harmless = among & ~samples.harmful
    candidates = np.unique(scores[among & np.isfinite(scores)])[::-1]

    def holds(threshold: float) -> bool:
        flags = flagged(scores, threshold)
        mean = samples.mean(flags, harmless, level=2 * confidence - 1)
        if mean is None:
            return False
        hits = mean.value * mean.size
        if mean.value >= bound or mean.size - hits <= 0:
            return False
        return beta_quantile(confidence, hits + 1, mean.size - hits) <= bound

    # By bisection for where the run of thresholds that hold ends.
    first, last = 0, len(candidates)
    while first < last:
        middle = (first + last) // 2
        if holds(float(candidates[middle])):
            first = middle + 1
        else:
            last = middle
    return float(candidates[first - 1]) if first else math.inf


def least_cost(scores: FloatArray, harmful: BoolArray, missed: float, blocked: float) -> float:
    """The threshold of least cost; of several the largest, which flags the least.

    Args:
        scores: Shape ``(n,)``; infinite where an answer is missing.
        harmful: Shape ``(n,)``.
        missed: Cost of missing all that is harmful: share of the harmful times cost of one.
        blocked: Cost of flagging all that is harmless.

    Example:
        >>> scores = np.array([0.9, 0.8, 0.7, 0.6])
        >>> harmful = np.array([True, False, True, False])
        >>> least_cost(scores, harmful, 1.0, 1.5), least_cost(scores, harmful, 9.0, 1.0)
        (0.9, 0.7)
    """
    values, of_row = np.unique(scores, return_inverse=True)
    bad, good = (np.bincount(of_row[kind], minlength=len(values)) for kind in (harmful, ~harmful))
    recall = np.cumsum(bad[::-1]) / max(int(bad.sum()), 1)
    false = np.cumsum(good[::-1]) / max(int(good.sum()), 1)
    thresholds, cost = values[::-1], missed * (1 - recall) + blocked * false
    finite = np.isfinite(thresholds)
    # Nothing with an answer is flagged: what is missing and counted as flagged still is.
    forced = (scores == np.inf) & ~harmful
    none = missed + blocked * float(forced.sum()) / max(int(good.sum()), 1)
    if not finite.any():
        return math.inf
    cost = np.append(none, cost[finite])
    thresholds = np.append(math.inf, thresholds[finite])
    return float(thresholds[int(np.flatnonzero(cost <= cost.min() + 1e-12 * abs(none))[0])])


@dataclass(frozen=True, slots=True)
class Fractional:
    """Flags all above a score, and with a chance what is equal to it.

    Between two operating points it stands on the line that joins them, so that any false-flag rate
    can be reached, however few scores a guard has.

    Attributes:
        score: The score.
        share: Chance for those of just this score, in [0, 1].
    """

    score: float
    share: float

    def flags(self, scores: FloatArray) -> FloatArray:
        """Chance of each to be flagged; shape ``(n,)``."""
        flags: FloatArray = (scores > self.score) + self.share * (scores == self.score)
        return flags


def fractional(scores: FloatArray, harmful: BoolArray, rate: float) -> Fractional:
    """What flags just this share of the harmless.

    Args:
        scores: Shape ``(n,)``; infinite where an answer is missing.
        harmful: Shape ``(n,)``.
        rate: In [0, 1].

    Example:
        >>> scores = np.array([1.0, 1.0, 0.5, 0.5, 0.0, 0.0])
        >>> harmful = np.array([True, False, True, False, True, False])
        >>> fractional(scores, harmful, 0.5)
        Fractional(score=0.5, share=0.5)
    """
    values, counts = np.unique(scores[~harmful], return_counts=True)
    if not len(values):
        return Fractional(math.inf, 0.0)
    values, counts = values[::-1], counts[::-1]
    reached = np.cumsum(counts)
    wanted = rate * float(reached[-1])
    place = min(int(np.searchsorted(reached, wanted - 1e-9)), len(values) - 1)
    before = float(reached[place] - counts[place])
    share = (wanted - before) / float(counts[place])
    return Fractional(float(values[place]), min(1.0, max(0.0, share)))


def recall_at(
    scores: FloatArray, harmful: BoolArray, rate: float, among: BoolArray | None = None
) -> float:
    """Recall where just this share of the harmless is flagged, on the samples themselves.

    Args:
        scores: Shape ``(n,)``.
        harmful: Shape ``(n,)``.
        rate: False-flag rate, in [0, 1].
        among: The harmful samples that recall is over; all by default.
    """
    of = harmful if among is None else harmful & among
    flags = fractional(scores, harmful, rate).flags(scores)
    return float(flags[of].mean()) if of.any() else 0.0
