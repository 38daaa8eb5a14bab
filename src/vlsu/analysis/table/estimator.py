"""Each kind of metric with its interval: proportions, F1 and its means, kappa.

Which interval, and why:

- Proportions (accuracy, precision, recall, shares): Wilson, with clusters on the effective size and
  with Student's quantile (`vlsu.analysis.stats.effective_size`).
- F1 of one class is a proportion in disguise: F1 = 2 J / (1 + J) with J = TP / (TP + FP + FN), so
  Wilson's bounds of J, mapped, are bounds of F1. Of a rare severity J is over few samples, so the
  bounds are the modified ones of Brown, Cai and DasGupta (2001) where samples are independent.
- Mean F1s of independent samples: percentile bootstrap. It is too short when nearly all is right or
  nearly all wrong: a run without an error would get [1, 1]. With fewer than `THIN` predictions
  right or fewer wrong, or of one severity fewer than `LONE`, a closed form takes its place: MOVER
  over Wilson's class F1s with the bootstrap's correlations (1 in small runs with fewer than `FEW`
  hits or misses), or Wilson's interval of the mean as if it were a proportion, whichever reaches
  further: a class without an error, or without a hit, has no room in MOVER on that side.
- Mean F1s with clusters: Wilson's on the size at which a proportion has the mean's variance, by the
  jackknife over clusters; the closed form under the same conditions, with the jackknife's
  correlations.
- Kappa: the Bayesian bootstrap with one agreement or disagreement more
  (`vlsu.analysis.stats.kappa.kappa_interval`), of counts divided by the design effect.
- A severity that does not occur counts as 0 in a macro mean. It is one of the policy's, so its F1
  is unknown, and the interval has room for it, unless `UNSEEN` samples or more make it
  implausible that its share is one that matters.

`benchmarks/interval_coverage.py` and `benchmarks/cluster_coverage.py` show how often all of them
hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.classification import class_f1, macro_f1, weighted_f1
from vlsu.analysis.stats.effective_size import Dependence, copies_size
from vlsu.analysis.stats.intervals import (
    LEVEL,
    UNDEFINED,
    UNKNOWN,
    Rate,
    mover,
    percentiles,
    widened_wilson,
    wilson,
)
from vlsu.analysis.stats.kappa import cohen_kappa, kappa_interval
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.dependence import (
    Jackknife,
    dependence_of_share,
    dependence_of_weights,
    jackknife,
)
from vlsu.analysis.table.ratios import Ratios
from vlsu.analysis.table.resampling import Resampler, generator

__all__ = ["METHODS", "THIN", "UNSEEN", "Estimator", "Ratios", "equal_weights"]

#: With fewer (effectively independent) hits or misses than this the bootstrap is not trusted.
THIN = 20

#: Nor with fewer hits than this of a severity, or fewer misses, and be it one of several.
LONE = 2

#: With fewer hits or misses a small run does not show how the classes' F1s vary together.
FEW = 5

#: Of so many samples a severity of 0.5% is missed with a chance of 2.5%.
UNSEEN = 736

#: With fewer samples than this the correlations of the classes' F1s are hardly known.
SMALL = 72

#: Interval method by kind of metric, for the record.
METHODS = {
    "proportion": "Wilson; with clusters on the effective sample size n / design effect and with "
    "Student's quantile (CR3 jackknife, Kish's degrees of freedom)",
    "f1": "Wilson on TP / (TP + FP + FN), mapped by F1 = 2 J / (1 + J); modified where 1 to 3 of "
    "these are hits, or misses",
    "f1_macro, f1_weighted": "percentile bootstrap; with clusters Wilson on the size that has the "
    "jackknife's variance; if thin, the wider of MOVER over the classes' Wilson and Wilson on the "
    "mean",
    "kappa": "Bayesian bootstrap with one agreement, or disagreement, more; with clusters of "
    "counts divided by the design effect",
}


_Score = Callable[[FloatArray | IntArray], FloatArray]

#: The least effective size: Wilson's interval is then all of [0, 1].
_LEAST = 1e-6


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

    def dependence(self, hits: BoolArray, among: BoolArray) -> Dependence | None:
        """What the clusters do to a share; `None` where there are none.

        Args:
            hits: Cells that count as hits; shape ``(C,)``.
            among: Cells that count at all; at least one sample.
        """
        return dependence_of_share(self.resampler.cells, hits, among)

    def _dependence_of_table(
        self, hits: BoolArray, among: BoolArray, variance: float
    ) -> Dependence | None:
        """As `dependence` of right answers, of a statistic that is no share, with this variance."""
        share = self.dependence(hits, among)
        return None if share is None else replace(share, variance=variance)

    def effective_size(self, hits: BoolArray, among: BoolArray) -> float:
        """Independent samples that a share is worth, above 0 and at most as many as there are.

        It can be below 1, as it allows for the design effect being an estimate; see
        `vlsu.analysis.stats.effective_size`.
        """
        n = float(self.size(among))
        found = self.dependence(hits & among, among)
        if found is None:
            return n
        share = self.size(hits & among) / n
        return found.size(share * (1 - share), n, self.level)

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
        value, weight = pairs
        counts = self.resampler.count(column, len(value)).astype(np.float64)
        whole = float(counts @ weight)
        mean = float(counts @ (weight * value)) / whole
        squares, units, shrinkage = self._of_mean(column, value, weight, mean)
        one = max(float(weight.max()), whole / units)

        def bounds(last: float) -> tuple[float, float]:
            """Wilson's of the data with a unit of this value more."""
            centre = (mean * whole + last * one) / (whole + one)
            residuals = squares(centre) + (one * (last - centre)) ** 2
            spread = centre * (1 - centre)
            if spread <= 0 or residuals <= 0:
                size = copies_size(whole + one, whole**2 / units + one**2)
            else:
                size = spread * (whole + one) ** 2 / residuals * units / (units + 1)
            return wilson(centre, max(size * shrinkage, _LEAST), self.level)

        return Rate.within(mean, bounds(0.0)[0], bounds(1.0)[1])

    def _of_mean(
        self, column: IntArray, value: FloatArray, weight: FloatArray, mean: float
    ) -> tuple[Callable[[float], float], float, float]:
        """What a weighted mean's interval is made of.

        Args:
            column: Entry of each cell; shape ``(C,)``.
            value: Of the samples of an entry.
            weight: Of the samples of an entry.
            mean: What they come to.

        Returns:
            The sum over units of their squared weighted deviations from a value, the units, and
            what the effective size is multiplied by because these are few.
        """
        cells = self.resampler.cells
        counts = self.resampler.count(column, len(value)).astype(np.float64)
        if cells.groups is None:
            units = float(counts.sum())
            return (lambda c: float(counts @ (weight * (value - c)) ** 2)), units, 1.0

        def weighted(tables: FloatArray) -> FloatArray:
            sums = tables @ weight
            found = np.full(sums.shape, np.nan)
            np.divide(tables @ (weight * value), sums, out=found, where=sums > 0)
            return found[..., None]

        covariance = jackknife(cells, column, len(value), weighted).covariance
        found = dependence_of_weights(cells, column, weight, float(covariance[0, 0]))
        whole = float(counts @ weight)
        base = found.variance * whole**2
        return (
            lambda c: base + (whole * (mean - c)) ** 2 / found.units,
            found.units,
            found.shrinkage(self.level),
        )

    def mean_f1(self, confusion: Confusion, prefix: str, *means: str) -> dict[str, Rate]:
        """Means of the F1s of the policy's severities.

        Args:
            confusion: Gold against prediction.
            prefix: Where the metrics stand in `metrics.json`, such as ``"joint"``.
            means: ``"f1_macro"`` (all severities with equal weight, also those that do not occur)
                or ``"f1_weighted"`` (by gold support).
        """
        inside = confusion.inside
        if not inside.any():
            return dict.fromkeys(means, UNDEFINED)
        observed = self.resampler.count(confusion.column, 12).reshape(3, 4)
        there = list(confusion.severities)
        macro: _Score = partial(macro_f1, classes=there)
        scores = {mean: macro if mean == "f1_macro" else weighted_f1 for mean in means}
        spread = self._spread(confusion, f"{prefix}.f1", scores)
        f1, correlation = class_f1(observed), spread.correlation
        classes = [self.f1_term(confusion, severity) for severity in range(3)]
        size, thin = self._independent(confusion.right, inside)
        support, hits = observed.sum(axis=1), np.diagonal(observed)
        either = support + observed[:, :3].sum(axis=0) - hits
        # Without a sample of gold the bootstrap has the F1 of a severity at 0 for certain.
        occurs = [k for k in there if either[k]]
        thin |= bool((np.minimum(hits, either - hits)[occurs] < LONE).any())
        if support.sum() < UNSEEN and not either[there].all():
            thin = True
            classes = [f1 if n else UNKNOWN for n, f1 in zip(either, classes, strict=True)]
        if support.sum() < SMALL and min(hits.sum(), support.sum() - hits.sum()) < FEW:
            correlation = np.ones_like(correlation)
        rates = {}
        for mean, score in scores.items():
            if mean == "f1_macro":
                weights, variance = equal_weights(there), 0.0
            else:
                weights = observed.sum(axis=-1) / observed.sum()
                variance = float(weights @ (f1 - weights @ f1) ** 2) / size
            value, bounds = float(score(observed)), spread.bounds[mean]
            if thin or bounds is None:
                self.thin.append(f"{prefix}.{mean}")
                # What the mean can be at most where a severity is taken not to exist.
                most = float(weights[[f1.high != 0 for f1 in classes]].sum())
                low, high = wilson(value / most, size, self.level)
                arms = mover(weights, tuple(classes), correlation, variance, level=self.level)
                bounds = min(arms[0], most * low), max(arms[1], most * high)
            rates[mean] = Rate.within(value, *bounds)
        return rates

    def _spread(self, confusion: Confusion, name: str, scores: Mapping[str, _Score]) -> _Spread:
        """How mean F1s vary: by the bootstrap, and with clusters by the jackknife."""
        column = confusion.column
        if self.resampler.cells.groups is None:
            drawn = self.resampler.draw(column, 12, name).reshape(-1, 3, 4)
            return _Spread(
                _correlation(np.cov(class_f1(drawn), rowvar=False, bias=True)),
                {mean: percentiles(score(drawn), self.level) for mean, score in scores.items()},
            )

        def statistics(tables: FloatArray) -> FloatArray:
            tables = tables.reshape(*tables.shape[:-1], 3, 4)
            means = [score(tables)[..., None] for score in scores.values()]
            return np.concatenate([class_f1(tables), *means], axis=-1)

        found = jackknife(self.resampler.cells, column, 12, statistics)
        return _Spread(
            _correlation(found.covariance[:3, :3]),
            {
                mean: self._of_jackknife(found, 3 + k, confusion.right, confusion.inside)
                for k, mean in enumerate(scores)
            },
        )

    def _of_jackknife(
        self, found: Jackknife, k: int, hits: BoolArray, among: BoolArray
    ) -> tuple[float, float] | None:
        """Wilson's bounds of a statistic in [0, 1]; `None` where its variance is not informative.

        Args:
            found: The statistics.
            k: Which one.
            hits: Cells of right answers.
            among: Cells that the statistic is over.
        """
        value, alone = float(found.value[k]), float(found.independent[k, k])
        n = float(self.size(among))
        clusters = self._dependence_of_table(hits, among, float(found.covariance[k, k]))
        if clusters is None or clusters.units <= 1 or not 0 < value < 1 or alone <= 0:
            return None
        effect = clusters.design_effect(alone, n) * alone
        size = value * (1 - value) / effect * clusters.shrinkage(self.level)
        return wilson(value, max(size, _LEAST), self.level)

    def kappa(self, column: IntArray, name: str) -> Rate:
        """Cohen's kappa of two predictions.

        Undefined over no samples, and where both raters use one and the same class only.

        Args:
            column: Entry of the 3 x 3 table, first * 3 + second, or -1 for cells outside; ``(C,)``.
            name: Where the metric stands in `metrics.json`.
        """
        cells, inside = self.resampler.cells, column >= 0
        table = self.resampler.count(column, 9)
        if np.isnan(cohen_kappa(table.reshape(3, 3))):
            return UNDEFINED
        n = float(table.sum())
        size = n
        if cells.groups is not None:
            found = jackknife(
                cells,
                column,
                9,
                lambda tables: cohen_kappa(tables.reshape(*tables.shape[:-1], 3, 3))[..., None],
            )
            agreed = inside & (column % 4 == 0)  # 0, 4 and 8 are the diagonal
            clusters = self._dependence_of_table(agreed, inside, float(found.covariance[0, 0]))
            alone = float(found.independent[0, 0])
            if clusters is not None and clusters.units < n:
                size = clusters.units
                if clusters.units > 1 and alone > 0:
                    effect = clusters.design_effect(alone, n)
                    size = n / effect * clusters.shrinkage(self.level)
        rng = generator(self.resampler.seed, name)
        classes = [int(severity) for severity in cells.severities]
        return kappa_interval(
            table.reshape(3, 3), size, rng, self.resampler.replicates, classes, self.level
        )

    def _share(self, hits: BoolArray, among: BoolArray) -> tuple[float, float, float]:
        share = self.size(hits) / self.size(among)
        return share, *wilson(share, self.effective_size(hits, among), self.level)

    def _overlap_share(self, hits: BoolArray, among: BoolArray) -> tuple[float, float, float]:
        if self.resampler.cells.groups is not None:
            return self._share(hits, among)
        x, n = self.size(hits), self.size(among)
        return x / n, *widened_wilson(x, n, self.level)

    def _independent(self, hits: BoolArray, among: BoolArray) -> tuple[float, bool]:
        """Effective size of `among`, and whether `hits` or the rest are too few to bootstrap."""
        size = self.effective_size(hits, among)
        share = self.size(hits) / self.size(among)
        return size, min(share, 1 - share) * size < THIN


@dataclass(frozen=True, slots=True)
class _Spread:
    """How F1s vary.

    Attributes:
        correlation: Of the classes' F1s, shape ``(3, 3)``.
        bounds: Mean -> its interval, or `None` where it cannot be had.
    """

    correlation: FloatArray
    bounds: Mapping[str, tuple[float, float] | None]


def equal_weights(classes: Sequence[int]) -> FloatArray:
    """What each severity weighs in a macro mean over some of them; shape ``(3,)``."""
    weights = np.zeros(3)
    weights[list(classes)] = 1 / len(classes)
    return weights


def _correlation(covariance: FloatArray) -> FloatArray:
    """The correlation; 1, the cautious choice, where one of two does not vary."""
    spread = np.sqrt(np.diagonal(covariance))
    scale = np.outer(spread, spread)
    correlation = np.ones_like(scale)
    np.divide(covariance, scale, out=correlation, where=scale > 0)
    return correlation
