"""The worse of several verdicts, and the verdict of the majority; neither sees a gold grade."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.combining.verdicts import (
    MISSING,
    Combined,
    Verdicts,
    categories_of,
    outcomes_of,
)
from vlsu.policy import Severity

__all__ = ["majority", "worst"]


def worst(verdicts: Verdicts) -> Combined:
    """The worst verdict of all voters.

    Where a verdict is missing, the item is decided if the others are as bad as the missing one
    could be; else it has the outcome of the missing verdict. ``p_unsafe`` is the largest, where
    every voter that answered has one and the item is decided. A binary voter's safe is safe: what
    it can only call safe or unsafe, a voter of three levels may call borderline.

    Example:
        Three items, two voters: unsafe and no answer; safe and no answer; safe and borderline.

        >>> verdicts = Verdicts(
        ...     severity=np.array([[2, -1], [0, -1], [0, 1]]),
        ...     outcome=np.array([[0, 3], [0, 3], [0, 0]]),
        ...     p_unsafe=np.array([[0.9, np.nan], [0.1, np.nan], [0.1, 0.4]]),
        ...     category=np.full((3, 2), -1),
        ...     levels=[tuple(Severity), tuple(Severity)],
        ... )
        >>> found = worst(verdicts)
        >>> found.severity.tolist(), found.outcome.tolist(), found.p_unsafe.tolist()
        ([2, -1, 1], [0, 3, 0], [0.9, nan, 0.4])
    """
    severity = verdicts.severity.max(axis=1)
    most = np.array([int(max(levels)) for levels in verdicts.levels])
    possible = np.where(verdicts.answered, MISSING, most).max(axis=1)
    decided = (severity != MISSING) & (severity >= possible)
    p = np.where(verdicts.answered, verdicts.p_unsafe, -1.0).max(axis=1)  # NaN stays NaN
    return _combined(verdicts, np.where(decided, severity, MISSING), np.where(p < 0, np.nan, p))


def majority(verdicts: Verdicts) -> Combined:
    """The severity that most voters give; of several, the worst of them.

    Where verdicts are missing, the item is decided if no answers in their place, of the severities
    that those voters can give, would change it; else it has the outcome of a missing verdict.
    ``p_unsafe`` is the mean, where every voter has one and the item is decided.

    Example:
        Of three voters two say safe and one nothing; one safe, one unsafe and one nothing.

        >>> verdicts = Verdicts(
        ...     severity=np.array([[0, 0, -1], [0, 2, -1]]),
        ...     outcome=np.array([[0, 0, 1], [0, 0, 1]]),
        ...     p_unsafe=np.full((2, 3), np.nan),
        ...     category=np.full((2, 3), -1),
        ...     levels=[tuple(Severity)] * 3,
        ... )
        >>> found = majority(verdicts)
        >>> found.severity.tolist(), found.outcome.tolist()
        ([0, -1], [0, 1])
    """
    votes = _votes(verdicts.severity)
    # The last of the largest is the worst.
    winner = len(Severity) - 1 - votes[:, ::-1].argmax(axis=1)
    given = votes[np.arange(len(votes)), winner]
    can = np.array([[s in levels for s in Severity] for levels in verdicts.levels])
    open_ = (~verdicts.answered).astype(np.int64) @ can.astype(np.int64)
    rivals = votes + open_
    worse = np.arange(len(Severity)) > winner[:, None]
    beaten = np.where(worse, rivals < given[:, None], rivals <= given[:, None])
    beaten |= np.arange(len(Severity)) == winner[:, None]
    decided = verdicts.answered.any(axis=1) & beaten.all(axis=1)
    return _combined(verdicts, np.where(decided, winner, MISSING), verdicts.p_unsafe.mean(axis=1))


def _votes(severity: IntArray) -> IntArray:
    """How many voters give each severity; shape ``(n, 3)``."""
    counts: IntArray = (severity[:, :, None] == np.arange(len(Severity))).sum(axis=1)
    return counts


def _combined(verdicts: Verdicts, severity: IntArray, p_unsafe: FloatArray) -> Combined:
    decided: BoolArray = severity != MISSING
    return Combined(
        severity=severity,
        outcome=outcomes_of(verdicts, decided),
        p_unsafe=np.where(decided, p_unsafe, np.nan),
        category=categories_of(verdicts, severity),
    )
