"""The parts of an understanding run's metrics that are looked up by modality or family."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import FamilyPart, Metrics, ModalityScores
from vlsu.analysis.understanding.levels import counts_all
from vlsu.policy import MODALITIES, Family, Severity

__all__ = [
    "SCORE_NAMES",
    "family_part",
    "graded",
    "has_borderline",
    "modality_scores",
    "said_of",
    "score_names",
    "severities_of",
    "unsafe_alone",
]

#: Key in a modality's part of `metrics.json` -> name in tables and charts.
SCORE_NAMES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "f1_macro": "macro-F1",
    "f1_weighted": "weighted F1",
    "f1_binary": "binary F1",
    "f1_binary_strict": "strict F1",
}


def severities_of(metrics: Metrics) -> tuple[Severity, ...]:
    """The severities of the run's policy, mildest first; all three where no score says which."""
    if "joint" not in metrics:
        return tuple(Severity)
    return tuple(Severity.parse(label) for label in metrics["joint"]["per_class"])


def has_borderline(metrics: Metrics) -> bool:
    """Whether the run's policy has borderline."""
    return Severity.BORDERLINE in severities_of(metrics)


def unsafe_alone(metrics: Metrics) -> bool:
    """Whether the run's model tells safe from unsafe only, under a policy of three severities."""
    return "levels" in metrics


def score_names(metrics: Metrics) -> dict[str, str]:
    """`SCORE_NAMES` without those that the run's policy does not have, or its model cannot have."""
    return {
        key: name
        for key, name in SCORE_NAMES.items()
        if key in metrics["joint"]
        if not (unsafe_alone(metrics) and counts_all(f"joint.{key}"))
    }


def said_of(metrics: Metrics) -> tuple[Severity, ...]:
    """The severities that the run's model can give, mildest first."""
    if unsafe_alone(metrics):
        return tuple(Severity.parse(label) for label in metrics.levels)
    return severities_of(metrics)


def graded(metrics: Metrics) -> tuple[str, ...]:
    """The modalities that were asked about and have gold grades, in their usual order."""
    return tuple(m for m in MODALITIES if metrics[m]["n"])


def modality_scores(metrics: Metrics, modality: str) -> ModalityScores:
    """How the judgments of a modality were graded."""
    return ModalityScores(metrics[modality])


def family_part(metrics: Metrics, family: Family) -> FamilyPart:
    """Accuracy of the pair over the samples of a family."""
    return FamilyPart(metrics["families"][family.value])
