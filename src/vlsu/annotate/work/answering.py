"""Answers of graders: submitted, taken back, skipped."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, insert, select, update

from vlsu.annotate.plan.answers import Answer, check_answer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, State, is_state
from vlsu.annotate.store.tables import (
    adjudications,
    bins,
    disputes,
    exclusions,
    grades,
    items,
    policy_versions,
    slots,
)
from vlsu.annotate.work.adaptive import add_grade
from vlsu.annotate.work.leases import Lease
from vlsu.annotate.work.leasing import locked_person
from vlsu.annotate.work.records import add_exposure, add_tally
from vlsu.annotate.work.seats import exclude, lock_items, release_seats
from vlsu.annotate.work.sightings import barring, has_seen, has_seen_pair
from vlsu.annotate.work.units import close_dispute, settle
from vlsu.errors import AnnotationError
from vlsu.policy import MODALITIES, Policy

__all__ = [
    "Feedback",
    "LeaseLostError",
    "Receipt",
    "locked_slot",
    "shown_seconds",
    "skip",
    "submit",
    "take_back",
]

_PAIR = MODALITY_NUMBERS["joint"]
# Statements of every answer, built once.
_KNOWN = select(grades.c.id, grades.c.slot_id, grades.c.grade, grades.c.category).where(
    grades.c.person_id == bindparam("person"), grades.c.client_id == bindparam("client")
)
_ITEM_OF = select(slots.c.item_id).where(slots.c.id == bindparam("slot"))
_SLOT = select(slots).where(slots.c.id == bindparam("slot")).with_for_update()
_VERSION = select(policy_versions.c.id).order_by(policy_versions.c.id.desc()).limit(1)
_STORE = insert(grades).returning(grades.c.id)
_DONE = (
    update(slots)
    .where(slots.c.id == bindparam("slot"))
    .values(state=int(State.DONE), owner_id=bindparam("person"), lease_until=None)
)


class LeaseLostError(AnnotationError):
    """The slot is no longer this grader's; nothing was written, and the page fetches another."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a grader is told after a training item.

    Attributes:
        correct: Whether their severity is the known one.
        grade: The known severity.
        category: The known category; `None` where it is safe.
        note: Why; may be empty.
    """

    correct: bool
    grade: str
    category: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """That an answer is stored.

    Attributes:
        grade: Its number.
        again: Whether it was stored before, and this was the same answer sent again.
        feedback: After a training item.
    """

    grade: int
    again: bool
    feedback: Feedback | None = None


def submit(
    connection: Connection, plan: Plan, policy: Policy, person_id: int, answer: Answer, now: int
) -> Receipt:
    """Store an answer.

    An answer that comes after its lease ended counts as long as nobody else took the slot: the
    number of grades is the same, and work is not lost.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        policy: For the categories and severities.
        person_id: The grader.
        answer: What they submit.
        now: Milliseconds.

    Raises:
        LeaseLostError: Somebody else has the slot, it was stopped, or it comes late, after the
            person was shown what bars it.
        AnnotationError: Another answer was sent with the same client id.
        UsageError: The answer is incomplete.
    """
    check_answer(answer, policy)
    person = locked_person(connection, person_id)
    sent = {"person": person_id, "client": answer.client_id}
    known = connection.execute(_KNOWN, sent).first()
    if known is not None:
        if tuple(known[1:]) != (answer.slot, answer.grade, answer.category):
            raise AnnotationError("client_id: another answer was stored with it; make a new one")
        return Receipt(known.id, again=True)
    if person.role != "grader" or person.paused_at is not None:
        raise LeaseLostError("no grades are taken from this person now")
    slot = locked_slot(connection, person_id, answer.slot, answer.token)
    bar = barring(slot.modality, disjoint=plan.disjoint)
    if slot.owner_id is None and connection.scalar(select(has_seen(person_id, slot.item_id, bar))):
        raise LeaseLostError("what was shown since bars an answer to this; fetch the next")
    answer = replace(answer, seconds=shown_seconds(slot, answer.seconds, now))
    stored = _insert(connection, person_id, slot, answer, now)
    connection.execute(_DONE, {"slot": slot.id, "person": person_id})
    _next_of_seat(connection, slot, State.WAITING, State.KEPT, person_id)
    add_exposure(connection, person_id, now, hard=slot.hard, seconds=answer.seconds)
    if not add_grade(connection, plan, slot.item_id, slot.modality):
        settle(connection, plan.consensus, slot.item_id, slot.modality, now)
    return Receipt(stored, again=False)


def take_back(connection: Connection, plan: Plan, person_id: int, now: int) -> Lease:
    """Take a grader's last answer back, and put its item before them again.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The grader.
        now: Milliseconds.

    Raises:
        AnnotationError: There is none, it was taken back already, an adjudicator has decided, or
            it is of a part whose pair was before the grader since.
    """
    person = locked_person(connection, person_id)
    last = connection.execute(
        select(grades).where(grades.c.person_id == person_id).order_by(grades.c.id.desc()).limit(1)
    ).first()
    if last is None or not last.live or person.paused_at is not None:
        raise AnnotationError("there is no last grade to take back")
    lock_items(connection, [last.item_id])
    decided = (
        select(adjudications.c.id)
        .join(disputes)
        .where(
            disputes.c.item_id == last.item_id,
            disputes.c.modality == last.modality,
            adjudications.c.live.is_(True),
        )
    )
    item = connection.execute(select(items).where(items.c.id == last.item_id)).one()
    if item.stopped_at is not None or connection.execute(decided).first() is not None:
        raise AnnotationError("the last grade can no longer be taken back")
    connection.execute(
        update(grades)
        .where(grades.c.id == last.id)
        .values(live=None, withdrawn_at=now, withdrawn_as="taken_back")
    )
    slot = connection.execute(
        select(slots).where(slots.c.id == last.slot_id).with_for_update()
    ).one()
    if slot.modality != _PAIR and connection.scalar(select(has_seen_pair(person_id, slot.item_id))):
        # They would no longer judge the part by itself.
        raise AnnotationError("the last grade can no longer be taken back: its pair came since")
    _next_of_seat(connection, slot, State.KEPT, State.WAITING, None)
    _next_of_seat(connection, slot, State.LEASED, State.WAITING, None)
    token, until = secrets.token_hex(16), now + plan.order.lease_minutes * 60_000
    connection.execute(
        update(slots)
        .where(slots.c.id == slot.id)
        .values(state=int(State.LEASED), token=token, leased_at=now, lease_until=until)
    )
    close_dispute(connection, last.item_id, last.modality, "reopened", now)
    return Lease(
        slot=slot.id,
        token=token,
        item=slot.item_id,
        sample_id=item.sample_id,
        alias=item.alias,
        modality=MODALITIES[slot.modality],
        until=until,
    )


def skip(
    connection: Connection,
    plan: Plan,
    person_id: int,
    slot_id: int,
    token: str,
    now: int,
    seconds: float = 0,
) -> None:
    """Leave an item to others, for a reason that nobody asks for.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: The grader.
        slot_id: The slot.
        token: Of its lease.
        now: Milliseconds.
        seconds: How long it was shown.

    Raises:
        LeaseLostError: Somebody else has the slot, or it was stopped.
    """
    locked_person(connection, person_id)
    slot = locked_slot(connection, person_id, slot_id, token)
    add_exposure(
        connection, person_id, now, hard=slot.hard, seconds=shown_seconds(slot, seconds, now)
    )
    stratum = connection.scalar(select(bins.c.stratum).where(bins.c.id == slot.bin))
    add_tally(connection, "skip", str(stratum))
    exclude(connection, person_id, slot.item_id, "skip", now)
    if slot.owner_id == person_id:
        release_seats(connection, plan, person_id, [slot.item_id])


def locked_slot(connection: Connection, person_id: int, slot_id: int, token: str) -> Row[Any]:
    """The slot that a grader answers, locked with its sample.

    Raises:
        LeaseLostError: Somebody else has the slot, or it was stopped.
    """
    lost = LeaseLostError("this item went to somebody else, or was stopped; fetch the next")
    item_id = connection.scalar(_ITEM_OF, {"slot": slot_id})
    if item_id is None:
        raise lost
    lock_items(connection, [item_id])
    slot = connection.execute(_SLOT, {"slot": slot_id}).one()
    if not token or slot.token is None or not secrets.compare_digest(slot.token, token):
        raise lost
    if slot.state in (State.LEASED, State.KEPT) and slot.owner_id == person_id:
        return slot
    if slot.state != State.FREE:
        raise lost
    # Overdue and put back, and nobody took it: still this grader's, unless they went on to another
    # seat of the sample, or away from it.
    other = select(slots.c.id).where(slots.c.item_id == item_id, slots.c.owner_id == person_id)
    gone = select(exclusions.c.why).where(
        exclusions.c.item_id == item_id, exclusions.c.person_id == person_id
    )
    if any(connection.execute(each).first() is not None for each in (other, gone)):
        raise lost
    return slot


def shown_seconds(slot: Row[Any], told: float, now: int) -> float:
    """How long an item was shown: as its page says, and no longer than it was leased."""
    leased: float = (now - slot.leased_at) / 1000
    return max(0.0, min(told, leased))


def _insert(
    connection: Connection, person_id: int, slot: Row[Any], answer: Answer, now: int
) -> int:
    version = connection.scalar(_VERSION)
    given = asdict(answer)
    del given["slot"], given["token"], given["kind"]
    given["admissible"] = ",".join(sorted(set(answer.admissible) - {answer.grade})) or None
    given["note"] = answer.note or None
    given |= {
        "slot_id": slot.id,
        "item_id": slot.item_id,
        "modality": slot.modality,
        "person_id": person_id,
        "policy_version": version,
        "given_at": now,
        "live": True,
    }
    stored: int = connection.execute(_STORE, given).scalar_one()
    return stored


def _next_of_seat(
    connection: Connection, slot: Row[Any], before: State, after: State, owner: int | None
) -> None:
    """Change the state of the slot that follows in a seat."""
    values = {
        "item": slot.item_id,
        "of_seat": slot.seat,
        "next_place": slot.place + 1,
        "new_state": int(after),
        "new_owner": owner,
    }
    connection.execute(_next(before), values)


@lru_cache
def _next(before: State) -> Update:
    return (
        update(slots)
        .where(
            slots.c.item_id == bindparam("item"),
            slots.c.seat == bindparam("of_seat"),
            slots.c.place == bindparam("next_place"),
            is_state(before),
        )
        .values(
            state=bindparam("new_state"),
            owner_id=bindparam("new_owner"),
            token=None,
            lease_until=None,
        )
    )
