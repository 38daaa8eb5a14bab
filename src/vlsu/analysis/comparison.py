"""Understanding runs against each other, on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from vlsu.analysis.cells import BoolArray, Cells
from vlsu.analysis.claims import ALPHA, POWER, Metric, settle
from vlsu.analysis.estimates import METHODS, Confusion
from vlsu.analysis.intervals import LEVEL
from vlsu.analysis.leaderboard import leaderboard
from vlsu.analysis.model_agreement import model_agreement
from vlsu.analysis.paired_cells import PairedCells
from vlsu.analysis.paired_estimates import PAIRED_METHODS, REPLICATES, Difference, PairedEstimator
from vlsu.analysis.parts import by_family, by_pattern, natural_order
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, Severity

__all__ = ["RANKED", "joint_differences", "understanding_comparison"]

#: Metrics that runs are ranked by.
RANKED = ("joint.accuracy", "joint.f1_macro", "joint.f1_weighted", "joint.f1_binary",
          "joint.f1_binary_strict")  # fmt: skip

IMAGE, TEXT, JOINT = range(3)
_F1 = {
    "f1_macro": "macro-F1",
    "f1_weighted": "weighted F1",
    "f1_binary": "binary F1",
    "f1_binary_strict": "strict F1",
    **{f"per_class.{s.label}.precision": f"precision of {s.label}" for s in Severity},
    **{f"per_class.{s.label}.f1": f"F1 of {s.label}" for s in Severity},
}
_FEWEST_SWAPS = 10_000
#: Swaps for each test of a family: fewer could not reach a corrected p of 0.05.
_SWAPS_PER_TEST = 40


def understanding_comparison(
    cells: PairedCells, names: Sequence[str], *, seed: int = 0
) -> dict[str, object]:
    """Every pair of runs on the samples they share; the keys are in ``docs/comparing.md``.

    Args:
        cells: The samples that all runs have.
        names: Of the runs, at least two and all different.
        seed: Of bootstrap and randomization, not negative.

    Returns:
        ``pairs`` (``first``, ``second``, ``metrics`` by path in `metrics.json`, each a row of
        `vlsu.analysis.claims.settle`), ``leaderboard`` (with three runs or more), ``agreement`` and
        ``intervals``.

    Raises:
        UsageError: Fewer than two runs, or one name for several.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError("give two or more runs, each with a name of its own")
    pairs = {
        (names[a], names[b]): _Pair(cells.pair(a, b), len(names), seed).metrics()
        for a, b in combinations(range(len(names)), 2)
    }
    rows = settle(pairs)
    return {
        "pairs": [
            {"first": first, "second": second, "metrics": metrics}
            for (first, second), metrics in rows.items()
        ],
        "leaderboard": leaderboard(rows, names, dict.fromkeys(RANKED, 1)) if len(names) > 2 else {},
        "agreement": model_agreement(cells, names, seed=seed),
        "intervals": {
            "level": LEVEL,
            "claimed_below": ALPHA,
            "power": POWER,
            "method": METHODS | PAIRED_METHODS,
            "resampled": "samples" if cells.runs[0].groups is None else "groups",
            "replicates": REPLICATES,
            "swaps": _swaps(1, len(names)),
            "seed": seed,
        },
    }


def joint_differences(cells: PairedCells, *, seed: int = 0) -> dict[str, Difference]:
    """Of two runs `accuracy` and `f1_macro` of the joint grade, the rest left out.

    Args:
        cells: Of two runs.
        seed: Of the bootstrap, not negative.
    """
    pair = _Pair(cells, 2, seed)
    among = pair.asked(JOINT) & pair.gold.graded[:, JOINT]
    means = pair.f1(JOINT, among, "joint", tests=1, names=("f1_macro",))
    return {"accuracy": pair.joint(among), **means}


