"""What `vlsu.analysis.grader_agreement` returns, with types, and still as ``--json`` prints it.

>>> overall = UnitAgreement({"items": 12, "gwet_ac1": {"value": 0.4, "low": 0.1, "high": 0.7}})
>>> overall.gwet_ac1.value, overall.items_
(0.4, 12)

What each member means stands in ``docs/agreement.md``.
"""

from __future__ import annotations

from vlsu._views import View
from vlsu.analysis.results import Counts, Metrics, ModalityScores, Share
from vlsu.analysis.stats.intervals import Rate

__all__ = [
    "Agreement",
    "AgreementCounts",
    "AgreementIntervals",
    "Coefficients",
    "ConfusedLabels",
    "ConsensusAccuracy",
    "GraderAnswers",
    "GraderPair",
    "OracleMetrics",
    "OracleScores",
    "SplitUnit",
    "UnitAgreement",
]


class Coefficients(View):
    """Agreement; what needs an order of the labels is absent where they have none."""

    percent_agreement: Rate
    krippendorff_alpha_nominal: Rate
    krippendorff_alpha_ordinal: Rate
    gwet_ac1: Rate
    gwet_ac2: Rate
    gwet_ac2_linear: Rate
    gwet_ac2_ordinal: Rate


class UnitAgreement(Coefficients):
    """Agreement of all graders over some units.

    Attributes:
        items_: Items with a grade; the key is ``items``.
        grades: Their grades.
        paired: Units with two grades or more, which alone are informative of agreement.
        unanimous: The share of these with one grade from all.
    """

    items_: int
    grades: int
    paired: int
    unanimous: Rate
    fleiss_kappa: Rate


class GraderPair(Coefficients):
    """Agreement of two graders over the `n` units that both graded.

    Attributes:
        confusion: First's answer -> second's answer -> units.
    """

    first: str
    second: str
    n: int
    cohen_kappa: Rate
    cohen_kappa_linear: Rate
    cohen_kappa_quadratic: Rate
    confusion: dict[str, Counts]


class AgreementCounts(View):
    """How many items, units, graders and answers there are; `grades` are by label."""

    items_: int
    units: int
    graders: int
    answers: int
    not_sure: int
    paired: int
    grades: Counts


class ConsensusAccuracy(View):
    """Accuracy against the consensus of the others, over `n` answers."""

    n: int
    accuracy: Rate


class GraderAnswers(View):
    """A grader beside the others.

    Attributes:
        missing: Units that the grader did not answer.
        harsher: Mean share of the others' grades that are milder; `milder` likewise, and `bias` is
            the former minus the latter. Absent where labels have no order.
    """

    answers: int
    missing: int
    not_sure: Share
    grades: Counts
    consensus: ConsensusAccuracy
    harsher: Rate
    milder: Rate
    bias: Rate


class ConfusedLabels(View):
    """Two labels that graders give for the same unit: pairs of graders, and their share."""

    labels: list[str]
    pairs: int
    share: float


class SplitUnit(View):
    """A unit that graders are divided on; `disagreement` is in [0, 1]."""

    item: str
    modality: str | None
    category: str | None
    votes: Counts
    disagreement: float


class OracleScores(ModalityScores):
    """A single grader's scores, as a model's.

    Attributes:
        ties: Answers whose consensus was tied.
        no_consensus: Answers without a consensus to compare with, which are in no metric.
    """

    items_: int
    ties: int
    no_consensus: int


class OracleMetrics(Metrics):
    """A single grader in the metrics of a model.

    Attributes:
        references: Item of a pair -> for each grader the consensus and the grader's own answer.
    """

    consensus: str
    tie_rule: str
    graders: int
    references: dict[str, list[list[str | None]]]
    image: OracleScores
    text: OracleScores
    joint: OracleScores


class AgreementIntervals(View):
    """How intervals were computed; `thin` names what is too thin for the bootstrap."""

    level: float
    method: dict[str, str]
    thin_below: float
    thin: list[str]
    resampled: str
    replicates: int
    seed: int


class Agreement(View):
    """Agreement between graders, and a single one of them as if a model.

    Attributes:
        file: Name of the file, `layout` (``long`` or ``wide``) and `columns` how it was read; of
            the command alone.
        ordinal: Whether the labels have an order, in which they are listed.
        modalities: By modality, where grades have one; `categories` likewise.
        pairs: Every two graders of a unit in common, the least agreeing first.
        graders: By the grader's name.
        confused: Labels that disagreeing graders give, the most frequent first.
        split: Units that graders are most divided on.
    """

    file: str
    layout: str
    columns: dict[str, object]
    labels: list[str]
    ordinal: bool
    counts: AgreementCounts
    overall: UnitAgreement
    modalities: dict[str, UnitAgreement]
    categories: dict[str, UnitAgreement]
    pairs: list[GraderPair]
    graders: dict[str, GraderAnswers]
    confused: list[ConfusedLabels]
    split: list[SplitUnit]
    oracle: OracleMetrics
    intervals: AgreementIntervals
    notes: list[str]
