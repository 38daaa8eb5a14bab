"""Recall at a false-flag rate, and the paired difference of two guards there.

A curve's height at a false-flag rate is estimated with the threshold, so its variance has two
parts (Hsieh and Turnbull 1996): of the harmful, how many are above the threshold; and of the
harmless, which set the threshold, times the slope of the curve. The second is left out by an
interval that takes the threshold as known, which is too short where the curve is steep. Both are
written as influences of single samples, so that two guards on the same samples are paired, and
samples that share an image, a text or a group count together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.deployment.guards.samples import GuardSamples
from vlsu.analysis.deployment.guards.thresholds import fractional, recall_at
from vlsu.analysis.stats.clustering import Mean, estimated_share
from vlsu.analysis.stats.effective_size import Dependence
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, bonett_price
from vlsu.analysis.stats.student import student_p

__all__ = [
    "AtRate",
    "PairedRecall",
    "at_rate",
    "paired_recall",
    "recall_mean",
    "recall_rate",
    "with_target",
]

#: Half the distance over which a slope is measured, in standard errors of the false-flag rate: over
#: less, slopes are of so few samples that intervals are too short
#: (`benchmarks/guard_thresholds.py`).
_REACH = 2.0


@dataclass(frozen=True)
class AtRate:
    """A guard brought to a false-flag rate.

    Attributes:
        flags: Chance of each sample to be flagged, shape ``(n,)``.
        target: What its false-flag rate is brought to, by sample: a constant, or another guard's
            flags, whose mean over the harmless it is; shape ``(n,)``.
        scores: Those it was brought there with, for slopes; `None` of a guard that was left as it
            is.
        rate: The false-flag rate on all samples.
    """

    flags: FloatArray
    target: FloatArray
    scores: FloatArray | None
    rate: float

    def recall(self, samples: GuardSamples, among: BoolArray) -> float:
        """Share of these harmful samples that is flagged."""
        return float(self.flags[among].mean())

    def influence(self, samples: GuardSamples, among: BoolArray) -> FloatArray:
        """What each sample adds to that recall; shape ``(n,)``, of sum 0 over the harmful."""
        found = np.zeros(samples.n)
        found[among] = (self.flags[among] - self.recall(samples, among)) / among.sum()
        if self.scores is not None:
            harmless = ~samples.harmful
            gap = (self.flags - self.target)[harmless]
            slope = self._slope(samples, among)
            found[harmless] -= slope * (gap - gap.mean()) / harmless.sum()
        return found

    def _slope(self, samples: GuardSamples, among: BoolArray) -> float:
        """Gain in recall by false-flag rate about this rate."""
        assert self.scores is not None
        n = samples.units(~samples.harmful)
        rate = self.rate
        reach = max(_REACH * math.sqrt(max(rate * (1 - rate), 0.0) / n), 2 / n)
        low, high = max(0.0, rate - reach), min(1.0, rate + reach)
        ends = (recall_at(self.scores, samples.harmful, each, among) for each in (low, high))
        first, last = ends
        return (last - first) / (high - low)


def at_rate(samples: GuardSamples, scores: FloatArray, rate: float, *, crossed: bool) -> AtRate:
    """A guard where it flags this share of the harmless.

    Args:
        samples: The samples.
        scores: Of the guard, without gaps; shape ``(n,)``.
        rate: False-flag rate, in [0, 1].
        crossed: Whether each half is flagged by what was chosen on the other.
    """
    return with_target(samples, scores, np.full(samples.n, rate), crossed=crossed)


def with_target(
    samples: GuardSamples, scores: FloatArray, target: FloatArray, *, crossed: bool
) -> AtRate:
    """A guard at the false-flag rate that another has.

    Args:
        samples: The samples.
        scores: Of the guard, without gaps; shape ``(n,)``.
        target: The other's flags, shape ``(n,)``; its rate is their mean over the harmless, on
            either half by itself where `crossed`.
        crossed: As in `at_rate`.
    """
    harmful = samples.harmful
    rate = float(target[~harmful].mean())
    if not crossed:
        return AtRate(fractional(scores, harmful, rate).flags(scores), target, scores, rate)
    flags = np.zeros(samples.n)
    for half in (0, 1):
        chosen, other = samples.half == half, samples.half != half
        wanted = float(target[chosen & ~harmful].mean())
        rule = fractional(scores[chosen], harmful[chosen], wanted)
        flags[other] = rule.flags(scores[other])
    return AtRate(flags, target, scores, rate)


def recall_rate(samples: GuardSamples, at: AtRate, among: BoolArray) -> Rate:
    """Recall at the false-flag rate with its interval, over some of the harmful samples."""
    return recall_mean(samples, at, among).rate if among.any() else UNDEFINED


def recall_mean(samples: GuardSamples, at: AtRate, among: BoolArray) -> Mean:
    """The same with its effective size; over one harmful sample at least."""
    variance = samples.variance(at.influence(samples, among))
    rows = float(among.sum())
    return estimated_share(
        at.recall(samples, among),
        variance,
        samples.units(among),
        most=rows,
        rows=rows,
        level=samples.level,
    )


@dataclass(frozen=True, slots=True)
class PairedRecall:
    """Recall of two guards at one false-flag rate.

    Attributes:
        first: The first's.
        second: The second's.
        difference: The second's less the first's.
        p: Two-sided p of no difference.
    """

    first: float
    second: float
    difference: Rate
    p: float


def paired_recall(
    samples: GuardSamples, first: AtRate, second: AtRate, among: BoolArray
) -> PairedRecall:
    """The difference in recall, with the interval of Bonett and Price (2012) on its effective size.

    Args:
        samples: The samples.
        first: A guard at a false-flag rate.
        second: Another at the same.
        among: Harmful samples that recall is over, at least one.
    """
    recalls = first.recall(samples, among), second.recall(samples, among)
    value = recalls[1] - recalls[0]
    square = float(((second.flags - first.flags)[among] ** 2).mean())
    influence = second.influence(samples, among) - first.influence(samples, among)
    # A sample that answers to one rate for both guards adds to both.
    variance, units = samples.variance(influence), samples.units(among)
    spread, rows = square - value**2, float(among.sum())
    independent = units >= rows
    size = units
    if spread > 0 and variance > 1e-12 * spread:
        size = min(spread / variance, rows)
    dependence = Dependence(variance, units, 0.0)
    shrunk = size if independent else size * dependence.shrinkage(samples.level)
    low, high = bonett_price(value, square, shrunk, samples.level)
    return PairedRecall(
        *recalls,
        Rate.within(value, low, high),
        _p(value, square, size, math.inf if independent else dependence.df),
    )


def _p(value: float, square: float, size: float, df: float) -> float:
    """Two-sided p by the statistic of the interval: two samples that differ are added."""
    more = size + 2
    centre = value * size / more
    spread = (square * size + 2) / more - centre**2
    if not value or spread <= 0:
        return 1.0
    t = centre / math.sqrt(spread / more)
    return math.erfc(abs(t) / math.sqrt(2)) if math.isinf(df) else student_p(t, df)
