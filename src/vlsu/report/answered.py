"""How much of a run was answered, what became of the rest, and what to do about it.

Every headline, row and chart carries the share answered. Where it is below a bound, the report
opens with that: the other figures then say more of the answers than of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlsu.analysis.stats.intervals import UNDEFINED, Rate, wilson
from vlsu.analysis.table.answered import ENOUGH, UNANSWERED, format_share, unanswered_shares
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES
from vlsu.report.table import Table, format_rate, percent, rate

__all__ = [
    "MANY",
    "NAMES",
    "Answered",
    "answered_cell",
    "answered_note",
    "answered_parts",
    "answered_sentence",
    "answered_share",
    "answered_table",
    "answered_told",
    "answered_value",
    "range_of",
    "series",
    "too_few",
]

#: What is asked about in each modality, in sentences.
NAMES: Mapping[str, str] = {
    "joint": "pairs",
    "image": "images alone",
    "text": "texts alone",
}
_SHORT = {"joint": "pair", "image": "image", "text": "text"}
#: Framings named one by one; of more only the range is given.
MANY = 4
_INTERVAL = "[95% interval]"


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the questions about a modality, or under a framing.

    Attributes:
        name: The modality or framing.
        n: Judgments.
        share: Share of them with an answer.
        others: Outcome -> share of those without one.
        judged: Of an alignment run, the share of the answers with a verdict; `None` where
            there is no answer, and of an understanding run.
    """

    name: str
    n: int
    share: Rate
    others: Mapping[str, Rate]
    judged: Rate | None = None

    def enough(self, bound: float) -> bool:
        """Whether enough was answered, and judged."""
        shares = (self.share, self.judged or UNDEFINED)
        return all(each.value is None or each.value >= bound for each in shares)

    @property
    def words(self) -> str:
        """``2% refused, 1% unparsed``; empty where all was answered."""
        return ", ".join(
            f"{format_share(found.value)} {outcome}"
            for outcome, found in self.others.items()
            if found.value
        )


def answered_parts(metrics: Mapping[str, Any]) -> list[Answered]:
    """By modality, or by framing; those asked about alone.

    Of a run judged before its metrics held the shares, they are those of its outcomes.

    Args:
        metrics: The content of ``metrics.json``.
    """
    if "framings" in metrics:
        return [
            _of_framing(name, found, metrics.get("outcomes", {}).get(name, {}))
            for name, found in metrics["framings"].items()
            if "answered" in found or metrics.get("outcomes", {}).get(name)
        ]
    counts = metrics["outcomes"]
    return [
        _part(modality, metrics[modality], counts[modality], UNANSWERED)
        for modality in MODALITIES
        if sum(counts.get(modality, {}).values())
    ]


def _of_framing(name: str, found: Mapping[str, Any], counts: Mapping[str, int]) -> Answered:
    outcomes = (Outcome.BLOCKED, Outcome.ERROR, Outcome.UNPARSED)
    part = _part(name, found, counts, outcomes)
    judged = rate(found["judged"]) if "judged" in found else None
    if judged is not None and judged.value is None:  # nothing came that could be judged
        judged = None
    return Answered(part.name, part.n, part.share, part.others, judged)


def _part(
    name: str, found: Mapping[str, Any], counts: Mapping[str, int], outcomes: Sequence[Outcome]
) -> Answered:
    n = sum(counts.values())
    if "answered" in found:
        others = {str(o): rate(found["unanswered"][o]) for o in outcomes}
        return Answered(name, n, rate(found["answered"]), others)
    share = 1 - sum(counts.get(outcome, 0) for outcome in outcomes) / n
    answered = Rate.within(share, *wilson(share, n))
    left = unanswered_shares(answered, {o: counts.get(o, 0) for o in outcomes}, n)
    return Answered(name, n, answered, {str(o): left[o] for o in outcomes})


def answered_share(metrics: Mapping[str, Any]) -> Answered | None:
    """Of the pair, or of what else was asked about first; `None` if nothing was."""
    parts = {part.name: part for part in answered_parts(metrics)}
    return parts.get("joint") or next(iter(parts.values()), None)


