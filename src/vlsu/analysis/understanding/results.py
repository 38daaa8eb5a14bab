"""The parts of an understanding run's ``metrics.json`` with types; see `vlsu.analysis.results`."""

from __future__ import annotations

from typing import Any

from vlsu._views import View
from vlsu.analysis.alignment.results import Unanswered
from vlsu.analysis.stats.intervals import Rate

__all__ = [
    "AnsweredFlowPart",
    "Attribution",
    "BorderlineErrors",
    "BorderlineRates",
    "ClassScores",
    "Counts",
    "Critical",
    "Dominance",
    "Exchange",
    "Flow",
    "FlowPart",
    "HarmPart",
    "Kappas",
    "LateFusion",
    "MinimalPairs",
    "ModalityScores",
    "Moves",
    "MovesApart",
    "OverSensitivity",
    "ProbabilityScores",
    "SeverityPart",
    "SeverityRates",
    "Share",
    "SwapProbe",
    "Threshold",
    "WeightedHarm",
]

#: Outcome, or severity, or kind -> how many.
Counts = dict[str, int]


class ClassScores(View):
    """Precision, recall and F1 of one severity, and how many samples have it as gold grade."""

    precision: Rate
    recall: Rate
    f1: Rate
    support: int


class ModalityScores(View):
    """How image, text or pair were graded.

    Attributes:
        n: Judgments with a gold grade.
        n_answered: Those of them that were answered; `accuracy_answered` is over these alone.
        flagged: Gold severity -> share called unsafe.
    """

    n: int
    accuracy: Rate
    n_answered: int
    accuracy_answered: Rate
    f1_macro: Rate
    f1_weighted: Rate
    f1_binary: Rate
    f1_binary_strict: Rate
    per_class: dict[str, ClassScores]
    confusion: dict[str, Counts]
    flagged: dict[str, Rate]
    answered: Rate
    unanswered: Unanswered


class Critical(View):
    """Unsafe pairs marked critical in the dataset, and how many were not called unsafe."""

    n: int
    misses: int
    recall: Rate


class Share(View):
    """A count, and its share of all of these."""

    count: int
    share: Rate


class Attribution(View):
    """Where errors on the pair come from: which of its parts were graded right.

    Attributes:
        no_answer: Pairs without an answer; in the four others it was answered, wrongly.
        both_correct_answered: The share of `both_correct` without `no_answer`.
    """

    joint_errors: int
    both_correct: Share
    image_wrong: Share
    text_wrong: Share
    both_wrong: Share
    no_answer: Share
    both_correct_answered: Rate


class Kappas(View):
    """Cohen's kappa of the pair's grade with one part's.

    Attributes:
        within_pattern: Pooled over gold patterns: what the gold grades do not explain.
    """

    all: Rate
    joint_correct: Rate
    joint_wrong: Rate
    within_pattern: Rate


class Dominance(View):
    """How far the grade of the pair agrees with that of its text, and of its image, alone."""

    kappa_text: Kappas
    kappa_image: Kappas


class LateFusion(View):
    """What grading the parts apart reaches.

    Attributes:
        gold_ceiling: Accuracy of the worse of the gold image and text grades; not a limit.
        of_predictions: That of the worse of the model's own two answers.
        agreement: How often the joint answer is the worse of the model's own two.
        gold_lookup: Accuracy of the best rule that knows the two gold grades.
        predictions_lookup: The same of the model's own two answers.
    """

    gold_ceiling: Rate
    of_predictions: Rate
    agreement: Rate
    gold_lookup: Rate
    predictions_lookup: Rate


class SeverityRates(View):
    """A rate for each severity."""

    safe: Rate
    borderline: Rate
    unsafe: Rate


class OverSensitivity(SeverityRates):
    """Pairs with an unsafe part that are called unsafe, by the pair's gold grade."""

    n: Counts
    failed: Counts
    image_unsafe: OverSensitivity
    text_unsafe: OverSensitivity
    both_unsafe: OverSensitivity
    no_unsafe_part: OverSensitivity


class BorderlineRates(SeverityRates):
    """Shares of `n` samples by severity; `failed` have no answer."""

    n: int
    failed: Rate


class BorderlineErrors(View):
    """What borderline is taken for (`gold`), and what is taken for borderline (`predicted`)."""

    gold: BorderlineRates
    predicted: BorderlineRates


class FlowPart(View):
    """Samples with something in common of image and text alone, and how the pair was graded.

    Attributes:
        n: Samples.
        correct: Those of them whose pair is graded right; `accuracy` is their share.
    """

    n: int
    correct: int
    accuracy: Rate


class AnsweredFlowPart(FlowPart):
    """A part of the flow from image and text alone to the pair.

    Attributes:
        no_answer: Samples whose pair has no answer; neither right nor answered wrongly.
    """

    no_answer: int


class Flow(View):
    """Accuracy of the pair by what is graded right of image and text alone."""

    both_correct: AnsweredFlowPart
    image_wrong: AnsweredFlowPart
    text_wrong: AnsweredFlowPart
    both_wrong: AnsweredFlowPart


class SeverityPart(FlowPart):
    """Samples of one gold category and severity of the pair."""

    answered: Rate
    flagged: Rate


class HarmPart(View):
    """The mean cost of the errors on a category's pairs, and what they weigh."""

    n: int
    weight: float
    mean: Rate


class WeightedHarm(View):
    """The mean cost of the errors on pairs, by the user's weights; its three parts sum to it."""

    n: int
    mean: Rate
    called_milder: Rate
    called_worse: Rate
    unanswered: Rate
    largest: float
    categories: dict[str, HarmPart]


class MinimalPairs(View):
    """Samples that share an image or a text and differ in grade."""

    pairs: int
    clusters: int
    told_apart: Rate
    ordered: Rate
    by_grades: dict[str, MinimalPairs]


class Moves(View):
    """How the answer to pairs moved that one half of was exchanged.

    Attributes:
        n: Exchanges with a severity before and after.
        levels: By how many severity levels the half's gold grade changed, on average.
        followed: The share that moved towards the severity of the new half; `against`: away.
        shift: The mean change in levels, positive in the direction of the exchange.
    """

    n: int
    levels: float | None
    moved: Rate
    unmoved: Rate
    followed: Rate
    against: Rate
    shift: Rate


class Exchange(Moves):
    """The same of all exchanges of one half, and of those for a worse and a milder one."""

    pairs: int
    answered: Rate
    worse: Moves
    milder: Moves


class MovesApart(View):
    """The shift by exchanging the image less that by exchanging the text."""

    n: int
    shift: Rate


class SwapProbe(View):
    """How far each half of a pair moves the answer to it."""

    image: Exchange
    text: Exchange
    image_minus_text: MovesApart


class Threshold(View):
    """A threshold on p_unsafe that reaches a wanted recall of unsafe."""

    wanted: float
    threshold: float | None
    recall: Rate
    precision: Rate
    flagged: Rate


class ProbabilityScores(View):
    """How well p_unsafe ranks and is calibrated.

    Attributes:
        n: Graded judgments with one, which all else is over.
        with_p: The share of all that has one.
        note: What is left open, there where that is less than 95%.
    """

    n: int
    without_p: int
    with_p: Rate
    note: str
    base_rate: Rate
    mean_p: Rate
    brier: Rate
    ece: Rate
    auroc: Rate
    average_precision: Rate
    bins: list[dict[str, Any]]
    thresholds: dict[str, Threshold]
