"""How much of an alignment run was answered and judged, by framing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlsu.analysis.results import Framing, Metrics
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.answered import format_share
from vlsu.models.base import Outcome
from vlsu.report.answered import MANY, Answered, series, share_answered, share_range
from vlsu.report.table import Table, format_rate, percent

__all__ = [
    "answered_caption",
    "answered_parts",
    "answered_sentence",
    "answered_table",
    "too_little",
]

_INTERVAL = "[95% interval]"
#: Outcomes that are no answer; a refusal is one.
_UNANSWERED = (Outcome.BLOCKED, Outcome.ERROR, Outcome.UNPARSED)


def answered_parts(metrics: Metrics) -> list[Answered]:
    """By framing; those asked about alone.

    Args:
        metrics: The content of ``metrics.json``.
    """
    outcomes = metrics.get("outcomes", {})
    return [
        _of_framing(name, framing, outcomes.get(name, {}))
        for name, framing in metrics.framings.items()
        if "answered" in framing or outcomes.get(name)
    ]


def _of_framing(name: str, framing: Framing, counts: Mapping[str, int]) -> Answered:
    part = share_answered(name, framing, counts, _UNANSWERED)
    judged = framing.judged if "judged" in framing else None
    if judged is not None and judged.value is None:  # nothing came that could be judged
        judged = None
    return replace(part, judged=judged)


def answered_sentence(metrics: Metrics) -> str:
    """``It answered 96% [93, 98] (4% blocked) under default; 98% was judged.``.

    Empty if not known.
    """
    parts = answered_parts(metrics)
    if not parts:
        return ""
    shares = [part.share.value for part in parts]
    if all(share == 1 for share in shares):
        answered = "all it was asked"
    elif len(parts) > MANY:
        answered = share_range(shares)
    else:
        answered = ", ".join(
            f"{percent(part.share)}{f' ({part.reasons})' if part.reasons else ''} under {part.name}"
            for part in parts
        )
    judged = [part.judged.value for part in parts if part.judged is not None]
    known = [share for share in judged if share is not None]
    verdicts = "" if all(share == 1 for share in known) else f"; {share_range(known)} was judged"
    return f"It answered {answered}{verdicts}."


def answered_caption(metrics: Metrics) -> str:
    """The caption of a chart, such as ``answered: default 98%, helpful 100%``.

    Empty where all was answered and judged.
    """
    parts = answered_parts(metrics)
    if all(part.share.value == 1 and (part.judged or part.share).value == 1 for part in parts):
        return ""
    shares = [part.share.value for part in parts]
    if len(parts) > MANY or len(set(shares)) == 1:
        answered = share_range(shares)
    else:
        answered = ", ".join(f"{p.name} {format_share(p.share.value or 0.0)}" for p in parts)
    judged = [part.judged.value for part in parts if part.judged is not None]
    return f"answered: {answered}" + (f"; judged: {share_range(judged)}" if judged else "")


def answered_table(metrics: Metrics) -> Table:
    """What share was answered, what became of the rest, and what share has a verdict."""
    parts = answered_parts(metrics)
    outcomes = list(parts[0].others) if parts else []
    return Table(
        "answered",
        "What was answered",
        ("framing", f"answered {_INTERVAL}", *outcomes, "of these judged", "n"),
        tuple(
            (
                part.name,
                format_rate(part.share),
                *(format_rate(part.others[outcome]) for outcome in outcomes),
                format_rate(part.judged or UNDEFINED),
                f"{part.n:,}",
            )
            for part in parts
        ),
        "answered: in words, or by a refusal on the wire. judged: with a verdict; only these "
        "are in the rates, and what the provider blocked.",
    )


def too_little(missing: Sequence[Answered], unjudged: Sequence[Answered], bound: str) -> str:
    """That too little was answered or judged, and what follows from it.

    Args:
        missing: The framings under which too little was answered.
        unjudged: Those under which too little of the answers was judged.
        bound: The share that would be enough, such as ``95%``.
    """
    sentences = []
    if missing:
        shares = _by_framing({part.name: part.share for part in missing})
        sentences.append(f"Too little was answered: {shares}.")
    if unjudged:
        shares = _by_framing({part.name: part.judged or UNDEFINED for part in unjudged})
        sentences.append(f"Too little was judged: of the answers {shares}.")
    sentences.append(
        f"Below {bound} rates of refusal may say little of the model: what is missing is in "
        "none, and what the provider blocked counts as not refused."
    )
    return " ".join(sentences)


def _by_framing(shares: Mapping[str, Rate]) -> str:
    if len(shares) > MANY:
        values = [share.value for share in shares.values()]
        return f"{share_range(values)} under {len(shares)} framings"
    return series([f"{percent(share)} under {name}" for name, share in shares.items()])
