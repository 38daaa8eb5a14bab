"""Disputes, and who decides them."""

from __future__ import annotations

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.projects.status import status
from vlsu.annotate.store.tables import adjudications, disputes, exposures, grades, stops
from vlsu.annotate.work.answering import LeaseLostError
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


def test_a_page_holds_a_case_ahead_and_no_more_than_the_plan_says(disputed):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    first = disputed.next_case(eve)
    second = disputed.next_case(eve, holds=[first.dispute])
    assert first.dispute != second.dispute
    assert disputed.next_case(eve, holds=[first.dispute, second.dispute]) is None
    assert disputed.next_case(eve, holds=[first.dispute, second.dispute, 99]) is None


def test_a_heartbeat_keeps_a_case(disputed, clock):
    eve, fay = join_graders(disputed, "Eve", "Fay", role="adjudicator")
    case, other = disputed.next_case(eve), disputed.next_case(fay)
    clock.forward(minutes=9)
    assert disputed.extend_cases(eve, [case.dispute, other.dispute]) == [case.dispute]
    clock.forward(minutes=9)
    assert disputed.next_case(fay, holds=[other.dispute]) is None


def test_a_case_is_shown_to_who_has_its_lease_and_for_as_long(disputed, clock):
    eve, fay = join_graders(disputed, "Eve", "Fay", role="adjudicator")
    case = disputed.next_case(eve)
    assert disputed.case_shown_to(eve, case.dispute, case.token).sample_id == case.sample_id
    assert disputed.case_shown_to(fay, case.dispute, case.token) is None
    assert disputed.case_shown_to(eve, case.dispute, "0" * 32) is None
    clock.forward(minutes=11)
    assert disputed.case_shown_to(eve, case.dispute, case.token) is None


def test_a_decision_sent_twice_counts_once(disputed):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    case = disputed.next_case(eve)
    assert not disputed.decide(eve, case.dispute, "safe", None, "Clear.")
    assert disputed.decide(eve, case.dispute, "safe", None, "Clear.")
    assert len(rows(disputed, adjudications)) == 1


def test_a_revised_decision_counts_and_the_first_one_stays(disputed):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    number = disputed.next_case(eve).dispute
    disputed.decide(eve, number, "safe", None, "Clear.")
    case = disputed.open_again(eve, number)
    assert (case.decision.grade, case.decision.reason) == ("safe", "Clear.")
    assert disputed.case_shown_to(eve, number, case.token).sample_id == case.sample_id
    assert disputed.next_case(eve).dispute != number  # it is no dispute
    disputed.decide(eve, number, "unsafe", "C9", "On second thoughts.")
    assert {(row.grade, row.live) for row in rows(disputed, adjudications)} == {
        ("safe", None),
        ("unsafe", True),
    }
    assert [each.live for each in disputed.decided_by(eve)] == [True, False]


def test_a_decision_is_revised_though_the_grades_were_set_aside_since(disputed):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    number = disputed.next_case(eve).dispute
    disputed.decide(eve, number, "safe", None, "Clear.")
    for grader in {row.person_id for row in rows(disputed, grades)}:
        disputed.pause(grader)
        disputed.set_aside(grader)
    case = disputed.open_again(eve, number)
    disputed.decide(eve, case.dispute, "unsafe", "C9", "On second thoughts.")
    assert [row.grade for row in rows(disputed, adjudications) if row.live] == ["unsafe"]


def test_nobody_revises_anothers_decision(disputed):
    eve, fay = join_graders(disputed, "Eve", "Fay", role="adjudicator")
    number = disputed.next_case(eve).dispute
    disputed.decide(eve, number, "safe", None, "Clear.")
    with pytest.raises(AnnotationError, match="is not yours"):
        disputed.open_again(fay, number)
    assert disputed.decided_by(fay) == []


def test_a_case_that_is_left_goes_to_another_adjudicator(disputed):
    eve, fay = join_graders(disputed, "Eve", "Fay", role="adjudicator")
    case = disputed.next_case(eve)
    disputed.skip_case(eve, case.dispute)
    assert disputed.next_case(eve).dispute != case.dispute
    assert disputed.next_case(fay).dispute == case.dispute
    with pytest.raises(LeaseLostError):
        disputed.decide(eve, case.dispute, "safe", None, "Mine.")


@pytest.mark.parametrize("decided", [False, True])
def test_an_adjudicator_stops_what_may_be_illegal(disputed, decided):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    case = disputed.next_case(eve)
    if decided:
        disputed.decide(eve, case.dispute, "safe", None, "Clear.")
        disputed.open_again(eve, case.dispute)
    assert disputed.stop_case(eve, case.dispute, "threat") == [case.item]
    (stop,) = rows(disputed, stops)
    assert (stop.person_id, stop.item_id, stop.kind) == (eve, case.item, "threat")
    assert disputed.case_shown_to(eve, case.dispute, case.token) is None
    with pytest.raises(LeaseLostError):
        disputed.decide(eve, case.dispute, "unsafe", "C9", "A threat.")
    assert not any(each.revisable for each in disputed.decided_by(eve))
    check_invariants(disputed)


def test_what_an_adjudicator_sees_is_counted(disputed, clock):
    (eve,) = join_graders(disputed, "Eve", role="adjudicator")
    case = disputed.next_case(eve)
    clock.forward(seconds=30)
    disputed.decide(eve, case.dispute, "safe", None, "Clear.", seconds=3600)
    seen = [row for row in rows(disputed, exposures) if row.person_id == eve]
    assert [(row.shown, row.seconds) for row in seen] == [(1, 30.0)]  # as long as it was leased
