"""More grades where the consensus is least sure."""

from __future__ import annotations

import threading

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, grade_all, join_graders, rows
from vlsu.annotate.consensus.certainty import certainty
from vlsu.annotate.consensus.majority import Vote
from vlsu.annotate.exchange.importing import import_grades
from vlsu.annotate.plan.settings import Adaptive, Bounds, Plan, parse_adaptive
from vlsu.annotate.projects.status import status
from vlsu.annotate.store.tables import disputes, grades, slots
from vlsu.annotate.work.leasing import Lease
from vlsu.errors import UsageError

FREE = Bounds(minutes_a_day=0, hard_a_day=0, spacing=0)
TEXTS = {"image": 0, "text": 3, "joint": 0}


def test_the_certainty_is_bayes_rule_by_hand():
    def votes(text):
        return [
            Vote({"s": "safe", "b": "borderline", "u": "unsafe"}.get(c, "not_sure")) for c in text
        ]

    # Each vote has probability 0.8 under its own severity and 0.1 under each other.
    assert certainty(votes("ssu")) == pytest.approx(0.064 / (0.064 + 0.008 + 0.001))
    assert certainty(votes("sbu")) == pytest.approx(1 / 3)
    assert certainty(votes("ssuu")) == pytest.approx(0.0064 / (0.0064 * 2 + 0.0001))
    assert certainty(votes("ss??")) == certainty(votes("ss"))
    assert certainty(votes("??")) == pytest.approx(1 / 3)
    assert certainty(votes("s"), accuracy=0.5) == pytest.approx(0.5)


def adaptive_project(new_project, tmp_path, samples=2, graders=TEXTS, **plan):
    dataset = make_dataset(tmp_path / "dataset", samples, apart=True)
    plan = {"adaptive": Adaptive(first=3, most=5), "bounds": FREE, **plan}
    return new_project(dataset, graders=graders, **plan)


def test_who_agree_need_nobody_else_and_others_get_up_to_the_most(new_project, tmp_path):
    project = adaptive_project(new_project, tmp_path)
    people = join_graders(project, *"ABCDEF")

    def grade(person: int, lease: Lease) -> str:
        return "safe" if lease.sample_id == "s0" or people.index(person) % 2 else "borderline"

    grade_all(project, people, grade)
    check_invariants(project)
    number = {"s0": 0, "s1": 0}
    by_id = {0: "s0", 1: "s1"}
    for row in rows(project, grades):
        number[by_id[row.item_id]] += 1
    assert number["s0"] == 3
    assert 4 <= number["s1"] <= 5
    wanted = status(project)["slots"]["text"]
    assert wanted["wanted"] == wanted["done"] == sum(number.values())


def test_a_dispute_is_opened_when_the_most_leave_it_open(new_project, tmp_path):
    project = adaptive_project(new_project, tmp_path, samples=1)
    people = join_graders(project, *"ABCDE")
    given = iter(["safe", "borderline", "unsafe", "safe", "borderline"])
    for person in people[:4]:
        project.submit(person, answer_to(project.next_item(person), next(given)))
        assert rows(project, disputes) == []
    project.submit(people[4], answer_to(project.next_item(people[4]), next(given)))
    assert len(rows(project, disputes)) == 1
    assert len(rows(project, slots)) == 5


def test_without_a_grader_to_give_it_nothing_more_is_asked_for(new_project, tmp_path):
    project = adaptive_project(new_project, tmp_path, samples=1)
    people = join_graders(project, *"ABC")
    grades_ = dict(zip(people, ("safe", "borderline", "unsafe"), strict=True))
    grade_all(project, people, lambda person, _: grades_[person])
    assert len(rows(project, slots)) == 3
    assert len(rows(project, disputes)) == 1


def test_somebody_whose_grades_were_imported_is_no_grader_who_is_left(new_project, tmp_path):
    project = adaptive_project(new_project, tmp_path)
    table = tmp_path / "far.csv"
    table.write_text("item,modality,grader,grade\ns0,text,Far,safe\n")
    import_grades(project, table, "long")
    people = join_graders(project, *"ABC")
    grade_all(project, people, lambda person, _: ("safe", "borderline")[person == people[0]])
    check_invariants(project)
    wanted = status(project)["slots"]["text"]
    assert wanted["wanted"] == wanted["done"]


def test_a_second_answer_after_a_take_back_adds_nothing_twice(new_project, tmp_path):
    project = adaptive_project(new_project, tmp_path, samples=1)
    people = join_graders(project, *"ABCDE")
    for person, grade in zip(people[:3], ("safe", "borderline", "unsafe"), strict=True):
        project.submit(person, answer_to(project.next_item(person), grade))
    assert len(rows(project, slots)) == 4
    project.submit(people[2], answer_to(project.take_back(people[2]), "borderline"))
    assert len(rows(project, slots)) == 4
    check_invariants(project)


def test_extra_parts_and_pairs_share_seats_so_that_five_people_suffice(new_project, tmp_path):
    graders = {"image": 3, "text": 3, "joint": 3}
    project = adaptive_project(new_project, tmp_path, samples=2, graders=graders)
    people = join_graders(project, *"ABCDE")
    labels = ["safe", "borderline", "unsafe"]
    grade_all(project, people, lambda person, _: labels[people.index(person) % 3])
    check_invariants(project)
    found = rows(project, slots)
    assert {slot.owner_id for slot in found} == set(people)
    assert len(found) == len(rows(project, grades)) == 2 * 3 * 5


def test_two_who_answer_at_once_add_one_seat(new_project, tmp_path):
    project = adaptive_project(new_project, tmp_path, samples=8)
    people = join_graders(project, *"ABCDEF")
    first = people[0]
    for _ in range(8):
        project.submit(first, answer_to(project.next_item(first), "safe"))
    for _ in range(8):
        leases = [project.next_item(person) for person in people[1:3]]
        pair = [(p, lease) for p, lease in zip(people[1:3], leases, strict=True)]
        labels = ("borderline", "unsafe")
        threads = [
            threading.Thread(target=project.submit, args=(p, answer_to(lease, label)))
            for (p, lease), label in zip(pair, labels, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(rows(project, slots)) == 8 * 4  # each is three severities, and gets a fourth
    check_invariants(project)


@pytest.mark.parametrize("text", ["3", "3:", "a:b", "3:5:7", "-1:2"])
def test_other_spellings_of_adaptive_are_refused(text):
    with pytest.raises(UsageError, match="write 3:5"):
        parse_adaptive(text)


@pytest.mark.parametrize(("first", "most"), [(5, 3), (3, 3), (1, 3), (4, 6), (3, 51)])
def test_rules_that_cannot_be_are_refused(first, most):
    with pytest.raises(UsageError, match="adaptive"):
        Plan(adaptive=Adaptive(first=first, most=most))
