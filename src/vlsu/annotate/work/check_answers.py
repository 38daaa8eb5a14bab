"""Answers to checks: stored beside the grades, never among them."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from vlsu.annotate.plan.answers import Answer, check_answer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.tables import bins, checks, gold, grades, items, policy_versions
from vlsu.annotate.work.answering import Feedback, LeaseLostError, Receipt, shown_seconds
from vlsu.annotate.work.check_rows import forget_exclusion, keep_from_queue, withdraw
from vlsu.annotate.work.leases import CHECK, Held, Lease
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.permitting import Unit, permitted
from vlsu.annotate.work.records import add_exposure, add_tally
from vlsu.annotate.work.seats import exclude, lock_items, release_seats
from vlsu.errors import AnnotationError
from vlsu.policy import MODALITIES, Policy

__all__ = ["last_check", "locked_check", "skip_check", "submit_check", "take_back_check"]


def submit_check(
    connection: Connection, plan: Plan, policy: Policy, person_id: int, answer: Answer, now: int
) -> Receipt:
    """Store the answer to a check; as `vlsu.annotate.work.answering.submit`.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        policy: For the categories and severities.
        person_id: The grader.
        answer: What they submit.
        now: Milliseconds.

    Returns:
        With feedback after a training item.

    Raises:
        LeaseLostError: The check is no longer before the grader.
        AnnotationError: Another answer was sent with the same client id.
        UsageError: The answer is incomplete.
    """
    check_answer(answer, policy)
    person = locked_person(connection, person_id)
    known = connection.execute(
        select(checks).where(
            checks.c.person_id == person_id, checks.c.client_id == answer.client_id
        )
    ).first()
    if known is not None:
        if (known.id, known.grade, known.category) != (answer.slot, answer.grade, answer.category):
            raise AnnotationError("client_id: another answer was stored with it; make a new one")
        return Receipt(known.id, again=True, feedback=_feedback(connection, known, known.grade))
    if person.role != "grader" or person.paused_at is not None:
        raise LeaseLostError("no grades are taken from this person now")
    check = locked_check(connection, person_id, answer)
    seconds = shown_seconds(check, answer.seconds, now)
    given = asdict(answer)
    for name in ("slot", "token", "kind"):
        del given[name]
    given |= {
        "admissible": ",".join(sorted(set(answer.admissible) - {answer.grade})) or None,
        "note": answer.note or None,
        "seconds": seconds,
        "answered_at": now,
        "after_grade": _last_grade(connection, person_id),
        "policy_version": connection.scalar(
            select(policy_versions.c.id).order_by(policy_versions.c.id.desc()).limit(1)
        ),
    }
    connection.execute(update(checks).where(checks.c.id == check.id).values(**given))
    forget_exclusion(connection, plan, person_id, check.item_id)
    add_exposure(connection, person_id, now, hard=check.hard, seconds=seconds)
    return Receipt(check.id, again=False, feedback=_feedback(connection, check, answer.grade))


def last_check(connection: Connection, person_id: int) -> Row[Any] | None:
    """The check that a person answered last, if they graded nothing after it."""
    since = _last_grade(connection, person_id)
    return connection.execute(
        select(checks)
        .where(checks.c.person_id == person_id, checks.c.after_grade >= since)
        .order_by(checks.c.after_grade.desc(), checks.c.answered_at.desc(), checks.c.id.desc())
        .limit(1)
    ).first()


def take_back_check(
    connection: Connection, plan: Plan, person_id: int, last: Row[Any], now: int
) -> Lease:
    """Take back the answer to a check, and put it before its grader again.

    Args:
        connection: In a transaction that holds the person's lock.
        plan: Of the project.
        person_id: The grader.
        last: The check; see `last_check`.
        now: Milliseconds.

    Raises:
        AnnotationError: It was taken back already, or can no longer be: after feedback, for one.
    """
    if not last.live:
        raise AnnotationError("there is no last grade to take back")
    lock_items(connection, [last.item_id])
    item = connection.execute(select(items).where(items.c.id == last.item_id)).one()
    unit = Unit(last.item_id, last.modality, last.hard, last.cluster, last.grade_id or last.id)
    bins_ = {last.modality: None}
    may = permitted(connection, plan, person_id, [unit], bins_, but=last.id)
    if item.stopped_at is not None or last.kind == "training" or not may:
        raise AnnotationError("the last grade can no longer be taken back")
    connection.execute(
        update(checks).where(checks.c.id == last.id).values(live=None, withdrawn_as="taken_back")
    )
    token, until = secrets.token_hex(16), now + plan.order.lease_minutes * 60_000
    again = {
        name: getattr(last, name)
        for name in (
            *("person_id", "item_id", "modality", "kind", "round", "due_after", "grade_id"),
            *("hard", "cluster", "live"),
        )
    }
    number = connection.execute(
        insert(checks)
        .values(**again, token=token, leased_at=now, lease_until=until)
        .returning(checks.c.id)
    ).scalar_one()
    keep_from_queue(connection, person_id, last.item_id, now)
    return Lease(
        slot=number,
        token=token,
        item=last.item_id,
        sample_id=item.sample_id,
        alias=item.alias,
        modality=MODALITIES[last.modality],
        until=until,
        kind=CHECK,
    )


def skip_check(
    connection: Connection, plan: Plan, person_id: int, held: Held, now: int, seconds: float = 0
) -> None:
    """Leave a check; its sample is not offered again, as after the skip of a slot.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The grader.
        held: The check.
        now: Milliseconds.
        seconds: How long it was shown.

    Raises:
        LeaseLostError: The check is no longer before the grader.
    """
    locked_person(connection, person_id)
    check = locked_check(connection, person_id, held)
    add_exposure(
        connection, person_id, now, hard=check.hard, seconds=shown_seconds(check, seconds, now)
    )
    stratum = connection.scalar(
        select(bins.c.stratum).join(items).where(items.c.id == check.item_id)
    )
    add_tally(connection, "skip", str(stratum))
    withdraw(connection, plan, check, "skipped")
    exclude(connection, person_id, check.item_id, "skip", now)
    release_seats(connection, plan, person_id, [check.item_id])


def locked_check(connection: Connection, person_id: int, held: Held) -> Row[Any]:
    """The check that a grader answers, locked with its sample.

    Raises:
        LeaseLostError: It is another's, was ended, answered or stopped.
    """
    lost = LeaseLostError("this item went to somebody else, or was stopped; fetch the next")
    of_check = select(checks).where(checks.c.id == held.slot, checks.c.person_id == person_id)
    row = connection.execute(of_check).first()
    if row is None:
        raise lost
    lock_items(connection, [row.item_id])
    row = connection.execute(of_check.with_for_update()).one()
    if not held.token or row.token is None or not secrets.compare_digest(row.token, held.token):
        raise lost
    if not row.live or row.answered_at is not None:
        raise lost
    return row


def _last_grade(connection: Connection, person_id: int) -> int:
    """The number of a person's last grade; 0 without one."""
    found = connection.scalar(
        select(grades.c.id)
        .where(grades.c.person_id == person_id)
        .order_by(grades.c.id.desc())
        .limit(1)
    )
    return int(found or 0)


def _feedback(connection: Connection, check: Row[Any], grade: str) -> Feedback | None:
    if check.kind != "training":
        return None
    known = connection.execute(
        select(gold).where(gold.c.item_id == check.item_id, gold.c.modality == check.modality)
    ).one()
    return Feedback(
        correct=grade == known.grade,
        grade=known.grade,
        category=known.category,
        note=known.note or "",
    )
