"""Whatever people do, in any order: the invariants of slots hold after every step."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection

from tests.conftest import make_dataset
from tests.support.annotating import START, Clock, answer_to, check_invariants, join_graders, rows
from vlsu.annotate.plan.answers import Answer
from vlsu.annotate.plan.settings import Adaptive, Bounds, Checks, Order, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import (
    adjudications,
    disputes,
    grades,
    items,
    people,
    slots,
    stops,
)
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.annotate.work.importing import Fate, Imported, imported_person, store_imported
from vlsu.annotate.work.leasing import Lease
from vlsu.annotate.work.notes import Opening
from vlsu.annotate.work.selecting import leave_out
from vlsu.errors import AnnotationError
from vlsu.policy import MODALITIES

PEOPLE = st.integers(0, 3)
GRADES = st.sampled_from(["safe", "borderline", "unsafe", "not_sure"])
#: Known answers, some of a sample's part and of its pair.
KNOWN = ["s0,text,safe", "s1,joint,safe", "s2,image,safe", "s2,joint,safe"]
PLANS = st.builds(
    Plan,
    graders=st.fixed_dictionaries(
        {"image": st.integers(1, 3), "text": st.integers(1, 3), "joint": st.just(2)}
    ),
    regrade=st.sampled_from([0.0, 0.5]),
    disjoint=st.booleans(),
    seed=st.integers(0, 5),
    adaptive=st.sampled_from([Adaptive(), Adaptive(first=2, most=3), Adaptive(first=2, most=4)]),
    bounds=st.just(Bounds(minutes_a_day=0, hard_a_day=0, spacing=1)),
    checks=st.builds(
        Checks,
        training=st.integers(0, 2),
        rounds=st.integers(1, 2),
        gold=st.integers(0, 3),
        repeats=st.integers(0, 3),
        repeat_after=st.integers(1, 3),
        repeat_hours=st.just(0),
    ),
    order=st.builds(
        Order, block=st.integers(1, 4), apart=st.integers(0, 3), held=st.integers(1, 3)
    ),
)


class Slots(RuleBasedStateMachine):
    """Four graders and an adjudicator on four samples, of which some share images and texts."""

    #: Makes the folder and the address of a new project; set by the test.
    place: Callable[[], tuple[Path, Path, str | None]]

    @initialize(plan=PLANS, known=st.sets(st.sampled_from(KNOWN)))
    def start(self, plan: Plan, known: set[str]) -> None:
        dataset_folder, folder, address = self.place()
        dataset = make_dataset(dataset_folder, 4, 3)
        gold = dataset_folder / "gold.csv"
        gold.write_text("\n".join(["item,modality,grade", *sorted(known)]))
        create(
            *(folder, dataset, plan),
            database=address,
            gold_file=gold if known else None,
            now=START,
        )
        self.clock = Clock()
        self.project: Project = open_project(folder, connections=2, clock=self.clock)
        self.people = join_graders(self.project, *"ABCD")
        (self.adjudicator,) = join_graders(self.project, "E", role="adjudicator")
        self.others = join_graders(self.project, "G", role="adjudicator")
        self.numbers = itertools.count(1)
        (self.lead,) = join_graders(self.project, "F", role="lead")
        self.leases: list[tuple[int, Lease]] = []
        self.sent: list[tuple[int, Answer]] = []
        self.asked = self.units(rows(self.project, slots))
        self.stopped = False
        self.stored: dict[int, tuple[Any, ...]] = {}
        self.shown: list[tuple[int, int, int]] = []

    @staticmethod
    def units(found: list[Any]) -> Counter[tuple[int, int]]:
        return Counter((row.item_id, row.modality) for row in found)

    @rule(who=PEOPLE, fresh=st.booleans())
    def next_item(self, who: int, fresh: bool) -> None:
        person = self.people[who]
        holds = [lease for owner, lease in self.leases if owner == person and not fresh]
        lease = self.project.next_item(person, holds=holds)
        if isinstance(lease, Lease):
            assert (person, lease) not in self.leases or fresh
            self.leases.append((person, lease))
            self.show(person, lease)

    def show(self, person: int, lease: Lease) -> None:
        self.shown.append((person, lease.item, MODALITIES.index(lease.modality)))

    def chosen(self, number: int) -> tuple[int, Lease]:
        return self.leases.pop(number % len(self.leases))

    @precondition(lambda self: self.leases)
    @rule(
        number=st.integers(0, 50),
        grade=GRADES,
    )
    def submit(self, number: int, grade: str) -> None:
        person, lease = self.chosen(number)
        answer = answer_to(lease, grade)
        try:
            self.project.submit(person, answer)
        except LeaseLostError:
            return
        self.sent.append((person, answer))

    @precondition(lambda self: self.sent)
    @rule(number=st.integers(0, 50))
    def submit_again(self, number: int) -> None:
        person, answer = self.sent[number % len(self.sent)]
        assert self.project.submit(person, answer).again

    @rule(who=PEOPLE, number=st.integers(1, 6), grades=st.lists(GRADES, min_size=6, max_size=6))
    def work(self, who: int, number: int, grades: list[str]) -> None:
        """Some items in a row, each answered at once."""
        person = self.people[who]
        for grade in grades[:number]:
            lease = self.project.next_item(person)
            if not isinstance(lease, Lease):
                return
            self.show(person, lease)
            self.leases = [
                (owner, each) for owner, each in self.leases if each.token != lease.token
            ]
            answer = answer_to(lease, grade)
            self.project.submit(person, answer)
            self.sent.append((person, answer))

    @precondition(lambda self: self.leases)
    @rule(number=st.integers(0, 50))
    def skip(self, number: int) -> None:
        person, lease = self.chosen(number)
        try:
            self.project.skip(person, lease)
        except LeaseLostError:
            return
        with pytest.raises(LeaseLostError):
            self.project.submit(person, answer_to(lease))

    @precondition(lambda self: self.leases and not self.stopped)
    @rule(number=st.integers(0, 50), kind=st.sampled_from(["illegal", "threat"]))
    def stop(self, number: int, kind: str) -> None:
        """One at a time, so that there is something left to grade."""
        person, lease = self.chosen(number)
        try:
            self.project.stop(person, lease, kind)
        except LeaseLostError:
            return
        self.stopped = True
        with pytest.raises(LeaseLostError):
            self.project.submit(person, answer_to(lease))

    @precondition(lambda self: self.stopped)
    @rule()
    def lift(self) -> None:
        """The lead calls it a false alarm; all that was stopped comes back."""
        (stop,) = [row.id for row in rows(self.project, stops) if row.lifted_at is None]
        assert self.project.lift_stop(self.lead, stop, "A drawing.")
        self.stopped = False

    @rule(who=PEOPLE)
    def take_back(self, who: int) -> None:
        try:
            lease = self.project.take_back(self.people[who])
        except AnnotationError:
            return
        self.leases.append((self.people[who], lease))
        self.show(self.people[who], lease)

    @rule(who=PEOPLE, aside=st.booleans())
    def pause_for_a_while(self, who: int, aside: bool) -> None:
        self.project.pause(self.people[who])
        if aside:
            self.project.set_aside(self.people[who])
        check_invariants(self.project)
        self.project.resume(self.people[who])

    @rule(who=PEOPLE)
    def opt_out_for_a_while(self, who: int) -> None:
        self.project.opt_out(self.people[who], "C9")
        check_invariants(self.project)
        self.project.opt_in(self.people[who], "C9")

    @rule(minutes=st.sampled_from([1, 11, 80 * 60]))
    def wait(self, minutes: int) -> None:
        self.clock.forward(minutes=minutes)
        self.project.sweep()
        self.project.release_absent()

    @rule(grade=st.sampled_from(["safe", "unsafe"]), number=st.integers(0, 50))
    def revise(self, grade: str, number: int) -> None:
        found = [each for each in self.project.decided_by(self.adjudicator) if each.revisable]
        if found:
            case = self.project.open_again(self.adjudicator, found[number % len(found)].dispute)
            category = None if grade == "safe" else "C9"
            self.project.decide(self.adjudicator, case.dispute, grade, category, "Rather so.")

    @rule(grade=st.sampled_from(["safe", "unsafe"]))
    def decide(self, grade: str) -> None:
        case = self.project.next_case(self.adjudicator)
        if case is not None:
            category = None if grade == "safe" else "C9"
            self.project.decide(self.adjudicator, case.dispute, grade, category, "So.")

    @rule()
    def leave_a_case(self) -> None:
        """To whoever else there is; then it is decided or stays open."""
        (other,) = self.others
        case = self.project.next_case(other)
        if case is not None:
            self.project.skip_case(other, case.dispute)

    @rule(
        about=st.sampled_from([None, "C9"]),
        modality=st.sampled_from([None, "image", "text", "joint"]),
        decided=st.booleans(),
        opens=st.booleans(),
    )
    def add_note(self, about: str | None, modality: str | None, decided: bool, opens: bool) -> None:
        opening = Opening(category=about, modality=modality, decided=decided)
        would = self.project.touched(opening).grades
        before = {row.id for row in rows(self.project, grades) if row.live}
        number = next(self.numbers)
        note = self.project.add_note(
            self.adjudicator, f"Note {number}.", category=about, opening=opening if opens else None
        )
        assert note["version"] == f"1.1+note {number}"
        after = {row.id for row in rows(self.project, grades) if row.live}
        assert len(before - after) == (would if opens else 0)
        assert after <= before

    @rule(
        name=st.sampled_from("XY"),
        item=st.integers(0, 3),
        given=st.dictionaries(st.sampled_from(MODALITIES), GRADES, min_size=1),
    )
    def bring_in(self, name: str, item: int, given: dict[str, str]) -> None:
        """What somebody graded elsewhere; the same again adds nothing."""
        brought = {
            modality: Imported(
                Answer(
                    client_id="import",
                    slot=0,
                    token="",
                    grade=grade,
                    category="C9" if grade in ("borderline", "unsafe") else None,
                )
            )
            for modality, grade in given.items()
        }

        def stored(connection: Connection) -> dict[str, Fate]:
            person = imported_person(connection, name, self.clock())
            return store_imported(
                connection, self.project.plan, person, item, brought, self.clock()
            )

        first = self.project.database.write(stored)
        again = self.project.database.write(stored)
        assert set(first) == set(given)
        assert Fate.TAKEN not in again.values()
        assert all(again[m] is Fate.AGAIN for m, fate in first.items() if fate is Fate.TAKEN)

    @rule(name=st.sampled_from("XY"))
    def set_aside_what_was_brought_in(self, name: str) -> None:
        found = [row.id for row in rows(self.project, people) if row.name == name]
        for person in found:
            self.project.pause(person)
            self.project.set_aside(person)

    @rule(item=st.integers(0, 3))
    def leave_out(self, item: int) -> None:
        """A pre-grader leaves a sample out, if nobody has begun it."""
        left, begun = self.project.database.write(lambda c: leave_out(c, [item]))
        assert left + begun == 1

    @invariant()
    def all_holds(self) -> None:
        if not hasattr(self, "asked"):
            return
        check_invariants(self.project)
        # As many grades as asked, no more, whatever seats they moved to.
        asked, most = self.units(rows(self.project, slots)), self.project.plan.adaptive.most
        assert asked.keys() == self.asked.keys()
        for unit, number in asked.items():  # more only where the plan adds some
            assert self.asked[unit] <= number <= max(self.asked[unit], most)
        self.asked = asked
        found = rows(self.project, grades)
        for unit, number in self.units([row for row in found if row.live]).items():
            assert number <= self.asked[unit]
        # What was stored is never changed, but for whether it counts.
        now = {row.id: tuple(row)[:17] for row in found}
        assert {id_: now[id_] for id_ in self.stored} == self.stored
        self.stored = now
        # Nobody is shown a part after the pair; nor a pair after a part, if the plan is disjoint.
        seen: dict[tuple[int, int], set[bool]] = {}
        for person, item, modality in self.shown:
            before, pair = seen.setdefault((person, item), set()), modality == 2
            assert pair or True not in before
            assert not (pair and self.project.plan.disjoint and False in before)
            before.add(pair)
        self.check_disputes()

    def check_disputes(self) -> None:
        """An open dispute is of a sample that is not stopped, and has all its grades."""
        stopped = {row.id for row in rows(self.project, items) if row.stopped_at is not None}
        assert not stopped or self.stopped
        undone = {
            (row.item_id, row.modality)
            for row in rows(self.project, slots)
            if row.state not in (State.DONE, State.CLOSED)
        }
        for row in rows(self.project, disputes):
            if row.closed_at is None:
                assert row.item_id not in stopped
                assert (row.item_id, row.modality) not in undone
        # A dispute has one decision that counts at most.
        counting = [row.dispute_id for row in rows(self.project, adjudications) if row.live]
        assert len(set(counting)) == len(counting)

    def teardown(self) -> None:
        if hasattr(self, "project"):
            self.project.close()


@pytest.mark.slow
@pytest.mark.parametrize(("database", "examples"), [("sqlite", 40), ("postgresql", 8)])
def test_the_invariants_hold_whatever_people_do(
    database: str, examples: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    numbers = itertools.count()

    class Machine(Slots):
        @staticmethod
        def place() -> tuple[Path, Path, str | None]:
            folder = tmp_path / str(next(numbers))
            address = None
            if database == "postgresql":
                address = request.getfixturevalue("postgres").new_database()
            return folder / "dataset", folder / "project", address

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
