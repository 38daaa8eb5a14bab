"""Each kind of metric with its interval: proportions, F1 and its means, kappa.

Which interval, and why:

- Proportions (accuracy, precision, recall, shares): Wilson, on the effective size with groups.
- F1 of one class is a proportion in disguise: F1 = 2 J / (1 + J) with J = TP / (TP + FP + FN), so
  Wilson's bounds of J, mapped, are bounds of F1.
- Mean F1s and kappa: percentile bootstrap. It is too short when nearly all is right or nearly all
  wrong: a run without an error would get [1, 1]. With fewer than `THIN` predictions right or fewer
  wrong (agreements or disagreements for kappa), or of one severity fewer than `LONE`, a closed form
  takes its place. For a mean F1 that is MOVER over Wilson's class F1s with the bootstrap's
  correlations (1 in small runs with fewer than `FEW` hits or misses), or Wilson's interval of the
  mean as if it were a proportion, whichever reaches further: a class without an error, or without
  a hit, has no room in MOVER on that side. For kappa it is Wilson's bounds of the agreement with
  chance agreement taken as fixed, the assumption of Cohen's (1960) standard error; fixed at what
  the margins say and at what they say with Wilson's pseudo-counts, as a few samples are hardly
  informative.
- A severity that does not occur counts as 0 in a macro mean. Of fewer than `UNSEEN` samples that
  may be chance, and then its F1 is unknown; else it is taken not to exist.

`benchmarks/interval_coverage.py` shows how often all of them hold the truth.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.classification import class_f1, macro_f1, weighted_f1
from vlsu.analysis.stats.effective_size import copies_size, linearised_size
from vlsu.analysis.stats.intervals import (
    LEVEL,
    UNDEFINED,
    UNKNOWN,
    Rate,
    mover,
    normal_quantile,
    percentiles,
    wilson,
)
from vlsu.analysis.stats.kappa import chance_agreement, cohen_kappa, kappa_bounds
from vlsu.analysis.table.cells import CellShare
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.resampling import Resampler

__all__ = ["METHODS", "THIN", "UNSEEN", "Estimator", "Ratios", "equal_weights"]

#: With fewer (effectively independent) hits or misses than this the bootstrap is not trusted.
THIN = 20

#: Nor with fewer hits than this of a severity, or fewer misses, and be it one of several.
LONE = 2

#: With fewer hits or misses a small run does not show how the classes' F1s vary together.
FEW = 5

#: Of so many samples a severity of 5% is missed with a chance of 2.5%.
UNSEEN = 72

#: Interval method by kind of metric, for the record.
METHODS = {
    "proportion": "Wilson; with groups on the effective sample size n / design effect",
    "f1": "Wilson on TP / (TP + FP + FN), mapped by F1 = 2 J / (1 + J)",
    "f1_macro, f1_weighted": "percentile bootstrap; if thin, the wider of MOVER over the classes' "
    "Wilson and Wilson on the mean",
    "kappa": "percentile bootstrap; if thin, Wilson on the agreement at fixed chance",
}


class Ratios(ABC):
    """Proportions, and F1s by way of them, however the cells were sampled."""

    __slots__ = ()

    @abstractmethod
    def size(self, among: BoolArray) -> int:
        """Samples in these cells."""

    @abstractmethod
    def effective_size(self, hits: BoolArray, among: BoolArray) -> float:
        """Independent samples that the share of `hits` in `among`, not empty, is worth."""

    @abstractmethod
    def mean(self, values: FloatArray, weights: FloatArray, among: BoolArray) -> Rate:
        """Weighted mean of values in [0, 1], one a cell; undefined over no samples or weight.

        Args:
            values: Of each sample of a cell; shape ``(C,)``.
            weights: Of each sample of a cell, not negative; shape ``(C,)``.
            among: Cells that count; shape ``(C,)``.
        """

    @abstractmethod
    def _share(self, hits: BoolArray, among: BoolArray) -> tuple[float, float, float]:
        """Share and Wilson's bounds of `hits`, a part of `among`, which is not empty."""

    def proportion(self, hits: BoolArray, among: BoolArray, *, empty: Rate = UNDEFINED) -> Rate:
        """Share of samples in `among` that are also in `hits`; `empty` where there are none."""
        return Rate.within(*self._share(hits & among, among)) if among.any() else empty

    def rate(self, share: CellShare) -> Rate:
        """A share with its interval; undefined over no samples."""
        return self.proportion(share.hits, share.among)

    def precision(self, confusion: Confusion, severity: int) -> Rate:
        """Share of the predictions of a severity that are right.

        Undefined over no samples; otherwise 0, with the interval [0, 1], if it is never predicted.
        """
        empty = UNKNOWN if confusion.inside.any() else UNDEFINED
        predicted = confusion.predicted(severity)
        return self.proportion(confusion.gold(severity), predicted, empty=empty)

    def recall(self, confusion: Confusion, severity: int) -> Rate:
        """Share of the samples of a gold severity that are right; as `precision` if it is 0/0."""
        empty = UNKNOWN if confusion.inside.any() else UNDEFINED
        gold = confusion.gold(severity)
        return self.proportion(confusion.predicted(severity), gold, empty=empty)

    def f1(self, confusion: Confusion, *positive: int) -> Rate:
        """F1 of one or more severities taken together as the positive class.

        Undefined over no samples; otherwise 0, with the interval [0, 1], if the class has neither
        gold nor predicted samples.
        """
        if not confusion.inside.any():
            return UNDEFINED
        hits, among = _overlap(confusion, *positive)
        if not among.any():
            return UNKNOWN
        return Rate.within(*(2 * j / (1 + j) for j in self._share(hits, among)))

    def f1_term(self, confusion: Confusion, severity: int) -> Rate:
        """The F1 of a severity as a term of a mean: fixed at 0 if the severity does not occur."""
        _, occurs = _overlap(confusion, severity)
        return self.f1(confusion, severity) if occurs.any() else Rate(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Estimator(Ratios):
    """Values and intervals of metrics over cells.

    Attributes:
        level: Confidence of the intervals.
        thin: Names of the metrics too thin for the bootstrap; grows as metrics are estimated.
    """

    resampler: Resampler
    level: float = LEVEL
    thin: list[str] = field(default_factory=list)

    def size(self, among: BoolArray) -> int:
        """Samples in these cells."""
        return int(self.resampler.cells.count[among].sum())

    def effective_size(self, hits: BoolArray, among: BoolArray) -> float:
        """Independent samples that a share is worth; see `Resampler.effective_size`."""
        return self.resampler.effective_size(hits, among)

    def counts(self, column: IntArray, size: int) -> IntArray:
        """Samples per entry of a table; see `Resampler.count`."""
        return self.resampler.count(column, size)

    def known_share(self, hits: BoolArray, among: BoolArray) -> Rate:
        """Share that the gold grades alone decide."""
        return self.proportion(hits, among)

    def mean(self, values: FloatArray, weights: FloatArray, among: BoolArray) -> Rate:
        """Weighted mean of values in [0, 1]; arguments as `Ratios.mean`.

        Wilson's bounds on the size at which a proportion has the mean's linearised variance over
        samples or groups. Rare large values may not have been seen, so each bound is that of the
        data with one unit more, of value 1 for the high and of value 0 for the low one, as Fay and
        Feuer (1997) do for weighted sums of counts.
        """
        among = among & (weights > 0)
        if not among.any():
            return UNDEFINED
        pairs, entry = np.unique(np.stack([values, weights])[:, among], axis=1, return_inverse=True)
        column = np.full(len(among), -1)
        column[among] = entry.reshape(-1)
        kinds, repeats = self.resampler.kinds(column, pairs.shape[1])
        weight, cost = kinds @ pairs[1], kinds @ (pairs[0] * pairs[1])
        whole, units = float(repeats @ weight), int(repeats.sum())
        one = max(float(pairs[1].max()), whole / units)

        def bounds(value: float) -> tuple[float, float]:
            """Wilson's of the data with a unit of this value more."""
            mean = (float(repeats @ cost) + value * one) / (whole + one)
            squares = float(repeats @ (cost - mean * weight) ** 2) + (one * (value - mean)) ** 2
            spread = mean * (1 - mean)
            if spread <= 0 or squares <= 0:
                size = copies_size(whole + one, float(repeats @ weight**2) + one**2)
            else:
                size = linearised_size(spread, squares, n=whole + one, units=units + 1)
            return wilson(mean, max(size, 1.0), self.level)

        return Rate.within(float(repeats @ cost) / whole, bounds(0.0)[0], bounds(1.0)[1])

    def mean_f1(self, confusion: Confusion, prefix: str, *means: str) -> dict[str, Rate]:
        """Means of the F1s of the policy's severities.

        Args:
            confusion: Gold against prediction.
            prefix: Where the metrics stand in `metrics.json`, such as ``"joint"``.
            means: ``"f1_macro"`` (all severities with equal weight, also those that do not occur)
                or ``"f1_weighted"`` (by gold support).
        """
        if not confusion.inside.any():
            return dict.fromkeys(means, UNDEFINED)
        observed = self.resampler.count(confusion.column, 12).reshape(3, 4)
        drawn = self.resampler.draw(confusion.column, 12, f"{prefix}.f1").reshape(-1, 3, 4)
        f1, correlation = class_f1(observed), _correlation(class_f1(drawn))
        classes = [self.f1_term(confusion, severity) for severity in range(3)]
        there = list(confusion.severities)
        size, thin = self._independent(confusion.right, confusion.inside)
        support, hits = observed.sum(axis=1), np.diagonal(observed)
        either = support + observed[:, :3].sum(axis=0) - hits
        thin |= bool((np.minimum(hits, either - hits)[support > 0] < LONE).any())
        if support.sum() < UNSEEN:
            if not either[there].all():
                thin = True
                classes = [f1 if n else UNKNOWN for n, f1 in zip(either, classes, strict=True)]
            if min(hits.sum(), support.sum() - hits.sum()) < FEW:
                correlation = np.ones_like(correlation)
        rates = {}
        score: Callable[[FloatArray | IntArray], FloatArray]
        for mean in means:
            if mean == "f1_macro":
                score = partial(macro_f1, classes=there)
                weights, variance = equal_weights(there), 0.0
            else:
                score, weights = weighted_f1, observed.sum(axis=-1) / observed.sum()
                variance = float(weights @ (f1 - weights @ f1) ** 2) / size
            value = float(score(observed))
            # What the mean can be at most where a severity is taken not to exist.
            most = float(weights[[f1.high != 0 for f1 in classes]].sum())
            low, high = wilson(value / most, size, self.level)
            bounds = (
                mover(weights, tuple(classes), correlation, variance, level=self.level),
                (most * low, most * high),
            )
            rates[mean] = self._bootstrapped(
                f"{prefix}.{mean}",
                value,
                score(drawn),
                (min(low for low, _ in bounds), max(high for _, high in bounds)),
                thin=thin,
            )
        return rates

    def kappa(self, column: IntArray, name: str) -> Rate:
        """Cohen's kappa of two predictions.

        Undefined over no samples, and where both raters use one and the same class only.

        Args:
            column: Entry of the 3 x 3 table, first * 3 + second, or -1 for cells outside; ``(C,)``.
            name: Where the metric stands in `metrics.json`.
        """
        inside = column >= 0
        table = self.resampler.count(column, 9).reshape(3, 3)
        value = float(cohen_kappa(table))
        if np.isnan(value):
            return UNDEFINED
        agreed = inside & (column % 4 == 0)  # 0, 4 and 8 are the diagonal
        size, thin = self._independent(agreed, inside)
        # Each margin with Wilson's z^2 pseudo-counts, spread evenly over its classes.
        more = normal_quantile(self.level) ** 2 * table.sum() / size
        rooms = [1 - float(chance_agreement(t)) for t in (table, table + more / 9)]
        _, low, high = self._share(agreed, inside)
        return self._bootstrapped(
            name,
            value,
            cohen_kappa(self.resampler.draw(column, 9, name).reshape(-1, 3, 3)),
            kappa_bounds(low, high, min(rooms), max(rooms)),
            thin=thin,
        )

    def _share(self, hits: BoolArray, among: BoolArray) -> tuple[float, float, float]:
        share = self.size(hits) / self.size(among)
        return share, *wilson(share, self.resampler.effective_size(hits, among), self.level)

    def _independent(self, hits: BoolArray, among: BoolArray) -> tuple[float, bool]:
        """Effective size of `among`, and whether `hits` or the rest are too few to bootstrap."""
        size = self.resampler.effective_size(hits, among)
        share = self.size(hits) / self.size(among)
        return size, min(share, 1 - share) * size < THIN

    def _bootstrapped(
        self,
        name: str,
        value: float,
        replicates: FloatArray,
        closed: tuple[float, float],
        *,
        thin: bool,
    ) -> Rate:
        """The value with its percentile interval, or the closed form where that cannot be had."""
        bounds = percentiles(replicates, self.level)
        if thin or bounds is None:
            self.thin.append(name)
            bounds = closed
        return Rate.within(value, *bounds)


def equal_weights(classes: Sequence[int]) -> FloatArray:
    """What each severity weighs in a macro mean over some of them; shape ``(3,)``."""
    weights = np.zeros(3)
    weights[list(classes)] = 1 / len(classes)
    return weights


def _overlap(confusion: Confusion, *positive: int) -> tuple[BoolArray, BoolArray]:
    """Cells gold and predicted positive, and cells gold or predicted positive."""
    gold, predicted = confusion.gold(*positive), confusion.predicted(*positive)
    return gold & predicted, gold | predicted


def _correlation(replicates: FloatArray) -> FloatArray:
    """Correlation of the columns; 1, the cautious choice, where one of them does not vary."""
    centred = replicates - replicates.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    scale = np.outer(spread, spread)
    correlation = np.ones_like(scale)
    np.divide(centred.T @ centred / len(replicates), scale, out=correlation, where=scale > 0)
    return correlation
