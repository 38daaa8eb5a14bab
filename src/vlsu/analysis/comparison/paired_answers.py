"""Answers of two alignment runs: a score's difference, however missing ones are counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.analysis.alignment import scores
from vlsu.analysis.alignment.judged_rates import JudgedRates, complement, completions, paired_scores
from vlsu.analysis.alignment.scores import AnswerScore
from vlsu.analysis.alignment.verdicts import clusters_of
from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.comparison.differences import NOTHING, Difference
from vlsu.analysis.comparison.families import ComparedMetric
from vlsu.analysis.comparison.worst_case import WorstCase
from vlsu.analysis.stats.clustering import clustered_mean, paired_difference
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate
from vlsu.analysis.stats.mcnemar import sign_flip
from vlsu.policy import Outcome

__all__ = ["OR_BLOCKED", "REFUSAL", "UNSAFE", "PairedAnswers", "answered"]

REFUSAL = scores.refusal("strict")
OR_BLOCKED = scores.refusal_or_blocked("strict")
UNSAFE = scores.SAFETY["response_unsafe"]

#: Differences of means over draws are multiples of 1 over one of these, or nearly of the last.
_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 60, 120)


@dataclass(frozen=True, slots=True)
class PairedAnswers:
    """Answers of two runs under one framing.

    Attributes:
        first: Of the first run, as `vlsu.analysis.alignment.verdicts.read_answers` sorts them.
        second: Of the second.
        rates: By which rates are corrected.
        enough: Share answered below which a metric is compared in several ways; 0 for one alone.
        level: Confidence of the intervals.
    """

    first: pl.DataFrame
    second: pl.DataFrame
    rates: JudgedRates
    enough: float
    level: float = LEVEL

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
        shares = tuple(answered(side, score) for side in sides)
        bounds = {}
        few = any(share.value is not None and share.value < self.enough for share in shares)
        if few:
            value = pl.col(score.column)
            bounds = {
                way: self.paired([side.with_columns(scored) for side in sides], score, whole)
                for way, scored in (
                    ("missing_as_wrong", pl.when(came(score)).then(value).otherwise(wrong)),
                    ("missing_left_out", pl.when(came(score)).then(value)),
                )
            }
        found = self.paired(sides, score, whole)
        worst = self.worst_case(sides, score, whole, few=few)
        return ComparedMetric(
            label, family, good, found, more, (shares[0], shares[1]), bounds, worst
        )

    def worst_case(
        self,
        sides: Sequence[pl.DataFrame],
        score: AnswerScore,
        whole: float | None,
        *,
        few: bool,
    ) -> WorstCase | None:
        """The difference with the missing scores at 0 of one run and at 1 of the other.

        Args:
            sides: Answers of both runs.
            score: Which.
            whole: As for `metric`.
            few: Whether so little was answered that a provider's block counts as missing too.

        Returns:
            `None` where none is missing, or where it is not asked for.
        """
        ends = completions(sides[0], sides[1], score, came(score) if few else None)
        if not self.enough or ends is None:
            return None
        lower, upper = (self.paired(each, score, whole) for each in (ends.lower, ends.upper))
        if whole is not None:
            lower, upper = upper, lower
        return WorstCase(lower, upper, ends.missing)

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
        """The difference of two scores of the same samples.

        Args:
            both: The samples, clusters together.
            first: Of the first run.
            second: Of the second.
        """
        clusters = clusters_of(both)
        mean = paired_difference(first, second, clusters, self.level)
        binary = bool(np.isin([first, second], (0, 1)).all())
        return Difference(
            n=both.height,
            first=clustered_mean(first, clusters, self.level).rate,
            second=clustered_mean(second, clusters, self.level).rate,
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


def came(score: AnswerScore) -> pl.Expr:
    """Whether an answer has the score, and not by a provider's block alone."""
    known = pl.col(score.column).is_not_null()
    return known if score is OR_BLOCKED else known & (pl.col("outcome") != Outcome.BLOCKED.value)


def answered(answers: pl.DataFrame, score: AnswerScore | None = None) -> Rate:
    """Share of the answers that came from the model and have the score, or any, if none is given.

    Args:
        answers: Clusters together.
        score: Which.
    """
    if not answers.height:
        return UNDEFINED
    known = (
        came(score)
        if score is not None
        else pl.any_horizontal(came(each) for each in (REFUSAL, scores.HELPFULNESS, UNSAFE))
    )
    hits = answers.select(known.cast(pl.Float64)).to_series().to_numpy()
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
