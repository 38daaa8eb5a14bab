"""How much of an understanding run was answered, by modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlsu.analysis.results import Metrics
from vlsu.analysis.table.answered import UNANSWERED, format_share
from vlsu.policy import MODALITIES
from vlsu.report.answered import Answered, series, share_answered
from vlsu.report.table import Table, format_rate, percent
from vlsu.report.understanding.modalities import modality_scores, unsafe_alone

__all__ = [
    "MODALITY_NAMES",
    "answered_caption",
    "answered_parts",
    "answered_sentence",
    "answered_share",
    "answered_table",
    "too_little",
]

#: What is asked about in each modality, in sentences.
MODALITY_NAMES: Mapping[str, str] = {
    "joint": "pairs",
    "image": "images alone",
    "text": "texts alone",
}
_SHORT = {"joint": "pair", "image": "image", "text": "text"}
_INTERVAL = "[95% interval]"


def answered_parts(metrics: Metrics) -> list[Answered]:
    """By modality; those asked about alone.

    Args:
        metrics: The content of ``metrics.json``.
    """
    counts = metrics["outcomes"]
    return [
        share_answered(modality, modality_scores(metrics, modality), counts[modality], UNANSWERED)
        for modality in MODALITIES
        if sum(counts.get(modality, {}).values())
    ]


def answered_share(metrics: Metrics) -> Answered | None:
    """Of the pair, or of what else was asked about first; `None` if nothing was."""
    parts = {part.name: part for part in answered_parts(metrics)}
    return parts.get("joint") or next(iter(parts.values()), None)


def answered_sentence(metrics: Metrics) -> str:
    """``It answered 96% [93, 98] of pairs (2% refused, 2% unparsed).``; empty if not known."""
    parts = answered_parts(metrics)
    if not parts:
        return ""
    pair = next((part for part in parts if part.name == "joint"), None)
    return f"It answered {series([_share_of(p) for p in ([pair] if pair else parts)])}."


def _share_of(part: Answered) -> str:
    if part.share.value == 1:
        return f"all {part.n:,} {MODALITY_NAMES[part.name]}"
    return f"{percent(part.share)} of {MODALITY_NAMES[part.name]} ({part.reasons})"


def answered_caption(metrics: Metrics) -> str:
    """The caption of a chart, such as ``answered: image 98%, text 100%, pair 96%``.

    Empty where all was answered.
    """
    parts = answered_parts(metrics)
    if all(part.share.value == 1 for part in parts):
        return ""
    shares = ", ".join(f"{_SHORT[p.name]} {format_share(p.share.value or 0.0)}" for p in parts)
    return f"answered: {shares}"


def answered_table(metrics: Metrics) -> Table:
    """What share was answered, and what became of the rest."""
    parts = answered_parts(metrics)
    outcomes = list(parts[0].others) if parts else []
    return Table(
        "answered",
        "What was answered",
        ("modality", f"answered {_INTERVAL}", *outcomes, "n"),
        tuple(
            (
                part.name,
                format_rate(part.share),
                *(format_rate(part.others[outcome]) for outcome in outcomes),
                f"{part.n:,}",
            )
            for part in parts
        ),
        "answered: with one severity. What is not counts as "
        f"{'not flagged' if unsafe_alone(metrics) else 'wrong in accuracy and F1'}.",
    )


def too_little(metrics: Metrics, missing: Sequence[Answered], bound: str) -> str:
    """That too little was answered, and what follows from it.

    Args:
        metrics: The content of ``metrics.json``.
        missing: The modalities of which too little was.
        bound: The share that would be enough, such as ``95%``.
    """
    shares = series([f"{percent(part.share)} of {MODALITY_NAMES[part.name]}" for part in missing])
    counts = "not flagged" if unsafe_alone(metrics) else "wrong"
    return (
        f"Too little was answered: {shares}. A missing answer counts as {counts}: below {bound} "
        "figures may say more of the answers than of what the model understands."
    )
