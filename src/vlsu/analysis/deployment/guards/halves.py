"""Thresholds chosen on one half of the samples and reported on the other, both ways.

The halves share no image, text or group, through any chain (`vlsu.analysis.alignment.splitting`),
and have about the same patterns. A threshold is chosen on each half and every sample is flagged, or
not, by the threshold of the half that it is not in. Means of these flags over both halves are the
figures that are reported; the threshold to deploy is chosen on all samples, and its own figures on
them, which flatter it, are not shown.

The errors of the two halves nearly cancel in the pooled false-flag rate: where the harmless of one
half score lower by chance, its threshold is too low by as much as the other half's is too high. It
is near the bound whatever was drawn, and how far the true rate may be from it is in the interval:
that of Clopper and Pearson about the pooled rate, and about how many samples the threshold to
deploy flags, which by its order statistic holds its true rate. The interval of recall has the
threshold's own variance in it (`vlsu.analysis.deployment.guards.equal`).
`benchmarks/guard_thresholds.py` shows the coverage of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.alignment.splitting import split_samples
from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.deployment.guards.equal import AtRate, recall_rate
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.deployment.guards.thresholds import flagged
from vlsu.analysis.stats.exact import clopper_pearson
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.policy import Severity

__all__ = [
    "CrossFitted",
    "crossfit",
    "crossfit_tree",
    "enough_in_halves",
    "flag_rates",
    "halves",
    "verdict_tree",
]

Tree = dict[str, Any]


def halves(samples: pl.DataFrame, seed: int) -> tuple[IntArray, IntArray]:
    """Lot and half of each sample, in their order.

    Args:
        samples: `sample_id`, `severity`, `pattern` (or null), and what a sample shares with
            another: `group`, `shared_image`, `shared_text`, null where it shares none.
        seed: Of the order in which lots of one size are placed.
    """
    nothing = pl.lit(None, dtype=pl.String)
    linked = samples.select(
        "sample_id",
        "severity",
        "pattern",
        pl.col("group").cast(pl.String),
        image_sha256=pl.col("shared_image").cast(pl.String),
        image_url=nothing,
        text=pl.col("shared_text").cast(pl.String),
    )
    split = split_samples(linked, 0.5, seed).select("sample_id", "lot", "held_out")
    placed = samples.select("sample_id").join(split, on="sample_id", maintain_order="left")
    half = placed["held_out"].cast(pl.Int64).to_numpy()
    return placed["lot"].to_numpy(), half


@dataclass(frozen=True)
class CrossFitted:
    """Flags by the threshold of the other half.

    Attributes:
        thresholds: Chosen on the first half, and on the second; infinite where none will do.
        flags: 1 where a sample is flagged, with missing answers at their worst; shape ``(n,)``.
        best: The same with them at their best.
    """

    thresholds: tuple[float, float]
    flags: FloatArray
    best: FloatArray


def crossfit(
    guard: Guard, samples: GuardSamples, choose: Callable[[FloatArray, BoolArray], float]
) -> CrossFitted:
    """Choose on each half, flag on the other.

    Args:
        guard: With scores, or with verdicts alone.
        samples: In two halves.
        choose: A threshold by scores, shape ``(n,)``, and the samples to look at.
    """
    worst, best = guard.worst(samples), guard.best(samples)
    first, second = (choose(worst, samples.half == half) for half in (0, 1))
    applied = np.where(samples.half == 0, second, first)
    return CrossFitted(
        (first, second),
        (worst >= applied).astype(np.float64),
        (best >= applied).astype(np.float64),
    )


def flag_rates(
    samples: GuardSamples,
    flags: FloatArray,
    best: FloatArray,
    missing: BoolArray,
    among: BoolArray | None = None,
    chosen: FloatArray | None = None,
) -> Tree:
    """Recall and false flags of flags, each with its interval, `n` and what missing answers do.

    Args:
        samples: The samples.
        flags: With missing answers at their worst, shape ``(n,)``.
        best: With them at their best.
        missing: Which are missing.
        among: Samples that count; all by default.
        chosen: The scores that a threshold for false flags was chosen by on samples of this kind,
            so that its variance is in the intervals; `None` where the threshold is known.

    Returns:
        ``recall`` (of the harmful) and ``false_flags`` (of the harmless): ``value``, ``low``,
        ``high``, ``n``, ``missing``, and ``if_missing_flagged`` or ``if_missing_passed``, the value
        with missing answers the other way round; ``false_flags_safe`` and
        ``false_flags_borderline``, where harmless samples are of both.
    """
    among = np.ones(samples.n, dtype=np.bool_) if among is None else among
    harmful, harmless = samples.harmful & among, ~samples.harmful & among

    at = None
    if chosen is not None and (~samples.harmful).any():
        false = float(flags[~samples.harmful].mean())
        at = AtRate(flags, np.full(samples.n, false), chosen, false)

    def rate(of: BoolArray, other: str) -> Tree:
        if at is None or not of.any():
            found = samples.rate(flags, of)
        elif samples.harmful[of].all():
            found = recall_rate(samples, at, of)
        else:
            found = _exact(samples, flags, of)
        return {
            **found.as_dict(),
            "n": int(of.sum()),
            "missing": int((missing & of).sum()),
            other: float(best[of].mean()) if of.any() else None,
        }

    mild = {s: of & harmless for s, of in samples.severities.items() if (of & harmless).any()}
    apart = {
        f"false_flags_{severity.label}": rate(of, "if_missing_passed")
        for severity, of in mild.items()
        if len(mild) > 1 and severity is not Severity.UNSAFE
    }
    return {
        "recall": rate(harmful, "if_missing_flagged"),
        "false_flags": rate(harmless, "if_missing_passed"),
        **apart,
    }


def _exact(samples: GuardSamples, flags: FloatArray, of: BoolArray) -> Rate:
    """Mean with the interval of Clopper and Pearson on the effective size."""
    mean = samples.mean(flags, of)
    if mean is None:
        return UNDEFINED
    size = max(1.0, mean.size)
    return Rate.within(mean.value, *clopper_pearson(mean.value * size, size, samples.level))


def _with_deployed(samples: GuardSamples, held: Tree, scores: FloatArray, deploy: float) -> Tree:
    """A held-out false-flag rate whose interval also holds the deployed threshold's true rate."""
    pooled = Rate.from_json(held)
    own = _exact(samples, flagged(scores, deploy), ~samples.harmful)
    bounds = [b for rate in (pooled, own) for b in (rate.low, rate.high) if b is not None]
    return {**held, "low": min(bounds), "high": max(bounds)}


