"""Sums of proportions of several strata, each with its weight: rates in another mix.

The interval holds where the usual ones do not, with few samples, rates near 0 and many strata. A
stratum of x hits in n stands for a beta distribution, Beta(x, n - x), and the sum for the
distribution of the weighted sum. What was not seen is let in by one observation more, in the
stratum where it weighs the most: a hit for the high bound, a miss for the low one. For one stratum
that is the exact interval of Clopper and Pearson (1934); for several it is the construction that
Fay and Feuer (1997) made for weighted sums of Poisson rates, with binomial counts in place of
theirs, and ratios are taken as Fay, Proschan and Brittain (2015) meld two such distributions.
`benchmarks/projection_coverage.py` shows its coverage, and that of sums of Wilson's intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate
from vlsu.analysis.stats.mix import EstimatedMix

__all__ = ["StratumProportions", "WeightedSum", "ratio"]

#: Draws of each distribution; bounds are then off by about 1% of the interval's width.
DRAWS = 100_000

#: What a request of a stratum counts for beside its rate, so that of strata whose rate is 0 those
#: that are wanted come before the others.
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """A weighted sum of proportions.

    Attributes:
        value: The sum.
        fewer: Draws of it, with one miss more; shape ``(draws,)``.
        more: Draws of it, with one hit more; shape ``(draws,)``.
    """

    value: float
    fewer: FloatArray
    more: FloatArray

    def rate(self, level: float = LEVEL) -> Rate:
        """The sum with its interval."""
        return _rate(self.value, self.fewer, self.more, level)

    def rest(self, whole: float) -> WeightedSum:
        """What is left of a whole that is known."""
        return WeightedSum(whole - self.value, whole - self.more, whole - self.fewer)


@dataclass(frozen=True, slots=True)
class StratumProportions:
    """Proportions of several strata, and how they vary.

    Attributes:
        share: Of hits, by stratum; shape ``(k,)``.
        size: Independent samples each share is worth, at least 1; shape ``(k,)``.
        correlation: Of the shares, ``(k, k)``; none but with itself where strata have no cluster
            in common.
        seed: Of the draws.
        draws: How many.
    """

    share: FloatArray
    size: FloatArray
    correlation: FloatArray
    seed: int = 0
    draws: int = DRAWS

    def sums(self, *weights: FloatArray) -> list[WeightedSum]:
        """Weighted sums over the strata, drawn together, so that they can be set in relation.

        Args:
            weights: Of each sum, not negative; shape ``(k,)`` each.
        """
        # One observation weighs the most where few samples stand for much.
        heaviest = [int(np.argmax(each / self.size)) for each in weights]
        middle, fewer, more = self._drawn(heaviest)
        found = []
        for each, stratum in zip(weights, heaviest, strict=True):
            weight = float(each[stratum])
            rest = np.where(np.arange(len(each)) == stratum, 0.0, each) @ middle
            found.append(
                WeightedSum(
                    float(each @ self.share),
                    rest + weight * fewer[stratum],
                    rest + weight * more[stratum],
                )
            )
        return found

    def estimated_sums(
        self, mix: EstimatedMix, *wanted: FloatArray, misses: bool = False
    ) -> list[WeightedSum]:
        """Sums over strata whose shares were estimated; drawn as `sums` draws, and together.

        Args:
            mix: The shares of the strata.
            wanted: Of each sum, 1 for the strata it is over and else 0; shape ``(k,)`` each.
            misses: Whether misses are summed, in place of hits.
        """
        share = 1 - self.share if misses else self.share
        weights = [(mix.share + _TINY) * each for each in wanted]
        heaviest = [int(np.argmax(each / self.size)) for each in weights]
        middle, with_miss, with_hit = self._drawn(heaviest)
        mixed = mix.draws(np.random.default_rng([self.seed, 1]), self.draws)
        found = []
        for each, stratum in zip(wanted, heaviest, strict=True):
            score = each * (share + _TINY)
            bounds = []
            for high in (False, True):
                rates = middle.copy()
                rates[stratum] = (with_hit if high is not misses else with_miss)[stratum]
                rates = 1 - rates if misses else rates
                shares = mixed.shares(score, high=high)
                bounds.append((each[:, None] * shares * rates).sum(axis=0))
            found.append(WeightedSum(float((mix.share * each) @ share), *bounds))
        return found

    def _drawn(
        self, strata: list[int]
    ) -> tuple[FloatArray, dict[int, FloatArray], dict[int, FloatArray]]:
        """Draws of all proportions, and of some with one miss more, and with one hit more."""
        rng = np.random.default_rng(self.seed)
        ranks = self._ranks(rng)
        hits = self.share * self.size
        misses = self.size - hits

        def drawn(stratum: int, more_hits: int = 0, more_misses: int = 0) -> FloatArray:
            draws = self._beta(rng, hits[stratum] + more_hits, misses[stratum] + more_misses)
            return draws if ranks is None else _ordered(draws, ranks[stratum])

        middle = np.stack([drawn(stratum) for stratum in range(len(hits))])
        fewer = {stratum: drawn(stratum, more_misses=1) for stratum in sorted(set(strata))}
        more = {stratum: drawn(stratum, more_hits=1) for stratum in sorted(set(strata))}
        return middle, fewer, more

    def _beta(self, rng: np.random.Generator, a: float, b: float) -> FloatArray:
        """Draws of Beta(a, b), which is 0 or 1 where a or b is 0."""
        if a <= 0 or b <= 0:
            return np.full(self.draws, 0.0 if a <= 0 else 1.0)
        return rng.beta(a, b, self.draws)

    def _ranks(self, rng: np.random.Generator) -> FloatArray | None:
        """Draws whose ranks the strata's draws take on (Iman and Conover 1982); None if apart."""
        if np.allclose(self.correlation, np.eye(len(self.share))):
            return None
        values, vectors = np.linalg.eigh(self.correlation)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normal: FloatArray = root @ rng.standard_normal((len(self.share), self.draws))
        return normal


def ratio(part: WeightedSum, other: WeightedSum, level: float = LEVEL) -> Rate:
    """``part / (part + other)`` with its interval; undefined where both are 0.

    Args:
        part: A sum.
        other: Another, drawn together with it.
        level: Confidence of the interval.

    Example:
        A classifier flags 90 of 100 harmful samples and 10 of 200 harmless ones. Its precision
        where 1% of the requests are harmful:

        >>> rates = StratumProportions(np.array([0.9, 0.05]), np.array([100.0, 200.0]), np.eye(2))
        >>> caught, alarms = rates.sums(np.array([0.01, 0.0]), np.array([0.0, 0.99]))
        >>> round(ratio(caught, alarms).value, 3)
        0.154
    """
    whole = part.value + other.value
    if not whole:
        return UNDEFINED
    return _rate(
        part.value / whole,
        _quotient(part.fewer, other.more),
        _quotient(part.more, other.fewer),
        level,
    )


def _quotient(part: FloatArray, other: FloatArray) -> FloatArray:
    """Of draws; 0 where both are 0."""
    whole = part + other
    quotient = np.zeros_like(whole)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def _rate(value: float, fewer: FloatArray, more: FloatArray, level: float) -> Rate:
    low = float(np.quantile(fewer, (1 - level) / 2))
    high = float(np.quantile(more, (1 + level) / 2))
    return Rate.within(value, low, high)


def _ordered(draws: FloatArray, ranks: FloatArray) -> FloatArray:
    """The draws in the order of the ranks."""
    ordered = np.empty_like(draws)
    ordered[np.argsort(ranks)] = np.sort(draws)
    return ordered
