"""What a lead looks after: people, stops, care in sums, the policy, the log, the machine.

All of it is read anew for each page: these tables are small, or read by a page. Opt-outs and skips
are health data and are told in sums alone, and these rounded; nothing here says whose they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, distinct, func, select, text

from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.states import State, is_state
from vlsu.annotate.store.tables import (
    audit,
    exposures,
    items,
    people,
    policy_notes,
    policy_versions,
    sessions,
    slots,
    stops,
)
from vlsu.annotate.work.care import FEWEST, skips_and_opt_outs
from vlsu.annotate.work.days import DAY_MS
from vlsu.errors import AnnotationError
from vlsu.policy import MODALITIES

__all__ = [
    "AUDIT_PAGE",
    "audit_page",
    "care_sums",
    "health",
    "listed_people",
    "listed_stops",
    "policy_history",
    "worker",
]

#: Entries of the log on a page.
AUDIT_PAGE = 50
#: How far behind UTC a grader's clock is at most.
_BEHIND_MS = 12 * 3_600_000
#: Counts of skips and opt-outs are rounded down to multiples of it, so that nobody who watches
#: them sees one being made.
_ROUNDED_TO = 5
#: Stops that are listed, the latest; those that are not dealt with always are.
_STOPS = 200
#: Who stopped an item did right, and is not to be asked for it; who failed to sign in is not known.
_UNNAMED = ("stop", "sign_in_failed")
#: What is health data, should it ever be in the log.
_PRIVATE = ("skip", "opt_out", "opt_in", "break")


def worker(connection: Connection, person_id: int) -> Row[Any]:
    """The row of a grader or an adjudicator.

    Raises:
        AnnotationError: There is no such person, or they are a lead.
    """
    found = connection.execute(select(people).where(people.c.id == person_id)).first()
    if found is None:
        raise AnnotationError("there is no such person; load the page again")
    if found.role == "lead":
        raise AnnotationError("a lead is not paused or signed out from here")
    return found


def listed_people(connection: Connection, now: int) -> list[dict[str, Any]]:
    """Everybody who was invited, graders first.

    Returns:
        ``id``, ``name``, ``role``, ``languages``, ``state`` (``"invited"``, ``"expired"`` if the
        invitation was never used, ``"joined"``, ``"paused"``), ``active_at``, ``sessions``.
    """
    signed_in = (
        select(func.count())
        .where(sessions.c.person_id == people.c.id, sessions.c.expires_at >= now)
        .scalar_subquery()
    )
    order = {"grader": 0, "adjudicator": 1, "lead": 2}
    rows = connection.execute(select(people, signed_in.label("sessions"))).all()
    return [
        {
            "id": row.id,
            "name": row.name,
            "role": row.role,
            "languages": row.languages or "",
            "state": _state(row, now),
            "joined_at": row.joined_at,
            "active_at": row.active_at,
            "sessions": row.sessions,
        }
        for row in sorted(rows, key=lambda row: (order[row.role], row.name.casefold()))
    ]


def _state(row: Row[Any], now: int) -> str:
    if row.paused_at is not None:
        return "paused"
    if row.joined_at is not None:
        return "joined"
    return "invited" if (row.invitation_expires_at or 0) >= now else "expired"


def listed_stops(connection: Connection) -> list[dict[str, Any]]:
    """Stopped items, without content and without who stopped them; those to be dealt with first."""
    undone = stops.c.reported_at.is_(None) & stops.c.lifted_at.is_(None)
    rows = connection.execute(
        select(stops, items.c.alias, undone.label("undone"))
        .join(items, items.c.id == stops.c.item_id)
        .order_by(undone.desc(), stops.c.id.desc())
        .limit(_STOPS)
    )
    return [
        {
            "id": row.id,
            "sample": row.alias,
            "modality": MODALITIES[row.modality],
            "kind": row.kind,
            "stopped_at": row.stopped_at,
            "reported_at": row.reported_at,
            "reported_to": row.reported_to,
            "reference": row.report,
            "lifted_at": row.lifted_at,
            "because": row.lifted_because,
        }
        for row in rows
    ]


def care_sums(connection: Connection, now: int) -> dict[str, Any]:
    """What all graders together were shown, and their skips and opt-outs.

    Only days that are over wherever a grader is: who watched a sum grow through the day would see
    whose items it grows by.

    Returns:
        ``enough`` (whether so many graders saw something that a sum tells of nobody), and if so
        ``items``, ``hard`` and ``hours``, ``most_hard`` (in one day of anybody), ``skips`` and
        ``opt_outs`` rounded down to fives.
    """
    number, shown, hard, most, seconds = connection.execute(
        select(
            func.count(distinct(exposures.c.person_id)),
            func.sum(exposures.c.shown),
            func.sum(exposures.c.hard),
            func.max(exposures.c.hard),
            func.sum(exposures.c.seconds),
        ).where(exposures.c.day < (now - _BEHIND_MS) // DAY_MS)
    ).one()
    if number < FEWEST:
        return {"enough": False}
    counted = skips_and_opt_outs(connection).values()
    return {
        "enough": True,
        "items": int(shown),
        "hard": int(hard),
        "most_hard": int(most),
        "hours": round(float(seconds) / 3600, 1),
        "skips": _rounded(sum(each["skip"] for each in counted)),
        "opt_outs": _rounded(sum(each["opt_out"] for each in counted)),
    }


def _rounded(number: int) -> int:
    return number // _ROUNDED_TO * _ROUNDED_TO


def policy_history(connection: Connection) -> list[dict[str, Any]]:
    """The policy's versions, the latest first, with the note that made each."""
    rows = connection.execute(
        select(policy_versions, policy_notes.c.category, policy_notes.c.text, people.c.name)
        .outerjoin(policy_notes, policy_notes.c.version_id == policy_versions.c.id)
        .outerjoin(people, people.c.id == policy_notes.c.person_id)
        .order_by(policy_versions.c.id.desc())
    )
    return [
        {
            "version": row.id,
            "label": row.label,
            "made_at": row.made_at,
            "category": row.category,
            "text": row.text,
            "by": row.name,
        }
        for row in rows
    ]


