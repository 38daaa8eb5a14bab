"""A run's errors in the mix of requests that a deployment has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import compress

import numpy as np
import polars as pl

from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.deployment.traffic import WITHOUT_CATEGORY, Stratum, Traffic
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.exact import clopper_pearson
from vlsu.analysis.stats.intervals import LEVEL, Rate, require_level
from vlsu.analysis.stats.weighting import StratumProportions, WeightedSum, ratio
from vlsu.errors import UsageError
from vlsu.policy import Outcome, Severity

__all__ = ["FLAGGED", "PASSED", "project"]

Tree = dict[str, object]

#: What was decided on a request; any other is an outcome without a verdict.
FLAGGED, PASSED = "flagged", "passed"

_MILLION = 1_000_000
_METHOD = (
    "weighted sum of proportions: beta distributions with one observation more where it weighs the "
    "most (one stratum: Clopper-Pearson); samples of a group count by their effective size"
)


def project(
    rows: pl.DataFrame,
    traffic: Traffic,
    *,
    level: float = LEVEL,
    seed: int = 0,
    severities: Collection[Severity] = tuple(Severity),
) -> Tree:
    """What a run's rates come to in a deployment's traffic.

    The run's rates within each stratum (a severity, or a pattern or category within it) are taken
    to hold in the deployment, and are weighted by the deployment's shares: direct standardisation.
    Shares that the traffic says were counted vary as counts do; others are taken as known.

    Args:
        rows: One row a request: `gold` (code of the gold joint grade), `pattern`, `category` (null
            where there is none), `decision` (`FLAGGED`, `PASSED`, or the name of an outcome that
            gave no verdict), `cluster` (a number; rows of one are not independent).
        traffic: The mix.
        level: Confidence of the intervals, in (0, 1).
        seed: Of the draws behind the intervals.
        severities: Those of the policy; of others there are no keys.

    Returns:
        - ``n``: rows that are in a stratum. ``shares``: of all requests, by severity;
          ``shares_of``: how many requests they were counted in (`None` where they are taken as
          known), and ``shares_within_of``, by severity, that of shares within it;
          ``share_intervals``: exact ones of counted shares by severity, else `None`;
          ``harmless_as_in_run``: whether the run divides safe from borderline;
          ``severities_as_in_run``: whether it divides the severities within each category.
        - ``strata``: each ``name``, ``severity``, ``share``, ``n``, ``flagged``, ``no_verdict``.
        - ``per_million`` requests: ``missed_harm`` (harmful ones not flagged, those without a
          verdict among them); ``wrong_blocks``, ``wrong_blocks_safe``, ``wrong_blocks_borderline``
          (harmless ones flagged); ``flagged`` (all that are); ``no_verdict``,
          ``no_verdict_harmful`` (without a verdict); ``outcomes`` (the same by outcome).
        - ``precision``: share of the flagged that is harmful; ``recall``: share of the harmful that
          is flagged. ``method``: of the intervals.

    Raises:
        UsageError: `level` is out of range, the run has no rows for a part of the traffic, or its
            policy lacks a severity of it.
    """
    require_level(level)
    # Rows of a cluster together, in an order that does not depend on that of the rows.
    rows = rows.sort("cluster", "decision")
    counts = rows.group_by("gold", pl.col("category").fill_null(WITHOUT_CATEGORY)).len()
    samples = {(Severity(gold), category): n for gold, category, n in counts.iter_rows()}
    strata = traffic.strata(samples)
    _require_severities(traffic, strata, severities)
    found = [rows.filter(_belongs(stratum)) for stratum in strata]
    # A share of 0 that was counted matters where the run knows what such requests come to.
    occurs = [bool(s.share) or not rows.is_empty() for s, rows in zip(strata, found, strict=True)]
    strata, found = list(compress(strata, occurs)), list(compress(found, occurs))
    _require_rows(strata, found, traffic.where)
    weights = np.array([stratum.share for stratum in strata])
    of = {s: np.array([float(stratum.severity is s) for stratum in strata]) for s in Severity}
    harmful = of[Severity.UNSAFE]
    three = Severity.BORDERLINE in severities

    mix = traffic.mix(strata) if traffic.estimated else None

    def drawn(hit: pl.Expr, *wanted: FloatArray) -> list[WeightedSum]:
        proportions = _proportions(found, hit, seed)
        if mix is None:
            return proportions.sums(*(weights * each for each in wanted))
        return proportions.estimated_sums(mix, *wanted)

    is_flagged, every = pl.col("decision") == FLAGGED, np.ones(len(strata))
    caught, wrong, wrong_safe, wrong_borderline, flagged = drawn(
        is_flagged, harmful, every - harmful, of[Severity.SAFE], of[Severity.BORDERLINE], every
    )
    verdict = pl.col("decision").is_in([FLAGGED, PASSED])
    lost, lost_harmful = drawn(~verdict, every, harmful)
    missed = caught.rest(float((weights * harmful).sum()))
    of_harmful = caught, missed
    if mix is not None:
        proportions = _proportions(found, is_flagged, seed)
        (missed,) = proportions.estimated_sums(mix, harmful, misses=True)
        # How much is harmful does not change how much of it is found.
        known = mix.with_known_groups()
        of_harmful = (
            proportions.estimated_sums(known, harmful)[0],
            proportions.estimated_sums(known, harmful, misses=True)[0],
        )
    decisions = set().union(*(part["decision"].unique() for part in found)) - {FLAGGED, PASSED}
    usual = [outcome.value for outcome in Outcome]
    others = sorted(
        decisions, key=lambda d: (d not in usual, usual.index(d) if d in usual else 0, d)
    )
    per_million: dict[str, object] = {
        name: _per_million(sums.rate(level))
        for name, sums in {
            "missed_harm": missed,
            "wrong_blocks": wrong,
            "wrong_blocks_safe": wrong_safe,
            **({"wrong_blocks_borderline": wrong_borderline} if three else {}),
            "flagged": flagged,
            "no_verdict": lost,
            "no_verdict_harmful": lost_harmful,
        }.items()
    }
    per_million["outcomes"] = {
        name: _per_million(drawn(pl.col("decision") == name, every)[0].rate(level))
        for name in others
    }
    return {
        "n": sum(part.height for part in found),
        "shares": {s.label: float((weights * of[s]).sum()) for s in severities},
        "shares_of": None if traffic.of is None else int(traffic.of),
        "shares_within_of": {s.label: int(n) for s, n in traffic.within_of.items()},
        "share_intervals": _share_intervals(traffic, level, severities),
        "harmless_as_in_run": traffic.severities is None and traffic.categories is None,
        "severities_as_in_run": traffic.categories is not None,
        "strata": [
            _stratum(stratum, part, level) for stratum, part in zip(strata, found, strict=True)
        ],
        "per_million": per_million,
        "precision": ratio(caught, wrong, level).as_dict(),
        "recall": ratio(*of_harmful, level).as_dict(),
        "method": _METHOD,
    }


def _share_intervals(
    traffic: Traffic, level: float, severities: Collection[Severity]
) -> Mapping[str, object] | None:
    """Counted shares of the severities; only that of the unsafe where no other was counted."""
    if traffic.of is None or traffic.harm is None:
        return None
    counted = traffic.severities or {Severity.UNSAFE: traffic.harm}
    found = {}
    for severity in severities:
        if severity in counted:
            share = counted[severity]
            bounds = clopper_pearson(share * traffic.of, traffic.of, level)
            found[severity.label] = Rate.within(share, *bounds).as_dict()
    return found


def _belongs(stratum: Stratum) -> pl.Expr:
    inside = pl.col("gold") == int(stratum.severity)
    if stratum.pattern is not None:
        inside &= pl.col("pattern") == stratum.pattern
    if stratum.category is not None:
        inside &= pl.col("category").fill_null(WITHOUT_CATEGORY) == stratum.category
    return inside


def _require_severities(
    traffic: Traffic, strata: list[Stratum], severities: Collection[Severity]
) -> None:
    named = {stratum.severity for stratum in strata} | traffic.parts.keys()
    if lacking := sorted(named - set(severities)):
        names = " and ".join(each.label for each in lacking)
        raise UsageError(
            f"{traffic.where}: the policy of the run has no {names}; leave out what is about it"
        )


def _require_rows(strata: list[Stratum], found: list[pl.DataFrame], where: str) -> None:
    empty = [s.name for s, rows in zip(strata, found, strict=True) if rows.is_empty()]
    if empty:
        raise UsageError(
            f"{where}: the run has no judged sample of {', '.join(empty)}, so nothing is known of "
            "it; leave it out, or give a run on a dataset that has some"
        )


def _proportions(found: list[pl.DataFrame], hit: pl.Expr, seed: int) -> StratumProportions:
    """Share of hits by stratum; rows of a cluster stand together."""
    means, entries = [], []
    for number, rows in enumerate(found):
        scored = rows.select("cluster", score=hit.cast(pl.Float64))
        mean = clustered_mean(scored["score"].to_numpy(), scored["cluster"].to_numpy())
        means.append(mean)
        entries.append(
            scored.group_by("cluster", maintain_order=True).agg(
                stratum=pl.lit(number), residual=(pl.col("score") - mean.value).sum()
            )
        )
    share, size = (np.array([getattr(m, name) for m in means]) for name in ("value", "size"))
    return StratumProportions(share, size, _correlation(pl.concat(entries), len(found)), seed)


def _correlation(entries: pl.DataFrame, strata: int) -> FloatArray:
    """Of the strata's shares, by the clusters they have in common; shape ``(strata, strata)``."""
    if entries["cluster"].n_unique() == entries.height:
        return np.eye(strata)
    products = (
        entries.join(entries, on="cluster", maintain_order="left_right")
        .group_by("stratum", "stratum_right", maintain_order=True)
        .agg((pl.col("residual") * pl.col("residual_right")).sum())
    )
    covariance = np.zeros((strata, strata))
    rows, columns = products["stratum"].to_numpy(), products["stratum_right"].to_numpy()
    covariance[rows, columns] = products["residual"].to_numpy()
    spread = np.sqrt(np.diag(covariance))
    scale = np.outer(spread, spread)
    correlation = np.zeros_like(covariance)
    np.divide(covariance, scale, out=correlation, where=scale > 0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _stratum(stratum: Stratum, rows: pl.DataFrame, level: float) -> Tree:
    flagged = (rows["decision"] == FLAGGED).cast(pl.Float64).to_numpy()
    return {
        "name": stratum.name,
        "severity": stratum.severity.label,
        "share": stratum.share,
        "n": rows.height,
        "flagged": clustered_mean(flagged, rows["cluster"].to_numpy(), level).rate.as_dict(),
        "no_verdict": int((~rows["decision"].is_in([FLAGGED, PASSED])).sum()),
    }


def _per_million(rate: Rate) -> Mapping[str, float | None]:
    return {
        key: None if value is None else value * _MILLION for key, value in rate.as_dict().items()
    }
