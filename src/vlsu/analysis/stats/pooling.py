"""Shares of several parts, each drawn towards their mean as far as chance may explain its place.

The highest and the lowest of several observed shares are also the luckiest and the unluckiest
(Efron and Morris 1975). Here the parts' true shares are taken to come from one beta distribution
whose mean and spread are unknown, and the hits of each part are binomial: the beta-binomial model.
Its two parameters are integrated over, not estimated, so that few parts are not taken to be equal
because they look alike: the mean has a uniform prior, and so has the share by which a part of one
sample would be drawn. Each posterior distribution is represented by the beta distribution of its
mean and variance (Morris 1983). `benchmarks/pooling_coverage.py` shows error and coverage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.stats.exact import beta_quantile
from vlsu.analysis.stats.intervals import LEVEL, Rate

__all__ = ["PooledShare", "pooled_shares"]

#: Points of the grid of the mean, and of the share by which a part of one sample is drawn.
_MEANS, _PULLS = 40, 24


@dataclass(frozen=True, slots=True)
class PooledShare:
    """A part's share in the light of the others.

    Attributes:
        rate: The share with its interval.
        pooling: By what part of the way the observed share is drawn towards the mean, in [0, 1].
    """

    rate: Rate
    pooling: float


def pooled_shares(
    shares: FloatArray, sizes: FloatArray, level: float = LEVEL
) -> list[PooledShare] | None:
    """Shares of parts that have something in common.

    Args:
        shares: Observed, in [0, 1]; shape ``(k,)``.
        sizes: Independent samples each is worth, above 0; need not be whole; shape ``(k,)``.
        level: Confidence of the intervals.

    Returns:
        One for each part; `None` for a single part, which has nothing to be drawn to.

    Example:
        Shares that differ no more than chance has it are nearly the same; those of many samples
        hardly move:

        >>> few = pooled_shares(np.array([0.2, 0.4, 0.6]), np.full(3, 5.0))
        >>> [round(part.rate.value, 2) for part in few]
        [0.32, 0.41, 0.51]
        >>> many = pooled_shares(np.array([0.2, 0.4, 0.6]), np.full(3, 5000.0))
        >>> [round(part.rate.value, 3) for part in many]
        [0.2, 0.4, 0.6]
    """
    if len(shares) < 2:
        return None
    mean, prior, log_prior = _grid()
    hits, misses = shares * sizes, (1 - shares) * sizes
    a, b = mean * prior, (1 - mean) * prior  # of the beta distribution at each point; (P,)
    fit = log_prior.copy()
    for x, y in zip(hits.tolist(), misses.tolist(), strict=True):
        fit += _log_gammas(a + x) + _log_gammas(b + y) - _log_gammas(prior + x + y)
    fit += len(shares) * (_log_gammas(prior) - _log_gammas(a) - _log_gammas(b))
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()
    return [
        _part(hits[part] + a, misses[part] + b, weight, prior / (prior + sizes[part]), level)
        for part in range(len(shares))
    ]


def _part(
    a: FloatArray, b: FloatArray, weight: FloatArray, pull: FloatArray, level: float
) -> PooledShare:
    """From beta distributions with weights to one; all of shape ``(P,)``."""
    n, means = a + b, a / (a + b)
    value = float(weight @ means)
    variance = float(weight @ (means * (1 - means) / (n + 1) + (means - value) ** 2))
    if value * (1 - value) <= variance:  # of which all is known, and nothing is left to chance
        return PooledShare(Rate.within(value, value, value), float(weight @ pull))
    size = value * (1 - value) / variance - 1
    tail = (1 - level) / 2
    bounds = [beta_quantile(q, value * size, (1 - value) * size) for q in (tail, 1 - tail)]
    return PooledShare(Rate.within(value, *bounds), float(weight @ pull))


@cache
def _grid() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means, samples that the common distribution is worth, log priors; each of shape ``(P,)``.

    A prior worth f samples draws a part of one sample by f / (f + 1), which is spread evenly.
    """
    mean = (np.arange(_MEANS) + 0.5) / _MEANS
    # Finer towards 1, where a part of thousands of samples is drawn.
    edges = 1 - np.concatenate([np.linspace(1, 0.05, _PULLS), np.geomspace(0.03, 1e-4, 8)])
    pull, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    means, pulls = np.meshgrid(mean, pull, indexing="ij")
    prior = (pulls / (1 - pulls)).ravel()
    return means.ravel(), prior, np.log(np.tile(width, _MEANS))


def _log_gammas(values: FloatArray) -> FloatArray:
    return np.array([math.lgamma(value) for value in values.tolist()])
