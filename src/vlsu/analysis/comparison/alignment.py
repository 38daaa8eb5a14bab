"""Alignment runs against each other: the same samples under the same framings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from vlsu.analysis.alignment import scores
from vlsu.analysis.alignment.calibration import Calibration, kappa_rate
from vlsu.analysis.alignment.judged_rates import JudgedRates
from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.alignment.scores import AnswerScore
from vlsu.analysis.alignment.verdicts import NOT_APART, clusters_of, read_answers
from vlsu.analysis.comparison.claims import ALPHA, POWER, test_differences
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.comparison.families import MEANING, ComparedMetric, RunNames
from vlsu.analysis.comparison.leaderboard import leaderboard
from vlsu.analysis.comparison.margins import with_equivalence
from vlsu.analysis.comparison.paired_answers import (
    OR_BLOCKED,
    REFUSAL,
    UNSAFE,
    PairedAnswers,
    answered,
)
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED
from vlsu.analysis.table.answered import ENOUGH
from vlsu.analysis.table.cells import ABSENT
from vlsu.analysis.table.columns import Frame
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["alignment_comparison"]

_METHODS = {
    "rate": "Wilson on the effective size, over the samples that both runs have",
    "difference": "Bonett and Price (2012), paired by sample, on the effective size",
    "p": "McNemar, exact; with draws or groups the runs are swapped in whole samples or groups",
}
#: Metrics that are primary by default: the trade-off under one framing.
_TRADE_OFF = 2


@dataclass(frozen=True, slots=True)
class _Measure:
    """A score's mean over answers to samples of one joint severity."""

    path: str
    label: str
    good: int
    score: AnswerScore
    severity: Severity
    whole: float | None = None  # for the complement

    @property
    def wrong(self) -> float:
        """The score of an answer that is as it should not be."""
        value = 1.0 if self.good < 0 else 0.0
        return value if self.whole is None else self.whole - value


def _named(name: str, label: str) -> _Measure:
    """A refusal rate with a name of its own."""
    severity, rest = scores.NAMED_RATES[name]
    return _Measure(name, label, -1, REFUSAL, severity, 1.0 if rest else None)


_NAMES = {
    "over_blocking": "over-blocking",
    "under_refusal": "under-refusal",
    "over_refusal_safe": "refusal of safe pairs",
}


def _measures(errors: RefusalErrors) -> tuple[_Measure, ...]:
    """What is compared under a framing, by the severities of the policy."""
    return (
        *(_named(name, _NAMES[name]) for name in errors.names),
        *(
            _Measure(
                f"refusal_or_blocked.{s.label}",
                f"refusal or block of {s.label} pairs",
                1 if s is Severity.UNSAFE else -1,
                OR_BLOCKED,
                s,
            )
            for s in errors.severities
        ),
        *(
            _Measure(
                f"helpfulness.{s.label}",
                f"helpfulness on {s.label} pairs",
                0 if s is Severity.UNSAFE else 1,
                scores.HELPFULNESS,
                s,
            )
            for s in errors.severities
        ),
        *(
            _Measure(
                f"response_unsafe.{s.label}", f"unsafe answers to {s.label} pairs", -1, UNSAFE, s
            )
            for s in errors.severities
        ),
    )


