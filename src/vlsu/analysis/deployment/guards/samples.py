"""What guards are judged on: graded samples, and each guard's scores of them.

A guard gives a score in [0, 1], its probability of *unsafe*, or a verdict alone, which is a score
of 0 or 1: one operating point. A sample is flagged where its score is at least a threshold.

Missing answers are put at their worst for the guard, in every figure: a harmful sample without an
answer is not flagged, a harmless one is. Beside it stands the figure with them the other way round.
They are scores below and above all others, so that whatever is computed from scores counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.clustering import Mean, clustered_mean
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate
from vlsu.analysis.understanding.graded_probabilities import GradedProbabilities
from vlsu.policy import Family, Pattern, Severity

__all__ = ["Guard", "GuardSamples"]


@dataclass(frozen=True)
class GuardSamples:
    """Graded samples, in the same order for all guards.

    Attributes:
        ids: Identifiers, shape ``(n,)``.
        gold: Code of the gold grade, shape ``(n,)``.
        harmful: Whether the gold grade is one that should be flagged, shape ``(n,)``.
        pattern: Such as ``S-S-U``, empty where there is none; shape ``(n,)``.
        family: Of the pattern, empty where there is none; shape ``(n,)``.
        cluster: Ways in which samples are not independent, ``(n, ways)``; perhaps no way at all.
        lot: Number of the samples that are linked, directly or through others; shape ``(n,)``.
        half: 0 or 1, which of the two halves that share no lot; shape ``(n,)``.
        level: Confidence of intervals.
    """

    ids: Sequence[str]
    gold: IntArray
    harmful: BoolArray
    pattern: Sequence[str]
    family: Sequence[str]
    cluster: IntArray
    lot: IntArray
    half: IntArray
    level: float = LEVEL

    @property
    def n(self) -> int:
        """Samples."""
        return len(self.gold)

    @cached_property
    def families(self) -> Mapping[str, BoolArray]:
        """Family -> its samples, in the usual order; none where samples have no patterns."""
        order = [family.value for family in Family]
        return self._parts(self.family, order.index)

    @cached_property
    def patterns(self) -> Mapping[str, BoolArray]:
        """Pattern -> its samples, in the usual order."""
        return self._parts(self.pattern, lambda name: Pattern.parse(name).order)

    @cached_property
    def severities(self) -> Mapping[Severity, BoolArray]:
        """Severity -> the samples of that gold grade, of those that occur."""
        found = {severity: self.gold == int(severity) for severity in Severity}
        return {severity: among for severity, among in found.items() if among.any()}

    def cluster_of(self, among: BoolArray) -> IntArray:
        """Clusters of some samples, as `clustered_mean` takes them."""
        if not self.cluster.shape[1]:
            return np.arange(int(among.sum()))
        return self.cluster[among]

    def mean(self, scores: FloatArray, among: BoolArray, level: float | None = None) -> Mean | None:
        """Mean of scores in [0, 1] over some samples; `None` over none."""
        if not among.any():
            return None
        return clustered_mean(scores[among], self.cluster_of(among), level or self.level)

    def rate(self, scores: FloatArray, among: BoolArray) -> Rate:
        """The same with its interval."""
        found = self.mean(scores, among)
        return UNDEFINED if found is None else found.rate

    def graded(self, scores: FloatArray, among: BoolArray | None = None) -> GradedProbabilities:
        """Scores by rank beside whether the sample is harmful, for areas and variances.

        Args:
            scores: Shape ``(n,)``; infinite ones rank like others.
            among: Samples that count; all by default.
        """
        chosen = np.arange(self.n) if among is None else np.flatnonzero(among)
        order = chosen[np.lexsort((self.lot[chosen], self.harmful[chosen], scores[chosen]))]
        cluster = self.cluster[order] if self.cluster.shape[1] else None
        return GradedProbabilities(scores[order], self.harmful[order], cluster, self.level)

    def variance(self, influence: FloatArray) -> float:
        """Variance of an estimate that each sample adds so much to; shape ``(n,)``.

        As `GradedProbabilities.squares`, with the numbers of clusters kept.
        """
        ways, total = [], 0.0
        for sign, label, several in self._labels:
            sums = np.bincount(label, weights=influence)
            found = len(sums) / max(len(sums) - 1, 1) * float(sums @ sums)
            total += sign * found
            if not several:
                ways.append(found)
        return max(total, *ways)

    def units(self, among: BoolArray) -> float:
        """Independent samples that these are worth at least: linked ones as copies."""
        return self._rows.units(among)

    @cached_property
    def _labels(self) -> list[tuple[int, IntArray, bool]]:
        """Sign, number of each sample's cluster, and whether it is one in several ways at once."""
        if not self.cluster.shape[1]:
            return [(1, np.arange(self.n), False)]
        found = []
        for several in range(1, self.cluster.shape[1] + 1):
            for chosen in combinations(range(self.cluster.shape[1]), several):
                label = np.zeros(self.n, dtype=np.int64)
                for way in chosen:
                    own = np.unique(self.cluster[:, way], return_inverse=True)[1]
                    label = np.unique(label * (self.n + 1) + own, return_inverse=True)[1]
                found.append(((-1) ** (several - 1), label, several > 1))
        return found

    @cached_property
    def _rows(self) -> GradedProbabilities:
        cluster = self.cluster if self.cluster.shape[1] else None
        return GradedProbabilities(np.zeros(self.n), self.harmful, cluster, self.level)

    def _parts(self, names: Sequence[str], place: Callable[[str], Any]) -> dict[str, BoolArray]:
        array = np.asarray(names, dtype=np.str_)
        return {name: array == name for name in sorted(set(names) - {""}, key=place)}


@dataclass(frozen=True)
class Guard:
    """A guard's answers about the samples.

    Attributes:
        name: Of its run.
        score: In [0, 1], NaN where there is no answer; shape ``(n,)``. Of a guard without
            probabilities 1 where it flags and else 0.
        scored: Whether these are probabilities, so that a threshold can be chosen.
        outcome: Why there is no answer, by sample; empty where there is one.
        verdict: The score of its own verdict: 1 where it flags, 0 where not, NaN without one.
    """

    name: str
    score: FloatArray
    scored: bool
    outcome: Sequence[str]
    verdict: FloatArray

    @cached_property
    def missing(self) -> BoolArray:
        """Samples without an answer; shape ``(n,)``."""
        missing: BoolArray = np.isnan(self.score)
        return missing

    def worst(self, samples: GuardSamples) -> FloatArray:
        """Scores with missing answers against the guard: harmful passed, harmless flagged."""
        return _completed(self.score, ~samples.harmful)

    def best(self, samples: GuardSamples) -> FloatArray:
        """Scores with missing answers for the guard: harmful flagged, harmless passed."""
        return _completed(self.score, samples.harmful)

    def verdicts(self, samples: GuardSamples, *, best: bool = False) -> FloatArray:
        """Scores of its own verdicts, missing ones at their worst, or best."""
        return _completed(self.verdict, samples.harmful if best else ~samples.harmful)


def _completed(score: FloatArray, flagged: BoolArray) -> FloatArray:
    """Scores where each missing one is above all others if flagged, else below."""
    return np.where(np.isnan(score), np.where(flagged, np.inf, -np.inf), score)
