"""Who gets which item next."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import (
    answer_to,
    check_invariants,
    grade_all,
    join_graders,
    rows,
)
from vlsu.annotate.plan.settings import Bounds, Order
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import slots
from vlsu.annotate.work.leasing import Lease, Nothing
from vlsu.data import Sample, write_dataset
from vlsu.policy import Severity, default_policy

#: Nothing keeps items of these tests apart.
NO_BOUNDS = Bounds(minutes_a_day=0, hard_a_day=0, spacing=0)
ANY_ORDER = Order(block=1000, apart=0)


def texts(folder, rows_):
    """A dataset of texts: (id, severity, category, group, language)."""
    samples = [
        Sample(
            id=id_,
            text=f"text {id_}",
            text_grade=severity,
            text_category=category,
            group=group,
            language=language,
        )
        for id_, severity, category, group, language in rows_
    ]
    return write_dataset(
        folder, samples, name="texts", version="1", licence="CC0-1.0", citation="",
        source="tests", policy=default_policy(),
    )  # fmt: skip


def test_three_graders_give_all_that_is_asked_and_no_more(new_project):
    project = new_project()
    people = join_graders(project, "Ada", "Ben", "Cleo")
    got = grade_all(project, people)
    counts = Counter(lease.modality for _, lease in got)
    assert counts == {"image": 12, "text": 36, "joint": 36}
    assert all(project.next_item(person) is Nothing.FINISHED for person in people)
    check_invariants(project)


def test_more_graders_than_asked_share_the_work(new_project):
    project = new_project(graders={"text": 2, "joint": 2})
    people = join_graders(project, *"ABCDE")
    got = grade_all(project, people)
    by_person = Counter(person for person, _ in got)
    assert by_person.total() == 48
    assert len(by_person) == 5
    check_invariants(project)


def test_a_pair_comes_after_its_graders_own_parts(new_project):
    project = new_project(graders={"image": 3, "text": 3, "joint": 3})
    people = join_graders(project, "Ada", "Ben", "Cleo")
    got = grade_all(project, people)
    seen: set[tuple[int, int, str]] = set()
    for person, lease in got:
        if lease.modality == "joint":
            assert {(person, lease.item, "image"), (person, lease.item, "text")} <= seen
        seen.add((person, lease.item, lease.modality))
    assert len(seen) == 108


def test_disjoint_graders_of_pairs_never_see_the_parts(new_project):
    project = new_project(graders={"image": 1, "text": 1, "joint": 1}, disjoint=True)
    people = join_graders(project, "Ada", "Ben")
    got = grade_all(project, people)
    assert len(got) == 36
    pairs = {(person, lease.item) for person, lease in got if lease.modality == "joint"}
    parts = {(person, lease.item) for person, lease in got if lease.modality != "joint"}
    assert not pairs & parts
    check_invariants(project)


def test_an_order_is_the_graders_own_and_the_seeds(tmp_path, new_project):
    project = new_project(graders={"text": 2}, seed=5, order=ANY_ORDER, bounds=NO_BOUNDS)
    ada, ben = join_graders(project, "Ada", "Ben")
    orders = {
        person: [lease.sample_id for _, lease in grade_all(project, [person])]
        for person in (ada, ben)
    }
    assert sorted(orders[ada]) == sorted(orders[ben])
    assert orders[ada] != orders[ben]
    in_dataset = [f"s{n}" for n in range(12)]
    assert in_dataset not in (orders[ada], orders[ben])


def test_modalities_come_in_blocks(new_project):
    project = new_project(
        graders={"image": 1, "text": 1, "joint": 1},
        order=Order(block=4, apart=0),
        bounds=NO_BOUNDS,
    )
    (ada,) = join_graders(project, "Ada")
    got = [lease.modality for _, lease in grade_all(project, [ada])]
    changes = sum(a != b for a, b in pairwise(got))
    assert changes <= 12
    assert max(Counter(got[:4]).values()) == 4


def test_two_of_a_minimal_pair_are_kept_apart(tmp_path, new_project):
    safe = Severity.SAFE
    made = texts(tmp_path / "d", [(f"s{n}", safe, None, f"g{n // 2}", "en") for n in range(40)])
    project = new_project(made, graders={"text": 1}, order=Order(block=50, apart=8))
    (ada,) = join_graders(project, "Ada")
    groups = [int(lease.sample_id[1:]) // 2 for _, lease in grade_all(project, [ada])]
    distances = [abs(a - b) for a in range(40) for b in range(a) if groups[a] == groups[b]]
    assert len(distances) == 20
    # The last few may have no other choice.
    assert sum(distance <= 8 for distance in distances) <= 3


def test_hard_items_are_spaced_by_lighter_ones_and_bounded_a_day(tmp_path, new_project, clock):
    levels = [Severity.UNSAFE if n % 3 == 0 else Severity.SAFE for n in range(60)]
    made = texts(
        tmp_path / "d",
        [(f"s{n}", s, "C9" if s else None, None, "en") for n, s in enumerate(levels)],
    )
    project = new_project(
        made, graders={"text": 1}, bounds=Bounds(hard_a_day=5, spacing=2, minutes_a_day=0)
    )
    (ada,) = join_graders(project, "Ada")
    hard = [
        levels[int(lease.sample_id[1:])] is Severity.UNSAFE
        for _, lease in grade_all(project, [ada])
    ]
    assert sum(hard) == 5
    assert len(hard) == 45  # the 40 light ones
    places = [n for n, each in enumerate(hard) if each]
    assert min(b - a for a, b in pairwise(places)) >= 3
    assert project.next_item(ada) is Nothing.HARD_ITEMS
    clock.forward(minutes=24 * 60)
    assert isinstance(project.next_item(ada), Lease)


def test_a_day_has_so_many_minutes(new_project, clock):
    project = new_project(bounds=Bounds(minutes_a_day=10))
    (ada,) = join_graders(project, "Ada")
    given = 0
    while isinstance(lease := project.next_item(ada), Lease):
        clock.forward(minutes=3)
        project.submit(ada, answer_to(lease, seconds=180))
        given += 1
    assert lease is Nothing.MINUTES
    assert given == 4  # the fourth began within the ten minutes


def test_a_stratum_opted_out_of_is_never_offered(tmp_path, new_project):
    made = texts(
        tmp_path / "d",
        [(f"s{n}", Severity.UNSAFE, f"C{n % 3 + 1}", None, "en") for n in range(30)],
    )
    project = new_project(made, graders={"text": 1}, bounds=NO_BOUNDS)
    (ada,) = join_graders(project, "Ada")
    project.opt_out(ada, "C2")
    got = [int(lease.sample_id[1:]) % 3 for _, lease in grade_all(project, [ada])]
    assert Counter(got) == {0: 10, 2: 10}
    project.opt_in(ada, "C2")
    assert len(grade_all(project, [ada])) == 10


def test_texts_are_offered_to_those_who_read_their_language(tmp_path, new_project):
    languages = ["en", "de-AT", None]
    made = texts(
        tmp_path / "d",
        [(f"s{n}", Severity.SAFE, None, None, languages[n % 3]) for n in range(30)],
    )
    project = new_project(made, graders={"text": 1}, bounds=NO_BOUNDS)
    (ada,) = join_graders(project, "Ada", languages=["de"])
    got = Counter(languages[int(lease.sample_id[1:]) % 3] for _, lease in grade_all(project, [ada]))
    assert got == {"de-AT": 10, None: 10}


def test_an_image_is_offered_to_those_who_read_the_text_that_comes_after_it(tmp_path, new_project):
    project = new_project(graders={"image": 1, "text": 1, "joint": 1})  # all texts are English
    ada, ben = (
        join_graders(project, "Ada", languages=["de"])[0],
        join_graders(project, "Ben", languages=["en"])[0],
    )
    assert project.next_item(ada) is Nothing.FINISHED
    assert len(grade_all(project, [ben])) == 36


def test_an_abandoned_item_is_back_after_minutes(tmp_path, new_project, clock):
    project = new_project(make_dataset(tmp_path / "d", 1), graders={"text": 1})
    ada, ben = join_graders(project, "Ada", "Ben")
    lease = project.next_item(ada)
    assert project.next_item(ben) is Nothing.WAIT
    clock.forward(minutes=9)
    assert project.extend_leases(ada, [lease.slot]) == [lease.slot]
    clock.forward(minutes=9)
    assert project.next_item(ben) is Nothing.WAIT
    clock.forward(minutes=2)
    assert project.next_item(ben).item == lease.item
    assert project.extend_leases(ada, [lease.slot]) == []
    check_invariants(project)


def test_an_abandoned_part_stays_its_graders(tmp_path, new_project, clock):
    """The second part of a sample goes back to who graded the first, and to others once they
    have been away for long."""
    project = new_project(
        make_dataset(tmp_path / "d", 1), graders={"image": 1, "text": 1, "joint": 1}
    )
    ada, ben = join_graders(project, "Ada", "Ben")
    project.submit(ada, answer_to(project.next_item(ada)))
    project.next_item(ada)
    clock.forward(minutes=60)
    assert project.sweep() == 1
    assert project.next_item(ben) is Nothing.FINISHED
    assert project.release_absent() == 0
    clock.forward(minutes=72 * 60)
    assert project.release_absent() == 1
    check_invariants(project)
    assert len(grade_all(project, [ben])) == 2
    check_invariants(project)


def test_a_page_that_was_loaded_anew_goes_on_where_it_was(new_project):
    project = new_project(order=Order(held=2))
    (ada,) = join_graders(project, "Ada")
    first = project.next_item(ada)
    assert project.next_item(ada) == first
    second = project.next_item(ada, holds=[first.slot])
    assert second.slot != first.slot
    assert project.next_item(ada, holds=[first.slot, second.slot]) is Nothing.HELD
    assert project.next_item(ada, holds=[first.slot]).slot == second.slot


@pytest.mark.parametrize("role", ["adjudicator", "lead"])
def test_only_graders_grade(new_project, role):
    project = new_project()
    (person,) = join_graders(project, "Ada", role=role)
    assert project.next_item(person) is Nothing.ROLE


def test_nobody_grades_before_they_agreed(new_project):
    project = new_project()
    person = project.join(project.invite("Ada", "grader").token)
    assert project.next_item(person) is Nothing.CONSENT


def test_what_is_leased_is_what_the_database_says(new_project, clock):
    project = new_project()
    (ada,) = join_graders(project, "Ada")
    lease = project.next_item(ada)
    leased = [slot for slot in rows(project, slots) if slot.state == State.LEASED]
    assert [(slot.id, slot.owner_id, slot.token) for slot in leased] == [
        (lease.slot, ada, lease.token)
    ]
    assert lease.until == clock.now + 600_000
    assert lease.alias == lease.sample_id  # a number, which tells nothing