def answered_sentence(metrics: Mapping[str, Any]) -> str:
    """``It answered 96% [93, 98] of pairs (2% refused, 2% unparsed).``; empty if not known."""
    parts = answered_parts(metrics)
    if not parts:
        return ""
    if "framings" not in metrics:
        part = next((each for each in parts if each.name == "joint"), None)
        said = [part] if part is not None else parts
        return f"It answered {series([_share_of(each) for each in said])}."
    shares = [part.share.value for part in parts]
    if all(share == 1 for share in shares):
        came = "all it was asked"
    elif len(parts) > MANY:
        came = range_of(shares)
    else:
        came = ", ".join(
            f"{percent(part.share)}{f' ({part.words})' if part.words else ''} under {part.name}"
            for part in parts
        )
    judged = [part.judged.value for part in parts if part.judged is not None]
    known = [share for share in judged if share is not None]
    verdicts = "" if all(share == 1 for share in known) else f"; {range_of(known)} was judged"
    return f"It answered {came}{verdicts}."


def _share_of(part: Answered) -> str:
    if part.share.value == 1:
        return f"all {part.n:,} {NAMES[part.name]}"
    return f"{percent(part.share)} of {NAMES[part.name]} ({part.words})"


def range_of(shares: Sequence[float | None]) -> str:
    """``40% to 95%``, or one share if all are the same; some must be known."""
    known = sorted(share for share in shares if share is not None)
    low, high = format_share(known[0]), format_share(known[-1])
    return low if low == high else f"{low} to {high}"


def answered_note(metrics: Mapping[str, Any]) -> str:
    """What a chart says of it, such as ``answered: image 98%, text 100%, pair 96%``.

    Empty where all was answered.
    """
    parts = answered_parts(metrics)
    lacking = [
        part for part in parts if part.share.value != 1 or (part.judged or part.share).value != 1
    ]
    if not lacking:
        return ""
    if "framings" not in metrics:
        said = ", ".join(f"{_SHORT[p.name]} {format_share(p.share.value or 0.0)}" for p in parts)
        return f"answered: {said}"
    shares = [part.share.value for part in parts]
    if len(parts) > MANY or len(set(shares)) == 1:
        said = range_of(shares)
    else:
        said = ", ".join(f"{p.name} {format_share(p.share.value or 0.0)}" for p in parts)
    judged = [part.judged.value for part in parts if part.judged is not None]
    return f"answered: {said}" + (f"; judged: {range_of(judged)}" if judged else "")


def answered_cell(part: Mapping[str, Any]) -> str:
    """The share answered of a part of the metrics; absent in runs judged before it was there."""
    return format_rate(part.get("answered", UNDEFINED))


def answered_value(part: Mapping[str, Any]) -> float | None:
    """The share answered of a part of the metrics, where it is known."""
    return rate(part["answered"]).value if "answered" in part else None


def answered_told(part: Mapping[str, Any]) -> dict[str, str]:
    """The same as hovering over a mark tells it."""
    share = answered_value(part)
    return {} if share is None else {"answered": format_share(share)}


def answered_table(metrics: Mapping[str, Any]) -> Table:
    """What share was answered, and what became of the rest."""
    parts = answered_parts(metrics)
    alignment = "framings" in metrics
    outcomes = list(parts[0].others) if parts else []
    return Table(
        "answered",
        "What was answered",
        (
            "framing" if alignment else "modality",
            f"answered {_INTERVAL}",
            *outcomes,
            *(["of these judged"] if alignment else []),
            "n",
        ),
        tuple(
            (
                part.name,
                format_rate(part.share),
                *(format_rate(part.others[outcome]) for outcome in outcomes),
                *([format_rate(part.judged or UNDEFINED)] if alignment else []),
                f"{part.n:,}",
            )
            for part in parts
        ),
        (
            "answered: in words, or by a refusal on the wire. judged: with a verdict; only these "
            "are in the rates, and what the provider blocked."
            if alignment
            else "answered: with one severity. What is not counts as wrong in accuracy and F1."
        ),
    )


def too_few(metrics: Mapping[str, Any], enough: float = ENOUGH) -> list[Answered]:
    """Modalities, the pair first, or framings, of which too little was answered or judged."""
    lacking = [part for part in answered_parts(metrics) if not part.enough(enough)]
    return sorted(lacking, key=lambda part: part.name != "joint")


def series(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