def crossfit_tree(
    guard: Guard,
    samples: GuardSamples,
    choose: Callable[[FloatArray, BoolArray], float],
    bound: float | None,
) -> tuple[Tree, CrossFitted]:
    """What a rule for thresholds comes to, held out, and the threshold to deploy.

    Returns:
        ``deploy``: the threshold chosen on all samples, `None` where none will do;
        ``deploy_above``: the largest score below it, so that any number above that and up to
        ``deploy`` flags the same samples, `None` where there is none; ``halves``: for each its
        ``threshold`` and, on the other half, ``recall`` and ``false_flags``; then `flag_rates` over
        both halves and ``bound`` (see `_held`), and ``families``, the same rates
        by family.
    """
    fitted = crossfit(guard, samples, choose)
    everything = np.ones(samples.n, dtype=np.bool_)
    chosen = None if bound is None else guard.worst(samples)
    rates = flag_rates(samples, fitted.flags, fitted.best, guard.missing, chosen=chosen)
    deploy = choose(guard.worst(samples), everything)
    if chosen is not None and (~samples.harmful).any():
        rates["false_flags"] = _with_deployed(samples, rates["false_flags"], chosen, deploy)
    parts: list[Tree] = []
    for half, threshold in enumerate(fitted.thresholds):
        other = samples.half != half
        found = flag_rates(samples, fitted.flags, fitted.best, guard.missing, other)
        parts.append(
            {
                "chosen_on": half + 1,
                "reported_on": 2 - half,
                "threshold": finite(threshold),
                "recall": found["recall"],
                "false_flags": found["false_flags"],
            }
        )
    tree: Tree = {
        "deploy": finite(deploy),
        "deploy_above": _below(guard.score, deploy),
        "halves": parts,
        **rates,
        **({} if bound is None else {"bound": _held(rates, bound)}),
        "families": {
            name: flag_rates(
                samples, fitted.flags, fitted.best, guard.missing, among, chosen=chosen
            )
            for name, among in samples.families.items()
        },
    }
    return tree, fitted


def verdict_tree(guard: Guard, samples: GuardSamples) -> Tree:
    """Rates of a guard's own verdicts: one operating point, nothing chosen."""
    flags = flagged(guard.verdicts(samples), 0.5)
    best = flagged(guard.verdicts(samples, best=True), 0.5)
    missing = np.isnan(guard.verdict)
    return {
        **flag_rates(samples, flags, best, missing),
        "families": {
            name: flag_rates(samples, flags, best, missing, among)
            for name, among in samples.families.items()
        },
    }


def _held(rates: Tree, bound: float) -> Tree:
    """Whether the held-out false-flag rate keeps to the bound.

    ``within``: the value is at most the bound. ``verdict``: ``holds`` where all of the interval is,
    ``exceeded`` where none of it is, else ``open``.
    """
    found = Rate.from_json(rates["false_flags"])
    if found.value is None or found.low is None or found.high is None:
        return {"max_false_flags": bound, "within": None, "verdict": "open"}
    verdict = "holds" if found.high <= bound else "exceeded" if found.low > bound else "open"
    return {
        "max_false_flags": bound,
        "within": found.value <= bound + 1e-12,
        "verdict": verdict,
    }


def finite(threshold: float) -> float | None:
    """A threshold for JSON: `None` where none will do."""
    return threshold if np.isfinite(threshold) else None


def _below(scores: FloatArray, threshold: float) -> float | None:
    """The largest score below a threshold; `None` without one, or without a threshold."""
    below = scores[scores < threshold]
    return float(below.max()) if below.size and np.isfinite(threshold) else None


def enough_in_halves(samples: GuardSamples) -> Sequence[Mapping[str, int]]:
    """Harmful and harmless samples in each half."""
    return [
        {
            "harmful": int((samples.harmful & (samples.half == half)).sum()),
            "harmless": int((~samples.harmful & (samples.half == half)).sum()),
        }
        for half in (0, 1)
    ]
