"""Several answers to the same questions: how far figures move when the model is asked again.

Each figure is the mean over the draws, with three intervals: over other samples, over the same
samples asked again, and over both (`vlsu.analysis.stats.redrawing`). F1s are linearised: what an
answer adds to an F1 is its derivative by that answer's entry of the confusion matrix (Binder 1983).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, FloatArray, IntArray
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.intervals import LEVEL, UNDEFINED, Rate, plain, require_level
from vlsu.analysis.stats.redrawing import draw_variance, rerun_intervals
from vlsu.analysis.table.cells import ABSENT, FAILED, JOINT, NOT_ASKED, Cells
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.table.confusion import POSITIVE, Confusion
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.patterns import by_family
from vlsu.analysis.table.resampling import Resampler
from vlsu.analysis.table.streaming import collect_in_slices
from vlsu.analysis.table.tabulation import Tabulation
from vlsu.analysis.understanding.shares import accuracy
from vlsu.data.links import LINKS
from vlsu.errors import RunError
from vlsu.policy import MODALITIES, SEVERITY_CODES, Outcome, Severity

__all__ = ["Answers", "read_answers", "rerun_metrics", "rerun_metrics_of"]

Tree = dict[str, object]

_OTHERS = "the further draws are not of the samples that the first is of, or gold grades lack some"
_NUMBERS = {name: number for number, name in enumerate(MODALITIES)}
#: Predictions of a confusion matrix: the severities and `FAILED`.
_CLASSES = 4


@dataclass(frozen=True, slots=True)
class Answers:
    """Every draw's predictions of all samples.

    Attributes:
        gold: Gold grades, or `ABSENT`; shape ``(n, 3)``.
        predicted: Predictions, `FAILED` or `NOT_ASKED`; shape ``(D, n, 3)``.
        request: Samples of one number had the same requests; shape ``(n, 3)``.
        links: What samples share, numbered: group, image and text, -1 for none; shape ``(n, 3)``.
        severities: Those of the policy.
    """

    gold: IntArray
    predicted: IntArray
    request: IntArray
    links: IntArray
    severities: tuple[Severity, ...] = tuple(Severity)

    @property
    def draws(self) -> int:
        """How many answers there are to each request."""
        return len(self.predicted)


def rerun_metrics(
    judgments: Frame,
    reruns: Frame,
    gold: Frame,
    draws: int,
    *,
    level: float = LEVEL,
    severities: Sequence[Severity] = tuple(Severity),
) -> Tree:
    """How far the figures of a run move when it is asked again.

    Args:
        judgments: Of the first draw: `sample_id`, `modality`, `predicted`, `outcome` and
            `request_key`, by which requests that samples share are known.
        reruns: The same of the further draws, with `draw`: 1 and up.
        gold: A row a sample, as `Tabulation.add` takes them.
        draws: Answers to each request, at least 2.
        level: Confidence of the intervals, in (0, 1).
        severities: Those of the policy.

    Returns:
        ``draws``. For each modality asked: ``n`` graded samples; ``accuracy`` and ``f1_macro``,
        for pairs ``f1_binary`` too: ``value``, the mean over the draws, ``values`` by draw, and
        ``over_samples``, ``over_reruns`` and ``both``, each ``low`` and ``high`` (see
        `vlsu.analysis.stats.redrawing`); ``unanimous_right`` and ``unanimous_wrong``: the shares
        of samples that every draw gets right, and that none does.

        ``flips``, by modality: of ``n`` samples asked, graded or not, ``count`` whose prediction is
        not the same in all draws (a severity, or that there is none), and their ``share``; of pairs
        also by ``families`` and ``severities`` of the gold grades.

    Raises:
        RunError: A draw lacks answers that the first has, or has others.
    """
    answers = read_answers(judgments, reruns, gold, draws, severities)
    return rerun_metrics_of(answers, level=level)


def read_answers(
    judgments: Frame,
    reruns: Frame,
    gold: Frame,
    draws: int,
    severities: Sequence[Severity] = tuple(Severity),
) -> Answers:
    """The answers of all draws; arguments and errors as `rerun_metrics`."""
    first = collect_in_slices(judgments, lambda part: part.select(*_CODES, draw=pl.lit(0)))
    further = collect_in_slices(reruns, lambda part: part.select(*_CODES, draw="draw"))
    there = set(gold.lazy().collect_schema().names())
    nothing = pl.lit(None, dtype=pl.UInt64)
    samples = (
        collect_in_slices(
            gold,
            lambda part: part.select(
                *(
                    pl.col(f"{m}_grade")
                    .replace_strict(SEVERITY_CODES, default=ABSENT, return_dtype=pl.Int64)
                    .alias(m)
                    for m in MODALITIES
                ),
                *(
                    (
                        pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash())
                        if name in there
                        else nothing
                    ).alias(name)
                    for name in LINKS
                ),
                sample=pl.col("sample_id").hash(),
            ),
        )
        .join(first.select("sample").unique(), on="sample", how="semi")
        .sort("sample")
    )
    ids = samples["sample"].to_numpy()
    if not further["draw"].is_between(1, draws - 1).all():
        raise RunError(f"the further draws are not 1 to {draws - 1}")
    strangers = any(not np.isin(rows["sample"].to_numpy(), ids).all() for rows in (first, further))
    if strangers or first.height * (draws - 1) != further.height:
        raise RunError(_OTHERS)
    predicted = np.full((draws, len(ids), len(MODALITIES)), NOT_ASKED)
    request = np.zeros((len(ids), len(MODALITIES)), dtype=np.int64)
    for number in range(len(MODALITIES)):
        rows = first.filter(modality=number)
        place = np.searchsorted(ids, rows["sample"].to_numpy())
        request[place, number] = rows["request"].rank("dense").to_numpy()
    for rows in (first, further):
        place = np.searchsorted(ids, rows["sample"].to_numpy())
        draw, modality, code = (rows[name].to_numpy() for name in ("draw", "modality", "code"))
        predicted[draw, place, modality] = code
    asked = predicted != NOT_ASKED
    if (asked != asked[0]).any():
        raise RunError(_OTHERS)
    links = samples.select(pl.col(LINKS).rank("dense").cast(pl.Int64).fill_null(-1))
    return Answers(
        samples.select(MODALITIES).to_numpy(),
        predicted,
        request,
        links.to_numpy(),
        tuple(severities),
    )


_CODES = (
    pl.col("sample_id").hash().alias("sample"),
    pl.col("request_key").hash().alias("request"),
    pl.col("modality").replace_strict(_NUMBERS, return_dtype=pl.Int8),
    pl.when(pl.col("outcome") == Outcome.OK.value)
    .then(pl.col("predicted").replace_strict(SEVERITY_CODES, default=FAILED, return_dtype=pl.Int8))
    .otherwise(FAILED)
    .alias("code"),
)


def rerun_metrics_of(answers: Answers, *, level: float = LEVEL, bootstrap: int = 2000) -> Tree:
    """As `rerun_metrics`, of answers that are numbers already.

    Args:
        answers: Of two draws or more.
        level: Confidence of the intervals, in (0, 1).
        bootstrap: Replicates behind each draw's own interval of a mean F1.
    """
    require_level(level)
    asked = {
        name: number
        for number, name in enumerate(MODALITIES)
        if (answers.predicted[0, :, number] != NOT_ASKED).any()
    }
    estimators = [
        Estimator(Resampler(_cells(answers, draw), bootstrap, 0), level)
        for draw in range(answers.draws)
    ]
    parts = {name: _Modality(answers, number, estimators) for name, number in asked.items()}
    return plain(
        {
            "draws": answers.draws,
            **{name: part.section() for name, part in parts.items()},
            "flips": {name: part.flips() for name, part in parts.items()},
        }
    )


def _cells(answers: Answers, draw: int) -> Cells:
    """Of one draw alone, as for its own `metrics.json`."""
    tabulation = Tabulation(severities=answers.severities)
    links = [pl.Series(number).set(pl.Series(number) < 0, None) for number in answers.links.T]
    tabulation.count(
        answers.gold,
        answers.predicted[draw],
        pl.repeat(None, len(answers.gold), dtype=pl.String, eager=True),
        links,
        {},
    )
    return tabulation.cells()


@dataclass(frozen=True, slots=True)
class _Modality:
    answers: Answers
    number: int
    estimators: Sequence[Estimator]

    @property
    def level(self) -> float:
        return self.estimators[0].level

    def section(self) -> Tree:
        answers, number = self.answers, self.number
        among = (answers.gold[:, number] != ABSENT) & self._asked()
        gold, predicted = answers.gold[among, number], answers.predicted[:, among, number].T
        right = predicted == gold[:, None]
        name, classes = MODALITIES[number], answers.severities
        figures: dict[str, tuple[Callable[[Estimator], Rate], FloatArray]] = {
            "accuracy": (self._accuracy, _of_accuracy(gold, predicted)),
            "f1_macro": (
                lambda each: each.mean_f1(self._confusion(each), name, "f1_macro")["f1_macro"],
                _of_f1s(gold, predicted, [(severity,) for severity in classes]),
            ),
        }
        if number == JOINT:
            positive = POSITIVE["f1_binary"]
            figures["f1_binary"] = (
                lambda each: each.f1(self._confusion(each), *positive),
                _of_f1s(gold, predicted, [positive]),
            )
        return {
            "n": int(among.sum()),
            **{
                key: self._figure(rate, influence, predicted, among)
                for key, (rate, influence) in figures.items()
            },
            "unanimous_right": self._share(right.all(axis=1), among),
            "unanimous_wrong": self._share(~right.any(axis=1), among),
        }

    def flips(self) -> Tree:
        answers, asked = self.answers, self._asked()
        predicted = answers.predicted[:, :, self.number]
        flipped = (predicted != predicted[0]).any(axis=0)

        def part(among: BoolArray) -> Tree:
            return {
                "n": int(among.sum()),
                "count": int((flipped & among).sum()),
                "share": self._share(flipped[among], among),
            }

        if self.number != JOINT:
            return part(asked)
        grades = answers.gold[:, JOINT]
        return {
            **part(asked),
            "families": {
                name: part(family) for name, family in by_family(answers.gold, asked).items()
            },
            "severities": {
                severity.label: part(asked & (grades == severity))
                for severity in answers.severities
            },
        }

    def _asked(self) -> BoolArray:
        asked: BoolArray = self.answers.predicted[0, :, self.number] != NOT_ASKED
        return asked

    def _accuracy(self, estimator: Estimator) -> Rate:
        return estimator.rate(accuracy(estimator.resampler.cells, self.number))

    def _confusion(self, estimator: Estimator) -> Confusion:
        cells = estimator.resampler.cells
        return Confusion.from_cells(cells, self.number, accuracy(cells, self.number).among)

    def _clusters(self, among: BoolArray) -> IntArray:
        """Groups, and requests of samples without one; samples of one stand together by number."""
        group, request = self.answers.links[among, 0], self.answers.request[among, self.number]
        return np.unique(np.where(group < 0, request, -1 - group), return_inverse=True)[1]

    def _share(self, hits: BoolArray, among: BoolArray) -> Rate:
        if not among.any():
            return UNDEFINED
        links = self.answers.links[among]
        alone = -1 - np.arange(len(links))[:, None]
        ways = np.column_stack(
            [self.answers.request[among, self.number], np.where(links < 0, alone, links)]
        )
        return clustered_mean(hits.astype(np.float64), ways, self.level).rate

    def _figure(
        self,
        rate: Callable[[Estimator], Rate],
        influence: FloatArray,
        predicted: IntArray,
        among: BoolArray,
    ) -> Tree:
        """A figure with its intervals.

        Args:
            rate: The figure of one draw, with its interval over samples.
            influence: What each answer would add to it, by what it were; shape ``(n, 4)``.
            predicted: The answers; shape ``(n, D)``.
            among: The samples that it is over.
        """
        rates = [rate(each) for each in self.estimators]
        values = np.array([each.value for each in rates], dtype=np.float64)
        if not among.any() or np.isnan(values).any():
            empty = {"low": None, "high": None}
            return {
                "value": None,
                "values": [each.value for each in rates],
                **dict.fromkeys(("over_samples", "over_reruns", "both"), empty),
            }
        low, high = np.array([(each.low, each.high) for each in rates], dtype=np.float64).T
        request = np.unique(self.answers.request[among, self.number], return_inverse=True)[1]
        intervals = rerun_intervals(
            float(values.mean()),
            float((values - low).mean()),
            float((high - values).mean()),
            draw_variance(
                np.take_along_axis(influence, predicted, axis=1), self._clusters(among), request
            ),
            _unit(influence, request, self.answers.severities),
            self.level,
        )
        return {
            "value": float(values.mean()),
            "values": values.tolist(),
            **{name: {"low": each.low, "high": each.high} for name, each in intervals.items()},
        }


def _unit(influence: FloatArray, request: IntArray, severities: Sequence[Severity]) -> float:
    """How far a figure moves at most when one request is answered by another severity.

    The root mean square over requests.
    """
    each = np.stack([np.bincount(request, weights=influence[:, s]) for s in severities])
    return float(np.sqrt(((each.max(axis=0) - each.min(axis=0)) ** 2).mean()))


def _of_accuracy(gold: IntArray, predicted: IntArray) -> FloatArray:
    """What every possible answer adds to accuracy; ``(n, 4)``."""
    if not len(gold):
        return np.zeros((0, _CLASSES))
    right = gold[:, None] == np.arange(_CLASSES)
    influence: FloatArray = (right - float((predicted == gold[:, None]).mean())) / len(gold)
    return influence


def _of_f1s(
    gold: IntArray, predicted: IntArray, positives: Sequence[tuple[Severity, ...]]
) -> FloatArray:
    """What every possible answer adds to a mean of F1s, at the mean table; ``(n, 4)``.

    F1 = 2 TP / (gold + predicted), so an answer adds (2 TP - F1 (gold + predicted)) of itself, over
    the sum of both. A class that neither gold nor predictions have adds nothing.
    """
    influence, draws = np.zeros((len(gold), _CLASSES)), predicted.shape[1]
    codes = np.arange(_CLASSES)
    for positive in positives:
        of_gold = np.isin(gold, positive)
        called = np.isin(codes, positive)
        hits = float((np.isin(predicted, positive) & of_gold[:, None]).sum()) / draws
        either = float(of_gold.sum()) + float(np.isin(predicted, positive).sum()) / draws
        if either == 0:
            continue
        f1 = 2 * hits / either
        each = 2.0 * (of_gold[:, None] & called) - f1 * (of_gold[:, None] + called.astype(float))
        influence += each / either / len(positives)
    return influence
