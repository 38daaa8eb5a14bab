"""Two runs on the same samples: a share or an F1 of both, however missing answers are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.comparison.differences import Difference, PairedEstimator
from vlsu.analysis.comparison.families import ComparedMetric
from vlsu.analysis.comparison.single_runs import Known
from vlsu.analysis.comparison.worst_case import WorstCase, best_predictions, worst_predictions
from vlsu.analysis.stats.intervals import LEVEL, Rate
from vlsu.analysis.table.cells import Cells, CellShare
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.paired_cells import PairedCells

__all__ = ["Asked", "BothShares", "PairedRuns", "swaps_of"]

_FEWEST_SWAPS = 10_000
#: Swaps for each test of a family: fewer could not reach a corrected p of 0.05.
_SWAPS_PER_TEST = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """Samples that a metric is over, and what is known of the runs' answers to them.

    Attributes:
        among: Cells that count, shape ``(C,)``.
        both: Those of them that both runs answered.
        shares: What share of them each run answered.
        lost: Those of them of which each run's answer is missing for a technical reason.
    """

    among: BoolArray
    both: BoolArray
    shares: tuple[Rate, Rate]
    lost: tuple[BoolArray, BoolArray]

    def enough(self, bound: float) -> bool:
        """Whether both runs answered at least this share."""
        return all(share.value is None or share.value >= bound for share in self.shares)


@dataclass(frozen=True, slots=True)
class BothShares:
    """What each run hits of a share, and the samples it is over."""

    hits: tuple[BoolArray, BoolArray]
    over: Asked


@dataclass(frozen=True)
class PairedRuns:
    """Two runs over the samples that both were asked about.

    Attributes:
        cells: Of the two runs.
        runs: How many are compared in all.
        seed: Of bootstrap and randomization.
        enough: Where a run answered a smaller share of a metric's samples, the metric is there
            with the missing answers counted in another way too; 0 for no other way at all.
        level: Confidence of the intervals.
        fewest_swaps: Of the randomization of F1s and precisions.
        known: As of `PairedEstimator`.
    """

    cells: PairedCells
    runs: int
    seed: int
    enough: float
    level: float = LEVEL
    fewest_swaps: int = _FEWEST_SWAPS
    known: Known = field(default_factory=Known)

    @cached_property
    def estimator(self) -> PairedEstimator:
        """Of shares, which need no swaps."""
        return PairedEstimator(self.cells, 1, self.seed, self.level, self.known)

    @property
    def sides(self) -> tuple[Cells, Cells]:
        """The first run and the second."""
        first, second = self.cells.runs
        return first, second

    def over(self, among: BoolArray, *modalities: int) -> Asked:
        """Cells, and how much of them each run answered in all of these modalities."""
        wanted = list(modalities)
        first, second = (
            np.logical_and.reduce(run.answered[:, wanted], axis=1) for run in self.sides
        )
        shares = (
            self.estimator.single_run(0).proportion(first, among),
            self.estimator.single_run(1).proportion(second, among),
        )
        lost = tuple(
            np.zeros_like(among) if run.lost is None else among & run.lost[:, wanted].any(axis=1)
            for run in self.sides
        )
        return Asked(among, among & first & second, shares, (lost[0], lost[1]))

    def both(self, define: Callable[[Cells], CellShare]) -> BothShares:
        """What each run hits of a share, over the samples that enter in both."""
        first, second = (define(run) for run in self.sides)
        return self.of_both(first, second)

    def of_both(self, first: CellShare, second: CellShare) -> BothShares:
        """A share of the first run and the same of the second."""
        over = self.over(first.among & second.among, *first.modalities)
        return BothShares((first.hits, second.hits), over)

    def share(
        self,
        label: str,
        path: str,
        shares: BothShares,
        *,
        good: int = 1,
        family: str | None = None,
    ) -> ComparedMetric:
        """The share of samples that the runs hit, also of those that both answered, if need be.

        Args:
            label: As for `ComparedMetric`.
            path: Of the metric in `metrics.json`.
            shares: What each run hits.
            good: As for `ComparedMetric`.
            family: As for `ComparedMetric`; the path if it is a family of its own.
        """
        over, bounds = shares.over, {}
        if not over.enough(self.enough):
            bounds["missing_left_out"] = self.difference(shares, over.both)
        return ComparedMetric(
            label,
            family or path,
            good,
            self.difference(shares, over.among),
            answered=over.shares,
            bounds=bounds,
            worst_case=self.worst_share(shares),
        )

    def worst_share(self, shares: BothShares) -> WorstCase | None:
        """A share with the missing answers as hits of one run and as none of the other.

        `None` where none is missing, or it is not asked for.
        """
        over, (first, second) = shares.over, shares.hits
        missing = self.missing(over)
        if missing is None:
            return None
        mine, theirs = over.lost
        lower = first | mine, second & ~theirs
        upper = first & ~mine, second | theirs
        return WorstCase(
            self.difference(BothShares(lower, over), over.among),
            self.difference(BothShares(upper, over), over.among),
            missing,
        )

    def missing(self, over: Asked) -> tuple[int, int] | None:
        """Samples whose answer is missing, by run; `None` if there are none that matter."""
        first, second = (int(self.cells.runs[0].count[lost].sum()) for lost in over.lost)
        return (first, second) if self.enough > 0 and first + second else None

    def difference(self, shares: BothShares, among: BoolArray) -> Difference:
        """The difference of a share over some of the samples."""
        first, second = shares.hits
        return self.estimator.share(first & among, second & among, among)

    def means(
        self,
        number: int,
        over: Asked,
        prefix: str,
        names: Mapping[str, tuple[str, str]],
        *,
        tests: int,
    ) -> dict[str, ComparedMetric]:
        """F1s, their means and precisions, also of the samples both answered, if need be.

        Args:
            number: Of the modality.
            over: Samples that count.
            prefix: As for `PairedEstimator.f1`.
            names: Metric -> its label and family.
            tests: As for `f1`.
        """
        found = self.f1(number, over.among, prefix, tests=tests, names=tuple(names))
        others: Mapping[str, Difference] = {}
        if not over.enough(self.enough):
            where = f"{prefix}.answered"
            others = self.f1(number, over.both, where, tests=tests, names=tuple(names))
        worst = self.worst_f1(number, over, prefix, tests=tests, names=tuple(names))
        return {
            f"{prefix}.{name}": ComparedMetric(
                label,
                family,
                1,
                found[name],
                answered=over.shares,
                bounds={"missing_left_out": others[name]} if name in others else {},
                worst_case=worst.get(name),
            )
            for name, (label, family) in names.items()
        }

    def f1(
        self, number: int, among: BoolArray, prefix: str, *, tests: int, names: Sequence[str]
    ) -> Mapping[str, Difference]:
        """F1s over cells.

        Args:
            number: Of the modality.
            among: Cells that count.
            prefix: As for `PairedEstimator.f1`.
            tests: How many such metrics of a pair are corrected together.
            names: As for `PairedEstimator.f1`.
        """
        first, second = (Confusion.from_cells(run, number, among) for run in self.sides)
        return self.of_confusions(first, second, prefix, tests, names)

    def of_confusions(
        self, first: Confusion, second: Confusion, prefix: str, tests: int, names: Sequence[str]
    ) -> Mapping[str, Difference]:
        """F1s of two confusions over the same cells; arguments as `f1`."""
        swaps = swaps_of(tests, self.runs, self.fewest_swaps)
        estimator = PairedEstimator(self.cells, swaps, self.seed, self.level, self.known)
        return estimator.f1(first, second, prefix, *names)

    def worst_f1(
        self, number: int, over: Asked, prefix: str, *, tests: int, names: Sequence[str]
    ) -> dict[str, WorstCase]:
        """F1s at both ends of what the missing answers leave open, where some are missing.

        Args:
            number: Of the modality.
            over: Cells that count.
            prefix: As for `PairedEstimator.f1`.
            tests: As for `f1`.
            names: As for `PairedEstimator.f1`.
        """
        missing = self.missing(over)
        if missing is None:
            return {}
        best: list[dict[str, Confusion]] = []
        worst: list[dict[str, Confusion]] = []
        for run, lost in zip(self.sides, over.lost, strict=True):
            right = best_predictions(run, number, lost).over(over.among)
            best.append(dict.fromkeys(names, right))
            worst.append(
                {
                    name: worst_predictions(run, number, lost, over.among, name).over(over.among)
                    for name in names
                }
            )
        ends = [
            self.by_completion(f"{prefix}.{end}", first, second, tests)
            for end, first, second in (("lower", best[0], worst[1]), ("upper", worst[0], best[1]))
        ]
        return {name: WorstCase(ends[0][name], ends[1][name], missing) for name in names}

    def by_completion(
        self,
        prefix: str,
        first: Mapping[str, Confusion],
        second: Mapping[str, Confusion],
        tests: int,
    ) -> dict[str, Difference]:
        """F1s by name, each of its own two confusions; those of the same ones together."""
        together: dict[bytes, list[str]] = {}
        for name in first:
            key = first[name].column.tobytes() + second[name].column.tobytes()
            together.setdefault(key, []).append(name)
        found: dict[str, Difference] = {}
        for names in together.values():
            one = names[0]
            found |= self.of_confusions(first[one], second[one], f"{prefix}.{one}", tests, names)
        return found


def swaps_of(tests: int, runs: int, fewest: int = _FEWEST_SWAPS) -> int:
    """Swaps that let a family of so many tests a pair reach a corrected p of 0.05."""
    return max(fewest, _SWAPS_PER_TEST * tests * runs * (runs - 1) // 2)
