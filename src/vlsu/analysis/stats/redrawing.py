"""What a figure owes to its samples, and what to the chance with which each was answered.

Every sample is answered several times. The variance of the mean over all draws is that between
samples (or groups of them), which has what is left of the chance of answers in it: the "clustered
standard error on question-level means" of Miller (2024). The variance of a figure from answers
asked again about the same samples is the sum of the variances within samples, whose unbiased
estimates from few draws are pooled over all samples (Searle, Casella and McCulloch 1992, ch. 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.intervals import LEVEL, Rate, normal_quantile

__all__ = ["DrawVariance", "draw_variance", "rerun_intervals"]


@dataclass(frozen=True, slots=True)
class DrawVariance:
    """Variances of a figure.

    Attributes:
        draws: Answers to each sample, D.
        mean: Of the mean over the draws, over other samples asked as often.
        within: Of one draw's figure, over the same samples.
    """

    draws: int
    mean: float
    within: float

    @property
    def once(self) -> float:
        """Of one draw's figure over other samples: `mean` has 1 / D of `within` in it."""
        return self.mean + self.within * (1 - 1 / self.draws)

    @property
    def share(self) -> float:
        """`mean` over `once`, between 1 / D and 1; 1 where nothing varies."""
        return self.mean / self.once if self.once > 0 else 1.0


def draw_variance(influence: FloatArray, cluster: IntArray, request: IntArray) -> DrawVariance:
    """The variances of a figure from what each answer adds to it.

    Args:
        influence: How far the figure moves by a sample's answer in each draw, from where it would
            be without, to first order: for a share 1 / n or 0, less the share over n. Shape
            ``(n, D)``, D at least 2.
        cluster: What samples are independent between, numbered from 0; shape ``(n,)``.
        request: Samples of one number have one answer in each draw; shape ``(n,)``.

    Example:
        Of four samples two are right in both draws, one in neither and one in the second alone:

        >>> right = np.array([[1, 1], [1, 1], [0, 0], [0, 1]])
        >>> each = np.arange(4)
        >>> found = draw_variance((right - right.mean()) / 4, each, each)
        >>> found.within, round(found.mean, 4), round(found.once, 4)  # 0.5 / 16, then 11 / 192
        (0.03125, 0.0573, 0.0729)
    """
    draws = influence.shape[1]
    sums = np.bincount(cluster, weights=influence.mean(axis=1))
    sums = sums[np.bincount(cluster) > 0]
    units = len(sums)
    mean = float(sums @ sums) * (units / (units - 1) if units > 1 else 1.0)
    shared = np.stack([np.bincount(request, weights=draw) for draw in influence.T], axis=1)
    within = float(shared.var(axis=1, ddof=1).sum())
    return DrawVariance(draws, mean, within if within > 1e-30 else 0.0)


def rerun_intervals(
    value: float,
    below: float,
    above: float,
    variance: DrawVariance,
    unit: float,
    level: float = LEVEL,
) -> dict[str, Rate]:
    """What intervals a figure in [0, 1] from several draws has.

    The distances of the bounds of one draw's interval stand for its standard error, as in MOVER
    (Zou and Donner 2008), and are stretched to the variance in question: so every care that these
    bounds take of small samples is in the intervals too.

    Args:
        value: Mean over the draws.
        below: How far the low bound of one draw's own interval over samples is from its figure,
            on average over the draws.
        above: The same of the high bound.
        variance: Of the figure.
        unit: How far the figure moves if one request is answered otherwise. One such flip in all
            draws is added to those observed: none seen is no proof of none.
        level: Confidence of all, and that which the draws' own intervals have.

    Returns:
        ``over_samples``: confidence interval of the figure over all samples of this kind, in the
        mean over any number of draws. ``over_reruns``: prediction interval of the figure of one
        further draw over the same samples. ``both``: prediction interval of the figure of one draw
        over as many other samples; never inside one of the two.

    Example:
        Two draws of 100 samples, of which what varies within samples is a quarter:

        >>> variance = DrawVariance(draws=2, mean=0.0014, within=0.0004)
        >>> found = rerun_intervals(0.8, 0.088, 0.067, variance, unit=0.01)
        >>> for name, interval in found.items():
        ...     print(name, interval)
        over_samples 0.800 [0.718, 0.863]
        over_reruns 0.800 [0.749, 0.851]
        both 0.800 [0.680, 0.892]
    """
    share, draws = variance.share, variance.draws
    within = variance.within + unit**2 / draws
    reach = normal_quantile(level) * math.sqrt(within * (1 + 1 / draws))

    def around(down: float, up: float) -> Rate:
        return Rate.within(value, max(0.0, value - down), min(1.0, value + up))

    confidence, other = math.sqrt(share), math.sqrt(1 + share)
    return {
        "over_samples": around(below * confidence, above * confidence),
        "over_reruns": around(reach, reach),
        "both": around(max(below * other, reach), max(above * other, reach)),
    }
