"""From the answers of earlier runs to a draw: finer strata, their sizes, and control variates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.sampling.allocation import STRATA, stratum_of
from vlsu.analysis.sampling.factors import FactorModel, difficulty_bins
from vlsu.analysis.table.cells import ABSENT
from vlsu.policy import MODALITIES

__all__ = ["BINS", "UNASKED", "Forecast"]

#: Bins of a stratum at most; a stratum needs so many samples for two and for three.
BINS = 3
_FOR_TWO, _FOR_THREE = 60, 300
#: Samples that a bin has at least: two of each half can be drawn, and as many are left.
_LEAST = 8

#: Code of an answer that an earlier run does not have.
UNASKED = -1

#: The least standard deviation that a bin is taken to have: that of a rate of 10%. So no sample is
#: drawn with less than 0.6 times the chance of another, and a model that is unlike the earlier ones
#: loses little.
LEAST_DEVIATION = 0.3


@dataclass(frozen=True, slots=True)
class Forecast:
    """What earlier runs say of each sample, before the next model is asked.

    Attributes:
        bin: Of each sample within its triple of gold grades, from 0; shape ``(N,)``.
        chance: That the next model is right; shape ``(N,)``.
        controls: Factor scores of every sample, of each modality that was asked; ``(N, k)``.
        factors: Loadings of the earlier models, by modality; shape ``(M, r)`` each.
    """

    bin: IntArray
    chance: FloatArray
    controls: FloatArray
    factors: dict[str, FloatArray]

    @classmethod
    def of(cls, answers: IntArray, gold: IntArray, modality: int) -> Forecast:
        """From the answers of earlier runs.

        Args:
            answers: Severities, `FAILED` or `UNASKED`, by run, sample and modality; ``(M, N, 3)``.
            gold: Severities or `ABSENT`; shape ``(N, 3)``.
            modality: The one the draw goes by, that some run was asked about; index into
                `MODALITIES`.
        """
        triple = stratum_of(gold)
        controls, factors, chance = [], {}, np.zeros(len(gold))
        for number in [modality, *(m for m in range(3) if m != modality)]:
            said = answers[:, :, number]
            asked = (said != UNASKED) & (gold[:, number] != ABSENT)
            there = asked.any(axis=1)
            if not there.any():
                continue
            right = np.where(asked, said == gold[:, number], np.nan)[there]
            model = FactorModel.fit(right, triple)
            if number == modality:
                chance = model.chance
            factors[MODALITIES[number]] = model.loadings
            controls.append(model.scores)
        bins = np.zeros(len(gold), dtype=np.int64)
        for each in np.unique(triple):
            of = triple == each
            size = int(of.sum())
            most = 1 + (size >= _FOR_TWO) + (size >= _FOR_THREE)
            bins[of] = difficulty_bins(chance[of], most, _LEAST)
        return cls(bins, chance, np.concatenate(controls, axis=1), factors)

    def deviation(self, stratum: IntArray) -> FloatArray:
        """Standard deviation of right and wrong by stratum; shape ``(STRATA * BINS,)``.

        The chance is that of the models and of one more that is right half of the time: how the
        next one will do is less sure than what few models have shown.

        Args:
            stratum: Of each sample, triple * `BINS` + bin; shape ``(N,)``.
        """
        n = np.maximum(np.bincount(stratum, minlength=STRATA * BINS), 1)
        models = max(len(each) for each in self.factors.values())
        share = np.bincount(stratum, self.chance, STRATA * BINS) / n
        share = (models * share + 0.5) / (models + 1)
        return np.maximum(np.sqrt(share * (1 - share)), LEAST_DEVIATION)
