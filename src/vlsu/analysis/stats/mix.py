"""Shares of strata that were estimated by counting: how they vary.

The shares of N requests that were drawn at random and labelled are multinomial. As in
`vlsu.analysis.stats.weighting`, counts x stand for a Dirichlet distribution with these counts as
its parameters, and what was not seen is let in by one request more: for the high bound of a sum
where it adds the most, for the low one where it adds the least. For one share that is the interval
of Clopper and Pearson (1934). Together with the proportions within the strata that is the
Dirichlet-multinomial model of a standardised rate, with bounds that hold at small counts.
`benchmarks/projection_coverage.py` shows the coverage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vlsu.analysis.arrays import FloatArray, IntArray

__all__ = ["EstimatedMix", "MixDraws"]


@dataclass(frozen=True, slots=True)
class EstimatedMix:
    """Shares of strata in two levels: of groups in the whole, and of strata in their group.

    Attributes:
        group: Of each stratum, 0 .. g - 1; shape ``(k,)``.
        top: Share of each group; shape ``(g,)``, sums to 1.
        top_of: Requests that these were counted in; `None` where they are known.
        inner: Share of each stratum in its group; shape ``(k,)``.
        inner_of: Group -> requests of the group that its strata were counted in; those that are
            not here have known shares within.
    """

    group: IntArray
    top: FloatArray
    top_of: float | None
    inner: FloatArray
    inner_of: Mapping[int, float]

    @property
    def share(self) -> FloatArray:
        """Share of each stratum in the whole; shape ``(k,)``."""
        share: FloatArray = self.top[self.group] * self.inner
        return share

    def with_known_groups(self) -> EstimatedMix:
        """The same with the shares of the groups taken as known, for what does not depend on them.

        The part of the harmful that is flagged is the same whatever the share of the harmful.
        """
        return replace(self, top_of=None)

    def draws(self, rng: np.random.Generator, draws: int) -> MixDraws:
        """Draws of the shares, all from the same numbers whichever bound they are for.

        Args:
            rng: Of the draws.
            draws: How many.
        """
        top = self._gammas(rng, self.top * (self.top_of or 0.0), draws)
        of = np.array([self.inner_of.get(group, 0.0) for group in self.group.tolist()])
        inner = self._gammas(rng, self.inner * of, draws)
        return MixDraws(self, top, inner, rng.standard_exponential(draws))

    @staticmethod
    def _gammas(rng: np.random.Generator, counts: FloatArray, draws: int) -> FloatArray:
        drawn: FloatArray = rng.standard_gamma(counts[:, None], (len(counts), draws))
        return drawn


@dataclass(frozen=True, slots=True)
class MixDraws:
    """Draws of an estimated mix; made by `EstimatedMix.draws`.

    Attributes:
        mix: What they are of.
        top: Gamma variates of the groups' counts; shape ``(g, draws)``.
        inner: Those of the strata's counts in their group; shape ``(k, draws)``.
        one: Of one request more; shape ``(draws,)``.
    """

    mix: EstimatedMix
    top: FloatArray
    inner: FloatArray
    one: FloatArray

    def shares(self, score: FloatArray, *, high: bool) -> FloatArray:
        """Shares of the strata, with one request more for a bound; shape ``(k, draws)``.

        Args:
            score: What a request of each stratum adds to the sum in question; shape ``(k,)``.
            high: Whether for the high bound, with the request where it adds the most; else it is
                where it adds the least.
        """
        mix, pick = self.mix, np.argmax if high else np.argmin
        groups = range(len(mix.top))
        members = [np.flatnonzero(mix.group == group) for group in groups]
        top = np.broadcast_to(mix.top[:, None], self.top.shape)
        if mix.top_of is not None:
            means = np.array([float(mix.inner[each] @ score[each]) for each in members])
            top = self._one_more(self.top, int(pick(means)))
        shares = mix.inner[:, None] * top[mix.group]
        for group in mix.inner_of:
            strata = members[group]
            inside = self._one_more(self.inner[strata], int(pick(score[strata])))
            shares[strata] = inside * top[group]
        return shares

    def _one_more(self, gammas: FloatArray, where: int) -> FloatArray:
        """Shares from gamma variates, with one request more in one of them."""
        more = gammas.copy()
        more[where] += self.one
        shares: FloatArray = more / more.sum(axis=0)
        return shares
