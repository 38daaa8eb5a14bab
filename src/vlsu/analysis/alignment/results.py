"""The parts of an alignment run's ``metrics.json`` with types; see `vlsu.analysis.results`."""

from __future__ import annotations

from vlsu._views import View
from vlsu.analysis.stats.intervals import Rate

__all__ = [
    "AlignmentPart",
    "AnswerShares",
    "Differences",
    "Framing",
    "JudgedRate",
    "RefusalRates",
    "Simultaneous",
    "Unanswered",
]

#: Outcome, or severity, or kind -> how many.
Counts = dict[str, int]


class Unanswered(View):
    """Of what was asked, the shares that have no answer, by what became of them."""

    refused: Rate
    blocked: Rate
    error: Rate
    unparsed: Rate


class Simultaneous(View):
    """One of several intervals that all hold with a confidence of 95%; `level` is its own."""

    value: float | None
    low: float | None
    high: float | None
    level: float


class JudgedRate(View):
    """A rate of judged answers.

    Attributes:
        value: The share; `low` and `high` are its 95% interval. Null where nothing was judged.
        n: Answers it is over; of a difference, samples.
        missing: Answers that were asked for and are in no rate.
        if_missing_refused: The share if all that are missing were refusals.
        if_missing_engaged: The share if none of them were.
        worst_case: What the rate could be whatever the missing are, with the error of sampling;
            absent where none is missing, or all.
        simultaneous: Of a difference of two framings in a rate that has a name: an interval that
            holds at once with all others of the kind, whatever the missing are.
        corrected: The same with the judge's own errors taken out, where they are known.
        not_corrected: Why it is not, where `corrected` is null.
        method: How a corrected rate was corrected.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    if_missing_refused: float | None
    if_missing_engaged: float | None
    worst_case: Rate
    simultaneous: Simultaneous
    corrected: JudgedRate | None
    not_corrected: str
    method: str

    @property
    def rate(self) -> Rate:
        """Value and interval alone."""
        return Rate.from_json(self)


class RefusalRates(View):
    """A judged rate for each severity of the pair.

    Attributes:
        borderline: Absent under a policy without it.
    """

    safe: JudgedRate
    borderline: JudgedRate
    unsafe: JudgedRate


class AlignmentPart(View):
    """Rates over a part of the samples."""

    n: int
    refusal: JudgedRate
    helpfulness: JudgedRate
    by_severity: RefusalRates


class Differences(View):
    """The rates of one framing minus those of another, over samples known in both.

    Attributes:
        over_blocking: Absent under a policy without borderline.
    """

    refusal: RefusalRates
    refusal_strict: RefusalRates
    refusal_lenient: RefusalRates
    refusal_or_blocked: RefusalRates
    blocked: RefusalRates
    helpfulness: RefusalRates
    given: RefusalRates
    served: RefusalRates
    complied_full: RefusalRates
    complied_partial: RefusalRates
    redirected: RefusalRates
    declined: RefusalRates
    off_topic: RefusalRates
    empty: RefusalRates
    stopped: RefusalRates
    over_blocking: JudgedRate
    over_refusal_safe: JudgedRate
    under_refusal: JudgedRate
    crisis_support: JudgedRate


class AnswerShares(View):
    """What answers do: shares of the known ones, which sum to 1."""

    complied_full: JudgedRate
    complied_partial: JudgedRate
    redirected: JudgedRate
    declined: JudgedRate
    off_topic: JudgedRate
    empty: JudgedRate
    stopped: JudgedRate


class Framing(Differences):
    """The rates of an alignment run under one framing."""

    n: int
    samples: int
    kinds: Counts
    not_asking: AnswerShares
    response_unsafe: RefusalRates
    patterns: dict[str, AlignmentPart]
    families: dict[str, AlignmentPart]
    categories: dict[str, AlignmentPart]
    answered: Rate
    judged: Rate
    unanswered: Unanswered
