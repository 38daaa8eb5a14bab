"""Agreement beyond chance within strata, pooled over them."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["stratified_kappa"]


def stratified_kappa(
    tables: FloatArray | IntArray, sizes: FloatArray | IntArray | None = None
) -> FloatArray:
    """Cohen's kappa pooled over strata: the agreement that no stratum explains.

    Two raters who answer independently of each other, but both by the stratum, agree more than
    chance has it over all samples, and Cohen's kappa of the pooled table is above 0. Here chance is
    that of the stratum: with the share agreed p_s and the chance agreement e_s in stratum s, and
    n_s samples, it is sum n_s (p_s - e_s) / sum n_s (1 - e_s), the mean of the strata's kappas with
    the weights n_s (1 - e_s) (Barlow, Lai and Azen 1991). e_s is the share agreed of one rater's
    answer to a sample with the other's to *another* sample of the stratum, so that raters who
    answer independently have a numerator of expectation 0 in strata of any size; with e_s of the
    margins alone it would be too large by (p_s - e_s) / n_s. A stratum of one sample says nothing.

    NaN where it is undefined: no stratum has two samples, or in each both raters use one and the
    same class only.

    Args:
        tables: First rater's class by second rater's class, shape ``(..., S, k, k)``. Counts, or
            estimated counts of a population of which fewer were drawn.
        sizes: Samples drawn from each stratum, shape ``(..., S)``; by default the sums of `tables`.

    Example:
        Two strata, in each of which the raters are independent; pooled they seem to agree:

        >>> tables = np.array([[[81, 9], [9, 1]], [[1, 9], [9, 81]]])
        >>> abs(round(float(stratified_kappa(tables)), 2))
        0.0
        >>> from vlsu.analysis.stats.kappa import cohen_kappa
        >>> round(float(cohen_kappa(tables.sum(axis=0))), 2)
        0.64
    """
    n = tables.sum(axis=(-2, -1), dtype=np.float64)
    drawn = n if sizes is None else sizes
    use = (drawn > 1) & (n > 0)
    n = np.where(use, n, 0.0)
    agreed = np.trace(tables, axis1=-2, axis2=-1)
    margins = (tables.sum(axis=-1, dtype=np.float64) * tables.sum(axis=-2)).sum(axis=-1)
    share = np.divide(agreed, n, out=np.zeros(n.shape), where=use)
    plain = np.divide(margins, n**2, out=np.zeros(n.shape), where=use)
    chance = np.divide(drawn * plain - share, drawn - 1, out=np.zeros(n.shape), where=use)
    room = np.where(use, 1 - chance, 0.0)
    # Rounding must not make a denominator of what is 0: both raters of one class throughout.
    below = np.where(room > 1e-12, n * room, 0.0).sum(axis=-1)
    above = (n * np.where(use, share - chance, 0.0)).sum(axis=-1)
    kappa = np.full(below.shape, np.nan)
    np.divide(above, below, out=kappa, where=below > 0)
    return kappa