def alignment_comparison(
    verdicts: Sequence[Frame],
    gold: Frame,
    names: Sequence[str],
    *,
    gives: Collection[str],
    severities: Sequence[Severity] = tuple(Severity),
    calibration: Calibration | None = None,
    caution: Mapping[tuple[str, str], str] | None = None,
    seed: int = 0,
    enough: float = ENOUGH,
    declared: Declared | None = None,
) -> dict[str, object]:
    """Every pair of runs on the samples they share; the keys are in ``docs/comparing.md``.

    A sample counts once under a framing, with its mean over the draws that are known: draws of two
    runs have nothing in common but their sample. A sample enters where both runs' score is known.

    Args:
        verdicts: Of each run, on the samples and framings that all share; see
            `vlsu.analysis.alignment_metrics`.
        gold: One row per sample; see there.
        names: Of the runs, at least two and all different.
        gives: What the verdicts of all runs hold; see there.
        severities: Those that the policies of all runs have, mildest first.
        calibration: Of the judge, if it is one and the same for all runs.
        caution: Pairs of which nothing is claimed, and why.
        seed: Of the bootstrap of kappa.
        enough: Where a smaller share of a run's answers to a metric's samples came from the model
            and has a score, the metric is compared in two more ways: what is missing or blocked as
            wrong, and left out. A difference is claimed only if it holds in all. Above 0 it must
            hold, too, whatever the missing scores are.
        declared: Which metrics decide: if not given, over-blocking and under-refusal under the
            first framing, then under the others; refusal of safe pairs in place of over-blocking
            where there is no borderline pair.

    Returns:
        ``answered`` (framing -> run -> share of answers that came from the model and were judged),
        ``enough``, ``declared``, ``pairs``, ``leaderboard``, ``agreement`` and ``intervals``, as
        `vlsu.analysis.comparison.understanding.understanding_comparison`. Rows also have
        ``missing`` (samples asked in both that lack a score in either) and, with a calibration,
        ``corrected``.

    Raises:
        UsageError: Fewer than two runs, or one name for several.
        RunError: The verdicts cannot be used; the message names the sample.
        DataError: The gold grades cannot be used.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError("give two or more runs, each with a name of its own")
    answers = [read_answers(frame, gold) for frame in verdicts]
    framings = answers[0]["framing"].unique(maintain_order=True).to_list()
    rates = JudgedRates(calibration, labelled=False, gives=gives)
    measures = _measures(RefusalErrors(tuple(severities)))
    numbers = {(names[a], names[b]): (a, b) for a, b in combinations(range(len(names)), 2)}

    def paired(
        pair: RunNames, level: float, only: Collection[str] | None = None
    ) -> dict[str, ComparedMetric]:
        found: dict[str, ComparedMetric] = {}
        for framing in framings:
            theirs = NOT_APART, pl.col("framing") == framing
            sides = [answers[k].filter(*theirs) for k in numbers[pair]]
            found |= _FramingComparison(sides[0], sides[1], rates, enough, level).metrics(
                framing, measures, only
            )
        return found

    pairs = {pair: paired(pair, LEVEL) for pair in numbers}
    caution = caution or {}
    trade_off = _trade_off(pairs, framings)
    roles = (declared or Declared()).resolved(pairs, trade_off, _TRADE_OFF)
    rows = test_differences(pairs, caution, primary=roles.primary, secondary=roles.secondary)
    rows = with_equivalence(
        rows, lambda pair, level: paired(pair, level, roles.primary), roles, caution
    )
    goods = {path: metric.good for metrics in pairs.values() for path, metric in metrics.items()}
    ranked = {path: goods[path] for path in (*roles.primary, *trade_off) if goods.get(path)}
    return {
        "answered": {
            framing: {
                name: answered(each.filter(pl.col("framing") == framing)).as_dict()
                for name, each in zip(names, answers, strict=True)
            }
            for framing in framings
        },
        "enough": enough,
        "declared": roles.as_dict(),
        "pairs": [
            {"first": first, "second": second, "metrics": metrics}
            for (first, second), metrics in rows.items()
        ],
        "leaderboard": leaderboard(rows, names, ranked) if len(names) > 2 else {},
        "agreement": {
            framing: [
                {"first": names[a], "second": names[b]}
                | _agreement(
                    *(answers[k].filter(pl.col("framing") == framing) for k in (a, b)),
                    seed=seed,
                )
                for a, b in combinations(range(len(names)), 2)
            ]
            for framing in framings
        },
        "intervals": {
            "level": LEVEL,
            "claimed_below": ALPHA,
            "power": POWER,
            "method": _METHODS,
            "roles": MEANING,
            "seed": seed,
        },
    }


class _FramingComparison(PairedAnswers):
    """Every metric of two runs under one framing."""

    def metrics(
        self, framing: str, measures: Sequence[_Measure], only: Collection[str] | None = None
    ) -> dict[str, ComparedMetric]:
        """The metrics by path; `only` these paths, if they are given."""
        found = {}
        for measure in measures:
            path = f"framings.{framing}.{measure.path}"
            if only is not None and path not in only:
                continue
            label = f"{measure.label} under {framing}"
            chosen = pl.col("joint") == int(measure.severity)
            found[path] = self.metric(
                label, path, measure.good, measure.score, chosen, measure.whole, wrong=measure.wrong
            )
        family = f"framings.{framing}.patterns.*.refusal"
        for pattern in self.patterns():
            path = f"framings.{framing}.patterns.{pattern}.refusal"
            if only is not None and path not in only:
                continue
            chosen = pl.all_horizontal(pl.col(m) == int(getattr(pattern, m)) for m in MODALITIES)
            good = 1 if pattern.joint is Severity.UNSAFE else -1
            label = f"refusal of {pattern} under {framing}"
            found[path] = self.metric(
                label, family, good, REFUSAL, chosen, wrong=0.0 if good > 0 else 1.0
            )
        return found

    def patterns(self) -> list[Pattern]:
        grades = self.first.filter(pl.all_horizontal(pl.col(MODALITIES) != ABSENT))
        found = [Pattern(*map(Severity, row)) for row in grades.select(MODALITIES).unique().rows()]
        return sorted(found, key=lambda pattern: pattern.order)


def _trade_off(
    pairs: Mapping[RunNames, Mapping[str, ComparedMetric]], framings: Sequence[str]
) -> list[str]:
    """The two rates that an alignment run trades off, by framing, those of the first one first."""
    paths = []
    for framing in framings:
        over, safe, under = (
            f"framings.{framing}.{name}"
            for name in ("over_blocking", "over_refusal_safe", "under_refusal")
        )
        there = any(over in metrics and metrics[over].difference.n for metrics in pairs.values())
        paths += [over if there else safe, under]
    return paths


def _agreement(first: pl.DataFrame, second: pl.DataFrame, *, seed: int) -> dict[str, object]:
    """Do both refuse the same samples: by sample and draw, where both refusals are known."""
    score = REFUSAL.column
    both = first.drop_nulls(score).join(
        second.drop_nulls(score), on=["sample", "draw"], suffix="_second", maintain_order="left"
    )
    refused = [both[name].cast(pl.Int64).to_numpy() for name in (score, f"{score}_second")]
    agreement, size = UNDEFINED, None
    if both.height:
        mean = clustered_mean((refused[0] == refused[1]).astype(float), clusters_of(both))
        agreement, size = mean.rate, mean.size
    table = np.bincount(refused[0] * 2 + refused[1], minlength=4).reshape(2, 2)
    return {
        "n": both.height,
        "agreement": agreement.as_dict(),
        "kappa": kappa_rate(table, size=size, seed=seed).as_dict(),
    }
