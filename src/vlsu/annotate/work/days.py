"""A grader's day: what they have seen today, and how long they have worked without a break."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    bindparam,
    func,
    literal,
    select,
)

from vlsu.annotate.plan.settings import Bounds
from vlsu.annotate.store.tables import exposures

__all__ = [
    "DAY_MS",
    "MINUTE_MS",
    "Seen",
    "day_at",
    "day_of",
    "only_lighter",
    "seen_on",
    "working_since",
]

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS

_SEEN = select(exposures.c.shown, exposures.c.hard, exposures.c.seconds).where(
    exposures.c.person_id == bindparam("person"), exposures.c.day == bindparam("day")
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    Attributes:
        items: Items.
        hard: Those of them that were hard.
        seconds: For how long.
    """

    items: int = 0
    hard: int = 0
    seconds: float = 0.0

    @property
    def minutes(self) -> float:
        """For how many minutes."""
        return self.seconds / 60


def day_of(person: Row[Any], now: int) -> int:
    """The number of a person's day, which turns over at midnight by their own clock."""
    ahead: int = person.utc_offset or 0
    return (now + ahead * MINUTE_MS) // DAY_MS


def day_at(at: ColumnElement[int], ahead: Any) -> ColumnElement[int]:
    """The same in a statement, by columns of moment and clock."""
    minute: ColumnElement[int] = literal(MINUTE_MS, BigInteger)
    return (at + func.coalesce(ahead, 0) * minute) // DAY_MS


def seen_on(connection: Connection, person: Row[Any], now: int) -> Seen:
    """What a person has seen on their day."""
    values = {"person": person.id, "day": day_of(person, now)}
    found = connection.execute(_SEEN, values).first()
    return Seen() if found is None else Seen(*found)


def only_lighter(bounds: Bounds, today: Seen) -> bool:
    """Whether a hard item would be too much now, if there are lighter ones.

    It would exceed the share of hard items, or the minutes of the day are nearly over, so that it
    could be the last of the day.

    Example:
        >>> bounds = Bounds(hard_share=0.3, minutes_a_day=240, calm_minutes=10)
        >>> only_lighter(bounds, Seen(2, 0, 60)), only_lighter(bounds, Seen(3, 0, 90))
        (True, False)
        >>> only_lighter(bounds, Seen(900, 0, 230 * 60))
        True
    """
    exceeds = today.hard + 1 > bounds.hard_share * (today.items + 1)
    calm = (bounds.minutes_a_day - bounds.calm_minutes) * 60
    bounded = bounds.calm_minutes > 0 and bounds.minutes_a_day > 0
    return exceeds or (bounded and calm <= today.seconds)


def working_since(
    bounds: Bounds, person: Row[Any], last: Iterable[tuple[int, float]], now: int
) -> int:
    """When a person began to work, if they have not rested since; otherwise now.

    Time between two items that they did not spend on one is rest.

    Args:
        bounds: How long a rest is a break.
        person: Their row.
        last: Time and seconds of their last grade, if any.
        now: Milliseconds.
    """
    since: int | None = person.working_since
    if since is None or person.active_at is None:
        return now
    rest: float = now - person.active_at
    for given_at, seconds in last:
        if given_at >= person.active_at:
            rest = min(now - given_at, rest) + max(
                0.0, given_at - person.active_at - 1000 * seconds
            )
    return now if rest >= bounds.break_minutes * MINUTE_MS else since
