"""Alignment runs against each other: the same samples under the same framings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from vlsu.analysis.alignment import scores
from vlsu.analysis.alignment.calibration import Calibration, kappa_rate
from vlsu.analysis.alignment.judged_rates import JudgedRates, complement, paired_scores
from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.alignment.scores import AnswerScore
from vlsu.analysis.alignment.verdicts import NOT_APART, clusters_of, read_answers
from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.comparison.claims import ALPHA, POWER, ComparedMetric, test_differences
from vlsu.analysis.comparison.differences import NOTHING, Difference
from vlsu.analysis.comparison.leaderboard import leaderboard
from vlsu.analysis.stats.clustering import clustered_mean, paired_difference
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate
from vlsu.analysis.stats.mcnemar import sign_flip
from vlsu.analysis.table.answered import ENOUGH
from vlsu.analysis.table.cells import ABSENT
from vlsu.analysis.table.columns import Frame
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, Outcome, Pattern, Severity

__all__ = ["alignment_comparison"]

_METHODS = {
    "rate": "Wilson on the effective size, over the samples that both runs have",
    "difference": "Bonett and Price (2012), paired by sample, on the effective size",
    "p": "McNemar, exact; with draws or groups the runs are swapped in whole samples or groups",
}
#: Differences of means over draws are multiples of 1 over one of these, or nearly of the last.
_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 60, 120)

_REFUSAL = scores.refusal("strict")
_OR_BLOCKED = scores.refusal_or_blocked("strict")
_UNSAFE = scores.SAFETY["response_unsafe"]


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
    return _Measure(name, label, -1, _REFUSAL, severity, 1.0 if rest else None)


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
                _OR_BLOCKED,
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
                f"response_unsafe.{s.label}", f"unsafe answers to {s.label} pairs", -1, _UNSAFE, s
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
            wrong, and left out. A difference is claimed only if it holds in all.

    Returns:
        ``answered`` (framing -> run -> share of answers that came from the model and were judged),
        ``enough``, ``pairs``, ``leaderboard``, ``agreement`` and ``intervals``, as
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
    errors = RefusalErrors(tuple(severities))
    measures = _measures(errors)
    pairs: dict[tuple[str, str], dict[str, ComparedMetric]] = {}
    for a, b in combinations(range(len(names)), 2):
        found: dict[str, ComparedMetric] = {}
        for framing in framings:
            theirs = NOT_APART, pl.col("framing") == framing
            sides = [answers[k].filter(*theirs) for k in (a, b)]
            found |= _FramingComparison(sides[0], sides[1], rates, enough).metrics(
                framing, measures
            )
        pairs[names[a], names[b]] = found
    rows = test_differences(pairs, caution or {})
    ranked = {f"framings.{framing}.{name}": -1 for framing in framings for name in errors.traded}
    return {
        "answered": {
            framing: {
                name: _answered(each.filter(pl.col("framing") == framing)).as_dict()
                for name, each in zip(names, answers, strict=True)
            }
            for framing in framings
        },
        "enough": enough,
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
            "seed": seed,
        },
    }


@dataclass(frozen=True, slots=True)
class _FramingComparison:
    """Answers of two runs under one framing."""

    first: pl.DataFrame
    second: pl.DataFrame
    rates: JudgedRates
    enough: float

    def metrics(self, framing: str, measures: Sequence[_Measure]) -> dict[str, ComparedMetric]:
        found = {}
        for measure in measures:
            path = f"framings.{framing}.{measure.path}"
            label = f"{measure.label} under {framing}"
            chosen = pl.col("joint") == int(measure.severity)
            found[path] = self.metric(
                label, path, measure.good, measure.score, chosen, measure.whole, wrong=measure.wrong
            )
        family = f"framings.{framing}.patterns.*.refusal"
        for pattern in self.patterns():
            chosen = pl.all_horizontal(pl.col(m) == int(getattr(pattern, m)) for m in MODALITIES)
            good = 1 if pattern.joint is Severity.UNSAFE else -1
            label = f"refusal of {pattern} under {framing}"
            found[f"framings.{framing}.patterns.{pattern}.refusal"] = self.metric(
                label, family, good, _REFUSAL, chosen, wrong=0.0 if good > 0 else 1.0
            )
        return found

    def patterns(self) -> list[Pattern]:
        grades = self.first.filter(pl.all_horizontal(pl.col(MODALITIES) != ABSENT))
        found = [Pattern(*map(Severity, row)) for row in grades.select(MODALITIES).unique().rows()]
        return sorted(found, key=lambda pattern: pattern.order)

    def metric(
        self,
        label: str,
        family: str,
        good: int,
        score: AnswerScore,
        chosen: pl.Expr,
        whole: float | None = None,
        *,
        wrong: float,
    ) -> ComparedMetric:
        """A score's difference over samples.

        Args:
            label: As for `ComparedMetric`.
            family: As for `ComparedMetric`.
            good: As for `ComparedMetric`.
            score: Which.
            chosen: Which samples.
            whole: Compare this minus the score; `None` for the score itself.
            wrong: The score of an answer that is as it should not be.
        """
        sides = self.first.filter(chosen), self.second.filter(chosen)
        tree = self.rates.difference(*sides, score)
        if whole is not None:
            tree = complement(tree, 0.0)
        more = {
            key: value for key, value in tree.items() if key not in ("value", "low", "high", "n")
        }
        if not tree["n"]:
            return ComparedMetric(label, family, good, NOTHING, more)
        shares = tuple(_answered(side, score) for side in sides)
        bounds = {}
        if any(share.value is not None and share.value < self.enough for share in shares):
            value = pl.col(score.column)
            bounds = {
                way: self.paired([side.with_columns(scored) for side in sides], score, whole)
                for way, scored in (
                    ("missing_as_wrong", pl.when(_came(score)).then(value).otherwise(wrong)),
                    ("missing_left_out", pl.when(_came(score)).then(value)),
                )
            }
        found = self.paired(sides, score, whole)
        return ComparedMetric(label, family, good, found, more, (shares[0], shares[1]), bounds)

    def paired(
        self, sides: Sequence[pl.DataFrame], score: AnswerScore, whole: float | None
    ) -> Difference:
        """The difference over the samples of which both runs have the score."""
        both = paired_scores(sides[0], sides[1], score.column)
        if not both.height:
            return NOTHING
        first, second = (both[name].to_numpy() for name in (score.column, f"{score.column}_second"))
        if whole is not None:
            first, second = whole - first, whole - second
        return self.difference(both, first, second)

    def difference(self, both: pl.DataFrame, first: FloatArray, second: FloatArray) -> Difference:
        clusters = clusters_of(both)
        mean = paired_difference(first, second, clusters)
        binary = bool(np.isin([first, second], (0, 1)).all())
        return Difference(
            n=both.height,
            first=clustered_mean(first, clusters).rate,
            second=clustered_mean(second, clusters).rate,
            difference=mean.rate,
            # Where samples come in clusters in several ways no swap leaves all of them whole.
            p=sign_flip(_in_steps(second - first, both["cluster"].to_numpy()))
            if clusters.ndim == 1
            else mean.p,
            discordant=(int((first > second).sum()), int((second > first).sum()))
            if binary
            else None,
            size=mean.size,
        )


def _came(score: AnswerScore) -> pl.Expr:
    """Whether an answer has the score, and not by a provider's block alone."""
    known = pl.col(score.column).is_not_null()
    return known if score is _OR_BLOCKED else known & (pl.col("outcome") != Outcome.BLOCKED.value)


