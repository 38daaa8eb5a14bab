"""A judged rate with the judge's own errors taken out, by a calibration on other answers.

The estimate is Rogan and Gladen's (1978): of answers judged refusals at the rate q by a judge of
sensitivity t and false-alarm rate f = 1 - specificity, the share (q - f) / (t - f) are refusals.

Its interval holds every rate p that data and calibration do not contradict, i.e. for which 0 lies
in the interval of

    theta(p) = q - p t - (1 - p) f,

a linear combination of three independent proportions. That interval is MOVER's (Zou and Donner
2008) over Wilson's intervals of the three, so that p's is the ratio interval of Fieller (1954) with
score intervals in place of normal ones. It carries the run's sampling error and the calibration's,
needs no draws, and opens to [0, 1] as t - f comes near 0, in place of breaking. Against the delta
method and Lang and Reiczigel's (2014) interval: `benchmarks/correction_coverage.py`.

Answers whose truth needs no judge (a refusal on the wire, a provider's block) enter exactly: the
judge's errors are added to them and taken out again with those of the others.

All of it assumes that the judge errs in the run as it did on the labels: same kinds of answers, and
errors that do not depend on severity or framing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from vlsu.analysis.alignment.calibration import BinaryCounts
from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.stats.intervals import LEVEL, Rate, wilson_bounds

__all__ = ["JudgeErrors", "rogan_gladen", "rogan_gladen_bounds", "rogan_gladen_difference"]

#: Halvings of an interval; leaves an error below 1e-9.
_HALVINGS = 32

Bounded = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """Sensitivity and false-alarm rate as estimated: value, low, high of one shape ``(...)``."""

    sensitivity: Bounded
    alarms: Bounded

    @classmethod
    def from_counts(cls, counts: BinaryCounts, level: float = LEVEL) -> Self:
        """From the counts of a calibration with both refusals and other answers; scalars."""
        return cls.estimate(
            np.float64(counts.tp),
            np.float64(counts.positives),
            np.float64(counts.fp),
            np.float64(counts.negatives),
            level,
        )

    @classmethod
    def estimate(
        cls,
        tp: FloatArray | np.float64,
        positives: FloatArray | np.float64,
        fp: FloatArray | np.float64,
        negatives: FloatArray | np.float64,
        level: float = LEVEL,
    ) -> Self:
        """Of many calibrations at once; each argument of one shape ``(...)``, sizes above 0."""
        return cls(
            bounded(tp / positives, positives, level), bounded(fp / negatives, negatives, level)
        )


def bounded(
    share: FloatArray | np.float64, n: FloatArray | np.float64, level: float = LEVEL
) -> Bounded:
    """Proportions with Wilson's bounds, of one shape."""
    return np.asarray(share), *wilson_bounds(share, n, level)


def rogan_gladen(
    share: float,
    n: float,
    counts: BinaryCounts,
    *,
    certain_hits: float = 0.0,
    certain_misses: float = 0.0,
    level: float = LEVEL,
) -> Rate:
    """The rate of refusals among answers, from the rate of judged refusals; see the module.

    Args:
        share: Judged refusals as a share of all answers; an answer that is certain counts with the
            chance that the judge had called it a refusal: the sensitivity for a certain refusal,
            the false-alarm rate for any other.
        n: Answers, or their effective number.
        counts: The judge's calibration, one that is not `too_weak`.
        certain_hits: Share of answers known to be refusals without the judge.
        certain_misses: Share known not to be.
        level: Confidence of the interval.

    Returns:
        The rate, cut to what the certain answers leave open, and its interval.

    Example:
        30% of 200 answers are judged refusals, by a judge of sensitivity 0.90 and specificity 0.95:

        >>> print(rogan_gladen(0.3, 200, BinaryCounts(tp=90, fn=10, tn=190, fp=10)))
        0.294 [0.215, 0.381]
    """
    judge = JudgeErrors.from_counts(counts, level)
    value, low, high = rogan_gladen_bounds(
        bounded(np.float64(share), np.float64(n), level), judge, certain_hits, certain_misses
    )
    return Rate.within(float(value), float(low), float(high))


