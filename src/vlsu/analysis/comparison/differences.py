"""Differences of two runs on the same samples: the value, its interval, a test.

Which, and why:

- Shares (accuracy, recall): Bonett and Price's (2012) interval for paired proportions, which adds
  one sample that each run alone hits, with clusters on the effective size of the difference
  (`vlsu.analysis.stats.effective_size`); p by McNemar's exact test, or by swapping the runs in
  whole clusters (`vlsu.analysis.stats.mcnemar`).
- F1, its means and precision: the percentile interval of a paired bootstrap, which draws samples
  with both predictions. Alone it is too short where samples are few or nearly all right, so each
  replicate gets, by chance, the same two samples: on average one that each run alone has right,
  spread evenly over gold grades and wrong answers. p by randomization (Yeh 2000): the runs swapped
  in each sample (cluster) by a coin; the share of bootstrap differences beyond 0 claims too often
  in small samples.
- With clusters the intervals of the second kind are Student's, with the jackknife's variance and
  that of the two samples, each as many as the design effect says.
- Where samples come in clusters in several ways no swap leaves all clusters whole, and p is that of
  Student's test, with the variance and the degrees of freedom of the interval.

Coverage and false claims: `benchmarks/paired_coverage.py`, `benchmarks/cluster_coverage.py`.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.comparison.paired_tables import confusions, swapped, two_samples
from vlsu.analysis.comparison.single_runs import Known, SingleRun
from vlsu.analysis.stats.classification import binary_f1, class_precision, macro_f1, weighted_f1
from vlsu.analysis.stats.effective_size import Dependence
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, bonett_price, percentiles
from vlsu.analysis.stats.mcnemar import mcnemar, sign_flip
from vlsu.analysis.stats.student import student_p, student_quantile
from vlsu.analysis.table.cells import GroupCounts
from vlsu.analysis.table.confusion import POSITIVE, Confusion
from vlsu.analysis.table.dependence import dependence_of_mean, jackknife
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import Severity

__all__ = ["NOTHING", "PAIRED_METHODS", "REPLICATES", "Difference", "PairedEstimator"]

#: Interval and test by kind of metric, for the record.
PAIRED_METHODS = {
    "share": "Bonett and Price (2012) for paired proportions; with groups on the effective size",
    "f1, precision": "percentile interval of a paired bootstrap with the same two samples added; "
    "with groups Student's, with the variance of the jackknife over groups",
    "p of a share": "McNemar, exact; with groups the runs are swapped in whole groups, exactly up "
    "to 10,000 discordant samples; Student's test where samples are grouped in several ways",
    "p of an F1, of a precision": "randomization: the runs swapped in each sample or group; "
    "Student's test where samples are grouped in several ways",
}

#: Bootstrap replicates, of differences and of a run's own metrics, as in `metrics.json`.
REPLICATES = 2000

_Score = Callable[[FloatArray | IntArray], FloatArray]


def _f1_of(*positive: Severity) -> _Score:
    return lambda confusion: binary_f1(confusion, *positive)


def _precision_of(severity: Severity) -> _Score:
    return lambda confusion: class_precision(confusion)[..., severity]


_POSITIVE = {**POSITIVE, **{f"per_class.{s.label}.f1": (s,) for s in Severity}}
_PRECISION = {f"per_class.{s.label}.precision": s for s in Severity}
_SCORES: Mapping[str, _Score] = {
    "f1_weighted": weighted_f1,
    **{name: _f1_of(*positive) for name, positive in _POSITIVE.items()},
    **{name: _precision_of(severity) for name, severity in _PRECISION.items()},
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of two runs over the same samples.

    Attributes:
        n: Samples.
        first: Of the first run, with its own interval.
        second: Of the second.
        difference: Second minus first, in [-1, 1].
        p: Two-sided p of no difference; `None` where there is nothing to test.
        discordant: Samples on which the first alone hits, and on which the second alone does; of
            shares only.
        size: Effective sample size of the difference.
    """

    n: int
    first: Rate
    second: Rate
    difference: Rate
    p: float | None
    discordant: tuple[int, int] | None
    size: float


#: Over no samples.
NOTHING = Difference(0, UNDEFINED, UNDEFINED, UNDEFINED, None, None, 0.0)