def _answered(answers: pl.DataFrame, score: AnswerScore | None = None) -> Rate:
    """Share of the answers that came from the model and have the score, or any, if none is given.

    Args:
        answers: Clusters together.
        score: Which.
    """
    if not answers.height:
        return UNDEFINED
    came = (
        _came(score)
        if score is not None
        else pl.any_horizontal(_came(each) for each in (_REFUSAL, scores.HELPFULNESS, _UNSAFE))
    )
    hits = answers.select(came.cast(pl.Float64)).to_series().to_numpy()
    return clustered_mean(hits, clusters_of(answers)).rate


def _in_steps(apart: FloatArray, cluster: np.ndarray) -> Counter[int]:
    """Sums over clusters in whole steps of a size that fits all, and how often each occurs."""
    for steps in _STEPS:
        scaled = apart * steps
        if np.abs(scaled - scaled.round()).max() < 1e-9:
            break
    whole = scaled.round().astype(np.int64)
    start = np.flatnonzero(np.diff(cluster, prepend=cluster[0] - 1))
    sums = np.add.reduceat(whole, start)
    step = math.gcd(*np.unique(np.abs(sums)).tolist()) or 1
    return Counter((sums // step).tolist())


def _agreement(first: pl.DataFrame, second: pl.DataFrame, *, seed: int) -> dict[str, object]:
    """Do both refuse the same samples: by sample and draw, where both refusals are known."""
    score = _REFUSAL.column
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
