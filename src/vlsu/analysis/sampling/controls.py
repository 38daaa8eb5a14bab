"""Control variates: what is known of all samples takes part of the draw's luck away.

A draw that happens to have too many hard samples shows it: its mean of a control x_i, known of the
whole dataset, is off. So a total of y is estimated by the difference estimator
T(y) + (X - T(x)) b (Cassel, Särndal and Wretman 1976; the prediction-powered inference of
Angelopoulos, Duchi and Zrnic 2023, whose power tuning b is). The coefficients b are those of least
variance over strata (Montanari 1987), and the two halves are crossed: a half is corrected by the
coefficients that the *other* one shows. These do not depend on the half's own luck, so every total
stays unbiased, whatever the controls are worth; of controls that are worth nothing they are
about 0.

The correction is linear in y with the same weights for every y. So it is one weight a sample, and
every metric is the same function of these weighted counts as it is of plain ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["Calibration"]

#: A control's variance is taken to be larger by this share of itself and a parameter's share of the
#: sample: with few samples coefficients are drawn to 0.
_RIDGE = 1.0
#: No weight falls below this share of what it is without controls.
_LEAST_WEIGHT = 0.1


@dataclass(frozen=True, slots=True)
class Calibration:
    """The coefficients of a sample's controls, as a linear function of what they are of.

    Attributes:
        values: Controls of each cell less their mean over its half of its stratum; ``(C, k)``.
        half: Of each cell; shape ``(C,)``.
        slopes: What a sample of a cell adds to the coefficients, by its y; shape ``(C, k)``.
        count: Samples of each cell; shape ``(C,)``.
    """

    values: FloatArray
    half: IntArray
    slopes: FloatArray
    count: IntArray

    @classmethod
    def of(
        cls, values: FloatArray, count: IntArray, stratum: IntArray, population: IntArray
    ) -> Calibration:
        """From a sample.

        Args:
            values: As `values`.
            count: As `count`.
            stratum: Of each cell, those of the second half after those of the first; ``(C,)``.
            population: Samples of the dataset by stratum; shape ``(2 H,)``.
        """
        strata = len(population)
        drawn = np.maximum(np.bincount(stratum, count, strata), 1.0)
        means = _sums(stratum, count[:, None] * values, strata) / drawn[:, None]
        apart = values - means[stratum]
        # What a squared deviation within the stratum adds to the variance of a total.
        costs = population * (population - drawn) / (drawn * np.maximum(drawn - 1, 1.0))
        weighted = costs[stratum, None] * apart
        half = (stratum >= strata // 2).astype(np.int64)
        slopes = np.zeros_like(values)
        for each in (0, 1):
            of = half == each
            matrix = (count[of, None] * weighted[of]).T @ apart[of]
            diagonal = np.diagonal(matrix)
            ridge = _RIDGE * len(diagonal) / max(count[of].sum(), 1)
            matrix = matrix + np.diag(ridge * diagonal + (diagonal <= 0))
            slopes[of] = np.linalg.solve(matrix, weighted[of].T).T
        return cls(values, half, slopes, count)

    def factors(self, weight: FloatArray) -> FloatArray:
        """By how much each cell's weight is to be multiplied; shape ``(C,)``.

        Args:
            weight: Samples of the dataset that one of each cell stands for; shape ``(C,)``.
        """
        missing = -_sums(self.half, (weight * self.count)[:, None] * self.values, 2)
        more = (self.slopes * missing[1 - self.half]).sum(axis=1)
        factors: FloatArray = np.maximum(1 + more / weight, _LEAST_WEIGHT)
        return factors

    def residuals(self, influence: FloatArray) -> FloatArray:
        """What the controls leave of the influence of each cell's samples; shape ``(C, m)``."""
        coefficients = np.stack(
            [
                (self.slopes * (self.count * (self.half == each))[:, None]).T @ influence
                for each in (0, 1)
            ]
        )
        explained = np.empty_like(influence)
        for each in (0, 1):
            of = self.half == each
            explained[of] = self.values[of] @ coefficients[1 - each]
        return influence - explained


def _sums(entry: IntArray, values: FloatArray, size: int) -> FloatArray:
    return np.stack([np.bincount(entry, each, size) for each in values.T], axis=1)
