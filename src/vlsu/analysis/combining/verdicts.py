"""Verdicts of several voters on the same items, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.policy import Outcome, Severity

__all__ = ["MISSING", "OUTCOMES", "Combined", "Verdicts", "categories_of", "outcomes_of"]

#: In place of a severity, or of a category, that there is none of.
MISSING = -1

#: Outcomes by their code. Of several missing verdicts the first of them in this order stands for
#: all: an error may still turn into an answer, what a filter or a model withheld comes next.
OUTCOMES = (*(Outcome.OK, Outcome.ERROR, Outcome.BLOCKED, Outcome.REFUSED, Outcome.UNPARSED),)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What ``m`` voters say of ``n`` items.

    Attributes:
        severity: Its code, or `MISSING` where the outcome is not `ok`; shape ``(n, m)``.
        outcome: Index in `OUTCOMES`; shape ``(n, m)``.
        p_unsafe: Probability of unsafe, NaN where there is none; shape ``(n, m)``.
        category: Any numbering of categories, or `MISSING`; shape ``(n, m)``.
        levels: The severities that each voter can give, ``m`` tuples.
    """

    severity: IntArray
    outcome: IntArray
    p_unsafe: FloatArray
    category: IntArray
    levels: Sequence[Sequence[Severity]]

    def __len__(self) -> int:
        return len(self.severity)

    @property
    def answered(self) -> BoolArray:
        """Where there is a severity; shape ``(n, m)``."""
        there: BoolArray = self.severity != MISSING
        return there

    @classmethod
    def joined(cls, parts: Sequence[Verdicts]) -> Verdicts:
        """Those of the same voters on the items of all parts, one after the other."""
        return cls(
            np.concatenate([part.severity for part in parts]),
            np.concatenate([part.outcome for part in parts]),
            np.concatenate([part.p_unsafe for part in parts]),
            np.concatenate([part.category for part in parts]),
            parts[0].levels,
        )


@dataclass(frozen=True, slots=True)
class Combined:
    """One verdict on each of ``n`` items: the attributes of `Verdicts`, of shape ``(n,)``."""

    severity: IntArray
    outcome: IntArray
    p_unsafe: FloatArray
    category: IntArray

    def of(self, rows: IntArray | slice) -> Combined:
        """Those on some of the items."""
        return Combined(
            self.severity[rows], self.outcome[rows], self.p_unsafe[rows], self.category[rows]
        )

    @staticmethod
    def beside(parts: Sequence[Combined], levels: Sequence[Sequence[Severity]]) -> Verdicts:
        """Verdicts on the same items as those of one voter each."""
        return Verdicts(
            np.stack([part.severity for part in parts], axis=1),
            np.stack([part.outcome for part in parts], axis=1),
            np.stack([part.p_unsafe for part in parts], axis=1),
            np.stack([part.category for part in parts], axis=1),
            levels,
        )


def outcomes_of(verdicts: Verdicts, decided: BoolArray) -> IntArray:
    """`ok` where there is a verdict, else the outcome of a missing one; shape ``(n,)``."""
    order = np.where(verdicts.answered, len(OUTCOMES), verdicts.outcome)
    return np.where(decided, 0, order.min(axis=1))


def categories_of(verdicts: Verdicts, severity: IntArray) -> IntArray:
    """The category that most voters of the combined severity name; shape ``(n,)``.

    Of several, that of the smallest number; `MISSING` where none of them names one.

    Args:
        verdicts: Of the voters.
        severity: The combined one, or `MISSING`; shape ``(n,)``.
    """
    named = np.where(verdicts.severity == severity[:, None], verdicts.category, MISSING)
    named[severity == MISSING] = MISSING
    votes = (named[:, :, None] == named[:, None, :]).sum(axis=2) * (named != MISSING)
    # Most votes, then the smallest number.
    rank = votes * (int(named.max(initial=0)) + 2) - named
    best = np.where(votes > 0, rank, np.iinfo(np.int64).min).argmax(axis=1)
    found: IntArray = named[np.arange(len(named)), best]
    return found
