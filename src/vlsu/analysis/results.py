"""``metrics.json`` with types: every figure of a run by its name.

`vlsu.runs.Run.metrics` is such a view of the file, and still the mapping that the file holds:

>>> metrics = Metrics({"families": {"escalating": {"n": 84, "accuracy": {
...     "value": 0.5, "low": 0.39, "high": 0.61}}}})
>>> metrics.families.escalating.accuracy.value
0.5
>>> metrics["families"]["escalating"]["n"]
84

What each figure means stands in ``docs/metrics.md``. A member that a run does not have raises
`AttributeError`: those of the other task, and modalities' that were not asked about.
"""

from __future__ import annotations

from typing import Any

from vlsu._views import View
from vlsu.analysis.alignment.results import (
    AlignmentPart,
    AnswerShares,
    Differences,
    Framing,
    JudgedRate,
    RefusalRates,
    Unanswered,
)
from vlsu.analysis.understanding.part_results import (
    CategoryPart,
    Families,
    FamilyPart,
    GoldPart,
    GoldParts,
    LowestPattern,
    Part,
    PooledPart,
)
from vlsu.analysis.understanding.rerun_results import (
    Bounds,
    FlipPart,
    Flips,
    RedrawnFigure,
    RedrawnScores,
    Reruns,
)
from vlsu.analysis.understanding.results import (
    AnsweredFlowPart,
    Attribution,
    BorderlineErrors,
    BorderlineRates,
    ClassScores,
    Counts,
    Critical,
    Dominance,
    Exchange,
    Flow,
    FlowPart,
    HarmPart,
    Kappas,
    LateFusion,
    MinimalPairs,
    ModalityScores,
    Moves,
    MovesApart,
    OverSensitivity,
    ProbabilityScores,
    SeverityPart,
    SeverityRates,
    Share,
    SwapProbe,
    Threshold,
    WeightedHarm,
)

__all__ = [
    "AlignmentPart",
    "AnswerShares",
    "AnsweredFlowPart",
    "Attribution",
    "BorderlineErrors",
    "BorderlineRates",
    "Bounds",
    "CategoryPart",
    "ClassScores",
    "Counts",
    "Critical",
    "Differences",
    "Dominance",
    "Exchange",
    "Families",
    "FamilyPart",
    "FlipPart",
    "Flips",
    "Flow",
    "FlowPart",
    "Framing",
    "GoldPart",
    "GoldParts",
    "HarmPart",
    "JudgedRate",
    "Kappas",
    "LateFusion",
    "LowestPattern",
    "Metrics",
    "MinimalPairs",
    "ModalityScores",
    "Moves",
    "MovesApart",
    "OverSensitivity",
    "Part",
    "PooledPart",
    "ProbabilityScores",
    "RedrawnFigure",
    "RedrawnScores",
    "RefusalRates",
    "Reruns",
    "SeverityPart",
    "SeverityRates",
    "Share",
    "SwapProbe",
    "Threshold",
    "Unanswered",
    "WeightedHarm",
]


class Metrics(View):
    """The content of ``metrics.json``: of an understanding run, or of an alignment run.

    Attributes:
        n: Samples asked about.
        levels: The severities that the model can give, there where those are not all of the
            policy's; figures of all severities are then null, with a `reason` beside them.
        outcomes: Modality, or framing, -> outcome -> how many.
        image: Scores of the image alone; `text` and `joint` likewise.
        patterns: ``"S-S-U"`` -> its part; `categories` by ``"C9"``.
        severities: Category, or ``"no category"``, -> severity -> its part; only what occurs.
        framings: Name of a framing -> its rates, of an alignment run.
        differences: ``"default -> helpful"`` -> second minus first.
    """

    n: int
    levels: list[str]
    outcomes: dict[str, Counts]
    image: ModalityScores
    text: ModalityScores
    joint: ModalityScores
    patterns: dict[str, PooledPart]
    families: Families
    lowest_pattern: LowestPattern | None
    categories: dict[str, CategoryPart]
    attribution: Attribution
    dominance: Dominance
    late_fusion: LateFusion
    over_sensitivity: OverSensitivity
    borderline: dict[str, BorderlineErrors]
    flow: Flow
    severities: dict[str, dict[str, SeverityPart]]
    critical: Critical
    gold_agreement: GoldParts
    weighted_harm: WeightedHarm
    minimal_pairs: dict[str, MinimalPairs]
    swap: SwapProbe
    reruns: Reruns
    calibration: dict[str, ProbabilityScores] | None
    framings: dict[str, Framing]
    differences: dict[str, Differences]
    judge_outcomes: dict[str, Counts]
    gives: list[str]
    counts_as_refusal: dict[str, list[str]]
    refusal: str
    intervals: dict[str, Any]
    sampling: dict[str, Any]
