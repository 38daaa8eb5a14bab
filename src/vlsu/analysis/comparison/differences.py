"""Differences of two runs on the same samples: the value, its interval, a test.

Which, and why:

- Shares (accuracy, recall): Bonett and Price's (2012) interval for paired proportions, which adds
  one sample that each run alone hits; p by McNemar's exact test, or by swapping the runs in whole
  groups (`vlsu.analysis.stats.mcnemar`).
- F1, its means and precision: the percentile interval of a paired bootstrap, which draws samples
  (groups) with both predictions. Alone it is too short where samples are few or nearly all right,
  so each replicate gets, by chance, the same two samples: on average one that each run alone has
  right, spread evenly over gold grades and wrong answers. p by randomization (Yeh 2000): the runs
  swapped in each sample (group) by a coin; the share of bootstrap differences beyond 0 claims too
  often in small samples.

Coverage and false claims of both: `benchmarks/paired_coverage.py`.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.classification import binary_f1, class_precision, macro_f1, weighted_f1
from vlsu.analysis.stats.effective_size import copies_size, linearised_size
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, bonett_price, percentiles
from vlsu.analysis.stats.mcnemar import mcnemar, sign_flip
from vlsu.analysis.table.confusion import POSITIVE, Confusion
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.paired_cells import PairedCells
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import Severity

__all__ = ["NOTHING", "PAIRED_METHODS", "REPLICATES", "Difference", "PairedEstimator"]

#: Interval and test by kind of metric, for the record.
PAIRED_METHODS = {
    "share": "Bonett and Price (2012) for paired proportions; with groups on the effective size",
    "f1, precision": "percentile interval of a paired bootstrap with the same two samples added",
    "p of a share": "McNemar, exact; with groups the runs are swapped in whole groups, exactly up "
    "to 10,000 discordant samples",
    "p of an F1, of a precision": "randomization: the runs swapped in each sample or group",
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

#: Gold * 16 + first's prediction * 4 + second's, and where that is when the runs are swapped.
_TABLE = np.arange(48).reshape(3, 4, 4)
_MIRROR: IntArray = _TABLE.swapaxes(1, 2).reshape(-1)

#: Adds such a table up to the confusions of the first run and of the second; shape ``(48, 24)``.
_SIDES: FloatArray = np.concatenate(
    [
        np.repeat(np.eye(12), 4, axis=0),
        np.repeat(np.eye(12).reshape(3, 4, 12), 4, axis=0).reshape(48, 12),
    ],
    axis=1,
)


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
    """

    cells: PairedCells
    swaps: int
    seed: int
    level: float = LEVEL

    def single_run(self, run: int) -> Estimator:
        """Estimates one of the runs on its own, as `metrics.json` does."""
        return Estimator(Resampler(self.cells.runs[run], REPLICATES, self.seed), self.level)

    def share(self, first: BoolArray, second: BoolArray, among: BoolArray) -> Difference:
        """Share of samples in `among` that the runs hit.

        Args:
            first: Cells that the first run hits, shape ``(C,)``.
            second: Cells that the second hits.
            among: Cells that count.
        """
        if not among.any():
            return NOTHING
        units = _Units.from_cells(self.cells, first, second, among)
        value = (units.second - units.first) / units.n
        bounds = bonett_price(value, sum(units.discordant) / units.n, units.size, self.level)
        return Difference(
            n=units.n,
            first=self.single_run(0).proportion(first, among),
            second=self.single_run(1).proportion(second, among),
            difference=Rate.within(value, *bounds),
            p=mcnemar(*units.discordant) if units.nets is None else sign_flip(units.nets),
            discordant=units.discordant,
            size=units.size,
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
        observed = _confusions(resampler.count(column, 48))
        swapped = _confusions(resampler.swap(column, 48, _MIRROR, self.swaps, f"{prefix}.swapped"))
        size = _Units.from_cells(self.cells, first.right, second.right, inside).size
        n = int(observed[0].sum())
        drawn = resampler.draw(column, 48, f"{prefix}.paired")
        added = _two_samples(observed[0].sum(axis=-1) > 0)
        rng = np.random.default_rng([self.seed, zlib.crc32(f"{prefix}.added".encode())])
        bootstrap = _confusions(drawn + rng.poisson(added, drawn.shape) * (n / size))
        own = [
            self._single_run_f1(run, confusion, prefix, names)
            for run, confusion in enumerate((first, second))
        ]
        found = {}
        macro = partial(macro_f1, classes=first.severities)
        for name in names:
            score = macro if name == "f1_macro" else _SCORES[name]
            value = float(score(observed[1]) - score(observed[0]))
            bounds = percentiles(score(bootstrap[1]) - score(bootstrap[0]), self.level)
            # A class without samples, or one that a run never predicts, is not informative.
            if name in _PRECISION:
                known = all(table[:, _PRECISION[name]].any() for table in observed)
            else:
                known = bool(observed[0][list(_POSITIVE.get(name, range(3)))].any())
            by_chance = np.abs(score(swapped[1]) - score(swapped[0])) >= abs(value) - 1e-12
            found[name] = Difference(
                n=n,
                first=own[0][name],
                second=own[1][name],
                difference=Rate.within(value, *(bounds if bounds and known else (-1, 1))),
                # One more of each, as the runs as they are is one way to swap them (Phipson and
                # Smyth 2010): a p of 0 cannot be had by draws.
                p=(1 + int(by_chance.sum())) / (1 + len(by_chance)),
                discordant=None,
                size=size,
            )
        return found

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


def _confusions(tables: FloatArray | IntArray) -> tuple[FloatArray, FloatArray]:
    """The two runs' confusions, each ``(..., 3, 4)``, of tables ``(..., 48)``."""
    both = (tables @ _SIDES).reshape(*tables.shape[:-1], 2, 3, 4)
    return both[..., 0, :, :], both[..., 1, :, :]


def _two_samples(occurs: BoolArray) -> FloatArray:
    """What is added to a table on average, ``(48,)``: a sample that each run alone has right.

    Args:
        occurs: Gold grades to spread them over, shape ``(3,)``.
    """
    table = np.zeros((3, 4, 4))
    for gold in np.flatnonzero(occurs):
        wrong = np.arange(4) != gold
        table[gold, gold, wrong] = table[gold, wrong, gold] = 1 / (3 * occurs.sum())
    return table.reshape(48)


@dataclass(frozen=True, slots=True)
class _Units:
    """Sums over samples, or groups of them, of m samples, x hits of the first, y of the second.

    Whole numbers throughout, so that nothing cancels and the order of the groups leaves no trace.

    Attributes:
        n: Samples, the sum of m.
        first: The sum of x.
        second: The sum of y.
        squares: Sums of ``mm, mx, my, xx, xy, yy``.
        units: Samples without a group and groups.
        discordant: Samples that the first alone hits, and that the second alone does.
        nets: y - x of a group -> how many groups have it; `None` without groups.
    """

    n: int
    first: int
    second: int
    squares: Mapping[str, int]
    units: int
    discordant: tuple[int, int]
    nets: Mapping[int, int] | None

    @classmethod
    def from_cells(
        cls, cells: PairedCells, first: BoolArray, second: BoolArray, among: BoolArray
    ) -> _Units:
        shared = cells.runs[0]
        column = np.where(among, first * 2 + second * 1, -1)
        counts = _by_entry(column, shared.count)
        groups = shared.groups
        alone = counts if groups is None else _by_entry(column, groups.alone)
        x, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        # A sample without a group is a unit of m = 1.
        sums = Counter(
            {
                "mm": int(alone.sum()),
                "mx": int(alone @ x),
                "my": int(alone @ y),
                "xx": int(alone @ x),
                "xy": int(alone @ (x * y)),
                "yy": int(alone @ y),
            }
        )
        units = int(alone.sum())
        nets = Counter({1: int(alone[1]), -1: int(alone[2])})
        if groups is not None:
            for table in groups.tables(column, 4):
                m, hits, others = table.sum(axis=1), table @ x, table @ y
                units += len(m)
                sums.update(
                    {
                        "mm": int(m @ m),
                        "mx": int(m @ hits),
                        "my": int(m @ others),
                        "xx": int(hits @ hits),
                        "xy": int(hits @ others),
                        "yy": int(others @ others),
                    }
                )
                values, times = np.unique(others - hits, return_counts=True)
                nets.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
        return cls(
            n=int(counts.sum()),
            first=int(counts @ x),
            second=int(counts @ y),
            squares=sums,
            units=units,
            discordant=(int(counts[2]), int(counts[1])),
            nets=None if groups is None else nets,
        )

    @property
    def _residuals(self) -> tuple[int, int, int]:
        """n^2 times the sums over units of (x - pm)^2, (x - pm)(y - qm) and (y - qm)^2."""
        n, s = self.n, self.squares
        a, b = self.first, self.second
        return (
            n * n * s["xx"] - 2 * n * a * s["mx"] + a * a * s["mm"],
            n * n * s["xy"] - n * (a * s["my"] + b * s["mx"]) + a * b * s["mm"],
            n * n * s["yy"] - 2 * n * b * s["my"] + b * b * s["mm"],
        )

    @property
    def size(self) -> float:
        """Independent samples the difference is worth: n / design effect, from 1 to n.

        As `vlsu.analysis.table.resampling.Resampler.effective_size`, of the difference's variance.
        """
        if self.nets is None:
            return float(self.n)
        xx, xy, yy = self._residuals
        residual = xx - 2 * xy + yy
        spread = self.n * sum(self.discordant) - (self.second - self.first) ** 2
        if self.units > 1 and residual > 0 and spread > 0:
            size = linearised_size(spread, residual, n=self.n, units=self.units)
        else:
            size = copies_size(self.n, self.squares["mm"])
        return min(max(size, 1.0), float(self.n))


def _by_entry(column: IntArray, counts: IntArray) -> IntArray:
    inside = column >= 0
    return np.bincount(column[inside], weights=counts[inside], minlength=4).astype(np.int64)
