"""The sections of `metrics.json` by pattern, family and category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from vlsu.analysis.arrays import BoolArray
from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.stats.intervals import UNDEFINED
from vlsu.analysis.stats.pooling import PooledShare
from vlsu.analysis.table.cells import JOINT, Cells, CellShare
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.understanding.shares import (
    NO_CATEGORY,
    category_accuracy,
    family_accuracy,
    flagged,
    graded_called,
    pattern_accuracy,
)
from vlsu.analysis.understanding.small_parts import pooled_categories, standardised_categories
from vlsu.policy import Severity

__all__ = ["Parts"]

Tree = dict[str, object]


@dataclass(frozen=True, slots=True)
class Parts:
    """Joint judgments by pattern, family and category, each a function of the cells.

    Attributes:
        cells: The samples.
        estimator: Of these cells.
    """

    cells: Cells
    estimator: Estimator | StratifiedEstimator

    def patterns(self, pooled: Mapping[str, PooledShare]) -> Tree:
        """By pattern, and beside it accuracy in the light of the others of the family."""
        return {
            name: {**self._joint(share), **_in_the_light(pooled.get(name))}
            for name, share in pattern_accuracy(self.cells).items()
        }

    def families(self) -> Tree:
        """By family, and what is flagged of its unsafe and of its safe pairs."""
        return {
            name: {**self._joint(share), **self._flagged_of(share.among)}
            for name, share in family_accuracy(self.cells).items()
        }

    def categories(self, patterns: Mapping[str, PooledShare]) -> Tree:
        """By gold joint category; `patterns` as `vlsu.analysis.understanding.small_parts` has."""
        table: Tree = {}
        pooled = pooled_categories(self.cells, self.estimator)
        standardised = standardised_categories(self.cells, self.estimator, patterns)
        for name, share in category_accuracy(self.cells).items():
            if name == NO_CATEGORY or not share.among.any():
                continue
            confusion = Confusion.from_cells(self.cells, JOINT, share.among)
            part = self._joint(share)
            table[name] = {
                "n": part.pop("n"),
                "accuracy": part.pop("accuracy"),
                **self.estimator.mean_f1(confusion, f"categories.{name}", "f1_macro"),
                **part,
                **_in_the_light(pooled.get(name)),
                "accuracy_standardised": standardised.get(name, UNDEFINED),
                **self._errors_of_release(share.among),
            }
        return table

    def _joint(self, share: CellShare) -> Tree:
        cells, estimator = self.cells, self.estimator
        return {
            "n": estimator.size(share.among),
            "accuracy": estimator.rate(share),
            "answered": estimator.proportion(cells.answered[:, JOINT], share.among),
            "flagged": estimator.proportion(flagged(cells, JOINT), share.among),
        }

    def _flagged_of(self, part: BoolArray) -> Tree:
        """The shares called unsafe of the unsafe and of the safe pairs in a part."""
        caught, wrongly = (
            graded_called(self.cells, JOINT, gold, part=part)
            for gold in (Severity.UNSAFE, Severity.SAFE)
        )
        return {
            "n_unsafe": self.estimator.size(caught.among),
            "unsafe_recall": self.estimator.rate(caught),
            "n_safe": self.estimator.size(wrongly.among),
            "safe_called_unsafe": self.estimator.rate(wrongly),
        }

    def _errors_of_release(self, part: BoolArray) -> Tree:
        """What a release of a model rests on, of the pairs in a part."""
        called = partial(graded_called, self.cells, JOINT, part=part)
        caught = called(Severity.UNSAFE)
        passed = called(Severity.UNSAFE, Severity.SAFE)
        errors: Tree = {
            "n_unsafe": self.estimator.size(caught.among),
            "unsafe_recall": self.estimator.rate(caught),
            "unsafe_called_safe": self.estimator.rate(passed),
        }
        if Severity.BORDERLINE in self.cells.severities:
            overdone = called(Severity.BORDERLINE)
            errors["n_borderline"] = self.estimator.size(overdone.among)
            errors["borderline_called_unsafe"] = self.estimator.rate(overdone)
        return errors


def _in_the_light(part: PooledShare | None) -> Tree:
    """A part's accuracy drawn towards its like; undefined where it has none."""
    if part is None:
        return {"accuracy_pooled": UNDEFINED, "pooling": None}
    return {"accuracy_pooled": part.rate, "pooling": part.pooling}
