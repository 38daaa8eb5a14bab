"""Control variates: unbiased by trying all draws, coefficients by hand, variances of residuals."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from vlsu.analysis.sampling.allocation import STRATA
from vlsu.analysis.sampling.controls import Calibration
from vlsu.analysis.sampling.stratified import StratifiedEstimator, StratifiedSample
from vlsu.analysis.table.cells import Cells
from vlsu.policy import MODALITIES

#: Two halves of six safe pairs: a control, and whether the model is right. It mostly agrees.
CONTROL = np.array([[0.0, 1, 2, 3, 4, 5], [0, 1, 1, 3, 4, 6]])
RIGHT = np.array([[0, 0, 1, 0, 1, 1], [0, 1, 0, 1, 1, 1]])


def drawn(chosen: tuple[tuple[int, ...], ...], control: np.ndarray = CONTROL) -> StratifiedSample:
    """Some samples of each half, each a cell of its own."""
    half = np.repeat([0, 1], [len(each) for each in chosen])
    place = np.concatenate(chosen).astype(int)
    population = np.zeros(2 * STRATA, dtype=np.int64)
    population[[0, STRATA]] = 6
    apart = control - control.mean(axis=1, keepdims=True)
    said = np.where(RIGHT[half, place] == 1, 0, 2)
    cells = Cells(
        gold=np.zeros((len(half), 3), dtype=np.int64),
        predicted=np.stack([said] * 3, axis=1),
        category=np.full(len(half), -1),
        count=np.ones(len(half), dtype=np.int64),
        categories=(),
        groups=None,
        outcomes={m: {} for m in MODALITIES},
    )
    return StratifiedSample(cells, half * STRATA, population, apart[half, place][:, None])


def hits(sample: StratifiedSample) -> float:
    return float(sample.estimated @ sample.cells.right[:, 2])


def all_draws(size: int) -> list[StratifiedSample]:
    choices = list(combinations(range(6), size))
    return [drawn(chosen) for chosen in product(choices, choices)]


def test_totals_are_unbiased_over_all_draws_and_vary_less():
    samples = all_draws(5)
    plain = [hits(replace(sample, controls=None)) for sample in samples]
    controlled = [hits(sample) for sample in samples]
    assert np.mean(controlled) == pytest.approx(RIGHT.sum())
    assert np.mean(plain) == pytest.approx(RIGHT.sum())
    assert np.var(controlled) < 0.75 * np.var(plain)
    # What is known is met, and each stratum keeps its size.
    for sample in samples:
        assert sample.estimated.sum() == pytest.approx(12)


def test_the_coefficient_of_a_half_is_the_other_halfs_ridge_slope():
    sample = drawn(((0, 2, 3, 5), (1, 2, 3, 5)))
    x, y = (each[0, [0, 2, 3, 5]] for each in (CONTROL, RIGHT))
    squares = ((x - x.mean()) ** 2).sum()
    slope = ((x - x.mean()) * y).sum() / (squares * (1 + 1 / 4))  # one control, four samples
    half = sample.stratum // STRATA
    influence = sample.cells.right[:, [2]].astype(float)
    calibration = sample.calibration
    assert calibration is not None
    residuals = calibration.residuals(influence)[half == 1, 0]
    centred = CONTROL[1, [1, 2, 3, 5]] - CONTROL[1].mean()
    assert residuals == pytest.approx(RIGHT[1, [1, 2, 3, 5]] - slope * centred)
    # The second half's control is too small by so much; the first half's weights make up for it.
    missing = -6 / 4 * centred.sum()
    more = hits(sample) - hits(replace(sample, controls=None))
    other = slope_of_second_half() * -6 / 4 * (x - CONTROL[0].mean()).sum()
    assert more == pytest.approx(slope * missing + other)


def slope_of_second_half() -> float:
    x, y = (each[1, [1, 2, 3, 5]] for each in (CONTROL, RIGHT))
    return float(((x - x.mean()) * y).sum() / (((x - x.mean()) ** 2).sum() * (1 + 1 / 4)))


def test_a_control_that_does_not_vary_changes_nothing():
    chosen = ((0, 2, 3, 5), (1, 2, 3, 5))
    sample = drawn(chosen, control=np.ones((2, 6)))
    assert sample.weight == pytest.approx(replace(sample, controls=None).weight)


def test_the_interval_is_that_of_the_residuals():
    """A control that says all leaves no variance but the ridge's and the pseudo-observation's."""
    rng = np.random.default_rng(1)
    n, population = 400, 4000
    right = rng.random((2, n)) < 0.6
    sizes = np.zeros(2 * STRATA, dtype=np.int64)
    sizes[[0, STRATA]] = population
    said = np.where(right.ravel(), 0, 2)
    cells = Cells(
        gold=np.zeros((2 * n, 3), dtype=np.int64),
        predicted=np.stack([said] * 3, axis=1),
        category=np.full(2 * n, -1),
        count=np.ones(2 * n, dtype=np.int64),
        categories=(),
        groups=None,
        outcomes={m: {} for m in MODALITIES},
    )
    widths = []
    for noise in (0.0, 0.5, 50.0):
        known = right.ravel() - 0.6 + noise * rng.standard_normal(2 * n)
        stratum = np.repeat([0, STRATA], n)
        estimator = StratifiedEstimator(StratifiedSample(cells, stratum, sizes, known[:, None]))
        rate = estimator.proportion(cells.right[:, 2], cells.judged[:, 2])
        assert rate.high is not None
        assert rate.low is not None
        widths.append(rate.high - rate.low)
    # R squared of 1, of 0.24 / (0.24 + 0.25), and of about 0.
    full = widths[2]
    assert widths[0] < 0.12 * full
    assert widths[1] == pytest.approx(full * np.sqrt(1 - 0.24 / 0.49), rel=0.05)


def test_no_weight_is_negative():
    values = np.array([[-30.0], [-29], [-28]] * 2)  # a draw far from the mean
    stratum = np.repeat([0, STRATA], 3)
    population = np.zeros(2 * STRATA, dtype=np.int64)
    population[[0, STRATA]] = 300
    calibration = Calibration.of(values, np.ones(6, dtype=np.int64), stratum, population)
    factors = calibration.factors(np.full(6, 100.0))
    assert factors.min() == 0.1
