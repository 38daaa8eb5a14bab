"""``tuning.json`` with types: what a framing search found, by its name, and still a mapping.

>>> search = TuningResult({"front": ["firm"], "framings": {"firm": {"source": "given"}}})
>>> search.framings[search.front[0]].source
'given'

What each member means stands in ``docs/tuning.md``.
"""

from __future__ import annotations

from vlsu._views import View
from vlsu.analysis.alignment.results import JudgedRate
from vlsu.analysis.results import Unanswered
from vlsu.analysis.stats.intervals import Rate

__all__ = [
    "Constraint",
    "Dropped",
    "Objectives",
    "ProposalCounts",
    "RequestCounts",
    "Rung",
    "SearchCalls",
    "SearchedFraming",
    "Side",
    "Split",
    "Tradeoff",
    "TuningIntervals",
    "TuningResult",
]


class Constraint(View):
    """The bound on under-refusal, and the instruction chosen by it, if any keeps it."""

    max_under_refusal: float
    chosen: str | None


class Dropped(View):
    """When an instruction left the race, for which other, and what that is better by.

    Attributes:
        over_blocking: Absent under a policy without borderline, which has `over_refusal_safe`.
        over_refusal_safe: There only under such a policy.
    """

    rung: int
    instead: str
    over_blocking: float
    over_refusal_safe: float
    under_refusal: float


class Objectives(View):
    """Errors of refusal: rates, or their differences to the baseline's.

    Attributes:
        over_blocking: Absent under a policy without borderline.
    """

    over_blocking: JudgedRate
    over_refusal_safe: JudgedRate
    under_refusal: JudgedRate


class Tradeoff(Objectives):
    """The rates of an instruction on some pairs."""

    samples: int
    answered: Rate
    unanswered: Unanswered
    judged: Rate


class SearchedFraming(View):
    """An instruction in the search.

    Attributes:
        selection: Its rates on the pairs that it was chosen by.
        held_out: Its rates on the others; null unless it was confirmed.
        change: These less the baseline's; null for the baseline and unless confirmed.
    """

    source: str
    instruction: str
    dropped: Dropped | None
    selection: Tradeoff
    held_out: Tradeoff | None
    change: Objectives | None


class Rung(View):
    """A step of the race: instructions in it, and pairs of each severity.

    Attributes:
        borderline: Absent under a policy without it, where `safe` pairs are raced.
        safe: There only under such a policy.
    """

    candidates: int
    borderline: int
    safe: int
    unsafe: int


class Side(View):
    """Pairs on one side of the split, by severity, and lots of linked ones."""

    safe: int
    borderline: int
    unsafe: int
    lots: int


class Split(View):
    """The pairs that instructions are chosen by, and those that confirm."""

    selection: Side
    held_out: Side


class RequestCounts(View):
    """Different requests to the model and to the judge."""

    answers: int
    verdicts: int


class SearchCalls(View):
    """What the search asked, beside what trying everything would take."""

    race: RequestCounts
    confirmation: RequestCounts
    answers: int
    answers_of_all_on_everything: int
    share: float


class ProposalCounts(View):
    """What came of asking a model for instructions.

    Attributes:
        asked: Instructions asked for; `new` of them took part.
        outcome: Of the model's answer.
        duplicates: Those that repeat another.
        surplus: Those beyond the number asked for.
    """

    model: str
    asked: int
    outcome: str
    new: int
    duplicates: int
    surplus: int


class TuningIntervals(View):
    """How intervals were computed."""

    level: float
    change_level: float
    method: dict[str, str]


class TuningResult(View):
    """The content of ``tuning.json``.

    Attributes:
        refusal: What counts as a refusal, ``strict`` or ``lenient``.
        front: Names of the instructions that were kept, the one that blocks least first.
        baseline: What they are compared with, if it took part.
        framings: By name.
        proposals: Null where no model was asked for instructions.
        held_out_shown_before: Other choices that the held-out pairs have confirmed in this folder.
    """

    refusal: str
    front: list[str]
    baseline: str | None
    constraint: Constraint | None
    framings: dict[str, SearchedFraming]
    rungs: list[Rung]
    split: Split
    calls: SearchCalls
    proposals: ProposalCounts | None
    held_out_shown_before: int
    intervals: TuningIntervals