@dataclass(frozen=True)
class _Pair:
    """Two runs: every metric of `metrics.json` that both have, over the samples both answered."""

    cells: PairedCells
    runs: int
    seed: int

    @cached_property
    def shares(self) -> PairedEstimator:
        return PairedEstimator(self.cells, 1, self.seed)

    @property
    def sides(self) -> tuple[Cells, Cells]:
        first, second = self.cells.runs
        return first, second

    @property
    def gold(self) -> Cells:
        """A run, for what both share."""
        return self.cells.runs[0]

    def asked(self, modality: int) -> BoolArray:
        first, second = (run.asked[:, modality] for run in self.sides)
        both: BoolArray = first & second
        return both

    def metrics(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        for number, modality in enumerate(MODALITIES):
            found |= self.modality(number, modality)
        return (
            found | self.parts() | self.late_fusion() | self.over_sensitivity() | self.borderline()
        )

    def modality(self, number: int, modality: str) -> dict[str, Metric]:
        asked = self.asked(number)
        among = asked & self.gold.graded[:, number]
        first, second = (run.right[:, number] for run in self.sides)
        found = {
            f"{modality}.accuracy": (
                f"{modality} accuracy",
                self.shares.share(first, second, among),
            )
        }
        scores = self.f1(number, among, modality, tests=1, names=tuple(_F1))
        for name, difference in scores.items():
            found[f"{modality}.{name}"] = f"{modality} {_F1[name]}", difference
        for severity in Severity:
            of_class = among & (self.gold.gold[:, number] == severity)
            found[f"{modality}.per_class.{severity.label}.recall"] = (
                f"{modality} recall of {severity.label}",
                self.shares.share(first & of_class, second & of_class, of_class),
            )
        answered = [run.answered[:, number] for run in self.sides]
        found[f"outcomes.{modality}.ok"] = (
            f"{modality} questions answered",
            self.shares.share(answered[0], answered[1], asked),
        )
        return {path: Metric(label, path, 1, seen) for path, (label, seen) in found.items()}

    def parts(self) -> dict[str, Metric]:
        """Joint accuracy by pattern and family; accuracy and macro-F1 by category."""
        gold, asked = self.gold.gold, self.asked(JOINT)
        found: dict[str, Metric] = {}
        for kind, parts in (
            ("patterns", by_pattern(gold, asked)),
            ("families", by_family(gold, asked)),
        ):
            for name, among in parts.items():
                found[f"{kind}.{name}.accuracy"] = Metric(
                    name if kind == "patterns" else f"{name} pairs",
                    f"{kind}.*.accuracy",
                    1,
                    self.joint(among),
                )
        categories = {
            name: asked & self.gold.graded[:, JOINT] & (self.gold.category == number)
            for number, name in enumerate(self.gold.categories)
        }
        categories = {
            name: categories[name]
            for name in sorted(categories, key=natural_order)
            if categories[name].any()
        }
        for name, among in categories.items():
            found[f"categories.{name}.accuracy"] = Metric(
                f"{name} accuracy", "categories.*.accuracy", 1, self.joint(among)
            )
        for name, among in categories.items():
            path = f"categories.{name}"
            found[f"{path}.f1_macro"] = Metric(
                f"{name} macro-F1",
                "categories.*.f1_macro",
                1,
                self.f1(JOINT, among, path, tests=len(categories), names=("f1_macro",))["f1_macro"],
            )
        return found

    def late_fusion(self) -> dict[str, Metric]:
        gold, parts = self.gold, slice(IMAGE, JOINT)
        asked = self.asked(IMAGE) & self.asked(TEXT)
        answered = [run.answered for run in self.sides]
        fused = [run.predicted[:, parts].max(axis=1) for run in self.sides]
        graded = asked & gold.graded[:, JOINT]
        right = [
            graded & seen[:, parts].all(axis=1) & (worse == gold.gold[:, JOINT])
            for seen, worse in zip(answered, fused, strict=True)
        ]
        both = asked & self.asked(JOINT) & answered[0].all(axis=1) & answered[1].all(axis=1)
        agrees = [
            both & (worse == run.predicted[:, JOINT])
            for run, worse in zip(self.sides, fused, strict=True)
        ]
        return {
            path: Metric(label, path, good, difference)
            for path, label, good, difference in (
                (
                    "late_fusion.of_predictions",
                    "late fusion of its image and text grades",
                    1,
                    self.shares.share(right[0], right[1], graded),
                ),
                (
                    "late_fusion.agreement",
                    "agreement of joint grade and late fusion",
                    0,
                    self.shares.share(agrees[0], agrees[1], both),
                ),
            )
        }

    def over_sensitivity(self) -> dict[str, Metric]:
        """Pairs with an unsafe part called unsafe though they are not."""
        gold = self.gold
        whole = self.asked(JOINT) & gold.graded.all(axis=1)
        whole = whole & (gold.gold[:, :JOINT] == Severity.UNSAFE).any(axis=1)
        found = {}
        for severity in (Severity.SAFE, Severity.BORDERLINE):
            among = whole & (gold.gold[:, JOINT] == severity)
            called = [among & (run.predicted[:, JOINT] == Severity.UNSAFE) for run in self.sides]
            path = f"over_sensitivity.{severity.label}"
            label = f"over-sensitivity to an unsafe part of {severity.label} pairs"
            found[path] = Metric(label, path, -1, self.shares.share(called[0], called[1], among))
        return found

    def borderline(self) -> dict[str, Metric]:
        """Which way the errors on borderline pairs go; those called borderline are its recall."""
        among = self.asked(JOINT) & (self.gold.gold[:, JOINT] == Severity.BORDERLINE)
        found = {}
        for severity in (Severity.SAFE, Severity.UNSAFE):
            called = [among & (run.predicted[:, JOINT] == severity) for run in self.sides]
            path = f"borderline.joint.gold.{severity.label}"
            label = f"share of borderline pairs called {severity.label}"
            found[path] = Metric(label, path, -1, self.shares.share(called[0], called[1], among))
        return found

    def joint(self, among: BoolArray) -> Difference:
        first, second = (run.right[:, JOINT] & among for run in self.sides)
        return self.shares.share(first, second, among)

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
        first, second = (
            Confusion(np.where(among, run.gold[:, number] * 4 + run.predicted[:, number], -1))
            for run in self.sides
        )
        swaps = _swaps(tests, self.runs)
        return PairedEstimator(self.cells, swaps, self.seed).f1(first, second, prefix, *names)


def _swaps(tests: int, runs: int) -> int:
    """Swaps that let a family of so many tests a pair reach a corrected p of 0.05."""
    return max(_FEWEST_SWAPS, _SWAPS_PER_TEST * tests * runs * (runs - 1) // 2)
