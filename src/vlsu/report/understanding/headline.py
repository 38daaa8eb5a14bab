"""The result of an understanding run in sentences."""

from __future__ import annotations

import numpy as np

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, mover
from vlsu.analysis.table.answered import ENOUGH
from vlsu.policy import Family
from vlsu.report.answered import Answered
from vlsu.report.table import percent
from vlsu.report.understanding.answered import MODALITY_NAMES, answered_sentence, answered_share
from vlsu.report.understanding.flagged import flagged_headline
from vlsu.report.understanding.modalities import family_part, modality_scores, unsafe_alone

__all__ = ["headline_sentence", "understood_together"]

_HOW = {
    Family.ESCALATING: "where the two are worse together than either (escalating)",
    Family.DE_ESCALATING: "where they are milder together (de-escalating)",
}


def headline_sentence(metrics: Metrics, enough: float = ENOUGH) -> str:
    """The result in words, in percent with intervals, and what share was answered.

    Accuracy of the pair where one modality decides and where both must be understood together; of
    image or text alone, if pairs were not asked about. Of a model that tells safe from unsafe only
    what it flags. Where too little was answered, what the
    result is at least and at most.

    Args:
        metrics: The content of ``metrics.json``.
        enough: The share that must be answered.
    """
    main = answered_share(metrics)
    if unsafe_alone(metrics):
        return flagged_headline(metrics, main, enough=main is None or main.enough(enough))
    if main is not None and not main.enough(enough):
        return _both_ways(metrics, main)
    return f"{_right_sentence(metrics)} {answered_sentence(metrics)}".strip()


def _both_ways(metrics: Metrics, main: Answered) -> str:
    """Both ways of counting what is missing, where that is too much to choose one."""
    if not main.share.value:
        return f"{answered_sentence(metrics)} Nothing can be said of what it understands."
    scores = modality_scores(metrics, main.name)
    known = percent(scores.accuracy_answered) if "accuracy_answered" in scores else ""
    ways = [
        f"right on {percent(scores.accuracy)} of all {MODALITY_NAMES[main.name]} with what is "
        "missing as wrong",
        *([f"on {known} of those it answered"] if known else []),
    ]
    return f"{answered_sentence(metrics)} It is {', and '.join(ways)}."


def _right_sentence(metrics: Metrics) -> str:
    parts = []
    if share := percent(metrics.families.late_fusion.accuracy):
        parts.append(f"on {share} of pairs where one modality decides")
    if share := percent(understood_together(metrics)):
        parts.append(f"on {share} where both must be understood together")
    if not parts:
        return _apart_sentence(metrics)
    kinds = [
        f"{share} {where}"
        for family, where in _HOW.items()
        if (share := percent(family_part(metrics, family).accuracy))
    ]
    divided = f": {' and '.join(kinds)}" if len(kinds) > 1 else ""
    return f"Right {_joined(parts)}{divided}."


def understood_together(metrics: Metrics) -> Rate:
    """Accuracy over escalating and de-escalating pairs: those where no part decides alone.

    The mean of the two families' accuracies by their sizes, with the interval of
    `vlsu.analysis.stats.intervals.mover`, which counts the sizes as drawn too; the families are
    taken to be independent.
    """
    parts = [part for family in _HOW if (part := family_part(metrics, family)).n]
    rates = tuple(part.accuracy for part in parts)
    if any(rate.value is None for rate in rates):  # the model gives too few severities
        return UNDEFINED
    if len(rates) < 2:
        return rates[0] if rates else UNDEFINED
    sizes = np.array([part.n for part in parts], dtype=np.float64)
    values = np.array([r.value for r in rates], dtype=np.float64)
    weights = sizes / sizes.sum()
    value = float(weights @ values)
    spread = float(weights @ (values - value) ** 2 / sizes.sum())
    return Rate.within(value, *mover(weights, rates, np.eye(2), spread))


def _apart_sentence(metrics: Metrics) -> str:
    """Of a run that did not ask about pairs of three known grades."""
    names = {"joint": "pairs", "image": "images alone", "text": "texts alone"}
    parts = [
        f"on {share} of {what}"
        for modality, what in names.items()
        if (share := percent(modality_scores(metrics, modality).accuracy))
    ]
    return f"Right {_joined(parts)}." if parts else "Nothing of known severity was asked about."


def _joined(parts: list[str]) -> str:
    if len(parts) < 3:
        return ", ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"
