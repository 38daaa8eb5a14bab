"""Disputes, and who decides them."""

from __future__ import annotations

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.projects.status import status
from vlsu.annotate.store.tables import adjudications, disputes, grades
from vlsu.errors import AnnotationError, UsageError


@pytest.fixture
def disputed(tmp_path, new_project):
    """Two texts on which two graders disagree, by a step and by two."""
    project = new_project(make_dataset(tmp_path / "d", 2, apart=True), graders={"text": 2})
    ada, ben = join_graders(project, "Ada", "Ben")

    def grade(person, lease):
        return "safe" if person == ada else ("borderline", "unsafe")[lease.item]

    grade_all(project, [ada, ben], grade)
    return project


def test_ties_and_wide_spreads_are_disputes(disputed):
    assert {(row.item_id, row.reason) for row in rows(disputed, disputes)} == {
        (0, "tie"),
        (1, "spread"),
    }


def test_an_adjudicator_sees_grades_and_notes_and_no_names(disputed):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    case = disputed.next_case(eve)
    assert {opinion.grade for opinion in case.opinions} in (
        {"safe", "borderline"},
        {"safe", "unsafe"},
    )
    text = repr(case)
    assert "Ada" not in text
    assert not any(grade.client_id in text for grade in rows(disputed, grades))
    assert "person" not in text


def test_a_decision_closes_the_dispute_and_keeps_every_grade(disputed):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    before = rows(disputed, grades)
    while (case := disputed.next_case(eve)) is not None:
        disputed.decide(
            eve, case.dispute, "borderline", "C9", "A threat is implied.", contested=True
        )
    assert status(disputed)["disputes"] == 0
    assert rows(disputed, grades) == before
    assert [(row.grade, row.contested) for row in rows(disputed, adjudications)] == [
        ("borderline", True)
    ] * 2
    with pytest.raises(AnnotationError, match="was closed"):
        disputed.decide(eve, 1, "safe", None, "Again.")


def test_two_adjudicators_get_two_cases_and_an_abandoned_one_comes_back(disputed, clock):
    eve, fay = join_graders(disputed, "Eve", "Fay", role="adjudicator")
    first, second = disputed.next_case(eve), disputed.next_case(fay)
    assert first.dispute != second.dispute
    assert disputed.next_case(eve).dispute == first.dispute  # a page loaded anew
    with pytest.raises(AnnotationError, match="is another's"):
        disputed.decide(fay, first.dispute, "safe", None, "Mine.")
    disputed.decide(fay, second.dispute, "safe", None, "Clear.")
    assert disputed.next_case(fay) is None
    clock.forward(minutes=11)
    assert disputed.next_case(fay).dispute == first.dispute


def test_nobody_decides_on_a_sample_they_graded(disputed):
    with pytest.raises(AnnotationError, match="only an adjudicator"):
        disputed.next_case(1)


@pytest.mark.parametrize(
    ("grade", "category", "reason", "named"),
    [
        ("not_sure", None, "x", "grade: 'not_sure'"),
        ("unsafe", None, "x", "category: None"),
        ("safe", "C9", "x", "category: 'C9'"),
        ("unsafe", "C99", "x", "category: 'C99'"),
        ("safe", None, "  ", "reason"),
    ],
)
def test_an_incomplete_decision_is_refused(disputed, grade, category, reason, named):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    case = disputed.next_case(eve)
    with pytest.raises(UsageError, match=named):
        disputed.decide(eve, case.dispute, grade, category, reason)


def test_a_grade_taken_back_reopens_the_question(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"text": 2})
    ada, ben = join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada), "safe"))
    project.submit(ben, answer_to(project.next_item(ben), "unsafe"))
    again = project.take_back(ben)
    assert status(project)["disputes"] == 0
    project.submit(ben, answer_to(again, "safe"))
    assert status(project)["disputes"] == 0
    check_invariants(project)


def test_a_decided_grade_is_not_taken_back(disputed):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    while (case := disputed.next_case(eve)) is not None:
        disputed.decide(eve, case.dispute, "safe", None, "Clear.")
    with pytest.raises(AnnotationError, match="can no longer be taken back"):
        disputed.take_back(1)
