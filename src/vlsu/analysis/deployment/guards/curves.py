"""Curves of recall against false flags, and areas under them, by family and pattern."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.deployment.guards.equal import AtRate, recall_rate
from vlsu.analysis.deployment.guards.samples import Guard, GuardSamples
from vlsu.analysis.deployment.guards.thresholds import flagged, within
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.understanding.ranking import auroc
from vlsu.policy import Severity

__all__ = ["BAND", "RATES", "areas", "curve"]

#: What the bands of curves are.
BAND = (
    "pointwise 95%: of the recall at that false-flag rate, the threshold estimated on the same "
    "samples"
)
#: False-flag rates at which a curve has points: more where they matter, at the low end.
RATES = (
    *(0.0, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1),
    *(0.12, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)

Tree = dict[str, Any]


def curve(guard: Guard, samples: GuardSamples) -> list[Tree]:
    """Operating points of a guard with scores, by rising false-flag rate.

    They are taken where the false-flag rate is about 0, 0.0025, …, 1: the lowest threshold that
    keeps to it, with missing answers at their worst.

    Returns:
        Each ``threshold``, ``false_flags`` with an interval, the same of safe and of borderline
        samples, ``recall`` with its band (`BAND`), and ``families``: family -> recall with its band
        at the same threshold.
    """
    scores = guard.worst(samples)
    points: list[Tree] = []
    seen: set[float] = set()
    for wanted in RATES:
        threshold = within(scores, samples.harmful, wanted)
        if threshold in seen or not np.isfinite(threshold):
            continue
        seen.add(threshold)
        points.append(_point(samples, scores, threshold))
    return points


def _point(samples: GuardSamples, scores: FloatArray, threshold: float) -> Tree:
    flags = flagged(scores, threshold)
    harmless = ~samples.harmful
    rate = float(flags[harmless].mean())
    at = AtRate(flags, np.full(samples.n, rate), scores, rate)
    apart = {
        f"false_flags_{severity.label}": samples.rate(flags, of & harmless).as_dict()
        for severity, of in samples.severities.items()
        if severity is not Severity.UNSAFE and (of & harmless).any()
    }
    return {
        "threshold": threshold,
        "false_flags": samples.rate(flags, harmless).as_dict(),
        **(apart if len(apart) > 1 else {}),
        "recall": recall_rate(samples, at, samples.harmful).as_dict(),
        "families": {
            name: recall_rate(samples, at, of & samples.harmful).as_dict()
            for name, of in samples.families.items()
            if (of & samples.harmful).any()
        },
    }


def areas(guard: Guard, samples: GuardSamples) -> Tree:
    """AUROC of all, by family and by pattern: these harmful samples against all harmless ones.

    Returns:
        ``all``, ``families`` and ``patterns``: each ``value``, ``low``, ``high``, ``n`` (harmful)
        and, where answers are missing, ``if_missing_right``, the value with them at their best.
    """
    worst, best = guard.worst(samples), guard.best(samples)

    def area(of: BoolArray) -> Tree:
        among = (of & samples.harmful) | ~samples.harmful
        n = int((of & samples.harmful).sum())
        rate: Rate = auroc(samples.graded(worst, among)) if n else UNDEFINED
        gaps = bool(guard.missing[among].any())
        other = {"if_missing_right": auroc(samples.graded(best, among)).value} if gaps else {}
        return {**rate.as_dict(), "n": n, **(other if n else {})}

    def parts(named: Mapping[str, BoolArray]) -> Tree:
        return {name: area(of) for name, of in named.items() if (of & samples.harmful).any()}

    return {
        "all": area(np.ones(samples.n, dtype=np.bool_)),
        "families": parts(samples.families),
        "patterns": parts(samples.patterns),
    }
