"""What a person has done: shown to them alone."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from vlsu.annotate.store.tables import exposures, grades, policy_notes, policy_versions
from vlsu.annotate.work.days import DAY_MS

__all__ = ["Progress", "progress_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a grader has done, and by which policy they grade now.

    Attributes:
        done: Their grades that count.
        items: What they were shown today (UTC), skipped and stopped items too.
        hard: Hard items among these.
        seconds: How long.
        version: Number of the policy's version.
        notes: Of the policy: number, category (`None` for all), text, and version it came with;
            the latest first.
    """

    done: int
    items: int
    hard: int
    seconds: float
    version: int
    notes: tuple[tuple[int, str | None, str, int], ...]


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
    today = connection.execute(
        select(exposures.c.shown, exposures.c.hard, exposures.c.seconds).where(
            exposures.c.person_id == person_id, exposures.c.day == now // DAY_MS
        )
    ).first()
    items, hard, seconds = today or (0, 0, 0.0)
    notes = connection.execute(
        select(
            policy_notes.c.id,
            policy_notes.c.category,
            policy_notes.c.text,
            policy_notes.c.version_id,
        ).order_by(policy_notes.c.id.desc())
    )
    return Progress(
        done=done or 0,
        items=items,
        hard=hard,
        seconds=seconds,
        version=connection.scalar(select(func.max(policy_versions.c.id))) or 1,
        notes=tuple((row.id, row.category, row.text, row.version_id) for row in notes),
    )
