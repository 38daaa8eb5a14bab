"""How agreement would change with other graders: each left out in turn.

Graders and items are crossed, so that a coefficient varies with both (Owen 2007). Three variances
are estimated: over items, with the graders as they are, by the bootstrap; over graders, by the
jackknife (Gwet 2008 takes it for AC1 and for kappas); and over single answers, by the infinitesimal
jackknife, which the first two both contain, so that it is taken off once (Cameron, Gelbach and
Miller 2011). The sum is at least the larger of the first two. As three graders say little of
others, the interval is Student's, with Satterthwaite's (1946) degrees of freedom.

What is unsure of a coefficient 1 - D / E is D / E, which is above 0 and may be small: the interval
is of its logarithm. `benchmarks/agreement_coverage.py` shows the coverage when graders are redrawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.agreement.coefficients import Ratio, Votes, mean_disagreement
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.intervals import LEVEL, normal_quantile, wilson
from vlsu.analysis.stats.student import student_quantile

__all__ = ["LeftOut", "UnitAnswers"]


@dataclass(frozen=True, slots=True)
class UnitAnswers:
    """Grades of some units, an entry each, sorted by grader.

    Attributes:
        unit: Row of each grade's unit; shape ``(A,)``.
        grader: Number of its grader, not falling; shape ``(A,)``.
        code: Number of its label; shape ``(A,)``.
    """

    unit: IntArray
    grader: IntArray
    code: IntArray

    def of_units(self, inside: FloatArray | IntArray) -> UnitAnswers:
        """The grades of some of the units, which are numbered anew.

        Args:
            inside: Numbers of these units, rising; shape ``(U,)``.
        """
        place = np.searchsorted(inside, self.unit).clip(max=max(len(inside) - 1, 0))
        kept = inside[place] == self.unit if len(inside) else np.zeros(len(self.unit), dtype=bool)
        return UnitAnswers(place[kept], self.grader[kept], self.code[kept])


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Sums of votes without a grader, and without an answer; made by `of`.

    Attributes:
        graders: Without each of G graders in turn; leading shape ``(G,)``.
        answers: Without one answer, for each of T kinds; leading shape ``(T,)``.
        times: Answers of each kind; shape ``(T,)``.
    """

    graders: Votes
    answers: Votes
    times: IntArray

    @classmethod
    def of(cls, answers: UnitAnswers, counts: IntArray) -> LeftOut:
        """Leave out each grader, and each answer.

        Args:
            answers: The grades.
            counts: The same by unit and label; shape ``(U, k)``.
        """
        k = counts.shape[1]
        units, entry, repeats = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
        features = _features(units)
        whole = repeats @ features
        # What a unit of each kind changes by without an answer of each label; shape (T, k, width).
        change = np.zeros((*units.shape, features.shape[1]))
        for code in range(k):
            has = units[:, code] > 0
            left = units[has] - np.eye(k, dtype=np.int64)[code]
            change[has, code] = _features(left) - features[has]
        kind, label = np.nonzero(units)
        single = whole + change[kind, label]
        first = np.flatnonzero(np.diff(answers.grader, prepend=-1))
        of_answer = change[entry.reshape(-1)[answers.unit], answers.code]
        without = whole + np.add.reduceat(of_answer, first, axis=0)
        return cls(
            Votes.from_features(without, k),
            Votes.from_features(single, k),
            repeats[kind] * units[kind, label],
        )

    @property
    def number(self) -> int:
        """Graders with a grade."""
        return len(self.graders.shares)

    def bounds(
        self,
        formula: Callable[[Votes], Ratio],
        observed: Ratio,
        drawn: Ratio,
        items: float,
        level: float = LEVEL,
    ) -> tuple[float, float] | None:
        """Bounds of a coefficient with other items and other graders.

        Args:
            formula: Of the coefficient.
            observed: Over all units.
            drawn: Replicates over items.
            items: Independent items there are.
            level: Confidence.

        Returns:
            Low and high; `None` where all grades agree. Where nothing is known of other graders,
            as two are left without a pair when one of them is left out, all there can be.
        """
        ratio = float(_quotient(observed))
        graders, answers, replicates = (
            _quotient(each) for each in (formula(self.graders), formula(self.answers), drawn)
        )
        replicates = replicates[np.isfinite(replicates)]
        if not ratio > 0:
            return None
        if not np.isfinite(graders).all() or not len(replicates):
            return -1.0, 1.0
        # Without one grader all may agree: then the scale is that of the coefficient itself.
        logs = bool((graders > 0).all())
        scale = np.log if logs else np.asarray
        used = replicates[replicates > 0] if logs else replicates
        known = np.isfinite(answers) & ((answers > 0) | (not logs))
        apart = scale(answers[known]) - scale(ratio)
        reach = _reach(
            float(np.var(scale(used))),
            items,
            jackknife_variance(scale(graders)),
            self.number,
            float(self.times[known] @ apart**2),
            level,
        )
        most = ratio * math.exp(min(reach, 300)) if logs else ratio + reach
        least = ratio * math.exp(-reach) if logs else max(0.0, ratio - reach)
        return max(-1.0, 1 - most), 1 - least

    def share_bounds(
        self, share: float, size: float, weights: FloatArray, level: float = LEVEL
    ) -> tuple[float, float]:
        """Wilson's bounds of the mean agreement with other items and other graders.

        Args:
            share: The mean agreement of pairs, in [0, 1].
            size: Independent items it is worth.
            weights: Disagreement of two labels; shape ``(k, k)``.
            level: Confidence.
        """
        spread = share * (1 - share)
        if spread == 0:
            # All agree, or none: a grader's answers are taken to be copies of one.
            return wilson(share, min(size, self.number), level)
        graders, answers = (
            mean_disagreement(each, weights) for each in (self.graders, self.answers)
        )
        if not np.isfinite(graders).all():
            return 0.0, 1.0
        known = np.isfinite(answers)
        apart = answers[known] - (1 - share)
        reach = _reach(
            spread / size,
            size,
            jackknife_variance(graders),
            self.number,
            float(self.times[known] @ apart**2),
            level,
        )
        # Wilson's interval depends on the square of the quantile over the size alone.
        return wilson(share, spread * (normal_quantile(level) / reach) ** 2, level)


def jackknife_variance(without: FloatArray) -> float:
    """Variance of an estimate from what it is without each of G graders; shape ``(G,)``."""
    g = len(without)
    return float((g - 1) / g * ((without - without.mean()) ** 2).sum())


def _reach(items: float, n: float, graders: float, g: int, both: float, level: float) -> float:
    """How far an interval over items and graders reaches out.

    Args:
        items: Variance over items.
        n: How many there are.
        graders: Variance over graders.
        g: How many there are, at least 2.
        both: The part that is in both.
        level: Confidence.
    """
    total = max(items, graders, items + graders - both)
    if total == 0:
        return 0.0
    most = max(n - 1, 1.0)
    df = total**2 / (items**2 / most + graders**2 / (g - 1))
    return student_quantile(level, max(1.0, min(df, most))) * math.sqrt(total)


def _features(counts: IntArray) -> FloatArray:
    """As `Votes.features`, for units without a grade too: they add nothing."""
    graded = counts.any(axis=1)
    features = np.zeros((len(counts), Votes.width(counts.shape[1])))
    features[graded] = Votes.features(counts[graded])
    return features


def _quotient(ratio: Ratio) -> FloatArray:
    """Observed over expected; NaN where nothing is expected."""
    return 1 - ratio.coefficient
