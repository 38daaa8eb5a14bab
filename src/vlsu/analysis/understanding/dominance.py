"""Dominance: how far the joint answer goes with the answer to image or text alone.

Over all pairs the two agree also because both follow the gold grade, and among the pairs answered
rightly, or wrongly, because the selection depends on the joint answer: of answers drawn
independently of each other, Cohen's kappas of .33 and -.17 come about by the selection alone. What
the joint answer shares with a part's beyond the gold grades is seen within a gold pattern, where
both are graded alike. Even that is association: a text that is hard to grade may mislead both
answers. How far a part *moves* the joint answer is measured by exchanging it
(`vlsu.analysis.understanding.swap`).
"""

from __future__ import annotations

import math

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.sampling.stratified import StratifiedEstimator
from vlsu.analysis.stats.effective_size import copies_size
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, normal_quantile, wilson
from vlsu.analysis.stats.kappa import kappa_bounds
from vlsu.analysis.stats.stratified_kappa import stratified_kappa
from vlsu.analysis.stats.students_t import t_quantile
from vlsu.analysis.table.cells import IMAGE, JOINT, TEXT, Cells
from vlsu.analysis.table.estimator import THIN, Estimator

__all__ = ["dominance"]

#: Gold patterns: three grades.
_STRATA = 27

#: Numbers held at once while units are left out.
_CHUNK = 1_000_000


def dominance(cells: Cells, estimator: Estimator | StratifiedEstimator) -> dict[str, object]:
    """Agreement of the joint answer with the answer to the text (the image) alone.

    Args:
        cells: The samples. Counted are those whose two answers are both `ok`.
        estimator: Of these cells.

    Returns:
        ``kappa_text`` and ``kappa_image``, each with Cohen's kappa over ``all``, and where the
        joint gold grade is known and met (``joint_correct``) or not (``joint_wrong``); and
        ``within_pattern``, the kappa pooled over gold patterns
        (`vlsu.analysis.stats.stratified_kappa`), over samples with three gold grades. Its interval
        is the t interval with the jackknife's variance over samples or groups (Efron 1982), or that
        of independent answers if it is larger; where nearly all or nearly none agree at least
        Wilson's of the agreement at fixed chance. For a stratified sample the variance is the
        linearised one. `benchmarks/dominance_coverage.py` shows the coverage.
    """
    graded, right = cells.graded[:, JOINT], cells.right[:, JOINT]
    subsets = {
        "all": np.full(right.shape, True),
        "joint_correct": graded & right,
        "joint_wrong": graded & ~right,
    }
    found: dict[str, object] = {}
    for key, other in (("kappa_text", TEXT), ("kappa_image", IMAGE)):
        table = _agreement_table(cells, other)
        found[key] = {
            **{
                name: estimator.kappa(np.where(subset, table, -1), f"dominance.{key}.{name}")
                for name, subset in subsets.items()
            },
            "within_pattern": _within_pattern(cells, table, estimator),
        }
    return found


def _agreement_table(cells: Cells, other: int) -> IntArray:
    """Joint prediction * 3 + other prediction where both are `ok`, else -1."""
    both = cells.answered[:, JOINT] & cells.answered[:, other]
    return np.where(both, cells.predicted[:, JOINT] * 3 + cells.predicted[:, other], -1)


def _within_pattern(
    cells: Cells, table: IntArray, estimator: Estimator | StratifiedEstimator
) -> Rate:
    complete: BoolArray = cells.graded.all(axis=1) & (table >= 0)
    pattern = np.where(complete, cells.gold @ (9, 3, 1), 0)
    column = np.where(complete, pattern * 9 + table, -1)
    if isinstance(estimator, StratifiedEstimator):
        return _of_population(column, estimator)
    return _of_samples(column, estimator)


