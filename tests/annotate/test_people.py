"""Invited, joined, paused, set aside, opted out."""

from __future__ import annotations

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.store.tables import audit, grades, opt_outs, people, tallies
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.errors import AnnotationError


def test_an_invitation_works_once(new_project):
    project = new_project()
    token = project.invite("Ada", "grader").token
    person = project.join(token)
    with pytest.raises(AnnotationError, match="was used or is too old"):
        project.join(token)
    assert project.join(project.invite("Ada", "grader").token) == person


def test_an_invitation_ends_and_a_new_one_ends_the_last(new_project, clock):
    project = new_project()
    old = project.invite("Ada", "grader").token
    new = project.invite("Ada", "grader").token
    with pytest.raises(AnnotationError):
        project.join(old)
    clock.forward(minutes=14 * 24 * 60 + 1)
    with pytest.raises(AnnotationError):
        project.join(new)


def test_the_database_has_neither_a_token_nor_who_a_pseudonym_is(new_project):
    project = new_project()
    invitation = project.invite("Ada", "grader")
    (row,) = rows(project, people)
    assert invitation.token not in str(tuple(row))
    assert "ada" not in row.pseudonym.lower()


@pytest.mark.parametrize(
    ("name", "role", "named"),
    [("", "grader", "--name"), ("x" * 81, "grader", "--name"), ("a\nb\x1b", "grader", "--name"),
     ("Ada", "boss", "--role 'boss'"), ("Ben", "lead", "is grader already")],
)  # fmt: skip
def test_who_cannot_be_invited(new_project, name, role, named):
    project = new_project()
    project.invite("Ben", "grader")
    with pytest.raises(AnnotationError, match=named):
        project.invite(name, role)


def test_languages_are_codes(new_project):
    project = new_project()
    with pytest.raises(AnnotationError, match="--language 'english'"):
        project.invite("Ada", "grader", languages=["English"])
    project.invite("Ada", "grader", languages=["DE", "en"])
    assert [row.languages for row in rows(project, people)] == ["de,en"]


def test_languages_can_be_given_again(new_project):
    project = new_project()
    project.invite("Ada", "grader", languages=["en"])
    project.invite("Ada", "grader")
    assert rows(project, people)[0].languages == "en"
    project.invite("Ada", "grader", languages=["de", "en"])
    assert rows(project, people)[0].languages == "de,en"


def test_only_adults_agree(new_project):
    project = new_project()
    person = project.join(project.invite("Ada", "grader").token)
    with pytest.raises(AnnotationError, match="only adults"):
        project.agree(person, adult=False, version="1")
    assert project.next_item(person) is Nothing.CONSENT


def test_a_paused_grader_gets_nothing_and_their_items_go_to_others(tmp_path, new_project):
    project = new_project(
        make_dataset(tmp_path / "d", 2), graders={"image": 1, "text": 1, "joint": 1}
    )
    ada, ben = join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada)))
    lease = project.next_item(ada)
    project.pause(ada)
    check_invariants(project)
    assert project.next_item(ada) is Nothing.PAUSED
    with pytest.raises(AnnotationError):
        project.submit(ada, answer_to(lease))
    assert len(grade_all(project, [ben])) == 5
    assert sum(bool(grade.live) for grade in rows(project, grades)) == 6
    check_invariants(project)


def test_a_resumed_grader_goes_on(new_project):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    project.pause(ada)
    project.resume(ada)
    assert isinstance(project.next_item(ada), Lease)


def test_grades_set_aside_are_kept_and_graded_again_by_others(new_project):
    project = new_project(graders={"image": 1, "text": 1, "joint": 1})
    ada, ben = join_graders(project, "Ada", "Ben")
    for _ in range(10):
        project.submit(ada, answer_to(project.next_item(ada), "unsafe"))
    with pytest.raises(AnnotationError, match="pause first"):
        project.set_aside(ada)
    project.pause(ada)
    assert project.set_aside(ada) == 10
    check_invariants(project)
    got = grade_all(project, [ben])
    check_invariants(project)
    assert len(got) == 36
    found = rows(project, grades)
    assert [g.withdrawn_as for g in found if g.person_id == ada] == ["set_aside"] * 10
    assert all(g.live for g in found if g.person_id == ben)


def test_who_had_grades_set_aside_is_not_offered_these_samples_again(tmp_path, new_project):
    project = new_project(make_dataset(tmp_path / "d", 2), graders={"text": 1})
    (ada,) = join_graders(project, "Ada")
    first = project.next_item(ada)
    project.submit(ada, answer_to(first))
    project.pause(ada)
    project.set_aside(ada)
    project.resume(ada)
    assert [lease.item for _, lease in grade_all(project, [ada])] == [1 - first.item]


def test_opting_out_gives_back_what_was_begun_and_counts_without_a_name(tmp_path, new_project):
    project = new_project(
        make_dataset(tmp_path / "d", 12, apart=True), graders={"image": 1, "text": 1, "joint": 1}
    )
    ada, ben = join_graders(project, "Ada", "Ben")
    for _ in range(12):
        project.submit(ada, answer_to(project.next_item(ada)))
    held = project.next_item(ada)
    for stratum in ("C9", "none"):
        project.opt_out(ada, stratum)
        project.opt_out(ada, stratum)  # once more changes nothing
    check_invariants(project)
    with pytest.raises(AnnotationError):
        project.submit(ada, answer_to(held))
    assert project.next_item(ada) is Nothing.FINISHED
    grade_all(project, [ben])
    check_invariants(project)
    assert sum(bool(grade.live) for grade in rows(project, grades)) == 36
    assert {(t.kind, t.stratum, t.number) for t in rows(project, tallies)} == {
        ("opt_out", "C9", 1),
        ("opt_out", "none", 1),
    }
    assert len(rows(project, opt_outs)) == 2


def test_what_leads_do_is_on_record(new_project):
    project = new_project()
    ada, lead = join_graders(project, "Ada")[0], join_graders(project, "Lea", role="lead")[0]
    project.pause(ada, by=lead)
    project.set_aside(ada, by=lead)
    last = [(row.person_id, row.action, row.subject) for row in rows(project, audit)[-2:]]
    assert last == [
        (lead, "pause", f"person {ada}"),
        (lead, "set_aside", f"person {ada}: 0 grades"),
    ]