def audit_page(connection: Connection, before: int | None = None) -> dict[str, Any]:
    """A page of the log, the latest first.

    Args:
        connection: For reading.
        before: The number of the entry that the page ends before; `None` for the latest.

    Returns:
        ``entries`` (at, who, unnamed if that is not told, action, subject, and about whom) and
        ``next``, what to give as `before` for the next page, if there is one.
    """
    known = connection.execute(select(people.c.id, people.c.name))
    names = {row.id: row.name for row in known}
    statement = (
        select(audit)
        .where(audit.c.action.not_in(_PRIVATE))
        .order_by(audit.c.id.desc())
        .limit(AUDIT_PAGE + 1)
    )
    if before is not None:
        statement = statement.where(audit.c.id < before)
    rows = connection.execute(statement).all()
    shown = rows[:AUDIT_PAGE]
    return {
        "entries": [
            {
                "id": row.id,
                "at": row.at,
                "who": None if row.action in _UNNAMED else names.get(row.person_id),
                "unnamed": row.action in _UNNAMED,
                "action": row.action,
                "subject": row.subject or "",
                "about": _about(row.subject, names),
            }
            for row in shown
        ],
        "next": shown[-1].id if len(rows) > AUDIT_PAGE else None,
    }


def _about(subject: str | None, names: dict[int, str]) -> str | None:
    """The name of the person whom an entry is about."""
    first, _, rest = (subject or "").partition(" ")
    number = rest.partition(" ")[0].rstrip(":")
    return names.get(int(number)) if first == "person" and number.isdigit() else None


def health(project: Project, connection: Connection, now: int) -> dict[str, Any]:
    """The database and the machine: what a lead would want to know before they fail.

    Returns:
        ``database`` (kind), ``bytes`` it takes, ``free`` bytes where the project's folder is,
        ``swept_at`` (`None` before the first sweep), ``overdue`` (leases that a sweep should have
        put back).
    """
    database = project.database
    if database.sqlite:
        file = Path(str(database.url.database))
        sizes = [
            each.stat().st_size
            for each in (file, file.with_name(f"{file.name}-wal"))
            if each.exists()
        ]
        size = sum(sizes)
    else:
        size = int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    overdue = connection.scalar(
        select(func.count())
        .select_from(slots)
        .where(is_state(State.LEASED), slots.c.lease_until < now - 60_000)
    )
    return {
        "database": "SQLite" if database.sqlite else "PostgreSQL",
        "bytes": size,
        "free": shutil.disk_usage(project.folder).free,
        "swept_at": project.swept_at,
        "overdue": overdue or 0,
    }
