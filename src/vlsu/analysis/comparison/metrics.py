"""Every metric that two understanding runs have on the same samples, as differences.

Where one of them tells safe from unsafe only, those are that ask for unsafe alone
(`vlsu.analysis.understanding.levels`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from vlsu.analysis.comparison.families import ComparedMetric
from vlsu.analysis.comparison.paired_runs import BothShares, PairedRuns
from vlsu.analysis.table.cells import JOINT, Cells, CellShare
from vlsu.analysis.understanding.levels import counts_all
from vlsu.analysis.understanding.shares import (
    NO_CATEGORY,
    accuracy,
    answered,
    borderline_called,
    category_accuracy,
    family_accuracy,
    flagged_parts,
    fusion_accuracy,
    fusion_agreement,
    pattern_accuracy,
    recall,
    unsafe_called,
)
from vlsu.policy import MODALITIES, Family, Pattern, Severity

__all__ = ["PairedMetrics"]

_F1 = {
    "f1_macro": "macro-F1",
    "f1_weighted": "weighted F1",
    "f1_binary": "binary F1",
    "f1_binary_strict": "strict F1",
    **{f"per_class.{s.label}.precision": f"precision of {s.label}" for s in Severity},
    **{f"per_class.{s.label}.f1": f"F1 of {s.label}" for s in Severity},
}
#: Those of them that a policy without borderline has not.
_OF_BORDERLINE = frozenset(
    {"f1_binary_strict", "per_class.borderline.precision", "per_class.borderline.f1"}
)


#: Parts of the pairs, and which of the unsafe among them are flagged: path, gold grade, its share.
_CALLED_UNSAFE = (
    ("families", "unsafe_recall", Severity.UNSAFE, "recall of unsafe, {} pairs", 1),
    ("families", "safe_called_unsafe", Severity.SAFE, "safe {} pairs flagged", -1),
    ("categories", "unsafe_recall", Severity.UNSAFE, "recall of unsafe, {}", 1),
)


@dataclass(frozen=True)
class PairedMetrics(PairedRuns):
    """Two runs: every metric of `metrics.json` that both have, over the samples both were asked.

    Attributes:
        unsafe_alone: Whether a run's model tells safe from unsafe only.
    """

    unsafe_alone: bool = False

    @property
    def severities(self) -> tuple[Severity, ...]:
        """Those of the policy, mildest first."""
        return self.cells.runs[0].severities

    @property
    def has_borderline(self) -> bool:
        """Whether the policy has borderline."""
        return Severity.BORDERLINE in self.severities

    def metrics(self, only: Collection[str] | None = None) -> dict[str, ComparedMetric]:
        """All of them, or some, by path in `metrics.json`."""
        blocks: dict[tuple[str, ...], Callable[[], dict[str, ComparedMetric]]] = {
            (f"{modality}.", f"outcomes.{modality}."): partial(self.modality, number, modality)
            for number, modality in enumerate(MODALITIES)
        }
        blocks |= {
            ("patterns.", "families.", "categories."): (
                self.flagged_of_parts if self.unsafe_alone else self.all_parts
            ),
            ("late_fusion.",): self.late_fusion,
            ("over_sensitivity.",): self.over_sensitivity,
            ("borderline.",): self.borderline,
        }
        found: dict[str, ComparedMetric] = {}
        for paths, block in blocks.items():
            if only is None or any(path.startswith(paths) for path in only):
                found |= block()
        return found if only is None else {path: found[path] for path in only if path in found}

    def modality(self, number: int, modality: str) -> dict[str, ComparedMetric]:
        """The metrics of one modality, and the share of its questions that was answered."""
        path, overall = f"{modality}.accuracy", self.both(partial(accuracy, modality=number))
        found: dict[str, ComparedMetric] = {}
        if not self.unsafe_alone:
            found[path] = self.share(f"{modality} accuracy", path, overall)
        names = {
            name: (f"{modality} {words}", f"{modality}.{name}")
            for name, words in _F1.items()
            if self.has_borderline or name not in _OF_BORDERLINE
            if not (self.unsafe_alone and counts_all(f"{modality}.{name}"))
        }
        found |= self.means(number, overall.over, modality, names, tests=1)
        for severity in self.severities:
            path = f"{modality}.per_class.{severity.label}.recall"
            if self.unsafe_alone and counts_all(path):
                continue
            label = f"{modality} recall of {severity.label}"
            of_class = self.both(partial(recall, modality=number, severity=severity))
            found[path] = self.share(label, path, of_class)
        asked = self.both(partial(answered, modality=number))
        path = f"outcomes.{modality}.ok"
        found[path] = ComparedMetric(
            f"{modality} questions answered",
            path,
            1,
            self.difference(asked, asked.over.among),
            answered=asked.over.shares,
        )
        return found

    def parts(self) -> dict[str, ComparedMetric]:
        """Joint accuracy by pattern and family; accuracy and macro-F1 by category."""
        patterns, families, categories = (
            self.by_part(define)
            for define in (pattern_accuracy, family_accuracy, category_accuracy)
        )
        patterns, categories = (
            {name: both for name, both in parts.items() if both.over.among.any()}
            for parts in (patterns, categories)
        )
        found: dict[str, ComparedMetric] = {}
        for kind, words, parts in (
            ("patterns", "{}", patterns),
            ("families", "{} pairs", families),
            ("categories", "{} accuracy", categories),
        ):
            for name, both in parts.items():
                path, family = f"{kind}.{name}.accuracy", f"{kind}.*.accuracy"
                found[path] = self.share(words.format(name), path, both, family=family)
        for name, both in categories.items():
            path = f"categories.{name}"
            names = {"f1_macro": (f"{name} macro-F1", "categories.*.f1_macro")}
            found |= self.means(JOINT, both.over, path, names, tests=len(categories))
        return found

    def all_parts(self) -> dict[str, ComparedMetric]:
        """What `parts` and `flagged_of_families` have."""
        return {**self.parts(), **self.flagged_of_families()}

    def flagged_of_parts(self) -> dict[str, ComparedMetric]:
        """Shares called unsafe: by pattern, and of unsafe and safe pairs by family and category."""
        good = {Severity.UNSAFE: 1, Severity.BORDERLINE: 0, Severity.SAFE: -1}
        found: dict[str, ComparedMetric] = {}
        for name, both in self.by_part(
            lambda run: flagged_parts(pattern_accuracy(run), run)
        ).items():
            path, joint = f"patterns.{name}.flagged", Pattern.parse(name).joint
            found[path] = self.share(
                f"{name} flagged", path, both, good=good[joint], family="patterns.*.flagged"
            )
        found |= self._called_unsafe("categories", category_accuracy)
        found = {path: metric for path, metric in found.items() if metric.difference.n}
        return {**found, **self.flagged_of_families()}

    def flagged_of_families(self) -> dict[str, ComparedMetric]:
        """Shares called unsafe by family: of all its pairs, of the unsafe ones, of the safe ones.

        No de-escalating pair is unsafe, so that of these every flag is a false one.
        """
        found = self._called_unsafe("families", family_accuracy)
        for name, both in self.by_part(
            lambda run: flagged_parts(family_accuracy(run), run)
        ).items():
            path, milder = f"families.{name}.flagged", name == Family.DE_ESCALATING.value
            found[path] = self.share(
                f"{name} pairs flagged", path, both, good=-milder, family="families.*.flagged"
            )
        return {path: metric for path, metric in found.items() if metric.difference.n}

    def _called_unsafe(
        self, kind: str, parts: Callable[[Cells], Mapping[str, CellShare]]
    ) -> dict[str, ComparedMetric]:
        """The rows of `_CALLED_UNSAFE` of one kind of parts that have samples."""
        found: dict[str, ComparedMetric] = {}
        for of, key, gold, words, better in _CALLED_UNSAFE:
            if of != kind:
                continue

            def define(run: Cells, gold: Severity = gold) -> Mapping[str, CellShare]:
                return flagged_parts(parts(run), run, gold)

            for name, both in self.by_part(define).items():
                path, family = f"{kind}.{name}.{key}", f"{kind}.*.{key}"
                found[path] = self.share(words.format(name), path, both, good=better, family=family)
        return {path: metric for path, metric in found.items() if metric.difference.n}

    def by_part(self, define: Callable[[Cells], Mapping[str, CellShare]]) -> dict[str, BothShares]:
        """Parts of the samples that both runs have; those without a category are none."""
        first, second = (define(run) for run in self.sides)
        return {
            name: self.of_both(first[name], second[name])
            for name in first
            if name in second and name != NO_CATEGORY
        }

    def late_fusion(self) -> dict[str, ComparedMetric]:
        """Accuracy of the worse of a run's own two grades, and how often its answer is that."""
        path, label = "late_fusion.of_predictions", "late fusion of its image and text grades"
        found: dict[str, ComparedMetric] = {}
        if not self.unsafe_alone:
            found[path] = self.share(label, path, self.both(fusion_accuracy))
        # Over the answered alone, else with the missing as wrong.
        asked = self.both(fusion_agreement)
        bounds = {}
        if not asked.over.enough(self.enough):
            bounds["missing_as_wrong"] = self.difference(asked, asked.over.among)
        path = "late_fusion.agreement"
        found[path] = ComparedMetric(
            "agreement of joint grade and late fusion",
            path,
            0,
            self.difference(asked, asked.over.both),
            answered=asked.over.shares,
            bounds=bounds,
            worst_case=self.worst_share(asked),
        )
        return found

    def over_sensitivity(self) -> dict[str, ComparedMetric]:
        """Pairs with an unsafe part called unsafe though they are not."""
        found = {}
        for severity in self.severities[:-1]:
            path = f"over_sensitivity.{severity.label}"
            if self.unsafe_alone and counts_all(path):
                continue
            label = f"over-sensitivity to an unsafe part of {severity.label} pairs"
            called = self.both(partial(unsafe_called, severity=severity))
            found[path] = self.share(label, path, called, good=-1)
        return found

    def borderline(self) -> dict[str, ComparedMetric]:
        """Which way the errors on borderline pairs go; those called borderline are its recall."""
        found: dict[str, ComparedMetric] = {}
        if not self.has_borderline or self.unsafe_alone:
            return found
        for severity in (Severity.SAFE, Severity.UNSAFE):
            path = f"borderline.joint.gold.{severity.label}"
            label = f"share of borderline pairs called {severity.label}"
            called = self.both(partial(borderline_called, modality=JOINT, code=severity))
            found[path] = self.share(label, path, called, good=-1)
        return found
