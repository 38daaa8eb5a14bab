"""Metrics of a whole dataset from a stratified sample of it.

The strata are those of `vlsu.analysis.sampling.allocation`: triples of gold grades, each in two
halves. All gold grades are known, so the size N_h of every stratum is; of each, n_h samples are
drawn at random and asked about. A sample then stands for N_h / n_h of its stratum (Horvitz and
Thompson 1952), and every metric is the same function of these weighted counts as it is of plain
ones.

The intervals are about this dataset: they cover the value that asking about all of it would give.
What is drawn are samples, and only the draw is random; so it does not matter here whether samples
share an image or a text, and a stratum that was asked in full adds no uncertainty. (The intervals
of a full run are about pairs *like* those of the dataset, and do not shrink to a point.)

- The variance is that of the linearised metric over strata with finite population correction
  (Särndal, Swensson and Wretman 1992, ch. 5): sum of N_h^2 (1 - n_h / N_h) s_h^2 / n_h. Both halves
  of a stratum share s^2, where each counts by its part in that sum. A stratum in which all answers
  were alike has s^2 = 0, which proves nothing; so s^2 has one pseudo-observation with the spread
  the metric has over all strata.
- Proportions: Wilson on the effective size p (1 - p) / variance; if p is 0 or 1, on that of equal
  samples with these weights. F1 of a class, by its Jaccard index, and the means of F1, by MOVER
  with the linearised correlations, follow from it as in `vlsu.analysis.table.estimator`.
- Kappa: Wilson on the agreement at fixed chance, on the size at which that has kappa's linearised
  variance (Fleiss, Cohen and Everitt 1969).

With earlier runs (`vlsu.analysis.sampling.forecast`) a triple is cut into strata of like chance of
being right, and what those runs say is a control variate: weights are calibrated, and variances are
those of what the controls leave (`vlsu.analysis.sampling.controls`).

No bootstrap: 17 strata of few samples each are too thin for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.sampling.allocation import (
    LEAST_DEVIATION,
    STRATA,
    deviations,
    stratum_name,
    stratum_of,
)
from vlsu.analysis.sampling.controls import Calibration
from vlsu.analysis.sampling.joining import joined, unmarked
from vlsu.analysis.stats.classification import class_f1, macro_f1, weighted_f1
from vlsu.analysis.stats.effective_size import copies_size
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, mover, wilson
from vlsu.analysis.stats.kappa import chance_agreement, cohen_kappa, kappa_bounds
from vlsu.analysis.table.cells import ABSENT, Cells
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.estimator import Ratios, equal_weights

__all__ = [
    "STRATIFIED_METHODS",
    "StratifiedEstimator",
    "StratifiedSample",
    "observed_deviations",
]

#: Interval method by kind of metric, for the record.
STRATIFIED_METHODS = {
    "proportion": "Wilson on the effective size p (1 - p) / stratified linearised variance, with "
    "finite population correction",
    "f1": "Wilson on TP / (TP + FP + FN), mapped by F1 = 2 J / (1 + J)",
    "f1_macro, f1_weighted": "MOVER over the classes' Wilson with linearised correlations",
    "kappa": "Wilson on the agreement at fixed chance, widened to kappa's linearised variance",
}

#: Pseudo-observations with the common spread that a triple's variances have, all bins together.
_PRIOR = 1.0

#: What a share that is 0 or 1 may differ from it by.
_ROUNDING = 1e-12

#: Effective size of a proportion that is known exactly.
_EXACT = 1e15


@dataclass(frozen=True)
class StratifiedSample:
    """The cells of the samples drawn, and the sizes of the strata they stand for.

    A stratum is a triple of gold grades, or a bin of it.

    Attributes:
        cells: Of both halves, one after the other, without groups.
        stratum: Of each cell, half * H + triple * bins + bin, where H = `STRATA` * bins; ``(C,)``.
        population: Samples of the dataset by half and stratum; shape ``(2 * H,)``.
        controls: What is known of all samples, less its mean over the half of the stratum, by
            cell; shape ``(C, k)``. `None` where there is nothing.
    """

    cells: Cells
    stratum: IntArray
    population: IntArray
    controls: FloatArray | None = None

    @classmethod
    def from_halves(cls, halves: Sequence[Cells], population: IntArray) -> StratifiedSample:
        """A sample from the cells of its two halves.

        Args:
            halves: The samples drawn from each half.
            population: Samples of the dataset, shape ``(2, STRATA)``; where there are any, at
                least one was drawn.
        """
        strata = [stratum_of(cells.gold) + half * STRATA for half, cells in enumerate(halves)]
        return cls(joined(halves), np.concatenate(strata), population.ravel())

    @classmethod
    def from_rows(
        cls,
        halves: Sequence[Cells],
        stratum: IntArray,
        population: IntArray,
        controls: FloatArray,
    ) -> StratifiedSample:
        """A sample whose cells say of which samples they are, marked by `row_category`.

        Args:
            halves: The samples drawn from each half, their categories marked.
            stratum: Of each sample of the dataset within its half; shape ``(N,)``.
            population: Samples of the dataset, shape ``(2, H)``.
            controls: Of each sample of the dataset; shape ``(N, k)``.
        """
        cells, row = unmarked(joined(halves))
        half = np.repeat([0, 1], [len(each.count) for each in halves])
        number = half * population.shape[1] + stratum[row]
        return cls(cells, number, population.ravel(), controls[row])

    @cached_property
    def sampled(self) -> IntArray:
        """Samples drawn, as `population`."""
        return _sum(self.stratum, self.cells.count, len(self.population)).astype(np.int64)

    @cached_property
    def weight(self) -> FloatArray:
        """Samples of the dataset that one sample of each cell stands for; shape ``(C,)``."""
        weight: FloatArray = (self.population / np.maximum(self.sampled, 1))[self.stratum]
        if self.calibration is not None:
            return weight * self.calibration.factors(weight)
        return weight

    @cached_property
    def calibration(self) -> Calibration | None:
        """The coefficients of the controls; `None` without any."""
        if self.controls is None:
            return None
        cells, stratum = self.cells, self.stratum
        return Calibration.of(self.controls, cells.count, stratum, self.population)

    @cached_property
    def estimated(self) -> FloatArray:
        """Samples of the dataset in each cell, estimated; shape ``(C,)``."""
        return self.weight * self.cells.count

    def strata(self) -> dict[str, dict[str, int]]:
        """Population and sample of every stratum that has any, both halves together."""
        population, sampled = (
            each.reshape(2, STRATA, -1).sum(axis=(0, 2)) for each in (self.population, self.sampled)
        )
        return {
            stratum_name(h): {"population": int(population[h]), "sampled": int(sampled[h])}
            for h in np.flatnonzero(population).tolist()
        }


def observed_deviations(
    halves: Sequence[Cells], modality: int, *, unsafe_alone: bool = False
) -> FloatArray:
    """Standard deviation of right and wrong in each stratum, by half; ``(2, STRATA)``.

    Args:
        halves: Cells of each half's samples.
        modality: Index into `MODALITIES`. Strata without a gold grade of it vary least.
        unsafe_alone: Whether right is to tell unsafe from the rest, as of a model that gives no
            other severity.
    """
    found = []
    for cells in halves:
        stratum = stratum_of(cells.gold)
        judged = (cells.graded & cells.asked)[:, modality]
        right = (cells.right_on_unsafe if unsafe_alone else cells.right)[:, modality]
        hits, n = (_sum(stratum, cells.count * each, STRATA) for each in (right & judged, judged))
        found.append(deviations(hits, n))
    grade = np.arange(STRATA) // (ABSENT + 1) ** (2 - modality) % (ABSENT + 1)
    return np.where(grade == ABSENT, LEAST_DEVIATION, np.stack(found))


@dataclass(frozen=True, slots=True)
class StratifiedEstimator(Ratios):
    """Values and intervals of a whole dataset's metrics, from a stratified sample.

    Attributes:
        level: Confidence of the intervals.
    """

    sample: StratifiedSample
    level: float = LEVEL

    def size(self, among: BoolArray) -> int:
        """Samples in these cells that were drawn."""
        return int(self.sample.cells.count[among].sum())

    def counts(self, column: IntArray, size: int) -> IntArray:
        """Estimated samples of the dataset per entry of a table, in whole numbers.

        Rounded so that their sum is the rounded total (largest remainders).
        """
        table = self._table(column, size)
        whole = np.floor(table)
        missing = round(float(table.sum() - whole.sum()))
        whole[np.argsort(whole - table, kind="stable")[:missing]] += 1
        return whole.astype(np.int64)

    def known_share(self, hits: BoolArray, among: BoolArray) -> Rate:
        """Share that the gold grades alone decide: known of the whole dataset, not estimated."""
        if not among.any():
            return UNDEFINED
        share = self._total(hits & among) / self._total(among)
        return Rate(share, share, share)

    def mean_f1(self, confusion: Confusion, prefix: str, *means: str) -> dict[str, Rate]:
        """Means of the F1s of the policy's severities; arguments as `Estimator.mean_f1`."""
        inside = confusion.inside
        if not inside.any():
            return dict.fromkeys(means, UNDEFINED)
        table = self._table(confusion.column, 12).reshape(3, 4)
        f1, support = class_f1(table), table.sum(axis=1)
        gold, predicted = confusion.column // 4, confusion.column % 4
        occurs = np.maximum(support + table[:, :3].sum(axis=0), np.finfo(float).tiny)
        one = np.arange(3)
        truly, called = gold[:, None] == one, predicted[:, None] == one
        influence = (2 * (truly & called) - f1 * (truly * 1 + called)) / occurs
        correlation = _correlation(self._covariance(influence, inside))
        classes = tuple(self.f1_term(confusion, severity) for severity in range(3))
        there = confusion.severities
        rates = {}
        for mean in means:
            # The gold grades are known of the whole dataset: so are the weights.
            if mean == "f1_macro":
                value, weights = macro_f1(table, there), equal_weights(there)
            else:
                value, weights = weighted_f1(table), support / support.sum()
            bounds = mover(weights, classes, correlation, level=self.level)
            rates[mean] = Rate.within(float(value), *bounds)
        return rates

    def kappa(self, column: IntArray, name: str) -> Rate:
        """Cohen's kappa of two predictions; arguments as `Estimator.kappa`."""
        inside = column >= 0
        table = self._table(column, 9).reshape(3, 3)
        value = float(cohen_kappa(table))
        if np.isnan(value):
            return UNDEFINED
        total = float(table.sum())
        chance = float(chance_agreement(table))
        first, second = table.sum(axis=1) / total, table.sum(axis=0) / total
        agreed = inside & (column % 4 == 0)  # 0, 4 and 8 are the diagonal
        share = self._total(agreed) / total
        by_chance = second[column // 3] + first[column % 3] - 2 * chance
        influence = ((agreed - share) - (1 - value) * by_chance) / (1 - chance) / total
        variance = self._covariance(influence[:, None], inside)[0, 0] * (1 - chance) ** 2
        size = self._effective(share, float(variance), inside)
        low, high = wilson(share, size, self.level)
        return Rate.within(value, *kappa_bounds(low, high, 1 - chance))

    def mean(self, values: FloatArray, weights: FloatArray, among: BoolArray) -> Rate:
        """Weighted mean of values in [0, 1]; arguments as `Ratios.mean`."""
        among = among & (weights > 0)
        if not among.any():
            return UNDEFINED
        weight = self.sample.estimated * weights * among
        value = float(weight @ values) / float(weight.sum())
        influence = weights * (values - value) / float(weight.sum())
        variance = float(self._covariance(influence[:, None], among)[0, 0])
        return Rate.within(
            value, *wilson(value, self._effective(value, variance, among), self.level)
        )

    def effective_size(self, hits: BoolArray, among: BoolArray) -> float:
        """Samples drawn at random from a very large dataset that would be as sure of a share."""
        total = self._total(among)
        share = self._total(hits & among) / total
        influence = np.where(hits, 1 - share, -share) / total
        variance = float(self._covariance(influence[:, None], among)[0, 0])
        return self._effective(share, variance, among)

    def variance(self, influence: FloatArray, among: BoolArray) -> float:
        """Variance of an estimate, by the linearised variance over strata.

        Args:
            influence: What one more sample of a cell adds to the estimate; its weighted sum over
                `among` is 0. Shape ``(C,)``.
            among: Cells that count; shape ``(C,)``.
        """
        return float(self._covariance(influence[:, None], among)[0, 0])

    def _share(self, hits: BoolArray, among: BoolArray) -> tuple[float, float, float]:
        share = self._total(hits & among) / self._total(among)
        return share, *wilson(share, self.effective_size(hits, among), self.level)

    def _effective(self, share: float, variance: float, among: BoolArray) -> float:
        if variance > 0 and _ROUNDING < share < 1 - _ROUNDING:
            return share * (1 - share) / variance
        # No spread to go by: as if drawn with equal chances, but with these weights (Kish 1965).
        sample = self.sample
        left = 1 - sample.sampled / np.maximum(sample.population, 1)
        squares = sample.estimated * sample.weight * left[sample.stratum]
        total = float(squares[among].sum())
        return copies_size(self._total(among), total) if total > 0 else _EXACT

    def _covariance(self, influence: FloatArray, among: BoolArray) -> FloatArray:
        """Covariance of estimates, shape ``(k, k)``.

        Args:
            influence: What one more sample of a cell adds to each estimate, shape ``(C, k)``; it
                counts where `among` holds, and its weighted sum there is 0.
            among: Cells that count.
        """
        sample, cells = self.sample, self.sample.cells
        strata = len(sample.population) // 2
        stratum, estimated = sample.stratum % strata, sample.estimated
        influence = np.where(among[:, None], influence, 0.0)
        if sample.calibration is not None:
            influence = sample.calibration.residuals(influence)
        drawn, inside = (_sum(stratum, cells.count * each, strata) for each in (1, among))
        left = sample.population * (sample.population - sample.sampled)
        factor = (left / np.maximum(sample.sampled, 1)).reshape(2, strata)
        whole = factor.sum(axis=0)
        # Both halves of a stratum share its variance. Where they are of unequal size, each enters
        # by its share in what rests on that: the half that is drawn less.
        even = factor * drawn / np.maximum(sample.sampled.reshape(2, strata) * whole, 1e-300)
        even[:, whole == 0] = 1.0
        count = cells.count * even.ravel()[sample.stratum]
        products = influence[:, :, None] * influence[:, None, :]
        sums = np.stack([_sum(stratum, count * e, strata) for e in influence.T], axis=1)
        squares = np.stack(
            [_sum(stratum, count * each, strata) for each in products.reshape(len(stratum), -1).T],
            axis=1,
        ).reshape(strata, *products.shape[1:])
        n = np.maximum(drawn, 1)[:, None, None]
        within = squares - sums[:, :, None] * sums[:, None, :] / n
        common = np.tensordot(estimated, products, 1) / estimated[among].sum()
        bins = (sample.population.reshape(2, STRATA, -1)[0] > 0).sum(axis=1)
        pseudo = (_PRIOR / np.maximum(bins, 1)).repeat(strata // STRATA)[:, None, None]
        prior = pseudo * common * inside[:, None, None] / n
        covariance: FloatArray = np.tensordot(whole, (within + prior) / (n - 1 + pseudo), 1)
        return covariance

    def _total(self, among: BoolArray) -> float:
        """Estimated samples of the dataset in these cells."""
        return float(self.sample.estimated[among].sum())

    def _table(self, column: IntArray, size: int) -> FloatArray:
        inside = column >= 0
        return _sum(column[inside], self.sample.estimated[inside], size)


def _sum(entry: IntArray, weight: FloatArray | IntArray, size: int) -> FloatArray:
    total: FloatArray = np.bincount(entry, weights=weight, minlength=size).astype(np.float64)
    return total


def _correlation(covariance: FloatArray) -> FloatArray:
    """Correlations; 1, the cautious choice, where an estimate does not vary."""
    deviation = np.sqrt(np.maximum(np.diagonal(covariance), 0))
    scale = np.outer(deviation, deviation)
    correlation = np.ones_like(scale)
    np.divide(covariance, scale, out=correlation, where=scale > 0)
    return correlation
