"""How far a cell is, why it stays short, and how many more tries that may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlsu.analysis.stats.intervals import UNDEFINED, Rate, wilson

__all__ = ["Count", "Forecast", "forecast", "why_short"]


@dataclass(frozen=True, slots=True)
class Count:
    """How far one cell, or several together, are.

    Attributes:
        wanted: Samples.
        have: Samples kept by the last stage.
        lost: Stage -> records that it gave up.
        open: Records that are neither kept nor given up yet.
        reasons: Reason -> records lost for it.
    """

    wanted: int = 0
    have: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    open: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Samples that are still to come."""
        return max(0, self.wanted - self.have)

    @property
    def tries(self) -> int:
        """Ends of chains so far: samples that are kept, and records that were given up."""
        return self.have + sum(self.lost.values())

    def as_dict(self) -> dict[str, object]:
        """``{"wanted", "have", "lost"}``."""
        return {"wanted": self.wanted, "have": self.have, "lost": dict(self.lost)}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What filling takes, if tries go on as they did.

    Attributes:
        missing: Samples.
        kept: Share of the tries that ended with a sample, with Wilson's 95% interval.
        tries: Tries to come, likely and at the two ends of that interval; no value and no high end
            where no try has ended with a sample yet.
        cost: Of these tries at the mean cost of those made; in the currency of the calls; nothing
            where that is not known.
    """

    missing: int
    kept: Rate
    tries: Rate
    cost: Rate

    def as_dict(self) -> dict[str, object]:
        """With each rate as ``{"value", "low", "high"}``."""
        return {
            "missing": self.missing,
            "kept": self.kept.as_dict(),
            "tries": self.tries.as_dict(),
            "cost": self.cost.as_dict(),
        }


def forecast(count: Count, cost: float | None = 0.0) -> Forecast:
    """How many more tries, and what cost, the missing samples may take.

    Simple rates: every try ends with a sample with the same chance, in every cell. Cells that are
    harder than the others are filled last, so that the true number is rather the higher one.

    Args:
        count: Of all cells together.
        cost: Of all calls so far; `None` if some have no known price.

    Example:
        >>> found = forecast(Count(wanted=100, have=20, lost={"grades": 20}), cost=4.0)
        >>> found.tries.value, found.cost.value, str(found.kept)
        (160.0, 16.0, '0.500 [0.352, 0.648]')
    """
    tried, missing = count.tries, count.missing
    if tried == 0:
        return Forecast(missing, UNDEFINED, UNDEFINED, UNDEFINED)
    low, high = wilson(count.have / tried, tried)
    kept = Rate.within(count.have / tried, low, high)
    if missing == 0:
        none = Rate(0.0, 0.0, 0.0)
        return Forecast(missing, kept, none, none)
    tries = Rate(
        *(missing / share if share else None for share in (kept.value, kept.high, kept.low))
    )
    return Forecast(missing, kept, tries, UNDEFINED if cost is None else tries.times(cost / tried))


def why_short(count: Count) -> str | None:
    """Why a cell has not all that is wanted of it, in one line; `None` if it has.

    Example:
        >>> reasons = {"pair is borderline": 6, "text is unsafe": 1}
        >>> why_short(Count(wanted=5, have=2, lost={"grades": 7}, reasons=reasons))
        '7 of 9 tries lost, most at grades: pair is borderline (6)'
    """
    if not count.missing:
        return None
    if not count.tries:
        return "not tried yet" if not count.open else f"{count.open} records not decided yet"
    lost = sum(count.lost.values())
    if not lost:
        return f"{count.have} of {count.wanted} so far, nothing lost"
    stage = max(count.lost, key=lambda each: count.lost[each])
    line = f"{lost} of {count.tries} tries lost, most at {stage}"
    if count.reasons:
        reason = max(count.reasons, key=lambda each: count.reasons[each])
        line += f": {reason} ({count.reasons[reason]})"
    return line
