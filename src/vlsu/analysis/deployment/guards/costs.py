"""What missed harm and wrong blocks come to in a deployment's traffic.

Rates by gold grade are weighted by the traffic's shares, as `vlsu project` does: the share of the
harmful is given, the harmless divide as in the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.deployment.guards.thresholds import least_cost
from vlsu.analysis.deployment.projection import FLAGGED, PASSED, project
from vlsu.analysis.deployment.traffic import read_traffic
from vlsu.analysis.stats.clustering import paired_difference
from vlsu.analysis.stats.intervals import Rate, mover
from vlsu.analysis.stats.weighting import StratumProportions
from vlsu.policy import Severity

__all__ = ["Costs", "cost_difference", "per_million", "total_cost"]

_MILLION = 1_000_000


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
    samples: GuardSamples, guard: Guard, flags: FloatArray, prevalence: float, seed: int
) -> dict[str, Any]:
    """Counts in a million requests: ``per_million`` of `vlsu.analysis.project`, and ``precision``.

    A request without an answer is neither flagged nor passed: a harmful one is among the missed,
    a harmless one is not among the wrong blocks, and both are counted apart.

    Args:
        samples: The samples.
        guard: For what became of those without an answer.
        flags: Of the others 1 where flagged, else 0; shape ``(n,)``.
        prevalence: Share of the requests that is harmful.
        seed: Of the draws behind the intervals.
    """
    missing = guard.missing
    decision = np.where(flags > 0, FLAGGED, PASSED).astype(object)
    decision[missing] = np.asarray(guard.outcome, dtype=object)[missing]
    # The event is what the projection calls unsafe.
    gold = np.where(
        samples.harmful,
        int(Severity.UNSAFE),
        np.minimum(samples.gold, int(Severity.BORDERLINE)),
    )
    rows = pl.DataFrame(
        {
            "gold": gold,
            "pattern": [None] * samples.n,
            "category": [None] * samples.n,
            "decision": decision.tolist(),
            "cluster": samples.lot,
        },
        schema_overrides={"pattern": pl.String, "category": pl.String},
    )
    traffic = read_traffic({"harm_prevalence": repr(prevalence)}, "--prevalence")
    found: dict[str, Any] = project(rows, traffic, level=samples.level, seed=seed)
    return {"per_million": found["per_million"], "precision": found["precision"]}


def total_cost(samples: GuardSamples, flags: FloatArray, costs: Costs, seed: int) -> Rate:
    """Cost of a million requests, with its interval.

    Args:
        samples: The samples.
        flags: With missing answers at their worst, shape ``(n,)``.
        costs: Of errors.
        seed: Of the draws behind the interval.
    """
    strata, weights = _strata(samples, costs)
    errors = _errors(samples, flags)
    means = [samples.mean(errors, among) for among in strata]
    found = [mean for mean in means if mean is not None]
    proportions = StratumProportions(
        np.array([mean.value for mean in found]),
        np.array([max(1.0, mean.size) for mean in found]),
        _correlation(samples, errors, strata),
        seed,
    )
    (drawn,) = proportions.sums(weights)
    rate = drawn.rate(samples.level)
    return Rate(*(None if part is None else _MILLION * part for part in rate.as_dict().values()))


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
    strata, weights = _strata(samples, costs)
    errors = [_errors(samples, flags) for flags in (first, second)]
    rates = tuple(
        paired_difference(
            errors[0][among], errors[1][among], samples.cluster_of(among), samples.level
        ).rate
        for among in strata
    )
    total = float(weights.sum())
    if not total:
        return Rate(0.0, 0.0, 0.0)
    shares = weights / total
    correlation = _correlation(samples, errors[1] - errors[0], strata)
    low, high = mover(shares, rates, correlation, least=-1.0, level=samples.level)
    value = sum(
        share * (rate.value or 0.0) for share, rate in zip(shares.tolist(), rates, strict=True)
    )
    scale = _MILLION * total
    return Rate.within(scale * value, scale * low, scale * high)


def _errors(samples: GuardSamples, flags: FloatArray) -> FloatArray:
    """1 for a harmful sample that is not flagged and a harmless one that is."""
    return np.where(samples.harmful, 1 - flags, flags)


def _strata(samples: GuardSamples, costs: Costs) -> tuple[Sequence[BoolArray], FloatArray]:
    """The samples by gold grade, harmful ones together, and what an error of each weighs."""
    harmless = float((~samples.harmful).sum())
    strata, weights = [samples.harmful], [costs.prevalence * costs.missed]
    for of in samples.severities.values():
        among = of & ~samples.harmful
        if among.any():
            strata.append(among)
            share = float(among.sum()) / harmless
            weights.append((1 - costs.prevalence) * share * costs.blocked)
    return strata, np.array(weights)


def _correlation(
    samples: GuardSamples, scores: FloatArray, strata: Sequence[BoolArray]
) -> FloatArray:
    """Of the means of scores over strata, by the lots that they have in common."""
    _, lot = np.unique(samples.lot, return_inverse=True)
    sums = np.stack(
        [np.bincount(lot[a], scores[a] - scores[a].mean(), int(lot.max()) + 1) for a in strata]
    )
    products = sums @ sums.T
    spread = np.sqrt(np.diag(products))
    scale = np.outer(spread, spread)
    correlation = np.zeros_like(products)
    np.divide(products, scale, out=correlation, where=scale > 0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
