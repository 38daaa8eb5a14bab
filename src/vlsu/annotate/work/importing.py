"""Grades that were given elsewhere: stored on free slots, by people without an invitation."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from vlsu.annotate.plan.answers import IMPORTED, Answer
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, State
from vlsu.annotate.store.tables import grades, items, people, policy_versions, slots
from vlsu.annotate.work.people import new_pseudonym
from vlsu.annotate.work.records import log
from vlsu.annotate.work.seats import lock_items
from vlsu.annotate.work.units import settle
from vlsu.errors import AnnotationError
from vlsu.policy import MODALITIES

__all__ = ["Fate", "Imported", "import_id", "imported_person", "store_imported", "was_imported"]


class Fate(enum.Enum):
    """What became of a grade; the value says why it was not taken."""

    TAKEN = "taken"
    AGAIN = "was imported before"
    OTHER = "the grader has given another grade already"
    STOPPED = "the sample was stopped"
    NOT_ASKED = "no grade of this modality is asked for"
    FULL = "all graders that are asked for have graded it, or have begun to"
    AFTER_PAIR = "the grader has graded the pair before its part"
    DISJOINT = "in this project nobody grades a pair and its parts"


@dataclass(frozen=True, slots=True)
class Imported:
    """A grade from elsewhere.

    Attributes:
        answer: What was graded; slot, token and client id have no meaning.
        policy_version: Label of the version it was given by; the first one if there is none such.
    """

    answer: Answer
    policy_version: str | None = None


def import_id(item_id: int, modality: int) -> str:
    """What stands in the place of a page's client id in a grade that was imported."""
    return f"{IMPORTED}{item_id}-{modality}"


def was_imported() -> ColumnElement[bool]:
    """That a grade was given elsewhere: when, and mostly how fast, is not known."""
    return grades.c.client_id.startswith(IMPORTED)


def imported_person(connection: Connection, name: str, now: int) -> int:
    """The number of somebody whose grades come from elsewhere, who is made if there is none.

    Args:
        connection: In a transaction that writes.
        name: What the lead calls them; exports have a pseudonym that is drawn.
        now: Milliseconds.

    Raises:
        AnnotationError: Somebody who works here has the name, or it is no name.
    """
    shown = " ".join(name.split())
    if not shown or len(shown) > 80 or not shown.isprintable():
        raise AnnotationError(f"grader {name[:40]!r}: a name has 1 to 80 printable characters")
    known = connection.execute(select(people).where(people.c.name == shown)).first()
    if known is not None:
        if known.role != "grader" or known.joined_at or known.invitation_hash:
            raise AnnotationError(
                f"grader {shown[:40]!r}: somebody of this project has that name; give another with "
                "--as"
            )
        return int(known.id)
    pseudonym = new_pseudonym(connection)
    row = {"name": shown, "pseudonym": pseudonym, "role": "grader"}
    person: int = connection.execute(
        insert(people).values(**row).returning(people.c.id)
    ).scalar_one()
    log(connection, now, None, "import", f"person {person}")
    return person


def store_imported(
    connection: Connection,
    plan: Plan,
    person_id: int,
    item_id: int,
    given: Mapping[str, Imported],
    now: int,
) -> dict[str, Fate]:
    """Store what somebody graded of one sample elsewhere.

    Slots are taken from seats that nobody has begun. They become a seat of this person, and what
    is left of the seats they came from remains for one other person.

    Args:
        connection: In a transaction that writes.
        plan: Of the project.
        person_id: Of `imported_person`.
        item_id: The sample.
        given: Modality -> grade, complete.
        now: Milliseconds.

    Returns:
        What became of each.
    """
    lock_items(connection, [item_id])
    if connection.scalar(select(items.c.stopped_at).where(items.c.id == item_id)) is not None:
        return dict.fromkeys(given, Fate.STOPPED)
    rows = connection.execute(
        select(*(slots.c[n] for n in ("id", "modality", "seat", "place", "state", "owner_id")))
        .where(slots.c.item_id == item_id)
        .order_by(slots.c.seat, slots.c.place)
        .with_for_update()
    ).all()
    known = {
        MODALITIES[row.modality]: row
        for row in connection.execute(
            select(grades)
            .where(grades.c.item_id == item_id, grades.c.person_id == person_id)
            .order_by(grades.c.id)
        )
    }
    fates: dict[str, Fate] = {}
    chosen: dict[str, Any] = {}
    for modality in (m for m in MODALITIES if m in given):
        fate = _refused(plan, modality, given[modality].answer, known, chosen, rows)
        if fate is None:
            slot = _free_slot(rows, modality, set(given), [row.seat for row in chosen.values()])
            if slot is None:
                fate = Fate.FULL
            else:
                chosen[modality] = slot
        fates[modality] = fate or Fate.TAKEN
    _move(connection, rows, chosen, person_id, now)
    for modality, slot in chosen.items():
        _insert(connection, person_id, item_id, slot, given[modality], now)
    for modality in chosen:
        settle(connection, plan.consensus, item_id, MODALITY_NUMBERS[modality], now)
    return fates


