"""Notes on the policy: versions of it, and the grades that they open again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.store.tables import adjudications, disputes, grades, policy_notes, slots
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.annotate.work.notes import Opening, Touched
from vlsu.errors import AnnotationError, UsageError


@pytest.fixture
def graded(tmp_path, new_project):
    """Three texts that two graders find unsafe, and of one of them safe."""
    project = new_project(make_dataset(tmp_path / "d", 3, apart=True), graders={"text": 2})
    ada, ben = join_graders(project, "Ada", "Ben")

    def grade(person, lease):
        return "safe" if person == ben and lease.item == 2 else "unsafe"

    grade_all(project, [ada, ben], grade)
    return project


@pytest.fixture
def eve(graded):
    return join_graders(graded, "Eve", role="adjudicator")[0]


def test_a_note_makes_a_version_and_opens_nothing_unless_told(graded, eve):
    before = rows(graded, grades)
    note = graded.add_note(eve, "  A toy is no weapon. ", category="C9")
    assert note["text"] == "A toy is no weapon."
    assert (note["category"], note["version"], note["opened"]) == ("C9", "1.1+note 1", None)
    general = graded.add_note(eve, "When in doubt, say so.")
    assert (general["category"], general["version"]) == (None, "1.1+note 2")
    assert graded.policy_notes() == [note, general]
    assert set(map(tuple, rows(graded, grades))) == set(map(tuple, before))
    assert "Eve" not in repr(graded.policy_notes())


def test_a_note_sent_twice_counts_once(graded, eve):
    first = graded.add_note(eve, "A toy is no weapon.", category="C9")
    assert graded.add_note(eve, "A toy is no weapon.", category="C9") == first
    assert len(graded.policy_notes()) == 1


def test_grades_and_decisions_know_their_version(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 1, apart=True), graders={"text": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    project.submit(ada, answer_to(project.next_item(ada), "safe"))
    project.add_note(eve, "Careful.")
    project.submit(ben, answer_to(project.next_item(ben), "unsafe"))
    project.add_note(eve, "More careful.")
    project.decide(eve, project.next_case(eve).dispute, "safe", None, "Clear.")
    assert sorted(row.policy_version for row in rows(project, grades)) == [1, 2]
    assert [row.policy_version for row in rows(project, adjudications)] == [3]
    assert project.decided_by(eve)[0].version == "1.1+note 2"


def test_counts_are_known_before_and_the_grades_are_asked_for_again(graded, eve):
    opening = Opening(category="C9", modality="text")
    assert graded.touched(opening) == Touched(grades=5, samples=3, others=0, decided=0)
    assert graded.touched(Opening(category="C9", modality="joint")).grades == 0
    assert graded.touched(Opening()).grades == 6
    stored = {tuple(row)[:17] for row in rows(graded, grades)}
    graded.add_note(eve, "A toy is no weapon.", category="C9", opening=opening)
    check_invariants(graded)
    now = rows(graded, grades)
    assert {tuple(row)[:17] for row in now} == stored  # none is deleted or changed
    assert [row.withdrawn_as for row in now if row.grade == "unsafe"] == ["superseded"] * 5
    assert [row.live for row in now if row.grade == "safe"] == [True]
    assert [row.closed_as for row in rows(graded, disputes)] == ["reopened"]
    assert graded.touched(opening).grades == 0
    (note,) = rows(graded, policy_notes)
    assert note.opened_at is not None
    # Both grade their own again, by the policy with the note; there is no dispute left.
    got = grade_all(graded, [1, 2])
    assert len(got) == 5
    again = [row for row in rows(graded, grades) if row.live]
    assert sorted(row.policy_version for row in again) == [1, 2, 2, 2, 2, 2]
    assert graded.next_case(eve) is None
    check_invariants(graded)


def test_the_case_that_a_note_comes_from_keeps_its_grades(graded, eve):
    case = graded.next_case(eve)
    opening = Opening(category="C9")
    assert graded.touched(opening, dispute=case.dispute).grades == 4
    graded.add_note(eve, "A toy is no weapon.", dispute=case.dispute, opening=opening)
    graded.decide(eve, case.dispute, "safe", None, "It is a toy.")
    assert len([row for row in rows(graded, grades) if row.live]) == 2


def test_what_is_decided_stays_unless_told(graded, eve):
    case = graded.next_case(eve)
    graded.decide(eve, case.dispute, "unsafe", "C9", "A threat.")
    assert graded.touched(Opening(category="C9")) == Touched(4, 2, 0, decided=1)
    assert graded.touched(Opening(category="C9", decided=True)) == Touched(5, 3, 0, decided=1)
    graded.add_note(eve, "First.", opening=Opening(category="C9"))
    assert graded.decided_by(eve)[0].live
    graded.add_note(eve, "Second.", opening=Opening(category="C9", decided=True))
    (decision,) = graded.decided_by(eve)
    assert (decision.live, decision.revisable) == (False, False)
    with pytest.raises(AnnotationError, match="can no longer be revised"):
        graded.open_again(eve, decision.dispute)


@pytest.fixture
def pairs(tmp_path, new_project):
    """One sample whose three modalities Ada has graded."""
    project = new_project(
        make_dataset(tmp_path / "d", 1), graders={"image": 1, "text": 1, "joint": 1}
    )
    ada, ben = join_graders(project, "Ada", "Ben")
    grade_all(project, [ada], lambda person, lease: "unsafe")
    return project, ada, ben


def test_a_pair_goes_back_to_who_graded_its_parts(pairs):
    project, ada, ben = pairs
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    project.add_note(eve, "Look twice.", opening=Opening(modality="joint"))
    check_invariants(project)
    assert project.next_item(ben) is Nothing.FINISHED
    again = project.next_item(ada)
    assert isinstance(again, Lease)
    assert again.modality == "joint"


def test_a_part_goes_to_somebody_who_has_not_seen_the_pair(pairs):
    project, ada, ben = pairs
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    opening = Opening(modality="text")
    assert project.touched(opening) == Touched(grades=1, samples=1, others=1, decided=0)
    project.add_note(eve, "Look twice.", opening=opening)
    check_invariants(project)
    assert project.next_item(ada) is Nothing.FINISHED
    lease = project.next_item(ben)
    assert isinstance(lease, Lease)
    assert lease.modality == "text"
    project.submit(ben, answer_to(lease))
    assert {(row.modality, row.owner_id) for row in rows(project, slots)} == {
        (0, ada),
        (1, ben),
        (2, ada),
    }
    check_invariants(project)


@pytest.mark.parametrize("away", ["pause", "opt_out"])
def test_what_is_of_a_grader_who_is_away_goes_to_others(pairs, away):
    project, ada, ben = pairs
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    if away == "pause":
        project.pause(ada)
    else:
        for stratum in ("C9", "none"):
            project.opt_out(ada, stratum)
    project.add_note(eve, "Look twice.", opening=Opening())
    check_invariants(project)
    got = grade_all(project, [ben])
    assert [lease.modality for _, lease in got][-1] == "joint"
    assert len(got) == 3


@pytest.mark.slow
def test_more_grades_than_one_transaction_opens(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 105, apart=True), graders={"text": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    grade_all(project, [ada, ben], lambda person, lease: "unsafe")
    given = len([row for row in rows(project, grades) if row.live])
    assert given > 200
    project.add_note(eve, "Look twice.", opening=Opening(category="C9"))
    project.sweep()  # what a slow machine had no time for
    assert not [row for row in rows(project, grades) if row.live]
    check_invariants(project)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"text": " "}, "text: give 1 to 2000"),
        ({"text": "x" * 2001}, "text: give 1 to 2000"),
        ({"text": "x", "category": "C99"}, "category: the policy has no 'C99'"),
        ({"text": "x", "opening": Opening(category="C99")}, "category: the policy has no 'C99'"),
        ({"text": "x", "opening": Opening(modality="sound")}, "modality: 'sound'"),
    ],
)
def test_a_note_that_cannot_be_is_refused(graded, eve, given, named):
    with pytest.raises(UsageError, match=named):
        graded.add_note(eve, **given)
    assert graded.policy_notes() == []


def test_graders_add_no_notes_and_nobody_from_anothers_case(graded, eve):
    with pytest.raises(AnnotationError, match="only an adjudicator"):
        graded.add_note(1, "Mine.")
    case = graded.next_case(eve)
    (fay,) = join_graders(graded, "Fay", role="adjudicator")
    with pytest.raises(AnnotationError, match="another's"):
        graded.add_note(fay, "Mine.", dispute=case.dispute)


@pytest.mark.slow
def test_notes_open_grades_while_graders_go_on(tmp_path, new_project):
    project = new_project(
        make_dataset(tmp_path / "d", 20, apart=True), graders={"image": 1, "text": 2, "joint": 2}
    )
    people = join_graders(project, "Ada", "Ben", "Cleo")
    (eve,) = join_graders(project, "Eve", role="adjudicator")

    def work(person):
        given = 0
        for _ in range(60):
            lease = project.next_item(person)
            if isinstance(lease, Lease):
                try:
                    project.submit(person, answer_to(lease, "unsafe"))
                except LeaseLostError:  # a note put it behind what it opened
                    continue
                given += 1
        return given

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work, person) for person in people]
        for number in range(5):
            project.add_note(eve, f"Note {number}.", opening=Opening(category="C9"))
        given = sum(each.result(600) for each in working)
    project.add_note(eve, "The last.", opening=Opening(category="C9"))
    project.sweep()
    check_invariants(project)
    found = rows(project, grades)
    assert len(found) == given > 60
    assert {row.withdrawn_as for row in found} == {"superseded"}
