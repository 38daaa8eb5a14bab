"""What a difference could be, whatever the missing answers are (Manski 1990).

A missing answer, or a missing verdict on one, may stand for any. Put so that the difference is as
small as can be, and so that it is as large as can be, the missing ones give two completed tables
of results; the difference over all samples lies between theirs (Horowitz and Manski 2000). Each
completed table is tested like any other: what holds at the completion that favours a claim the
least holds at the true one, whatever the reason why answers are missing.

Of an understanding run the missing are those of a technical reason, outcomes ``error`` and
``unparsed``. A model that refuses, or a service that blocks, has answered with no grade: that is
its own behaviour, and wrong by definition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.comparison.differences import Difference
from vlsu.analysis.stats.classification import (
    macro_f1,
    weighted_f1,
)
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.confusion import POSITIVE, Confusion
from vlsu.policy import Severity

__all__ = ["WorstCase", "best_predictions", "worst_predictions"]

#: Times that each missing answer is put anew.
_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class WorstCase:
    """A difference at both ends of what the missing answers leave open.

    Attributes:
        lower: With the missing put so that the difference is as small as can be.
        upper: So that it is as large as can be.
        missing: Samples whose answer, or verdict, is missing of the first run, and of the second.
    """

    lower: Difference
    upper: Difference
    missing: tuple[int, int]

    @property
    def interval(self) -> Rate:
        """The difference that is nearest to 0, and the interval that holds those of both ends.

        Each end at its own confidence, so that the interval holds all that is possible with at
        least that confidence (Horowitz and Manski 2000); for the true difference alone a shorter
        one would do (Imbens and Manski 2004).
        """
        ends = self.lower.difference, self.upper.difference
        values = [e.value for e in ends if e.value is not None]
        lows = [e.low for e in ends if e.low is not None]
        highs = [e.high for e in ends if e.high is not None]
        if len(values) < len(ends):
            return Rate(None, None, None)
        return Rate.within(min(max(0.0, min(values)), max(values)), min(lows), max(highs))

    def against(self, direction: int) -> Difference:
        """At the end that speaks the most against a difference of this sign."""
        return self.lower if direction > 0 else self.upper


def best_predictions(cells: Cells, modality: int, lost: BoolArray) -> Confusion:
    """Gold against prediction over the graded judgments, the missing ones taken to be right.

    No completion has a higher F1, or precision, of any severity.

    Args:
        cells: Of a run.
        modality: Whose judgments.
        lost: Cells whose answer is missing; shape ``(C,)``.
    """
    return _confusion(cells, modality, np.where(lost, cells.gold[:, modality], -1))


def worst_predictions(
    cells: Cells, modality: int, lost: BoolArray, among: BoolArray, score: str
) -> Confusion:
    """The missing ones taken to be wrong, in the way that makes a score the least.

    A wrong answer costs the gold severity a hit, and the severity that is said its precision. For
    one severity, or several taken together, the least is known: what is of it is called something
    else, and what is not is called it. Of a mean over severities each answer goes to the severity
    that it costs the most, cell after cell, until none would cost more elsewhere: as every F1 is
    convex in the wrong answers that it gets, that is the least but for the samples of one cell,
    which go together.

    Args:
        cells: Of a run.
        modality: Whose judgments.
        lost: Cells whose answer is missing; shape ``(C,)``.
        among: Cells that count.
        score: As in `metrics.json`, such as ``"f1_macro"`` or ``"per_class.unsafe.precision"``.
    """
    gold, severities = cells.gold[:, modality], cells.severities
    said = np.full(len(gold), -1)
    positive = _positive(score)
    if positive is not None:
        others = [int(s) for s in severities if s not in positive]
        inside = np.isin(gold, positive)
        said[lost] = np.where(inside, others[0] if others else -1, positive[0])[lost]
        return _confusion(cells, modality, said)
    measure = _mean(score, severities)
    table = np.zeros((3, 4))
    there = among & ~lost
    np.add.at(table, (gold[there], cells.predicted[there, modality]), cells.count[there])
    where = np.flatnonzero(among & lost)
    for _ in range(_SWEEPS):
        before = said.copy()
        for cell in where:
            if said[cell] >= 0:
                table[gold[cell], said[cell]] -= cells.count[cell]
            options = [int(s) for s in severities if s != gold[cell]]
            tables = np.repeat(table[None], len(options), axis=0)
            tables[np.arange(len(options)), gold[cell], options] += cells.count[cell]
            said[cell] = options[int(np.argmin(measure(tables)))]
            table[gold[cell], said[cell]] += cells.count[cell]
        if (said == before).all():
            break
    return _confusion(cells, modality, said)


def _positive(score: str) -> Sequence[int] | None:
    """The severities that a score is of; `None` of a mean over all."""
    if score in POSITIVE:
        return [int(s) for s in POSITIVE[score]]
    named = score.split(".")
    return [int(s) for s in Severity if s.label in named] or None


def _mean(score: str, severities: Sequence[int]) -> Callable[[FloatArray], FloatArray]:
    if score == "f1_macro":
        return lambda tables: macro_f1(tables, severities)
    return weighted_f1


def _confusion(cells: Cells, modality: int, said: IntArray) -> Confusion:
    predicted = np.where(said >= 0, said, cells.predicted[:, modality])
    among = cells.judged[:, modality]
    return Confusion(np.where(among, cells.gold[:, modality] * 4 + predicted, -1), cells.severities)
