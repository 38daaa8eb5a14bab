"""Projects, people and answers for tests of `vlsu.annotate`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from vlsu.annotate.plan.answers import Answer
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import (
    checks,
    grades,
    items,
    slots,
)
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.policy import MODALITIES

__all__ = [
    "START",
    "Clock",
    "answer_to",
    "check_invariants",
    "grade_all",
    "join_graders",
    "rows",
]

#: 2026-01-01 00:00 UTC.
START = 1_767_225_600_000
_CLIENT_IDS = itertools.count()


@dataclass
class Clock:
    """Time that passes when a test says so, in milliseconds."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def forward(self, *, minutes: float = 0, seconds: float = 0) -> None:
        self.now += int(60_000 * minutes + 1000 * seconds)


def join_graders(project: Project, *names: str, role: str = "grader", **about: Any) -> list[int]:
    """People who have joined and agreed; their numbers."""
    found = []
    for name in names:
        person = project.join(project.invite(name, role, **about).token)
        project.agree(person, adult=True, version="1")
        found.append(person)
    return found


def answer_to(lease: Lease, grade: str = "safe", **more: Any) -> Answer:
    """A complete answer to an item."""
    if grade in ("borderline", "unsafe"):
        more.setdefault("category", "C9")
    more.setdefault("client_id", f"answer-{next(_CLIENT_IDS)}")
    return Answer(kind=lease.kind, slot=lease.slot, token=lease.token, grade=grade, **more)


def grade_all(
    project: Project,
    people: Iterable[int],
    grade: Callable[[int, Lease], str] = lambda _, lease: "safe",
) -> list[tuple[int, Lease]]:
    """Have people grade in turn until none of them gets anything; what each got, in order."""
    got: list[tuple[int, Lease]] = []
    waiting = list(people)
    while waiting:
        before = len(got)
        for person in waiting:
            lease = project.next_item(person)
            if isinstance(lease, Lease):
                project.submit(person, answer_to(lease, grade(person, lease)))
                got.append((person, lease))
            else:
                assert lease in (Nothing.FINISHED, Nothing.WAIT, Nothing.HARD_ITEMS), lease
        if len(got) == before:
            break
    return got


def rows(project: Project, table: Any) -> list[Any]:
    """The rows of a table."""
    with project.database.read() as connection:
        return list(connection.execute(select(table)).all())


def check_invariants(project: Project) -> None:
    """What holds in a project's database after every transaction."""
    all_slots, all_grades = rows(project, slots), rows(project, grades)
    live = [grade for grade in all_grades if grade.live]
    by_slot = {grade.slot_id: grade for grade in live}
    # A slot has one grade that counts at most, and is done exactly if it has one.
    assert len(by_slot) == len(live)
    closed = {slot.id for slot in all_slots if slot.state == State.CLOSED}
    done = {slot.id for slot in all_slots if slot.state == State.DONE}
    assert done == set(by_slot) - closed
    # The grade is of whoever has the seat.
    owners = {slot.id: slot.owner_id for slot in all_slots}
    assert all(owners[grade.slot_id] == grade.person_id for grade in live)
    # Nobody's grades of a sample's modality count twice.
    units = [(grade.person_id, grade.item_id, grade.modality) for grade in live]
    assert len(set(units)) == len(units)
    seats: dict[tuple[int, int], list[Any]] = {}
    for slot in all_slots:
        seats.setdefault((slot.item_id, slot.seat), []).append(slot)
    for seat in seats.values():
        _check_seat(sorted(seat, key=lambda slot: slot.place))
    # One seat of a sample for a person.
    owned = {(slot.item_id, slot.owner_id, slot.seat) for slot in all_slots if slot.owner_id}
    persons = [(item, owner) for item, owner, _ in owned]
    assert len(set(persons)) == len(persons)
    _check_order(live, disjoint=project.plan.disjoint)
    _check_checks(project, all_grades)


def _check_seat(seat: list[Any]) -> None:
    assert [slot.place for slot in seat] == list(range(len(seat)))
    states = [slot.state for slot in seat]
    if State.CLOSED in states:
        assert set(states) <= {State.CLOSED, State.DONE}
        return
    undone = [state for state in states if state != State.DONE]
    assert states == [State.DONE] * (len(states) - len(undone)) + undone
    # Only the first that is not done can be taken.
    assert all(state == State.WAITING for state in undone[1:])
    assert not undone or undone[0] in (State.FREE, State.KEPT, State.LEASED)
    owners = {slot.owner_id for slot in seat if slot.state != State.WAITING}
    assert len(owners) <= 1
    begun = State.DONE in states
    assert not (begun and undone and undone[0] == State.FREE)


def _check_order(live: list[Any], *, disjoint: bool) -> None:
    """Nobody graded a pair before their own parts of it, or never both if that is the plan."""
    joint = MODALITIES.index("joint")
    by_person: dict[tuple[int, int], dict[int, int]] = {}
    for grade in live:
        by_person.setdefault((grade.person_id, grade.item_id), {})[grade.modality] = grade.id
    for given in by_person.values():
        parts = [id_ for modality, id_ in given.items() if modality != joint]
        if joint in given:
            assert all(part < given[joint] for part in parts)
            assert not (disjoint and parts)


def _check_checks(project: Project, all_grades: list[Any]) -> None:
    """What checks show keeps to the order of parts and pairs, and their answers are no grades."""
    joint = MODALITIES.index("joint")
    stopped = {item.id for item in rows(project, items) if item.stopped_at is not None}
    found = rows(project, checks)
    open_ = [(row.person_id, row.item_id) for row in found if row.live and not row.answered_at]
    assert len(set(open_)) == len(open_)
    assert not {item for _, item in open_} & stopped
    sent = {(grade.person_id, grade.client_id) for grade in all_grades}
    given: dict[tuple[int, int], list[Any]] = {}
    for grade in all_grades:
        if grade.live:
            given.setdefault((grade.person_id, grade.item_id), []).append(grade)
    for row in found:
        if row.answered_at is None:
            continue
        assert (row.person_id, row.client_id) not in sent
        others = given.get((row.person_id, row.item_id), [])
        own = [grade for grade in others if grade.modality == row.modality]
        assert len(own) == (row.kind == "repeat") or not row.live or not own
        parts = [grade.id for grade in others if grade.modality != joint]
        pairs = [grade.id for grade in others if grade.modality == joint]
        if row.modality == joint:
            assert all(part <= row.after_grade for part in parts)
            assert not (project.plan.disjoint and parts)
        else:
            assert all(pair > row.after_grade for pair in pairs)
            assert not (project.plan.disjoint and pairs)
