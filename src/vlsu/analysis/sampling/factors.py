"""What earlier runs say of each sample: how likely the next model is to be right about it.

A factor model of their outcomes, as Factorized Active Querying fits (Wu et al. 2026), in its linear
Gaussian form: within a stratum the outcomes of model m are r_im = lambda_m . f_i + e_im, with few
factors f_i ~ N(0, I) of each sample and errors of variance psi_m. Loadings and error variances are
those of principal axes (Harman 1976) of the covariance between models; the scores are the posterior
means of the factors. A model unlike the others has a small loading, so its answers hardly count,
and a sample that few models were asked about has scores near 0.

All of this is known before the draw. So it cannot bias an estimate, whatever the next model does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["FactorModel", "difficulty_bins"]

#: Rounds of principal axes.
_ROUNDS = 100
#: The least share of a model's variance within strata that is its own.
_OWN = 0.1
#: So many models show two factors.
_TWO_FACTORS = 4
#: A chance that is predicted is at least this far from 0 and 1.
_SURE = 0.02
#: Classes of the predicted chance that bins are cut between.
_CLASSES = 20


@dataclass(frozen=True, slots=True)
class FactorModel:
    """Factors of the samples, and what they mean for a model like the earlier ones.

    Attributes:
        scores: Posterior means of the factors; shape ``(N, r)``.
        loadings: Of the models; shape ``(M, r)``.
        chance: That a model like these is right, by sample, in [0.02, 0.98]; shape ``(N,)``.
    """

    scores: FloatArray
    loadings: FloatArray
    chance: FloatArray

    @classmethod
    def fit(cls, right: FloatArray, stratum: IntArray) -> FactorModel:
        """Fit the model.

        Args:
            right: 1 where the model was right, 0 where it was wrong, NaN where it was not asked;
                shape ``(M, N)``.
            stratum: Of each sample, from 0; shape ``(N,)``.
        """
        asked = ~np.isnan(right)
        rates = np.stack([_stratum_rates(each, stratum) for each in right])
        rest = np.where(asked, np.nan_to_num(right) - rates[:, stratum], 0.0)
        both = np.maximum(asked.astype(float) @ asked.T, 1.0)
        loadings, own = _principal_axes(rest @ rest.T / both, 1 if len(right) < _TWO_FACTORS else 2)
        seen = asked / own[:, None]
        precision = np.einsum("mn,mr,ms->nrs", seen, loadings, loadings)
        precision += np.eye(loadings.shape[1])
        told = np.einsum("mn,mr->nr", seen * rest, loadings)
        scores = np.linalg.solve(precision, told[..., None])[..., 0]
        chance = rates.mean(axis=0)[stratum] + scores @ loadings.mean(axis=0)
        return cls(scores, loadings, np.clip(chance, _SURE, 1 - _SURE))


def _stratum_rates(right: FloatArray, stratum: IntArray) -> FloatArray:
    """A model's rate in each stratum, drawn to its rate in all by two samples."""
    asked = ~np.isnan(right)
    hits = np.bincount(stratum[asked], weights=right[asked], minlength=int(stratum.max()) + 1)
    n = np.bincount(stratum[asked], minlength=len(hits))
    rates: FloatArray = (hits + 2 * (hits.sum() + 1) / (n.sum() + 2)) / (n + 2)
    return rates


def _principal_axes(covariance: FloatArray, factors: int) -> tuple[FloatArray, FloatArray]:
    """Loadings ``(M, factors)`` and own variances ``(M,)``.

    Of one model, half of the variance is taken to be shared.
    """
    whole = np.maximum(np.diagonal(covariance), 1e-6)
    own = whole / 2
    loadings = np.zeros((len(whole), factors))
    for _ in range(_ROUNDS):
        values, vectors = np.linalg.eigh(covariance - np.diag(own))
        loadings = vectors[:, -factors:] * np.sqrt(np.maximum(values[-factors:], 0.0))
        if len(whole) > 1:
            shared = (loadings**2).sum(axis=1)
            own = np.clip(whole - shared, _OWN * whole, whole)
    # A factor's sign means nothing: let more of it be better.
    return loadings * np.where(loadings.sum(axis=0) < 0, -1.0, 1.0), own


def difficulty_bins(chance: FloatArray, bins: int, least: int) -> IntArray:
    """Samples of one stratum by the chance that the next model is right, the least likely first.

    Cut at equal steps of the cumulative square root of frequency (Dalenius and Hodges 1959), which
    is close to the cuts that make the variance least. Samples of equal chance are together.

    Args:
        chance: Of each sample; shape ``(n,)``.
        bins: How many bins at most.
        least: Samples that each must have; otherwise there are fewer bins.

    Returns:
        Bin of each sample, from 0; shape ``(n,)``.

    Example:
        >>> difficulty_bins(np.array([0.2, 0.2, 0.9, 0.9, 0.9, 0.9]), bins=2, least=2).tolist()
        [0, 0, 1, 1, 1, 1]
    """
    grade = np.minimum((chance * _CLASSES).astype(np.int64), _CLASSES - 1)
    root = np.sqrt(np.bincount(grade, minlength=_CLASSES))
    middle = (np.cumsum(root) - root / 2) / root.sum()
    for count in range(bins, 1, -1):
        _, bin_of = np.unique((middle[grade] * count).astype(np.int64), return_inverse=True)
        if np.bincount(bin_of).min() >= least:
            numbers: IntArray = bin_of.astype(np.int64)
            return numbers
    return np.zeros(len(chance), dtype=np.int64)
