"""Who was shown a pair is asked for no part of it, however they came to lose their seat."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import Clock, answer_to, check_invariants, join_graders, rows
from vlsu.annotate.plan.settings import Order
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.tables import bins, exclusions, sightings, stops
from vlsu.annotate.work.answering import LeaseLostError
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.annotate.work.notes import Opening
from vlsu.errors import AnnotationError

NewProject = Callable[..., Project]


def away_for_long(project: Project, clock: Clock, person: int, _: Lease) -> None:
    clock.forward(minutes=11)
    assert project.sweep()


def away_for_days(project: Project, clock: Clock, person: int, _: Lease) -> None:
    clock.forward(minutes=80 * 60)
    project.sweep()
    assert project.release_absent()


def opted_out_for_a_while(project: Project, _: Clock, person: int, lease: Lease) -> None:
    (stratum,) = {row.stratum for row in rows(project, bins)}
    project.opt_out(person, stratum)
    project.opt_in(person, stratum)


def paused_for_a_while(project: Project, _: Clock, person: int, lease: Lease) -> None:
    project.pause(person)
    project.resume(person)


def stopped_for_a_while(project: Project, _: Clock, person: int, lease: Lease) -> None:
    (lead,) = join_graders(project, "Lea", role="lead")
    project.stop(person, lease, "threat")
    (stop,) = rows(project, stops)
    assert project.lift_stop(lead, stop.id, "A drawing.")


def taken_back(project: Project, clock: Clock, person: int, lease: Lease) -> None:
    project.submit(person, answer_to(lease))
    project.take_back(person)
    clock.forward(minutes=11)
    assert project.sweep()


LOST = (
    away_for_long,
    opted_out_for_a_while,
    paused_for_a_while,
    stopped_for_a_while,
    taken_back,
)


@pytest.mark.parametrize("lose", LOST)
def test_a_part_is_not_for_who_lost_the_pair(tmp_path, new_project, clock, lose):
    plan = {"graders": {"text": 1, "joint": 1}, "disjoint": True}
    project = new_project(make_dataset(tmp_path / "d", 1), **plan)
    ada, ben, cleo = join_graders(project, "Ada", "Ben", "Cleo")
    text, pair = project.next_item(ben), project.next_item(ada)
    assert (text.modality, pair.modality) == ("text", "joint")
    lose(project, clock, ada, pair)
    clock.forward(minutes=11)
    project.sweep()  # nobody has either now
    assert project.next_item(cleo).modality == "text"
    project.submit(cleo, answer_to(project.next_item(cleo)))
    project.take_back(cleo)
    project.skip(cleo, project.next_item(cleo))
    again = project.next_item(ada)  # the text is free, and not for her
    assert again.modality == "joint"
    project.submit(ada, answer_to(again))
    assert project.next_item(ada) is Nothing.FINISHED
    assert project.next_item(ben).modality == "text"
    check_invariants(project)


@pytest.mark.parametrize("lose", LOST)
def test_with_disjoint_graders_a_pair_is_not_for_who_lost_a_part(
    tmp_path, new_project, clock, lose
):
    plan = {"graders": {"text": 1, "joint": 1}, "disjoint": True}
    project = new_project(make_dataset(tmp_path / "d", 1), **plan)
    ada, ben = join_graders(project, "Ada", "Ben")
    text = project.next_item(ada)
    assert text.modality == "text"
    lose(project, clock, ada, text)
    by_ben = project.next_item(ben)
    assert by_ben.modality == "text"
    project.submit(ben, answer_to(by_ben))
    assert project.next_item(ada) is Nothing.FINISHED
    check_invariants(project)


def test_a_part_is_not_taken_back_once_its_pair_has_come(tmp_path, new_project):
    plan = {"graders": {"image": 1, "text": 1, "joint": 1}}
    project = new_project(make_dataset(tmp_path / "d", 1), **plan)
    (ada,) = join_graders(project, "Ada")
    for _ in range(2):
        project.submit(ada, answer_to(project.next_item(ada)))
    project.submit(ada, answer_to(project.take_back(ada)))
    pair = project.next_item(ada)
    assert pair.modality == "joint"
    with pytest.raises(AnnotationError, match="its pair came since"):
        project.take_back(ada)
    project.submit(ada, answer_to(pair))
    assert project.next_item(ada) is Nothing.FINISHED
    check_invariants(project)


def test_nor_once_its_pair_was_left_to_others(tmp_path, new_project):
    plan = {"graders": {"image": 1, "text": 1, "joint": 1}}
    project = new_project(make_dataset(tmp_path / "d", 1), **plan)
    (ada,) = join_graders(project, "Ada")
    for _ in range(2):
        project.submit(ada, answer_to(project.next_item(ada)))
    project.skip(ada, project.next_item(ada))
    with pytest.raises(AnnotationError, match="its pair came since"):
        project.take_back(ada)
    check_invariants(project)


def kept(project: Project, clock: Clock, person: int, lease: Lease) -> None:
    """Before them still."""


@pytest.mark.parametrize("lose", [None, kept, paused_for_a_while, away_for_days])
def test_a_note_asks_nobody_again_for_a_part_who_was_shown_the_pair(
    tmp_path, new_project, clock, lose
):
    plan = {"graders": {"image": 1, "text": 1, "joint": 1}}
    project = new_project(make_dataset(tmp_path / "d", 1), **plan)
    ada, ben = join_graders(project, "Ada", "Ben")
    (eve,) = join_graders(project, "Eve", role="adjudicator")
    for _ in range(2):
        project.submit(ada, answer_to(project.next_item(ada)))
    pair = project.next_item(ada)
    assert pair.modality == "joint"
    if lose is None:
        project.submit(ada, answer_to(pair))
    else:
        lose(project, clock, ada, pair)
    opening = Opening(modality="text")
    assert project.touched(opening).others == 1
    project.add_note(eve, "Texts of this kind are borderline.", opening=opening)
    again = project.next_item(ada)
    assert not isinstance(again, Lease) or again.modality == "joint"
    assert project.next_item(ben).modality == "text"
    check_invariants(project)


def test_a_late_answer_is_not_taken_of_who_was_shown_the_pair_since(tmp_path, new_project, clock):
    plan = {"graders": {"image": 1, "text": 2, "joint": 2}}
    project = new_project(make_dataset(tmp_path / "d", 1), **plan, order=Order(block=1, apart=0))
    ada, ben = join_graders(project, "Ada", "Ben")
    while (text := project.next_item(ben)).modality != "text":
        project.submit(ben, answer_to(text))
    project.submit(ben, answer_to(text))
    project.pause(ben)  # what is left of the seat, the pair, is for somebody else
    shown: dict[str, Lease] = {}
    while "joint" not in shown:
        lease = project.next_item(ada)
        shown[lease.modality] = lease
        clock.forward(minutes=11)
        project.sweep()
    (late,) = [each for name, each in shown.items() if name != "joint"]
    with pytest.raises(LeaseLostError, match="shown since"):
        project.submit(ada, answer_to(late))
    again = project.next_item(ada)
    assert again.modality == "joint"
    check_invariants(project)


def test_what_was_shown_is_forgotten_with_skips(new_project):
    project = new_project()
    ada, ben = join_graders(project, "Ada", "Ben")
    project.skip(ada, project.next_item(ada))
    project.skip(ben, project.next_item(ben))
    assert {row.person_id for row in rows(project, sightings)} == {ada, ben}
    project.stop_taking_part(ada)
    assert {row.person_id for row in rows(project, sightings)} == {ben}
    project.forget(at_once=True)
    assert rows(project, sightings) == []


def test_a_sample_that_was_skipped_and_then_set_aside_is_never_offered_again(new_project):
    """Deleting skips, which are health data, does not offer it again."""
    project = new_project(graders={"text": 1, "image": 1})
    (ada,) = join_graders(project, "Ada")
    first = project.next_item(ada)
    project.submit(ada, answer_to(first))
    while (lease := project.next_item(ada)).item != first.item:
        project.submit(ada, answer_to(lease))
    project.skip(ada, lease)
    project.pause(ada)
    project.set_aside(ada)
    project.forget(at_once=True)
    kept = {row.item_id: row.why for row in rows(project, exclusions)}
    assert kept[first.item] == "set_aside"
