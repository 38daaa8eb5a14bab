"""The selection effect: what a pre-grader let through and threw away, and what that does.

A benchmark whose samples a model picked holds what that model recognises. The share that is kept
whatever its grades says how much was thrown away by mistake. Candidates fall into two strata by
their pre-grades alone, on target and off target, whose sizes N are known; human grades are known of
those that were kept. A share among all candidates is then the two-phase (post-stratified) estimate

    (N_on q_on + N_off q_off) / (N_on + N_off),

where q is the share among the stratum's human-graded samples, each weighted by one over the chance
with which it was drawn (Horvitz and Thompson 1952; as a ratio, Cochran 1977). On target one of an
image's candidates is kept and stands for all of them that are: images with many are those that are
easy to write for. Which of these is the first, and so the one, is taken to be of no account.
A weighted share is worth (sum w)^2 / sum w^2 samples (Kish 1965), and the sums have the intervals
of `vlsu.analysis.stats.weighting`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vlsu.analysis.stats.intervals import UNDEFINED, Rate, plain, wilson
from vlsu.analysis.stats.weighting import StratumProportions, ratio
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["Candidate", "selection", "standing_for"]

#: How a candidate without three pre-grades is counted.
NOT_GRADED = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A query that was pre-graded, and that nothing stands against but its grades.

    Attributes:
        target: The pattern it was written for.
        category: The cell's, or ``none``.
        severities: Of image, text and pair by the pre-grader; `None` where it gave none.
        kept: Whether it is a sample.
        unfiltered: Whether it was kept by the draw and not for its grades.
        probability: Chance with which it was kept; `None` of one that was given up.
        reason: Why it was given up.
        human: Pattern of the human grades; `None` where there are none.
        stands_for: On target, for how many such candidates of its image and cell it stands.
    """

    target: Pattern
    category: str
    severities: tuple[Severity | None, Severity | None, Severity | None]
    kept: bool
    unfiltered: bool = False
    probability: float | None = None
    reason: str = ""
    human: Pattern | None = None
    stands_for: float = 1.0

    @property
    def graded(self) -> Pattern | None:
        """The pattern of the pre-grades; `None` where one is missing."""
        image, text, joint = self.severities
        if image is None or text is None or joint is None:
            return None
        return Pattern(image, text, joint)

    @property
    def on_target(self) -> bool:
        """Whether the pre-grades are those of the target."""
        return self.graded == self.target

    @property
    def weight(self) -> float:
        """For how many candidates of its stratum it stands, up to a factor of the stratum."""
        if self.on_target:
            return self.stands_for
        return 1 / self.probability if self.probability else 1.0