@dataclass(frozen=True, slots=True)
class PairedEstimator:
    """Differences of two runs over the cells they share.

    Attributes:
        cells: Of two runs.
        swaps: Times the runs are swapped for the p of an F1; it is at least 1 / (1 + swaps).
        seed: Of both.
        level: Confidence of the intervals.
        known: What was found of these cells, or of others that were taken from the same table.
    """

    cells: PairedCells
    swaps: int
    seed: int
    level: float = LEVEL
    known: Known = field(default_factory=Known)

    def single_run(self, run: int) -> Estimator:
        """Estimates one of the runs on its own, as `metrics.json` does."""
        resampler = Resampler(self.cells.runs[run], REPLICATES, self.seed)
        return SingleRun(resampler, self.level, known=self.known)

    def share(self, first: BoolArray, second: BoolArray, among: BoolArray) -> Difference:
        """Share of samples in `among` that the runs hit.

        Args:
            first: Cells that the first run hits, shape ``(C,)``.
            second: Cells that the second hits.
            among: Cells that count.
        """
        if not among.any():
            return NOTHING
        column = np.where(among, first * 2 + second * 1, -1)
        n, discordant = _discordant(self.cells, column)
        value, square = (discordant[1] - discordant[0]) / n, sum(discordant) / n
        found = self._dependence(column)
        size = float(n) if found is None else found.size(square - value**2, n, self.level)
        clusters = self.cells.runs[0].groups
        if clusters is None or found is None:
            p = mcnemar(*discordant)
        elif len(clusters.ways) == 1:
            p = sign_flip(_nets(clusters.ways[0], column))
        else:
            p = _student(value, found)
        return Difference(
            n=n,
            first=self.single_run(0).proportion(first, among),
            second=self.single_run(1).proportion(second, among),
            difference=Rate.within(value, *bonett_price(value, square, size, self.level)),
            p=p,
            discordant=discordant,
            size=size,
        )

    def _dependence(self, column: IntArray) -> Dependence | None:
        """What the clusters do to the difference of two shares; `column` as in `_discordant`."""
        if self.cells.runs[0].groups is None:
            return None
        value, rare = np.array([0, 1, -1, 0]), np.array([0, 1, 1, 0])
        return self.known.once(
            lambda: dependence_of_mean(self.cells.runs[0], column, value, rare),
            "difference of shares",
            column,
        )

    def f1(
        self, first: Confusion, second: Confusion, prefix: str, *names: str
    ) -> dict[str, Difference]:
        """F1 and its means.

        Args:
            first: Gold against the first run's prediction.
            second: Against the second's, over the same cells.
            prefix: Where the metrics stand in `metrics.json`, such as ``"joint"``.
            names: ``"f1_macro"``, ``"f1_weighted"``, ``"f1_binary"``, ``"f1_binary_strict"``, or
                of a severity ``"per_class.unsafe.f1"`` or ``"per_class.unsafe.precision"``.
        """
        inside = first.inside
        if not inside.any():
            return dict.fromkeys(names, NOTHING)
        column = np.where(inside, first.column * 4 + second.column % 4, -1)
        resampler = Resampler(self.cells.runs[0], REPLICATES, self.seed)
        observed = confusions(resampler.count(column, 48))
        n = int(observed[0].sum())
        right = np.where(inside, first.right * 2 + second.right * 1, -1)
        found = self._dependence(right)
        value, square = _difference(_discordant(self.cells, right))
        size = float(n) if found is None else found.size(square - value**2, n, self.level)
        macro = partial(macro_f1, classes=first.severities)
        scores = {name: macro if name == "f1_macro" else _SCORES[name] for name in names}
        values = {
            name: float(score(observed[1]) - score(observed[0])) for name, score in scores.items()
        }
        added = two_samples(observed[0].sum(axis=-1) > 0)
        clusters = self.cells.runs[0].groups
        if clusters is None or found is None:
            drawn = resampler.draw(column, 48, f"{prefix}.paired")
            rng = np.random.default_rng([self.seed, zlib.crc32(f"{prefix}.added".encode())])
            some = np.flatnonzero(added)
            drawn[:, some] += rng.poisson(added[some], (len(drawn), len(some)))
            bootstrap = confusions(drawn)
            bounds = {
                name: percentiles(score(bootstrap[1]) - score(bootstrap[0]), self.level)
                for name, score in scores.items()
            }
        else:
            # Student's quantile, which the size has in it, is in the interval already.
            effect = n / size * found.shrinkage(self.level)
            variances = self._variances(column, scores, added * effect, found)
            bounds = {
                name: _around(values[name], variances[name], found, self.level) for name in scores
            }
        if clusters is None or len(clusters.ways) == 1:
            by_coins = swapped(resampler, column, self.swaps, f"{prefix}.swapped")
            ps = _by_chance(by_coins, scores, values)
        else:
            assert found is not None
            ps = {
                name: _student(value, replace(found, variance=variances[name]))
                for name, value in values.items()
            }
        own = [
            self._single_run_f1(run, confusion, prefix, names)
            for run, confusion in enumerate((first, second))
        ]
        differences = {}
        for name, value in values.items():
            # A class without samples, or one that a run never predicts, is not informative.
            if name in _PRECISION:
                known = all(table[:, _PRECISION[name]].any() for table in observed)
            else:
                known = bool(observed[0][list(_POSITIVE.get(name, range(3)))].any())
            differences[name] = Difference(
                n=n,
                first=own[0][name],
                second=own[1][name],
                difference=Rate.within(value, *((bounds[name] if known else None) or (-1, 1))),
                p=ps[name],
                discordant=None,
                size=size,
            )
        return differences

    def _variances(
        self,
        column: IntArray,
        scores: Mapping[str, _Score],
        added: FloatArray,
        found: Dependence,
    ) -> dict[str, float]:
        """Variance of each difference with the clusters, and with two more samples.

        Args:
            column: Entry of the 48 of each cell, or -1.
            scores: Name -> score of a confusion.
            added: Of the two samples, how many more on average; shape ``(48,)``.
            found: What the clusters do to the difference of the accuracies.
        """
        cells = self.cells.runs[0]

        def statistics(tables: FloatArray) -> FloatArray:
            first, second = confusions(tables)
            return np.stack([score(second) - score(first) for score in scores.values()], axis=-1)

        spread = jackknife(cells, column, 48, statistics)
        total = Resampler(cells, 1, 0).count(column, 48).astype(np.float64)
        more = statistics(total + np.eye(48)[added > 0]) - spread.value
        once = (added[added > 0, None] * more**2).sum(axis=0)
        n = float(total.sum())
        variances = {}
        for k, name in enumerate(scores):
            alone, clustered = float(spread.independent[k, k]), float(spread.covariance[k, k])
            if alone > 0:
                clustered = alone * replace(found, variance=clustered).design_effect(alone, n)
            variances[name] = clustered + float(once[k]) * float(added.sum()) / 2
        return variances

    def _single_run_f1(
        self, run: int, confusion: Confusion, prefix: str, names: tuple[str, ...]
    ) -> dict[str, Rate]:
        """The metrics of one run, as `metrics.json` has them."""
        estimator = self.single_run(run)
        means = [name for name in names if name not in _POSITIVE and name not in _PRECISION]
        rates = estimator.mean_f1(confusion, prefix, *means) if means else {}
        for name in names:
            if name in _POSITIVE:
                rates[name] = estimator.f1(confusion, *_POSITIVE[name])
            elif name in _PRECISION:
                rates[name] = estimator.precision(confusion, _PRECISION[name])
        return rates