def _of_samples(column: IntArray, estimator: Estimator) -> Rate:
    size = _STRATA * 9
    counts = estimator.resampler.count(column, size)
    value = float(_pooled(counts))
    if np.isnan(value):
        return UNDEFINED
    kinds, repeats = estimator.resampler.kinds(column, size)
    there = repeats > 0
    kinds, repeats = kinds[there], repeats[there]
    units, samples = int(repeats.sum()), kinds.sum(axis=1)
    worth = copies_size(float(counts.sum()), float(repeats @ samples**2))
    left = np.concatenate(
        [
            _pooled(counts - kinds[start : start + _CHUNK // size])
            for start in range(0, len(kinds), _CHUNK // size)
        ]
    )
    left = np.where(np.isnan(left), value, left)
    apart = left - float(repeats @ left) / units
    variance = max((units - 1) / units * float(repeats @ apart**2), _independent_variance(counts))
    half = t_quantile(estimator.level, max(worth - 1, 1.0)) * math.sqrt(variance)
    bounds = [(value - half, value + half)]
    agreed = (column >= 0) & (column % 9 % 4 == 0)
    independent = estimator.effective_size(agreed, column >= 0)
    share = estimator.size(agreed) / counts.sum()
    if min(share, 1 - share) * independent < THIN:
        bounds.append(_at_fixed_chance(value, share, independent, estimator.level))
    return _within(value, bounds)


def _of_population(column: IntArray, estimator: StratifiedEstimator) -> Rate:
    inside, estimated, drawn = column >= 0, estimator.sample.estimated, estimator.sample.cells.count
    tables, sizes = (
        np.bincount(column[inside], weights=each[inside], minlength=_STRATA * 9).reshape(-1, 3, 3)
        for each in (estimated, drawn)
    )
    value = float(stratified_kappa(tables, sizes.sum(axis=(1, 2))))
    if np.isnan(value):
        return UNDEFINED
    # What one more sample of an entry adds to n (p - e) and to n (1 - e) of its stratum.
    _, by_chance, room = _by_chance(tables)
    entry = ((np.eye(3) - by_chance) - value * (1 - by_chance)).ravel() / room
    influence = np.where(inside, entry[np.maximum(column, 0)], 0.0)
    mean = float(estimated[inside] @ influence[inside]) / float(estimated[inside].sum())
    half = normal_quantile(estimator.level) * math.sqrt(
        estimator.variance(np.where(inside, influence - mean, 0.0), inside)
    )
    return _within(value, [(value - half, value + half)])


def _independent_variance(counts: IntArray) -> float:
    """Variance of the pooled kappa if the answers are independent and have these margins.

    The observed one is by chance too small where few answers agree that need not.
    """
    expected, by_chance, room = _by_chance(counts.reshape(_STRATA, 3, 3))
    return float((expected * (np.eye(3) - by_chance) ** 2).sum()) / room**2


def _by_chance(tables: FloatArray | IntArray) -> tuple[FloatArray, FloatArray, float]:
    """What independent answers with the margins of these tables give.

    Returns:
        The expected tables; what a sample of an entry adds to n times the chance agreement of its
        stratum; and the sum of n (1 - chance agreement), for strata of more than one sample.
    """
    n = tables.sum(axis=(1, 2), dtype=np.float64)
    total = np.maximum(n, 1e-300)[:, None]
    first, second = tables.sum(axis=2) / total, tables.sum(axis=1) / total
    chance = (first * second).sum(axis=1)
    by_chance = second[:, :, None] + first[:, None, :] - chance[:, None, None]
    expected = n[:, None, None] * first[:, :, None] * second[:, None, :]
    return expected, by_chance, float((n * (1 - chance)).sum())


def _pooled(counts: FloatArray | IntArray) -> FloatArray:
    """Of tables side by side, shape ``(..., 27 * 9)``."""
    return stratified_kappa(counts.reshape(*counts.shape[:-1], _STRATA, 3, 3))


def _at_fixed_chance(value: float, share: float, size: float, level: float) -> tuple[float, float]:
    """Wilson's bounds of the agreement, with the chance agreement that the value implies."""
    room = (1 - share) / (1 - value) if value < 1 else 1.0
    if room <= 0:
        return value, value
    return kappa_bounds(*wilson(share, size, level), room)


def _within(value: float, bounds: list[tuple[float, float]]) -> Rate:
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    return Rate.within(value, max(-1.0, low), min(1.0, high))
