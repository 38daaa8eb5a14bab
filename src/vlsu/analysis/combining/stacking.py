"""Stacking: what the verdicts of several voters say of the gold grade, learned from other samples.

Each item is predicted by a model that was fitted to the gold grades of the other folds alone, and
no two folds share an image, a text or a group (Wolpert 1992). Those without a gold grade are
predicted by a model fitted to all folds.
"""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.combining.logistic import fit_logistic
from vlsu.analysis.combining.verdicts import (
    MISSING,
    Combined,
    Verdicts,
    categories_of,
    outcomes_of,
)
from vlsu.analysis.shortcuts.crossvalidation import FOLDS, grouped_folds
from vlsu.errors import DataError
from vlsu.policy import Severity

__all__ = [
    "FEWEST",
    "FEWEST_CLUSTERS",
    "FOLDS",
    "STRENGTH",
    "features",
    "require_enough",
    "stacked",
]

#: Inverse of the penalty on the squared coefficients.
STRENGTH = 1.0
#: Graded items, and clusters of them, that a model is fitted to at least.
FEWEST, FEWEST_CLUSTERS = 30, 2 * FOLDS
#: A probability is taken to be no nearer to 0 or 1.
_NEAREST = 1e-4


def features(verdicts: Verdicts) -> FloatArray:
    """What a model sees of each item; shape ``(n, d)``.

    Of each voter: one indicator a severity that it can give, one of a missing verdict, and if it
    has probabilities the logit of ``p_unsafe``, 0 where there is none, and an indicator of that.

    """
    known: BoolArray = ~np.isnan(verdicts.p_unsafe)
    has_p: BoolArray = np.logical_or.reduce(known, axis=0)
    columns: list[BoolArray | FloatArray] = []
    for voter, levels in enumerate(verdicts.levels):
        said = verdicts.severity[:, voter]
        columns += [said == int(level) for level in sorted(levels)]
        columns.append(said == MISSING)
        if has_p[voter]:
            there = known[:, voter]
            p = np.clip(np.where(there, verdicts.p_unsafe[:, voter], 0.5), _NEAREST, 1 - _NEAREST)
            columns += [np.log(p / (1 - p)), ~there]
    return np.stack(columns, axis=1).astype(np.float64)


def stacked(
    verdicts: Verdicts, gold: IntArray, cluster: IntArray, *, what: str = "items", seed: int = 0
) -> Combined:
    """Predict each item from the verdicts on it, by the gold grades of other folds.

    An item that no voter answered has the outcome of a missing verdict. ``p_unsafe`` is the
    model's.

    Args:
        verdicts: Of the voters.
        gold: Its code, or `MISSING` where there is none; shape ``(n,)``.
        cluster: Items of equal number are in one fold; shape ``(n,)``.
        what: What the items are called in errors.
        seed: Of the folds.

    Raises:
        DataError: There are too few gold grades, or all are the same.
    """
    graded = np.flatnonzero(gold != MISSING)
    require_enough(gold, cluster, what)
    seen = features(verdicts)
    chances = np.zeros((len(verdicts), len(Severity)))
    _, labels = np.unique(gold[graded], return_inverse=True)
    _, apart = np.unique(cluster[graded], return_inverse=True)
    folds = grouped_folds(labels, apart, np.random.default_rng(seed))

    def predict(train: IntArray, test: IntArray) -> None:
        model = fit_logistic(seen[train], gold[train], STRENGTH)
        chances[np.ix_(test, model.classes)] = model.probabilities(seen[test])

    for fold in range(FOLDS):
        train, test = graded[folds != fold], graded[folds == fold]
        if len(test):
            _require_two(gold[train], what)
            predict(train, test)
    if len(rest := np.flatnonzero(gold == MISSING)):
        predict(graded, rest)
    decided: BoolArray = np.logical_or.reduce(verdicts.answered, axis=1)
    severity = np.where(decided, chances.round(12).argmax(axis=1), MISSING)
    return Combined(
        severity=severity,
        outcome=outcomes_of(verdicts, decided),
        p_unsafe=np.where(decided, chances[:, int(Severity.UNSAFE)], np.nan),
        category=categories_of(verdicts, severity),
    )


def require_enough(gold: IntArray, cluster: IntArray, what: str) -> None:
    """See that there are gold grades enough to fit a stack to, which needs no verdicts.

    Args:
        gold: As in `stacked`.
        cluster: As in `stacked`.
        what: As in `stacked`.

    Raises:
        DataError: There are too few, or all are the same.
    """
    gold, cluster = gold[gold != MISSING], cluster[gold != MISSING]
    clusters = len(np.unique(cluster))
    if len(gold) < FEWEST or clusters < FEWEST_CLUSTERS:
        raise DataError(
            f"stack: {len(gold)} {what} with a gold grade, of {clusters} clusters that share no "
            f"image, text or group; at least {FEWEST}, of {FEWEST_CLUSTERS} clusters, are needed; "
            "use max or vote"
        )
    _require_two(gold, what)


def _require_two(gold: IntArray, what: str) -> None:
    if len(np.unique(gold)) < 2:
        raise DataError(
            f"stack: the gold grades of the {what} that it would be fitted to are all the same; "
            "use max or vote"
        )
