"""Shares of several parts, each drawn towards their mean as far as chance may explain its place."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.arrays import FloatArray

__all__ = ["shrunken_shares"]


def shrunken_shares(shares: FloatArray, sizes: FloatArray) -> FloatArray:
    """Empirical Bayes estimates of several shares (Efron and Morris 1975).

    The highest and the lowest of several observed shares are also the luckiest and the unluckiest.
    A share of variance v is drawn towards the mean of all by (k - 3) / (k - 1) v / (v + t), where k
    is their number and t the variance of the true shares, by the method of moments. With equal
    sizes that is the estimator of James and Stein; three shares or fewer stay as they are.

    Args:
        shares: Observed, in [0, 1]; shape ``(k,)``.
        sizes: Samples each is worth, above 0; shape ``(k,)``.

    Returns:
        Shape ``(k,)``, each between the share and the mean.

    Example:
        Shares that differ no more than chance has it are nearly the same:

        >>> shrunken_shares(np.array([0.2, 0.4, 0.6, 0.5, 0.3]), np.full(5, 10.0)).round(2).tolist()
        [0.3, 0.4, 0.5, 0.45, 0.35]

        Those of many samples hardly move:

        >>> shrunken_shares(np.array([0.2, 0.4, 0.6, 0.5, 0.3]), np.full(5, 1e4)).round(2).tolist()
        [0.2, 0.4, 0.6, 0.5, 0.3]
    """
    k = len(shares)
    mean = float(sizes @ shares / sizes.sum())
    spread = mean * (1 - mean)
    if k < 4 or spread == 0:
        return shares.astype(np.float64)
    variance = spread / sizes
    weight = 1 / variance
    apart = float(weight @ (shares - mean) ** 2) - (k - 1)
    between = max(0.0, apart / float(weight.sum() - weight @ weight / weight.sum()))
    drawn = (k - 3) / (k - 1) * variance / (variance + between)
    shrunken: FloatArray = shares + drawn * (mean - shares)
    return shrunken
