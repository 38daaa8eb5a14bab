"""Rates over judged answers: what was judged, what is missing, what the judge's errors hide."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from vlsu.analysis.alignment.calibration import BinaryCounts, Calibration, too_weak
from vlsu.analysis.alignment.correction import rogan_gladen, rogan_gladen_difference
from vlsu.analysis.alignment.prediction_powered import FEWEST_LABELS, prediction_powered
from vlsu.analysis.alignment.scores import AnswerScore
from vlsu.analysis.alignment.verdicts import WAYS, clusters_of
from vlsu.analysis.arrays import FloatArray
from vlsu.analysis.stats.clustering import clustered_mean, paired_difference
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, mover
from vlsu.policy import REFUSAL_KINDS, Outcome

__all__ = ["JudgedRates", "complement", "completions", "paired_scores", "rate_columns"]

PREDICTION_POWERED = "prediction-powered"
ROGAN_GLADEN = "rogan-gladen"

Tree = dict[str, object]

#: Scores of which a judged answer has one at least.
_SCORES = ("refusal_strict", "refusal_lenient", "helpfulness", "unsafe")


def rate_columns(*scores: AnswerScore) -> list[str]:
    """The columns of answers that rates of these scores, and their differences, are taken from."""
    of_scores = [name for score in scores for name in (score.column, score.applies) if name]
    labels = (f"label_{setting}" for setting in REFUSAL_KINDS)
    return list(dict.fromkeys(["sample", "cluster", *WAYS, "certain", *labels, *of_scores]))


@dataclass(frozen=True, slots=True)
class JudgedRates:
    """Rates with bounds for what is missing, corrected where the judge is known.

    Attributes:
        calibration: The judge's errors on labels outside of the run.
        labelled: Whether answers of the run are labelled.
        gives: What the judge's verdicts hold, of ``refusal``, ``helpfulness``, ``safety`` and more.
            A rate of anything else is not measured, whatever is known without the judge.
        level: Confidence of the intervals.
        weak: Setting -> why the judge is too weak to correct, if it is.
    """

    calibration: Calibration | None
    labelled: bool
    gives: Collection[str]
    level: float = LEVEL
    weak: Mapping[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        weak = {
            s: None if self.calibration is None else too_weak(self.calibration.counts(s))
            for s in REFUSAL_KINDS
        }
        object.__setattr__(self, "weak", weak)

    def rate(self, answers: pl.DataFrame, score: AnswerScore) -> Tree:
        """The mean over answers whose score is known, with what the missing ones could make of it.

        Args:
            answers: Of one framing, as `vlsu.analysis.alignment.verdicts.read_answers` sorts them.
            score: Which.
        """
        if not self._measured(score):
            nothing = {"if_missing_refused": None, "if_missing_engaged": None}
            return _counted(0, answers.height, UNDEFINED) | nothing
        answers = _that_can_have(answers, score)
        known = answers.filter(pl.col(score.column).is_not_null())
        tree = _counted(
            known.height,
            answers.height - known.height,
            self._mean(known, score.column) if known.height else UNDEFINED,
        )
        for key, missing in (
            ("if_missing_refused", score.if_refused),
            ("if_missing_engaged", score.if_engaged),
        ):
            filled = answers[score.column].fill_null(missing).mean() if answers.height else None
            tree[key] = filled
        if 0 < known.height < answers.height:
            tree["worst_case"] = self._worst_case(answers, score, tree["value"])
        return tree | self._corrected(known, score)

    def answered(self, answers: pl.DataFrame) -> Tree:
        """How much was answered, what became of the rest, and how much of it was judged.

        Args:
            answers: Of one framing, as `vlsu.analysis.alignment.verdicts.read_answers` sorts them.

        Returns:
            ``answered``: share of answers that came as text or as a refusal on the wire;
            ``unanswered``: outcome -> share of the others; ``judged``: share of the answered with a
            verdict, a refusal on the wire being one. Each ``{"value", "low", "high"}``.
        """
        came = pl.col("outcome").is_in([Outcome.OK.value, Outcome.REFUSED.value])
        known = pl.any_horizontal(pl.col(_SCORES).is_not_null())
        return {
            "answered": self._share(answers, came).as_dict(),
            "unanswered": {
                outcome.value: self._share(answers, pl.col("outcome") == outcome.value).as_dict()
                for outcome in (Outcome.BLOCKED, Outcome.ERROR, Outcome.UNPARSED)
            },
            "judged": self._share(answers.filter(came), known).as_dict(),
        }

    def difference(self, first: pl.DataFrame, second: pl.DataFrame, score: AnswerScore) -> Tree:
        """Mean of `second` minus mean of `first`, over the samples whose score both know.

        A sample counts once, with its mean over the draws that are known. ``n`` is the number of
        samples, ``missing`` how many of the samples asked in both lack a score in either.
        """
        first, second = _that_can_have(first, score), _that_can_have(second, score)
        asked = (
            first.select("sample")
            .unique()
            .join(second.select("sample").unique(), on="sample", how="semi")
        )
        if not self._measured(score):
            return _counted(0, asked.height, UNDEFINED)
        both = paired_scores(first, second, score.column)
        value = UNDEFINED
        if both.height:
            value = self._difference(both, score.column)
        tree = _counted(both.height, asked.height - both.height, value)
        return tree | self._corrected_difference(first, second, both, score)

    def worst_difference(
        self, first: pl.DataFrame, second: pl.DataFrame, score: AnswerScore
    ) -> Rate | None:
        """The interval of what `difference` could be whatever the missing scores are.

        Over all samples asked in both (Horowitz and Manski 2000); its value is of no meaning.

        Returns:
            `None` where none is missing, or the score is not measured.
        """
        ends = completions(first, second, score) if self._measured(score) else None
        if ends is None:
            return None
        rates = [
            self._difference(paired_scores(*sides, score.column), score.column)
            for sides in (ends.lower, ends.upper)
        ]
        return _hull(rates)

    def _worst_case(self, answers: pl.DataFrame, score: AnswerScore, value: object) -> Tree:
        """The interval of what a rate could be whatever the missing scores are (Manski 1990)."""
        rates = [
            self._mean(answers.with_columns(pl.col(score.column).fill_null(value)), score.column)
            for value in score.ends
        ]
        hull = _hull(rates)
        return {"value": value, "low": hull.low, "high": hull.high}

    def _measured(self, score: AnswerScore) -> bool:
        return score.needs is None or score.needs in self.gives

    def _corrected(self, known: pl.DataFrame, score: AnswerScore) -> Tree:
        if score.setting is None or not known.height:
            return {}
        rate = self._by_labels(known, score)
        if rate is not None:
            return _corrected(rate, PREDICTION_POWERED)
        if self.calibration is None:
            return self._too_few_labels(known, score)
        if reason := self.weak[score.setting]:
            return {"corrected": None, "not_corrected": reason}
        counts = self.calibration.counts(score.setting)
        judged = known.with_columns(**_as_judged(score, counts))
        mean = clustered_mean(_numbers(judged, "as_judged"), clusters_of(judged), self.level)
        rate = rogan_gladen(
            mean.value,
            mean.size,
            counts,
            certain_hits=float(_numbers(judged, "certain_hits").mean()),
            certain_misses=float(_numbers(judged, "certain_misses").mean()),
            level=self.level,
        )
        return _corrected(rate, ROGAN_GLADEN)

    def _corrected_difference(
        self, first: pl.DataFrame, second: pl.DataFrame, both: pl.DataFrame, score: AnswerScore
    ) -> Tree:
        if score.setting is None or not both.height:
            return {}
        sides = [
            side.filter(pl.col(score.column).is_not_null()).join(
                both.select("sample"), on="sample", how="semi", maintain_order="left"
            )
            for side in (first, second)
        ]
        rates = [self._by_labels(side, score) for side in sides]
        if rates[0] is not None and rates[1] is not None:
            return _corrected(_apart(rates[0], rates[1]), PREDICTION_POWERED)
        if self.calibration is None:
            return self._too_few_labels(sides[0] if rates[0] is None else sides[1], score)
        if reason := self.weak[score.setting]:
            return {"corrected": None, "not_corrected": reason}
        counts = self.calibration.counts(score.setting)
        names = ("as_judged", "certain_hits", "certain_misses")
        pairs = _paired(
            *(_by_sample(side.with_columns(**_as_judged(score, counts)), *names) for side in sides)
        )
        hits, misses = (
            float((_numbers(pairs, f"{name}_second") - _numbers(pairs, name)).mean())
            for name in names[1:]
        )
        rate = rogan_gladen_difference(
            self._difference(pairs, "as_judged"),
            counts,
            certain_hits=hits,
            certain_misses=misses,
            level=self.level,
        )
        return _corrected(rate, ROGAN_GLADEN)

    def _by_labels(self, known: pl.DataFrame, score: AnswerScore) -> Rate | None:
        """The rate by human labels in the run, if there are enough of them."""
        if not self.labelled or _labels(known, score) < FEWEST_LABELS:
            return None
        return prediction_powered(
            _numbers(known, score.column),
            _numbers(known, f"label_{score.setting}"),
            clusters_of(known),
            known["certain"].to_numpy(),
            level=self.level,
        )

    def _share(self, answers: pl.DataFrame, hits: pl.Expr) -> Rate:
        if not answers.height:
            return UNDEFINED
        scores = answers.select(hits.fill_null(value=False).cast(pl.Float64)).to_series().to_numpy()
        return clustered_mean(scores, clusters_of(answers), self.level).rate

    def _mean(self, known: pl.DataFrame, score: str) -> Rate:
        return clustered_mean(_numbers(known, score), clusters_of(known), self.level).rate

    def _difference(self, both: pl.DataFrame, score: str) -> Rate:
        first, second = _numbers(both, score), _numbers(both, f"{score}_second")
        return paired_difference(first, second, clusters_of(both), self.level).rate

    def _too_few_labels(self, known: pl.DataFrame, score: AnswerScore) -> Tree:
        if not self.labelled:
            return {}
        found = _labels(known, score)
        reason = f"{found} labels among these answers; {FEWEST_LABELS} are needed, or a calibration"
        return {"corrected": None, "not_corrected": reason}


@dataclass(frozen=True, slots=True)
class Completions:
    """Answers of two sides with the missing scores put at either end.

    Attributes:
        lower: Both sides, so that second minus first is as small as can be.
        upper: So that it is as large as can be.
        missing: Samples of which some score is missing, by side.
    """

    lower: tuple[pl.DataFrame, pl.DataFrame]
    upper: tuple[pl.DataFrame, pl.DataFrame]
    missing: tuple[int, int]


def completions(
    first: pl.DataFrame,
    second: pl.DataFrame,
    score: AnswerScore,
    known: pl.Expr | None = None,
) -> Completions | None:
    """What the missing scores leave open, over the samples asked on both sides.

    Args:
        first: Answers.
        second: Answers to the same samples.
        score: Which.
        known: Of which answers it is taken to be known; by default of those that have it.

    Returns:
        `None` where none is missing.
    """
    first, second = _that_can_have(first, score), _that_can_have(second, score)
    sides = [
        side.join(other.select("sample").unique(), on="sample", how="semi", maintain_order="left")
        for side, other in ((first, second), (second, first))
    ]
    known = pl.col(score.column).is_not_null() if known is None else known
    missing = [side.filter(~known)["sample"].n_unique() for side in sides]
    if not any(missing):
        return None
    low, high = (
        [
            side.with_columns(pl.when(known).then(pl.col(score.column)).otherwise(value))
            for side in sides
        ]
        for value in score.ends
    )
    return Completions((high[0], low[1]), (low[0], high[1]), (missing[0], missing[1]))


def _hull(rates: Sequence[Rate]) -> Rate:
    """The interval that holds those of all; the value is of no meaning."""
    lows = [rate.low for rate in rates if rate.low is not None]
    highs = [rate.high for rate in rates if rate.high is not None]
    if not lows or not highs:
        return UNDEFINED
    return Rate(rates[0].value, min(lows), max(highs))


def _that_can_have(answers: pl.DataFrame, score: AnswerScore) -> pl.DataFrame:
    return answers if score.applies is None else answers.filter(score.applies)


def paired_scores(first: pl.DataFrame, second: pl.DataFrame, score: str) -> pl.DataFrame:
    """Means over the known draws of each sample that has some on both sides, in cluster order.

    Columns `cluster`, `sample`, the score's name, and ``<score>_second``.
    """
    return _paired(_by_sample(first, score), _by_sample(second, score))


def complement(tree: Tree, whole: float = 1.0) -> Tree:
    """The same of `whole` - score: 1 for a rate, 0 for a difference of rates."""
    less = {
        key: complement(value, whole)
        if isinstance(value, dict)
        else whole - value
        if isinstance(value, float)
        else value
        for key, value in tree.items()
    }
    return less | {"low": less["high"], "high": less["low"]}


def _counted(n: int, missing: int, rate: Rate) -> Tree:
    return {**rate.as_dict(), "n": n, "missing": missing}


def _corrected(rate: Rate, method: str) -> Tree:
    return {"corrected": {**rate.as_dict(), "method": method}}


def _labels(known: pl.DataFrame, score: AnswerScore) -> int:
    """Judged answers with a human label."""
    labelled = ~pl.col("certain") & pl.col(f"label_{score.setting}").is_not_null()
    return known.filter(labelled).height


def _as_judged(score: AnswerScore, counts: BinaryCounts) -> dict[str, pl.Expr]:
    """Scores as the judge had given them: certain ones with its errors, in expectation."""
    value, certain = pl.col(score.column), pl.col("certain")
    sensitivity, alarms = counts.tp / counts.positives, counts.fp / counts.negatives
    with_errors = value * sensitivity + (1 - value) * alarms
    return {
        "as_judged": pl.when(certain).then(with_errors).otherwise(value),
        "certain_hits": certain * value,
        "certain_misses": certain * (1 - value),
    }


def _by_sample(answers: pl.DataFrame, *scores: str) -> pl.DataFrame:
    """Means over the draws of each sample whose first score is known, samples in cluster order."""
    return (
        answers.filter(pl.col(scores[0]).is_not_null())
        .group_by("cluster", "sample", *WAYS)
        .agg(pl.col(scores).mean())
        .sort("cluster", "sample")
    )


def _paired(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Samples of both; the second's scores as ``<score>_second``."""
    return first.join(
        second.drop("cluster", *WAYS), on="sample", suffix="_second", maintain_order="left"
    )


def _numbers(frame: pl.DataFrame, name: str) -> FloatArray:
    """A column of numbers, NaN for null."""
    numbers: FloatArray = frame[name].fill_null(np.nan).to_numpy()
    return numbers


def _apart(first: Rate, second: Rate) -> Rate:
    """Second minus first, as if independent: conservative where answers to a sample correlate."""
    if first.value is None or second.value is None:
        return UNDEFINED
    bounds = mover(np.array([-1.0, 1.0]), (first, second), np.eye(2), least=-1.0)
    return Rate.within(second.value - first.value, *bounds)
