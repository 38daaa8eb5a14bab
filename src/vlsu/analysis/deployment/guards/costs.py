"""What missed harm and wrong blocks come to in a deployment's traffic.

Rates by gold grade are weighted by the traffic's shares, as `vlsu project` does and with the same
intervals (`vlsu.analysis.stats.weighting`): the share of the harmful is given, the harmless divide
as in the samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.deployment.guards.equal import AtRate, recall_mean
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.deployment.guards.thresholds import least_cost
from vlsu.analysis.stats.clustering import paired_difference
from vlsu.analysis.stats.intervals import Rate, mover
from vlsu.analysis.stats.weighting import StratumProportions, ratio
from vlsu.policy import Severity

__all__ = ["Costs", "cost_difference", "per_million"]

_MILLION = 1_000_000
#: Draws of each distribution behind an interval.
_DRAWS = 40_000


@dataclass(frozen=True, slots=True)
class Costs:
    """Traffic, and what an error in it costs.

    Attributes:
        prevalence: Share of the requests that is harmful, in (0, 1).
        missed: Cost of a harmful request that is not flagged, not negative.
        blocked: Cost of a harmless request that is.
    """

    prevalence: float
    missed: float
    blocked: float

    def choose(self, scores: FloatArray, harmful: BoolArray) -> float:
        """The threshold of least cost."""
        return least_cost(
            scores, harmful, self.prevalence * self.missed, (1 - self.prevalence) * self.blocked
        )


def per_million(
    samples: GuardSamples,
    guard: Guard,
    flags: FloatArray,
    prevalence: float,
    costs: Costs | None,
    seed: int,
    *,
    chosen: FloatArray | None = None,
) -> dict[str, Any]:
    """Counts in a million requests, and what they cost.

    Args:
        samples: The samples.
        guard: For the samples without an answer.
        flags: 1 where flagged, with missing answers at their worst; shape ``(n,)``.
        prevalence: Share of the requests that is harmful.
        costs: Of errors, if known.
        seed: Of the draws behind the intervals.
        chosen: The scores that a threshold for false flags was chosen by, so that its variance is
            in the interval of what is missed; that of costs takes the threshold as known.

    Returns:
        ``per_million``: ``missed_harm``, ``wrong_blocks`` (harmless ones flagged),
        ``wrong_blocks_safe``, ``wrong_blocks_borderline``, ``flagged``, ``no_verdict`` (without an
        answer) and ``no_verdict_harmful``; ``precision``: share of the flagged that is harmful; and
        with costs ``cost_per_million``. Each with an interval. Those without an answer are among
        the missed, or the wrong blocks.
    """
    strata = _strata(samples)
    shares = _shares(samples, strata, prevalence)
    harmful = np.array([float(severity is None) for severity in strata])
    proportions = _proportions(samples, flags, strata, seed)
    if chosen is not None:
        false = float(flags[~samples.harmful].mean())
        at = AtRate(flags, np.full(samples.n, false), chosen, false)
        size = proportions.size.copy()
        size[0] = max(1.0, recall_mean(samples, at, samples.harmful).size)
        proportions = replace(proportions, size=size)
    apart = {
        f"wrong_blocks_{severity.label}": np.array([float(each is severity) for each in strata])
        for severity in strata
        if severity is not None
    }
    caught, wrong, flagged, *mild = proportions.sums(
        shares * harmful,
        shares * (1 - harmful),
        shares,
        *(shares * among for among in apart.values()),
    )
    unanswered = _proportions(samples, guard.missing.astype(np.float64), strata, seed)
    lost, lost_harmful = unanswered.sums(shares, shares * harmful)
    counts = {
        "missed_harm": caught.rest(prevalence),
        "wrong_blocks": wrong,
        **(dict(zip(apart, mild, strict=True)) if len(apart) > 1 else {}),
        "flagged": flagged,
        "no_verdict": lost,
        "no_verdict_harmful": lost_harmful,
    }
    tree: dict[str, Any] = {
        "per_million": {
            name: _times(each.rate(samples.level), _MILLION).as_dict()
            for name, each in counts.items()
        },
        "precision": ratio(caught, wrong, samples.level).as_dict(),
    }
    if costs is not None:
        errors = _proportions(samples, _errors(samples, flags), strata, seed)
        (total,) = errors.sums(shares * np.where(harmful, costs.missed, costs.blocked))
        tree["cost_per_million"] = _times(total.rate(samples.level), _MILLION).as_dict()
    return tree


def cost_difference(
    samples: GuardSamples, first: FloatArray, second: FloatArray, costs: Costs
) -> Rate:
    """Cost of a million requests of the second guard, less that of the first; paired.

    The paired intervals of each gold grade, put together by their distances (MOVER).

    Args:
        samples: The samples.
        first: Flags of the first, with missing answers at their worst; shape ``(n,)``.
        second: The same of the second.
        costs: Of errors.
    """
    strata = _strata(samples)
    shares = _shares(samples, strata, costs.prevalence)
    weights = np.array(
        [
            share * (costs.missed if severity is None else costs.blocked)
            for share, severity in zip(shares.tolist(), strata, strict=True)
        ]
    )
    errors = [_errors(samples, flags) for flags in (first, second)]
    rates = tuple(
        paired_difference(
            errors[0][among], errors[1][among], samples.cluster_of(among), samples.level
        ).rate
        for among in strata.values()
    )
    total = float(weights.sum())
    if not total:
        return Rate(0.0, 0.0, 0.0)
    parts = weights / total
    correlation = _correlation(samples, errors[1] - errors[0], strata)
    low, high = mover(parts, rates, correlation, least=-1.0, level=samples.level)
    value = sum(
        part * (rate.value or 0.0) for part, rate in zip(parts.tolist(), rates, strict=True)
    )
    scale = _MILLION * total
    return Rate.within(scale * value, scale * low, scale * high)


def _errors(samples: GuardSamples, flags: FloatArray) -> FloatArray:
    """1 for a harmful sample that is not flagged and a harmless one that is."""
    return np.where(samples.harmful, 1 - flags, flags)


def _strata(samples: GuardSamples) -> dict[Severity | None, BoolArray]:
    """The harmful samples under `None`, then the harmless by gold grade, of those that occur."""
    mild = {severity: of & ~samples.harmful for severity, of in samples.severities.items()}
    return {None: samples.harmful, **{s: among for s, among in mild.items() if among.any()}}


def _shares(
    samples: GuardSamples, strata: Mapping[Severity | None, BoolArray], prevalence: float
) -> FloatArray:
    """Share of each stratum in the traffic; the harmless divide as in the samples."""
    harmless = float((~samples.harmful).sum())
    return np.array(
        [
            prevalence if severity is None else (1 - prevalence) * float(among.sum()) / harmless
            for severity, among in strata.items()
        ]
    )


def _proportions(
    samples: GuardSamples,
    hits: FloatArray,
    strata: Mapping[Severity | None, BoolArray],
    seed: int,
) -> StratumProportions:
    """Shares of hits by stratum; there are samples in each."""
    means = [mean for among in strata.values() if (mean := samples.mean(hits, among)) is not None]
    return StratumProportions(
        np.array([mean.value for mean in means]),
        np.array([max(1.0, mean.size) for mean in means]),
        _correlation(samples, hits, strata),
        seed,
        _DRAWS,
    )


def _times(rate: Rate, factor: float) -> Rate:
    return Rate(*(None if part is None else factor * part for part in rate.as_dict().values()))


def _correlation(
    samples: GuardSamples, scores: FloatArray, strata: Mapping[Severity | None, BoolArray]
) -> FloatArray:
    """Of the means of scores over strata, by the lots that they have in common."""
    _, lot = np.unique(samples.lot, return_inverse=True)
    size = int(lot.max()) + 1
    sums = np.stack(
        [np.bincount(lot[a], scores[a] - scores[a].mean(), size) for a in strata.values()]
    )
    products = sums @ sums.T
    spread = np.sqrt(np.diag(products))
    scale = np.outer(spread, spread)
    correlation = np.zeros_like(products)
    np.divide(products, scale, out=correlation, where=scale > 0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
