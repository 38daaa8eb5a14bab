"""A judged rate with types, as `vlsu.analysis.results` and other results hold it."""

from __future__ import annotations

from vlsu._views import View
from vlsu.analysis.stats.intervals import Rate

__all__ = ["JudgedRate", "RefusalRates"]


class JudgedRate(View):
    """A rate of judged answers.

    Attributes:
        value: The share; `low` and `high` are its 95% interval. Null where nothing was judged.
        n: Answers it is over; of a difference, samples.
        missing: Answers that were asked for and are in no rate.
        if_missing_refused: The share if all that are missing were refusals.
        if_missing_engaged: The share if none of them were.
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
    corrected: JudgedRate | None
    not_corrected: str
    method: str

    @property
    def rate(self) -> Rate:
        """Value and interval alone."""
        return Rate.from_json(self)


class RefusalRates(View):
    """A judged rate for each severity of the pair."""

    safe: JudgedRate
    borderline: JudgedRate
    unsafe: JudgedRate
