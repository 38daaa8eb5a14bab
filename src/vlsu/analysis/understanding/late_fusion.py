"""What grading image and text apart gives for the pair: the worse of the two, and a look-up.

Taking the worse of the two grades is one rule among those that know nothing of a pair but its two
grades, and not the best of them: where most pairs of a borderline image and an unsafe text are
borderline together, a rule that says so is right more often. The best such rule looks up the most
frequent joint grade of each two grades. What it is right on is the limit of grading apart.
"""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, wilson
from vlsu.analysis.table.cells import IMAGE, JOINT, TEXT, Cells
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.understanding.shares import (
    fusion_accuracy,
    fusion_agreement,
    fusion_ceiling,
)

__all__ = ["late_fusion"]

#: Codes of a part: three severities, and a failed prediction.
_CODES = 4


def late_fusion(cells: Cells, estimator: Estimator | StratifiedEstimator) -> dict[str, object]:
    """What the grades of image and text, and the model's own two answers, give for the pair.

    Args:
        cells: The samples.
        estimator: Of these cells.

    Returns:
        ``gold_ceiling``: share of samples with three gold grades whose joint grade is the worse of
        the other two. ``of_predictions``: accuracy of the worse of the two predictions as the joint
        answer, over samples with a joint grade and both asked; either outcome other than `ok` makes
        it wrong. ``agreement``: how often the joint prediction is that maximum, where all three are
        `ok`. ``gold_lookup`` and ``predictions_lookup``: the accuracy of the best rule that knows
        the two gold grades, or the two predictions (a missing one being a value like others), over
        the samples of ``gold_ceiling`` and of ``of_predictions``. ``value`` is that of the rule
        made on these samples: none is right more often on them, but it is optimistic of others.
        ``cross_fitted`` is what it reaches on samples it was not made on (Stone 1974): each is
        looked up in those of all other groups; ties count in part, and two codes that occur in one
        group alone give the worse of them. The truth of the best rule lies between; the interval is
        from Wilson's low bound of the second to his high bound of the first, on the effective size.
    """
    ceiling, fused = fusion_ceiling(cells), fusion_accuracy(cells)
    parts = [IMAGE, TEXT]
    return {
        "gold_ceiling": estimator.known_share(ceiling.hits, ceiling.among),
        "of_predictions": estimator.rate(fused),
        "agreement": estimator.rate(fusion_agreement(cells)),
        "gold_lookup": _lookup(cells, cells.gold[:, parts], ceiling.among, estimator, known=True),
        "predictions_lookup": _lookup(
            cells, cells.predicted[:, parts], fused.among, estimator, known=False
        ),
    }


def _lookup(
    cells: Cells,
    pair: IntArray,
    among: BoolArray,
    estimator: Estimator | StratifiedEstimator,
    *,
    known: bool,
) -> dict[str, float | None]:
    """Accuracy of the best rule from two codes to the joint gold grade.

    Args:
        cells: The samples.
        pair: Codes of image and text by cell, shape ``(C, 2)``.
        among: Cells that count.
        estimator: Of these cells.
        known: Whether the codes are gold grades, which are known of the whole dataset.
    """
    if not among.any():
        return {**UNDEFINED.as_dict(), "cross_fitted": None}
    key = pair[:, 0] * _CODES + pair[:, 1]
    column = np.where(among, key * 3 + cells.gold[:, JOINT], -1)
    counts = estimator.counts(column, _CODES**2 * 3).reshape(-1, 3)
    best = counts.argmax(axis=1)
    hits = among & (best[np.minimum(key, len(best) - 1)] == cells.gold[:, JOINT])
    total = float(counts.sum())
    value = float(counts.max(axis=1).sum()) / total
    kinds, repeats = np.eye(counts.size), counts.ravel()
    if isinstance(estimator, Estimator):
        kinds, repeats = estimator.resampler.kinds(column, counts.size)
    right = (kinds * _right_on_others(counts, kinds)).sum(axis=1)
    fitted = float(repeats @ right) / total
    if known and isinstance(estimator, StratifiedEstimator):
        rate = Rate(value, value, value)
    else:
        sure = value - (value - fitted) * _not_asked(estimator)
        size = estimator.effective_size(hits, among)
        low, high = (wilson(share, size, estimator.level) for share in (sure, value))
        rate = Rate.within(value, low[0], high[1])
    return {**rate.as_dict(), "cross_fitted": fitted}


def _not_asked(estimator: Estimator | StratifiedEstimator) -> float:
    """The share of what is measured that no sample was drawn from: all of it, but of a dataset."""
    if isinstance(estimator, Estimator):
        return 1.0
    sample = estimator.sample
    return 1 - float(sample.sampled.sum()) / float(sample.population.sum())


def _right_on_others(counts: IntArray, units: FloatArray) -> FloatArray:
    """How far a sample is right that is looked up in all units but its own.

    Args:
        counts: Samples by pair of codes and joint grade, shape ``(P, 3)``.
        units: The same of units to leave out, side by side; shape ``(T, P * 3)``.

    Returns:
        For each unit and each of these entries 0 (wrong), 1 (right), or 1 / k if its grade is one
        of k that are equally frequent; shape ``(T, P * 3)``.
    """
    others = counts - units.reshape(-1, *counts.shape)
    most = others.max(axis=2, keepdims=True)
    first = others == most
    found = first / first.sum(axis=2, keepdims=True)
    worse = np.maximum(*np.divmod(np.arange(len(counts)), _CODES))
    unseen = worse[:, None] == np.arange(3)
    right: FloatArray = np.where(most > 0, found, unseen).reshape(units.shape)
    return right
