"""Answers: once each, taken back, skipped, too late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.store.tables import exposures, grades, tallies
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.errors import AnnotationError, UsageError

ONE_TEXT = {"graders": {"text": 1}}


@pytest.fixture
def one_text(tmp_path, new_project):
    """A project of one text that one person grades."""
    return new_project(make_dataset(tmp_path / "d", 1), graders={"text": 1})


def test_an_answer_sent_twice_counts_once(new_project):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    answer = answer_to(project.next_item(ada), "borderline")
    first, second = project.submit(ada, answer), project.submit(ada, answer)
    assert (first.again, second.again) == (False, True)
    assert first.grade == second.grade
    assert len(rows(project, grades)) == 1


def test_another_answer_under_the_same_client_id_is_refused(new_project):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    answer = answer_to(project.next_item(ada), "safe")
    project.submit(ada, answer)
    with pytest.raises(AnnotationError, match="another answer was stored"):
        project.submit(ada, replace(answer, grade="not_sure"))


def test_two_people_may_choose_the_same_client_id(new_project):
    project = new_project()
    for person in join_graders(project, "Ada", "Ben"):
        project.submit(person, answer_to(project.next_item(person), client_id="1"))
    assert len(rows(project, grades)) == 2


def test_a_slot_has_one_grade_whatever_is_sent(one_text):
    (ada,) = join_graders(one_text, "Ada")
    lease = one_text.next_item(ada)
    one_text.submit(ada, answer_to(lease))
    with pytest.raises(LeaseLostError):
        one_text.submit(ada, answer_to(lease, "not_sure"))
    assert len(rows(one_text, grades)) == 1


def test_a_late_answer_counts_if_nobody_took_the_slot(one_text, clock):
    (ada,) = join_graders(one_text, "Ada")
    lease = one_text.next_item(ada)
    clock.forward(minutes=30)
    one_text.sweep()
    one_text.submit(ada, answer_to(lease))
    check_invariants(one_text)
    assert one_text.next_item(ada) is Nothing.FINISHED


def test_a_late_answer_is_refused_if_somebody_took_the_slot(one_text, clock):
    ada, ben = join_graders(one_text, "Ada", "Ben")
    late = one_text.next_item(ada)
    clock.forward(minutes=30)
    lease = one_text.next_item(ben)
    with pytest.raises(LeaseLostError, match="fetch the next"):
        one_text.submit(ada, answer_to(late))
    one_text.submit(ben, answer_to(lease))
    assert [grade.person_id for grade in rows(one_text, grades)] == [ben]


@pytest.mark.parametrize("wrong", [{"token": "0" * 32}, {"token": ""}, {"slot": 10**6}])
def test_an_answer_without_the_lease_is_refused(one_text, wrong):
    (ada,) = join_graders(one_text, "Ada")
    answer = answer_to(one_text.next_item(ada))
    with pytest.raises(LeaseLostError):
        one_text.submit(ada, replace(answer, **wrong))


@pytest.mark.parametrize(
    ("about", "named"),
    [
        ({"grade": "unsafe", "category": None}, "category: an item that is unsafe needs one"),
        ({"grade": "safe", "category": "C9"}, "category: an item that is safe has none"),
        ({"grade": "borderline", "category": "C99"}, "the policy has no 'C99'"),
        ({"grade": "bad"}, "grade: 'bad'"),
        ({"confidence": 4}, "confidence: 4"),
        ({"admissible": ("worse",)}, "admissible: 'worse'"),
        ({"refers": "sky"}, "refers: 'sky'"),
        ({"because": "mood"}, "because: 'mood'"),
        ({"note": "x" * 2001}, "note: 2001 characters"),
        ({"seconds": -1}, "seconds: -1"),
        ({"seconds": float("nan")}, "seconds: nan"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "import-0-1"}, "client_id"),
    ],
)
def test_an_incomplete_answer_is_refused_and_nothing_is_written(one_text, about, named):
    (ada,) = join_graders(one_text, "Ada")
    answer = replace(answer_to(one_text.next_item(ada)), **about)
    with pytest.raises(UsageError, match=named):
        one_text.submit(ada, answer)
    assert rows(one_text, grades) == []


def test_all_of_an_answer_is_stored(new_project, clock):
    project = new_project(graders={"joint": 1})
    (ada,) = join_graders(project, "Ada")
    lease = project.next_item(ada)
    clock.forward(seconds=20)
    project.submit(
        ada,
        answer_to(
            lease,
            "unsafe",
            confidence=2,
            admissible=("borderline", "unsafe"),
            refers="image",
            because="target",
            revealed=True,
            note="the face",
            seconds=12.5,
        ),
    )
    (grade,) = rows(project, grades)
    assert (grade.grade, grade.category, grade.confidence) == ("unsafe", "C9", 2)
    assert (grade.admissible, grade.refers, grade.because) == ("borderline", "image", "target")
    assert (grade.revealed, grade.note, grade.seconds) == (True, "the face", 12.5)
    assert (grade.policy_version, grade.given_at, grade.live) == (1, clock.now, True)


def test_time_is_bounded_by_the_clock_of_the_server(new_project, clock):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    lease = project.next_item(ada)
    clock.forward(seconds=30)
    project.submit(ada, answer_to(lease, seconds=5000))
    clock.forward(seconds=20)
    project.skip(ada, project.next_item(ada), seconds=5000)
    (day,) = rows(project, exposures)
    assert (day.shown, day.seconds) == (2, 30)  # the second was leased and skipped at once
    assert [grade.seconds for grade in rows(project, grades)] == [30]


def test_the_last_answer_is_taken_back_once(new_project):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    first = project.next_item(ada)
    project.submit(ada, answer_to(first, "unsafe"))
    ahead = project.next_item(ada)  # fetched before the grader changes their mind
    again = project.take_back(ada)
    assert (again.slot, again.modality) == (first.slot, first.modality)
    assert again.token != first.token
    check_invariants(project)
    with pytest.raises(AnnotationError, match="no last grade"):
        project.take_back(ada)
    project.submit(ada, answer_to(again, "safe"))
    if ahead.item != first.item:
        project.submit(ada, answer_to(ahead))
    found = [(g.grade, bool(g.live), g.withdrawn_as) for g in rows(project, grades)]
    assert found[:2] == [("unsafe", False, "taken_back"), ("safe", True, None)]
    check_invariants(project)


def test_taking_back_a_part_keeps_what_follows_for_later(tmp_path, new_project):
    project = new_project(
        make_dataset(tmp_path / "d", 1), graders={"image": 1, "text": 1, "joint": 1}
    )
    (ada,) = join_graders(project, "Ada")
    project.submit(ada, answer_to(project.next_item(ada)))
    other = project.next_item(ada)
    part = project.take_back(ada)
    assert {other.modality, part.modality} == {"image", "text"}
    with pytest.raises(LeaseLostError):
        project.submit(ada, answer_to(other))
    project.submit(ada, answer_to(part))
    assert project.next_item(ada).modality == other.modality
    check_invariants(project)


def test_nothing_to_take_back(new_project):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    with pytest.raises(AnnotationError, match="no last grade"):
        project.take_back(ada)


def test_a_skipped_item_goes_to_others_and_never_comes_back(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 3), graders={"text": 1})
    ada, ben = join_graders(project, "Ada", "Ben")
    skipped = project.next_item(ada)
    project.skip(ada, skipped)
    check_invariants(project)
    assert skipped.item not in [lease.item for _, lease in grade_all(project, [ada])]
    assert [lease.item for _, lease in grade_all(project, [ben])] == [skipped.item]
    assert [(t.kind, t.number) for t in rows(project, tallies)] == [("skip", 1)]


def test_after_a_skip_of_a_pair_somebody_else_grades_it(tmp_path, new_project):
    project = new_project(
        make_dataset(tmp_path / "d", 1), graders={"image": 1, "text": 1, "joint": 1}
    )
    ada, ben = join_graders(project, "Ada", "Ben")
    for _ in range(2):
        project.submit(ada, answer_to(project.next_item(ada)))
    project.skip(ada, project.next_item(ada))
    check_invariants(project)
    assert project.next_item(ada) is Nothing.FINISHED
    lease = project.next_item(ben)
    assert isinstance(lease, Lease)
    assert lease.modality == "joint"
    project.submit(ben, answer_to(lease))
    check_invariants(project)