def _refused(
    plan: Plan,
    modality: str,
    answer: Answer,
    known: Mapping[str, Any],
    chosen: Mapping[str, Any],
    rows: Sequence[Any],
) -> Fate | None:
    if modality in known:
        same = (known[modality].grade, known[modality].category) == (answer.grade, answer.category)
        return Fate.AGAIN if same else Fate.OTHER
    theirs = {*known, *chosen}
    if plan.disjoint and theirs and ("joint" in theirs) != (modality == "joint"):
        return Fate.DISJOINT
    if "joint" in theirs:
        return Fate.AFTER_PAIR
    number = MODALITY_NUMBERS[modality]
    if not any(row.modality == number and row.state != State.CLOSED for row in rows):
        return Fate.NOT_ASKED
    return None


def _free_slot(
    rows: Sequence[Any], modality: str, wanted: set[str], begun: Sequence[int]
) -> Any | None:
    """A slot of a seat that nobody has: of one already drawn from, else of one that fits best."""
    numbers = {MODALITY_NUMBERS[m] for m in wanted}
    best = None
    for seat in {row.seat for row in rows}:
        of_seat = [row for row in rows if row.seat == seat]
        if not all(row.state in (State.FREE, State.WAITING) for row in of_seat):
            continue
        held = {row.modality: row for row in of_seat}
        slot = held.get(MODALITY_NUMBERS[modality])
        if slot is not None:
            fit = (seat not in begun, len(held.keys() ^ numbers), seat)
            if best is None or fit < best[0]:
                best = fit, slot
    return None if best is None else best[1]


def _move(
    connection: Connection, rows: Sequence[Any], chosen: Mapping[str, Any], person_id: int, now: int
) -> None:
    """Make slots a seat of a person, graded; what is left of others is put in order."""
    if not chosen:
        return
    ids = {row.id for row in chosen.values()}
    own = [row for row in rows if row.owner_id == person_id]
    target = own[0].seat if own else max(row.seat for row in rows) + 1
    for place, row in enumerate(chosen.values(), len(own)):
        connection.execute(
            update(slots)
            .where(slots.c.id == row.id)
            .values(
                seat=target,
                place=place,
                state=int(State.DONE),
                owner_id=person_id,
                token=None,
                leased_at=now,
                lease_until=None,
            )
        )
    for seat in {row.seat for row in chosen.values()}:
        left = [row for row in rows if row.seat == seat and row.id not in ids]
        for place, row in enumerate(left):
            state = int(State.WAITING if place else State.FREE)
            connection.execute(
                update(slots).where(slots.c.id == row.id).values(place=place, state=state)
            )


def _insert(
    connection: Connection, person_id: int, item_id: int, slot: Any, given: Imported, now: int
) -> None:
    answer = asdict(given.answer)
    del answer["slot"], answer["token"], answer["kind"]
    version = connection.scalar(
        select(policy_versions.c.id)
        .order_by((policy_versions.c.label == given.policy_version).desc(), policy_versions.c.id)
        .limit(1)
    )
    answer |= {
        "client_id": import_id(item_id, slot.modality),
        "admissible": ",".join(sorted(set(given.answer.admissible) - {given.answer.grade})) or None,
        "note": given.answer.note or None,
        "slot_id": slot.id,
        "item_id": item_id,
        "modality": slot.modality,
        "person_id": person_id,
        "policy_version": version,
        "given_at": now,
        "live": True,
    }
    connection.execute(insert(grades).values(**answer))
