"""What graders are owed: breaks, a view of their exposure, and deletion of what tells of health.

Opt-outs and skips say something about the health of those who made them. They are nowhere shown by
name, are in no export, and are deleted at a stated time; what remains is counts by category.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, or_, select, update

from vlsu.annotate.plan.settings import Bounds, Plan
from vlsu.annotate.store.tables import (
    exclusions,
    exposures,
    grades,
    opt_outs,
    people,
    sightings,
    tallies,
)
from vlsu.annotate.work.days import DAY_MS, MINUTE_MS, Seen, seen_on
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.people import pause
from vlsu.annotate.work.records import log
from vlsu.errors import AnnotationError

__all__ = [
    "FEWEST",
    "Exposure",
    "Forgotten",
    "break_due",
    "exposure",
    "forget",
    "health_data_until",
    "opted_out",
    "set_utc_offset",
    "skips_and_opt_outs",
    "start_break",
    "stop_taking_part",
]

#: Fewer people than this have no sum: it would tell of each.
FEWEST = 3
#: A clock that was once told is changed only after so long without work, so that nobody's day
#: turns over at will.
_SETTLED_MS = 12 * 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a person has seen, for them alone.

    Attributes:
        today: On their day.
        total: In all.
    """

    today: Seen
    total: Seen


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted.

    Attributes:
        opt_outs: Opt-outs.
        skips: Skips.
    """

    opt_outs: int
    skips: int


def break_due(connection: Connection, plan: Plan, person_id: int, now: int) -> bool:
    """Whether a person has worked so long without a break that they are offered one.

    Args:
        connection: For reading.
        plan: With `Bounds.work_minutes` and `Bounds.break_minutes`.
        person_id: Who.
        now: Milliseconds.
    """
    bounds: Bounds = plan.bounds
    person = connection.execute(select(people).where(people.c.id == person_id)).one()
    if not bounds.work_minutes or person.working_since is None or person.active_at is None:
        return False
    if now - person.active_at >= bounds.break_minutes * MINUTE_MS:
        last = connection.execute(
            select(grades.c.given_at, grades.c.seconds)
            .where(grades.c.person_id == person_id)
            .order_by(grades.c.id.desc())
            .limit(1)
        ).first()
        ended = max(person.active_at, 0 if last is None else last.given_at)
        if now - ended >= bounds.break_minutes * MINUTE_MS:
            return False  # they rest
    worked: int = now - person.working_since
    return worked >= bounds.work_minutes * MINUTE_MS


def start_break(connection: Connection, person_id: int) -> None:
    """Begin a break: the next item begins a new stretch of work."""
    locked_person(connection, person_id)
    connection.execute(update(people).where(people.c.id == person_id).values(working_since=None))


def set_utc_offset(connection: Connection, person_id: int, minutes: int, now: int) -> bool:
    """Have a person's day turn over at midnight by their own clock.

    Args:
        connection: In a transaction that writes.
        person_id: Who.
        minutes: How far their clock is ahead of UTC's.
        now: Milliseconds.

    Returns:
        Whether it was changed: a clock that was told before is left as it is while they work.

    Raises:
        AnnotationError: No clock is so far from UTC's.
    """
    if not -12 * 60 <= minutes <= 14 * 60:
        raise AnnotationError(f"utc_offset: {minutes}; give -720 to 840 minutes")
    locked_person(connection, person_id)
    changed = connection.execute(
        update(people)
        .where(
            people.c.id == person_id,
            people.c.utc_offset.is_distinct_from(minutes),
            or_(
                people.c.utc_offset.is_(None),
                people.c.active_at.is_(None),
                people.c.active_at < now - _SETTLED_MS,
            ),
        )
        .values(utc_offset=minutes)
    )
    return changed.rowcount > 0


def exposure(connection: Connection, person_id: int, now: int) -> Exposure:
    """What a person has seen today and in all; for them alone."""
    person = connection.execute(select(people).where(people.c.id == person_id)).one()
    total = connection.execute(_TOTAL.where(exposures.c.person_id == person_id)).one()
    return Exposure(seen_on(connection, person, now), Seen(*total))


def skips_and_opt_outs(connection: Connection) -> dict[str, dict[str, int]]:
    """How often each category was skipped and opted out of, for the datasheet; nobody is in it.

    Returns:
        Category -> ``{"skip": number, "opt_out": number}``. What is missing was missed for a
        reason, so consensus on these categories is of those who could look at them.
    """
    found: dict[str, dict[str, int]] = {}
    rows = select(tallies.c.stratum, tallies.c.kind, tallies.c.number).order_by(tallies.c.stratum)
    for stratum, kind, number in connection.execute(rows):
        found.setdefault(stratum, {"skip": 0, "opt_out": 0})[kind] = number
    return found


def opted_out(connection: Connection, person_id: int) -> frozenset[str]:
    """What a person has opted out of; for them alone."""
    return frozenset(
        connection.scalars(select(opt_outs.c.stratum).where(opt_outs.c.person_id == person_id))
    )


def stop_taking_part(connection: Connection, plan: Plan, person_id: int, now: int) -> None:
    """Have somebody leave the project: what they hold goes to others, their grades stay.

    Their opt-outs and skips are deleted at once: nothing is offered to them any more.
    """
    pause(connection, plan, person_id, now, by=person_id)
    _delete(connection, person_id)
    connection.execute(delete(sightings).where(sightings.c.person_id == person_id))
    log(connection, now, person_id, "leave", f"person {person_id}")


def health_data_until(connection: Connection, plan: Plan) -> int | None:
    """When opt-outs and skips are deleted, in milliseconds: some days after the last grade.

    Returns:
        `None` if there is neither a grade, an opt-out nor a skip, or they are kept until somebody
        has them deleted.
    """
    if not plan.bounds.forget_after_days:
        return None
    moments = (
        select(grades.c.given_at).order_by(grades.c.id.desc()).limit(1),  # the last one
        select(func.max(opt_outs.c.since)),
        select(func.max(exclusions.c.since)),
    )
    last = [connection.scalar(moment) for moment in moments]
    known = [moment for moment in last if moment is not None]
    return max(known) + plan.bounds.forget_after_days * DAY_MS if known else None


def forget(
    connection: Connection, plan: Plan, now: int, *, at_once: bool = False
) -> Forgotten | None:
    """Delete opt-outs and skips if their time has come.

    Graders are paused with it: they would be offered what they had opted out of. Whoever leads can
    let them go on, and they opt out anew.

    Args:
        connection: In a transaction that writes. In SQLite it overwrites what it deletes; copies in
            the write-ahead log and in free pages go with
            `vlsu.annotate.store.database.Database.purge`.
        plan: Of the project.
        now: Milliseconds.
        at_once: Whether their time has come or not.

    Returns:
        `None` if there is nothing to delete, or not yet.
    """
    until = health_data_until(connection, plan)
    if not at_once and (until is None or now < until):
        return None
    done = _delete(connection, None)
    if not done.opt_outs and not done.skips:
        return None
    connection.execute(delete(sightings))  # of what was skipped, too
    working = select(people.c.id).where(people.c.role == "grader", people.c.paused_at.is_(None))
    for person in connection.scalars(working.order_by(people.c.id)).all():
        pause(connection, plan, person, now)
    log(connection, now, None, "forget", f"{done.opt_outs} opt-outs, {done.skips} skips")
    return done


def _delete(connection: Connection, person_id: int | None) -> Forgotten:
    outs = delete(opt_outs)
    skips = delete(exclusions).where(exclusions.c.why == "skip")
    if person_id is not None:
        outs = outs.where(opt_outs.c.person_id == person_id)
        skips = skips.where(exclusions.c.person_id == person_id)
    return Forgotten(connection.execute(outs).rowcount, connection.execute(skips).rowcount)


_TOTAL = select(
    func.coalesce(func.sum(exposures.c.shown), 0),
    func.coalesce(func.sum(exposures.c.hard), 0),
    func.coalesce(func.sum(exposures.c.seconds), 0.0),
).select_from(exposures)