def standing_for(group: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of one image and cell; one kept on target stands for all that are.

    It stands for as many as there are, divided by the chance that one of them is kept at all.
    """
    n, m = len(group), sum(each.on_target for each in group)
    found = []
    for each in group:
        if each.kept and each.on_target and each.probability:
            # the first on target is kept unless another is drawn, any other only if it is drawn
            first = each.probability > 1 / n
            one = (1 - each.probability) / (n - 1) if first and n > 1 else each.probability
            each = replace(each, stands_for=m / (1 - (n - m) * one))
        found.append(each)
    return found


#: Whether a candidate with human grades has some property.
Property = Callable[[Candidate], bool]


def selection(candidates: Iterable[Candidate]) -> dict[str, Any]:
    """What was let through and thrown away, and, where human grades are there, what that does.

    Args:
        candidates: All that were pre-graded.

    Returns:
        ``candidates``, ``kept``, ``unfiltered{drawn, off_target, share, of_all}``, the last two
        being the share off target as the samples have it, each weighted by one over its chance of
        being kept, and as it is: a check of the draw;
        ``cells{pattern: {category: {graded, on_target, kept, reasons{}}}}``;
        ``graded{target: {pattern or none: count}}``; ``human``, `None` without human grades, else
        ``n{on_target, off_target}``, ``precision`` (of what is on target by the pre-grader, what is
        by people), ``missed`` (the same of what is off target), ``recall`` (of what is on target by
        people, what the pre-grader lets through), ``thrown_away`` (candidates on target by people
        that it stops), ``accuracy{image, text, joint, pattern}`` over all candidates,
        ``by_pattern{target: {n, precision, missed, recall}}`` and
        ``shares{pattern: {kept, all}}``, of the samples as they are and of all candidates, for
        patterns that are aimed at or that people gave.
    """
    all_ = [*candidates]
    drawn = [each for each in all_ if each.unfiltered]
    off = [each for each in drawn if not each.on_target]
    return plain(
        {
            "candidates": len(all_),
            "kept": sum(each.kept for each in all_),
            "unfiltered": {
                "drawn": len(drawn),
                "off_target": len(off),
                "share": _weighted(
                    [each for each in all_ if each.kept],
                    lambda each: not each.on_target,
                    lambda each: 1 / (each.probability or 1.0),
                ),
                "of_all": _share(sum(not each.on_target for each in all_), len(all_)),
            },
            "cells": _cells(all_),
            "graded": _graded(all_),
            "human": _human(all_),
        }
    )


def _cells(candidates: Sequence[Candidate]) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = {}
    cells: dict[tuple[Pattern, str], list[Candidate]] = {}
    for each in candidates:
        cells.setdefault((each.target, each.category), []).append(each)
    for (target, category), inside in sorted(cells.items(), key=lambda each: _cell_order(each[0])):
        reasons = Counter(each.reason for each in inside if not each.kept)
        found.setdefault(str(target), {})[category] = {
            "graded": len(inside),
            "on_target": sum(each.on_target for each in inside),
            "kept": sum(each.kept for each in inside),
            "reasons": dict(reasons.most_common()),
        }
    return found


def _cell_order(cell: tuple[Pattern, str]) -> tuple[object, ...]:
    return (*cell[0].order, len(cell[1]), cell[1])


def _graded(candidates: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for each in sorted(candidates, key=lambda each: each.target.order):
        graded = NOT_GRADED if each.graded is None else str(each.graded)
        found.setdefault(str(each.target), Counter())[graded] += 1
    return {target: dict(counts.most_common()) for target, counts in found.items()}


def _human(candidates: Sequence[Candidate]) -> dict[str, object] | None:
    if not any(each.human for each in candidates):
        return None
    strata = _Strata.of(candidates)
    targets = sorted({each.target for each in candidates}, key=lambda each: each.order)
    patterns = {*targets, *(each.human for each in candidates if each.human is not None)}
    kept = [each for each in candidates if each.kept and each.human is not None]
    return {
        **strata.errors(),
        "thrown_away": strata.q(1, _meets).times(strata.sizes[1]),
        "accuracy": {
            **{name: strata.overall(_right(name)) for name in MODALITIES},
            "pattern": strata.overall(lambda each: each.graded == each.human),
        },
        "by_pattern": {
            str(target): _Strata.of([c for c in candidates if c.target == target]).errors()
            for target in targets
        },
        "shares": {
            str(pattern): {
                "kept": _share(sum(each.human == pattern for each in kept), len(kept)),
                "all": strata.overall(lambda each, pattern=pattern: each.human == pattern),  # type: ignore[misc]
            }
            for pattern in sorted(patterns, key=lambda each: each.order)
        },
    }


@dataclass(frozen=True, slots=True)
class _Strata:
    """Candidates on target and off target.

    Attributes:
        sizes: How many there are.
        seen: Those with human grades.
    """

    sizes: tuple[int, int]
    seen: tuple[Sequence[Candidate], Sequence[Candidate]]

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> _Strata:
        parts = [[c for c in candidates if c.on_target is side] for side in (True, False)]
        seen = [[c for c in part if c.human is not None] for part in parts]
        return cls((len(parts[0]), len(parts[1])), (seen[0], seen[1]))

    def q(self, stratum: int, has: Property) -> Rate:
        """A weighted share among the human-graded of a stratum."""
        return _weighted(self.seen[stratum], has, lambda each: each.weight)

    def overall(self, has: Property) -> Rate:
        """The share among all candidates; undefined if of some nothing is known."""
        proportions = self._proportions(has)
        if proportions is None:
            return UNDEFINED
        (found,) = proportions.sums(self._shares())
        return found.rate()

    def errors(self) -> dict[str, object]:
        """Precision, what was missed, and recall."""
        return {
            "n": {"on_target": len(self.seen[0]), "off_target": len(self.seen[1])},
            "precision": self.q(0, _meets),
            "missed": self.q(1, _meets),
            "recall": self._recall(),
        }

    def _recall(self) -> Rate:
        proportions = self._proportions(_meets)
        if proportions is None:
            return UNDEFINED
        shares = self._shares()
        let_through, stopped = proportions.sums(shares * [1.0, 0.0], shares * [0.0, 1.0])
        return ratio(let_through, stopped)

    def _shares(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array(self.sizes, dtype=np.float64) / sum(self.sizes)

    def _proportions(self, has: Property) -> StratumProportions | None:
        if any(size and not seen for size, seen in zip(self.sizes, self.seen, strict=True)):
            return None
        if not sum(self.sizes):
            return None
        share, size = [], []
        for seen in self.seen:
            value, worth = _mean(seen, has, lambda each: each.weight) if seen else (0.0, 1.0)
            share.append(value)
            size.append(worth)
        return StratumProportions(np.array(share), np.array(size), np.eye(2))


def _meets(candidate: Candidate) -> bool:
    return candidate.human == candidate.target


def _right(modality: str) -> Property:
    place = MODALITIES.index(modality)

    def right(candidate: Candidate) -> bool:
        human = candidate.human
        if human is None:
            return False
        return candidate.severities[place] == (human.image, human.text, human.joint)[place]

    return right


def _mean(
    seen: Sequence[Candidate], has: Property, weight: Callable[[Candidate], float]
) -> tuple[float, float]:
    """A weighted share, and how many samples it is worth."""
    weights = np.array([weight(each) for each in seen])
    hits = np.array([has(each) for each in seen], dtype=np.float64)
    total = float(weights.sum())
    return float(weights @ hits) / total, total**2 / float(weights @ weights)


def _weighted(
    seen: Sequence[Candidate], has: Property, weight: Callable[[Candidate], float]
) -> Rate:
    if not seen:
        return UNDEFINED
    value, size = _mean(seen, has, weight)
    return Rate.within(value, *wilson(value, size))


def _share(count: int, n: int) -> Rate:
    return Rate.within(count / n, *wilson(count / n, n)) if n else UNDEFINED


def reasons(found: Mapping[str, Any]) -> dict[str, int]:
    """Reason -> candidates, over all cells of what `selection` returns."""
    counts: Counter[str] = Counter()
    for cells in found["cells"].values():
        for cell in cells.values():
            counts.update(cell["reasons"])
    return dict(counts.most_common())
