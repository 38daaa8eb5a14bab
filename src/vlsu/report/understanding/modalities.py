"""The parts of an understanding run's metrics that are looked up by modality or family."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import Metrics, ModalityScores, Part
from vlsu.policy import MODALITIES, Family

__all__ = ["SCORE_NAMES", "family_part", "graded", "modality_scores"]

#: Key in a modality's part of `metrics.json` -> name in tables and charts.
SCORE_NAMES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "f1_macro": "macro-F1",
    "f1_weighted": "weighted F1",
    "f1_binary": "binary F1",
    "f1_binary_strict": "strict F1",
}


def graded(metrics: Metrics) -> tuple[str, ...]:
    """The modalities that were asked about and have gold grades, in their usual order."""
    return tuple(m for m in MODALITIES if metrics[m]["n"])


def modality_scores(metrics: Metrics, modality: str) -> ModalityScores:
    """How the judgments of a modality were graded."""
    return ModalityScores(metrics[modality])


def family_part(metrics: Metrics, family: Family) -> Part:
    """Accuracy of the pair over the samples of a family."""
    return Part(metrics["families"][family.value])
