"""Counts of a project: slots, grades by person and day, disputes. No grade's content is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, case, func, select

from vlsu.annotate.projects.forecast import DAYS, forecast
from vlsu.annotate.store.states import OPEN, State, is_state
from vlsu.annotate.store.tables import disputes, grades, items, slots
from vlsu.annotate.work.days import DAY_MS
from vlsu.annotate.work.importing import was_imported
from vlsu.policy import MODALITIES

__all__ = ["progress"]

#: Grades without which somebody's pace is not told.
_FEWEST_GRADES = 10


def progress(connection: Connection, now: int) -> dict[str, Any]:
    """How far a project is, from counts that the database makes.

    Each table is read once. That is a second or so at a million slots, so keep what is returned
    for a while.

    Args:
        connection: For reading.
        now: Milliseconds.

    Returns:
        ``slots{modality: {wanted, done, leased}}`` (neither stopped samples nor those that a
        pre-grader left out want any), ``done{person: grades that count}``, ``pace{person: items an
        hour while grading, of the last week}``, ``team_pace``, ``daily`` (grades of the last whole
        days), ``hours_left`` (of grading, all graders together), ``left``, ``end`` (a `Forecast` as
        a mapping, or `None`), and ``disputes`` (rows with modality, reason, open, decided, oldest).
    """
    found = _slots(connection)
    left = sum(each.pop("left") for each in found.values())
    work = _work(connection, now // DAY_MS)
    seconds = work.pop("seconds_each")
    hours = left * seconds / 3600 if seconds is not None else None
    expected = forecast(work["daily"], left)
    return {
        "slots": found,
        **work,
        "left": left,
        "hours_left": hours,
        "end": None if expected is None else asdict(expected),
        "disputes": _disputes(connection),
    }


def _slots(connection: Connection) -> dict[str, dict[str, int]]:
    """Of all samples, less those of the few that were stopped; closed slots ask for nothing."""
    counts = (
        select(slots.c.modality, slots.c.state, func.count())
        .where(is_state(*OPEN, State.DONE))
        .group_by(slots.c.modality, slots.c.state)
    )
    stopped = (
        counts.select_from(items)
        .join(slots, slots.c.item_id == items.c.id)
        .where(items.c.stopped_at.is_not(None))
    )
    numbers: Counter[tuple[int, int]] = Counter()
    for sign, statement in ((1, counts), (-1, stopped)):
        for modality, state, number in connection.execute(statement):
            numbers[modality, state] += sign * number
    found = {name: {"wanted": 0, "done": 0, "leased": 0, "left": 0} for name in MODALITIES}
    for (modality, state), number in numbers.items():
        of_modality = found[MODALITIES[modality]]
        of_modality["wanted"] += number
        of_modality["done"] += number if state == State.DONE else 0
        of_modality["leased"] += number if state == State.LEASED else 0
        of_modality["left"] += number if state in OPEN else 0
    return found


def _work(connection: Connection, today: int) -> dict[str, Any]:
    """Who graded how much, on which days, at which pace."""
    day = grades.c.given_at // DAY_MS
    imported = case((was_imported(), 1), else_=0)
    rows = connection.execute(
        select(grades.c.person_id, day, imported, func.count(), func.sum(grades.c.seconds))
        .where(grades.c.live.is_(True))
        .group_by(grades.c.person_id, day, imported)
    ).all()
    done: Counter[int] = Counter()
    by_day: Counter[int] = Counter()
    recent: dict[int, tuple[int, float]] = {}
    for person, day_, elsewhere, number, seconds in rows:
        done[person] += number
        if elsewhere:  # nobody worked at these on that day
            continue
        by_day[day_] += number
        if day_ >= today - DAYS:
            before = recent.get(person, (0, 0.0))
            recent[person] = (before[0] + number, before[1] + seconds)
    first = max(today - DAYS, min(by_day, default=today))
    together = (sum(n for n, _ in recent.values()), sum(s for _, s in recent.values()))
    team = _pace(*together)
    return {
        "done": dict(done),
        "pace": {person: _pace(*each) for person, each in recent.items()},
        "team_pace": team,
        "daily": [by_day[each] for each in range(first, today)],
        "seconds_each": None if team is None else 3600 / team,
    }


def _pace(number: int, seconds: float) -> float | None:
    """Items an hour."""
    return 3600 * number / seconds if number >= _FEWEST_GRADES and seconds > 0 else None


def _disputes(connection: Connection) -> list[Mapping[str, Any]]:
    is_open = disputes.c.closed_at.is_(None)
    rows = connection.execute(
        select(
            disputes.c.modality,
            disputes.c.reason,
            func.sum(case((is_open, 1), else_=0)),
            func.sum(case((disputes.c.closed_as == "decided", 1), else_=0)),
            func.min(case((is_open, disputes.c.opened_at))),
        )
        .group_by(disputes.c.modality, disputes.c.reason)
        .order_by(disputes.c.modality, disputes.c.reason)
    )
    return [
        {
            "modality": MODALITIES[modality],
            "reason": reason,
            "open": int(number),
            "decided": int(decided),
            "oldest": oldest,
        }
        for modality, reason, number, decided, oldest in rows
        if number or decided
    ]