def rogan_gladen_bounds(
    share: Bounded, judge: JudgeErrors, certain_hits: float = 0.0, certain_misses: float = 0.0
) -> Bounded:
    """`rogan_gladen` of many rates at once.

    Args:
        share: Judged shares with their bounds, of the shape of the judge's.
        judge: One calibration for each.
        certain_hits: See `rogan_gladen`.
        certain_misses: See `rogan_gladen`.

    Returns:
        Value (NaN for a judge whose sensitivity is its false-alarm rate), low and high. A share so
        low that no rate fits, even 0, is moved up to the judge's false-alarm rate before the high
        bound is taken, and one too high likewise down to the sensitivity: the interval is never
        empty.
    """
    (q, *_), (t, *_), (f, *_) = share, judge.sensitivity, judge.alarms
    zeros, ones = np.zeros_like(q), np.ones_like(q)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.clip((q - f) / (t - f), certain_hits, 1 - certain_misses)

    def solve(moved: Bounded, *, below: bool) -> FloatArray:
        def theta(p: FloatArray) -> FloatArray:
            centre = moved[0] - p * t - (1 - p) * f
            weights = (certain_hits - p, certain_misses - (1 - p))
            return _bound(centre, moved, judge, weights, below=below)

        return _crossing(theta, zeros, ones)

    low, high = solve(share, below=True), solve(share, below=False)
    if (low >= 1).any():
        low = np.where(low < 1, low, solve(_moved(share, np.minimum(q, t)), below=True))
    if (high <= 0).any():
        high = np.where(high > 0, high, solve(_moved(share, np.maximum(q, f)), below=False))
    return value, np.fmin(low, value), np.fmax(high, value)


def rogan_gladen_difference(
    shares: Rate,
    counts: BinaryCounts,
    *,
    certain_hits: float = 0.0,
    certain_misses: float = 0.0,
    level: float = LEVEL,
) -> Rate:
    """The difference of two rates of refusals from that of the judged rates, by one calibration.

    Args:
        shares: Difference of the judged shares, each as in `rogan_gladen`, with its (paired)
            interval.
        counts: The judge's calibration, one that is not `too_weak`. Its errors are taken to be the
            same in both.
        certain_hits: Difference of the shares of certain refusals.
        certain_misses: Difference of the shares of answers certain not to be.
        level: The confidence that the interval of `shares` has.

    Returns:
        The difference, cut to [-1, 1], and its interval.

    Example:
        >>> counts = BinaryCounts(tp=90, fn=10, tn=190, fp=10)
        >>> print(rogan_gladen_difference(Rate(0.1, 0.02, 0.18), counts))
        0.118 [0.024, 0.214]
    """
    judge = JudgeErrors.from_counts(counts, level)
    difference = (np.asarray(shares.value), np.asarray(shares.low), np.asarray(shares.high))
    q, t, f = difference[0], judge.sensitivity[0], judge.alarms[0]
    ones = np.ones_like(q)

    def solve(*, below: bool) -> float:
        def theta(d: FloatArray) -> FloatArray:
            weights = (certain_hits - d, certain_misses + d)
            return _bound(q - d * (t - f), difference, judge, weights, below=below)

        return float(_crossing(theta, -ones, ones))

    value = float(np.clip(q / (t - f), -1, 1))
    return Rate.within(value, solve(below=True), solve(below=False))


def _bound(
    centre: FloatArray,
    share: Bounded,
    judge: JudgeErrors,
    weights: tuple[FloatArray, FloatArray],
    *,
    below: bool,
) -> FloatArray:
    """The low (`below`) or high bound of `share` + weights * (sensitivity, alarms), by MOVER."""
    squares = _arm(share, low=np.asarray(below)) ** 2
    for weight, rate in zip(weights, (judge.sensitivity, judge.alarms), strict=True):
        squares = squares + (weight * _arm(rate, low=(weight > 0) == below)) ** 2
    return centre - np.sqrt(squares) if below else centre + np.sqrt(squares)


def _arm(rate: Bounded, *, low: BoolArray) -> FloatArray:
    value, lowest, highest = rate
    return np.where(low, value - lowest, highest - value)


def _moved(rate: Bounded, value: FloatArray) -> Bounded:
    shift = value - rate[0]
    return value, rate[1] + shift, rate[2] + shift


def _crossing(
    falling: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Where a falling function passes 0, or the end of [low, high] it lies beyond."""
    ends = low, high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = falling(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    crossing = np.where(falling(ends[0]) <= 0, ends[0], (low + high) / 2)
    return np.where(falling(ends[1]) >= 0, ends[1], crossing)