def _difference(discordant: tuple[int, tuple[int, int]]) -> tuple[float, float]:
    """The mean of the differences, and of their squares, of what `_discordant` gives."""
    n, (first, second) = discordant
    return (second - first) / n, (first + second) / n


def _around(
    value: float, variance: float, found: Dependence, level: float
) -> tuple[float, float] | None:
    """Student's interval of a difference; `None` where one cluster has all samples."""
    if found.units <= 1:
        return None
    half = student_quantile(level, found.df) * math.sqrt(variance)
    return max(-1.0, value - half), min(1.0, value + half)


def _student(value: float, found: Dependence) -> float:
    """P of no difference, by Student's test with the variance and its degrees of freedom."""
    if not value or found.units <= 1 or found.variance <= 0:
        return 1.0
    return student_p(value / math.sqrt(found.variance), found.df)


def _by_chance(
    swapped: tuple[FloatArray, FloatArray],
    scores: Mapping[str, _Score],
    values: Mapping[str, float],
) -> dict[str, float]:
    """P by randomization: how often the runs, swapped by chance, differ as much or more.

    One more of each, as the runs as they are is one way to swap them (Phipson and Smyth 2010): a p
    of 0 cannot be had by draws.
    """
    ps = {}
    for name, score in scores.items():
        apart = np.abs(score(swapped[1]) - score(swapped[0])) >= abs(values[name]) - 1e-12
        ps[name] = (1 + int(apart.sum())) / (1 + len(apart))
    return ps


def _discordant(cells: PairedCells, column: IntArray) -> tuple[int, tuple[int, int]]:
    """Samples, and those that the first run alone hits and the second alone.

    Args:
        cells: Of two runs.
        column: First hit * 2 + second hit of each cell, or -1; shape ``(C,)``.
    """
    counts = _by_entry(column, cells.runs[0].count)
    return int(counts.sum()), (int(counts[2]), int(counts[1]))


def _nets(groups: GroupCounts, column: IntArray) -> Counter[int]:
    """What the second run hits more than the first in a cluster -> how many clusters have it."""
    alone = _by_entry(column, groups.alone)
    nets = Counter({1: int(alone[1]), -1: int(alone[2])})
    for table in groups.tables(column, 4):
        values, times = np.unique(table[:, 1] - table[:, 2], return_counts=True)
        nets.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
    return nets


def _by_entry(column: IntArray, counts: IntArray) -> IntArray:
    inside = column >= 0
    return np.bincount(column[inside], weights=counts[inside], minlength=4).astype(np.int64)
