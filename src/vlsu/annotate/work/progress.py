"""What a person has done: shown to them alone."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from vlsu.annotate.store.tables import grades, people, policy_notes, policy_versions
from vlsu.annotate.work.days import seen_on

__all__ = ["Progress", "progress_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a grader has done, and by which policy they grade now.

    Attributes:
        done: Their grades that count.
        items: What they were shown today, skipped and stopped items too.
        hard: Hard items among these.
        seconds: How long.
        version: Number of the policy's version.
        notes: Of the policy: number, category (`None` for all), text, and label of the version that
            it made; the latest first.
    """

    done: int
    items: int
    hard: int
    seconds: float
    version: int
    notes: tuple[tuple[int, str | None, str, str], ...]


def progress_of(connection: Connection, person_id: int, now: int) -> Progress:
    """What a grader has done.

    Args:
        connection: To the project's database.
        person_id: The grader.
        now: Milliseconds.
    """
    done = connection.scalar(
        select(func.count())
        .select_from(grades)
        .where(grades.c.person_id == person_id, grades.c.live)
    )
    person = connection.execute(select(people).where(people.c.id == person_id)).one()
    today = seen_on(connection, person, now)
    notes = connection.execute(
        select(
            policy_notes.c.id,
            policy_notes.c.category,
            policy_notes.c.text,
            policy_versions.c.label,
        )
        .join(policy_versions, policy_versions.c.id == policy_notes.c.version_id)
        .order_by(policy_notes.c.id.desc())
    )
    return Progress(
        done=done or 0,
        items=today.items,
        hard=today.hard,
        seconds=today.seconds,
        version=connection.scalar(select(func.max(policy_versions.c.id))) or 1,
        notes=tuple((row.id, row.category, row.text, row.label) for row in notes),
    )
