"""How much of a run was answered, and what became of the rest: what the tasks have in common.

Every headline, row and chart carries the share answered. Where it is below a bound, the report
opens with that: the other figures then say more of the answers than of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlsu._views import View
from vlsu.analysis.stats.intervals import UNDEFINED, Rate, wilson
from vlsu.analysis.table.answered import ENOUGH, format_share, unanswered_shares
from vlsu.models.base import Outcome
from vlsu.report.table import format_rate

__all__ = [
    "MANY",
    "Answered",
    "answered_cell",
    "answered_tooltip",
    "answered_value",
    "series",
    "share_answered",
    "share_range",
    "too_few",
]

#: Framings named one by one; of more only the range is given.
MANY = 4


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
    def reasons(self) -> str:
        """``2% refused, 1% unparsed``; empty where all was answered."""
        return ", ".join(
            f"{format_share(share.value)} {outcome}"
            for outcome, share in self.others.items()
            if share.value
        )


def share_answered(
    name: str, part: View, counts: Mapping[str, int], outcomes: Sequence[Outcome]
) -> Answered:
    """What became of the questions of one modality or framing.

    Of a run judged before its metrics held the shares, they are those of its outcomes.

    Args:
        name: The modality or framing.
        part: Its part of the metrics.
        counts: Outcome -> how many.
        outcomes: Those that are no answer.
    """
    n = sum(counts.values())
    if "answered" in part:
        others = {str(o): Rate.from_json(part["unanswered"][o]) for o in outcomes}
        return Answered(name, n, Rate.from_json(part["answered"]), others)
    share = 1 - sum(counts.get(outcome, 0) for outcome in outcomes) / n
    answered = Rate.within(share, *wilson(share, n))
    left = unanswered_shares(answered, {o: counts.get(o, 0) for o in outcomes}, n)
    return Answered(name, n, answered, {str(o): left[o] for o in outcomes})


def too_few(parts: Sequence[Answered], enough: float = ENOUGH) -> list[Answered]:
    """Modalities, the pair first, or framings, of which too little was answered or judged."""
    lacking = [part for part in parts if not part.enough(enough)]
    return sorted(lacking, key=lambda part: part.name != "joint")


def share_range(shares: Sequence[float | None]) -> str:
    """``40% to 95%``, or one share if all are the same; some must be known."""
    known = sorted(share for share in shares if share is not None)
    low, high = format_share(known[0]), format_share(known[-1])
    return low if low == high else f"{low} to {high}"


def answered_cell(part: View) -> str:
    """The share answered of a part of the metrics; absent in runs judged before it was there."""
    return format_rate(Rate.from_json(part["answered"]) if "answered" in part else UNDEFINED)


def answered_value(part: View) -> float | None:
    """The share answered of a part of the metrics, where it is known."""
    return Rate.from_json(part["answered"]).value if "answered" in part else None


def answered_tooltip(part: View) -> dict[str, str]:
    """The same as the tooltip of a mark shows it."""
    share = answered_value(part)
    return {} if share is None else {"answered": format_share(share)}


def series(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
