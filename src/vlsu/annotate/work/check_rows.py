"""The rows of checks: read, leased, extended, ended."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, select, update

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.tables import bins, checks, exclusions, items
from vlsu.annotate.work.leases import CHECK, Lease
from vlsu.annotate.work.seats import KEPT_FOR_CHECK, exclude, lock_items
from vlsu.policy import MODALITIES

__all__ = [
    "answered_checks",
    "extend_checks",
    "forget_exclusion",
    "keep_from_queue",
    "lease_check",
    "open_checks",
    "release_checks",
    "withdraw",
]


# Statements of every request, built once.
_OPEN = (
    select(checks, items.c.sample_id, items.c.alias)
    .join(items)
    .where(
        checks.c.person_id == bindparam("person"),
        checks.c.live.is_(True),
        checks.c.answered_at.is_(None),
    )
    .order_by(checks.c.due_after, checks.c.id)
)
_ANSWERED = (
    select(checks)
    .where(checks.c.person_id == bindparam("person"), checks.c.after_grade >= bindparam("since"))
    .order_by(checks.c.after_grade.desc(), checks.c.answered_at.desc(), checks.c.id.desc())
    .limit(bindparam("number"))
)


def open_checks(connection: Connection, person_id: int) -> Sequence[Row[Any]]:
    """A person's checks that have no answer, with `sample_id` and `alias`; in their order."""
    return connection.execute(_OPEN, {"person": person_id}).all()


def answered_checks(
    connection: Connection, person_id: int, since: int, number: int
) -> Sequence[Row[Any]]:
    """A person's last answered checks after one of their grades, the latest first.

    Args:
        connection: To read with.
        person_id: The grader.
        since: The grade.
        number: At most.
    """
    values = {"person": person_id, "since": since, "number": number}
    return connection.execute(_ANSWERED, values).all()


def extend_checks(
    connection: Connection, person_id: int, numbers: Sequence[int], now: int, until: int
) -> list[int]:
    """Extend the leases of checks; those that are still before their grader."""
    return list(
        connection.scalars(
            update(checks)
            .where(
                checks.c.id.in_(numbers),
                checks.c.person_id == person_id,
                checks.c.live.is_(True),
                checks.c.answered_at.is_(None),
                checks.c.lease_until >= now,
            )
            .values(lease_until=until)
            .returning(checks.c.id)
        )
    )


def lease_check(
    connection: Connection, person_id: int, row: Mapping[str, Any], now: int, until: int
) -> Lease | None:
    """Put a check before its grader; `None` if its sample was stopped.

    Args:
        connection: In a transaction that holds the person's lock.
        person_id: The grader.
        row: Of the check; it is new if it has no `id`.
        now: Milliseconds.
        until: When the lease ends.
    """
    lock_items(connection, [row["item_id"]])
    item = connection.execute(select(items).where(items.c.id == row["item_id"])).one()
    if item.stopped_at is not None:
        return None
    token = secrets.token_hex(16)
    leased = {"token": token, "leased_at": now, "lease_until": until}
    if "id" in row:
        number = int(row["id"])
        connection.execute(update(checks).where(checks.c.id == number).values(**leased))
    else:
        statement = insert(checks).values(**row, **leased).returning(checks.c.id)
        number = connection.execute(statement).scalar_one()
    keep_from_queue(connection, person_id, item.id, now)
    return Lease(
        slot=number,
        token=token,
        item=item.id,
        sample_id=item.sample_id,
        alias=item.alias,
        modality=MODALITIES[row["modality"]],
        until=until,
        kind=CHECK,
        training=row["kind"] == "training",
    )


def keep_from_queue(connection: Connection, person_id: int, item_id: int, now: int) -> None:
    """Keep a sample that a check shows from the same grader's queue."""
    exclude(connection, person_id, item_id, KEPT_FOR_CHECK, now)


def forget_exclusion(connection: Connection, plan: Plan, person_id: int, item_id: int) -> None:
    """Let a grader's queue have a sample again that a check showed, unless the plan is disjoint."""
    if not plan.disjoint:
        connection.execute(
            delete(exclusions).where(
                exclusions.c.person_id == person_id,
                exclusions.c.item_id == item_id,
                exclusions.c.why == KEPT_FOR_CHECK,
            )
        )


def release_checks(
    connection: Connection, plan: Plan, person_id: int, *, stratum: str | None = None
) -> None:
    """Take from a grader the checks that are before them: all, or for good those of a stratum."""
    open_ = and_(
        checks.c.person_id == person_id, checks.c.live.is_(True), checks.c.answered_at.is_(None)
    )
    if stratum is None:
        connection.execute(update(checks).where(open_).values(token=None, lease_until=None))
        return
    of_stratum = select(items.c.id).join(bins).where(bins.c.stratum == stratum)
    for row in connection.execute(
        select(checks).where(open_, checks.c.item_id.in_(of_stratum))
    ).all():
        withdraw(connection, plan, row, "released")


def withdraw(connection: Connection, plan: Plan, row: Row[Any], how: str) -> None:
    """End a check without an answer that counts: its sample is the queue's again."""
    connection.execute(
        update(checks)
        .where(checks.c.id == row.id)
        .values(live=None, withdrawn_as=how, lease_until=None)
    )
    forget_exclusion(connection, plan, row.person_id, row.item_id)
