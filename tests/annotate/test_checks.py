"""Training, hidden known items and hidden repeats: shown beside the slots, never counted."""

from __future__ import annotations

from itertools import count, pairwise

import pytest

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, check_invariants, join_graders, rows
from vlsu.annotate.plan.settings import Bounds, Checks, Order
from vlsu.annotate.store.states import State
from vlsu.annotate.store.tables import checks, exposures, grades, people, slots
from vlsu.annotate.work.answering import Feedback, LeaseLostError
from vlsu.annotate.work.leases import CHECK, SLOT, Lease
from vlsu.annotate.work.leasing import Nothing
from vlsu.errors import AnnotationError

TEXTS = {"image": 0, "text": 1, "joint": 0}
FREE = Bounds(minutes_a_day=0, hard_a_day=0, spacing=0)
NONE = Checks(training=0, gold=0, repeats=0)


def gold(*numbers: int, modality: str = "text", grade: str = "safe,,") -> str:
    """Known answers of some samples."""
    return "item,modality,grade,category,note\n" + "\n".join(
        f"s{number},{modality},{grade}" for number in numbers
    )


@pytest.fixture
def texts(new_project, tmp_path):
    """A project of texts with one grader each; of those of the numbers given the grade is known."""

    def make(*known: int, samples: int = 40, **plan):
        dataset = make_dataset(tmp_path / "dataset", samples, apart=True)
        plan = {"graders": TEXTS, "bounds": FREE, "checks": NONE, **plan}
        return new_project(dataset, gold=gold(*known) if known else "", **plan)

    return make


def work(project, person, number=1, grade="safe"):
    """Grade some items; what they were."""
    got = []
    for _ in range(number):
        lease = project.next_item(person)
        if not isinstance(lease, Lease):
            break
        project.submit(person, answer_to(lease, grade))
        got.append(lease)
    return got


def test_training_comes_first_and_gives_feedback(texts):
    project = texts(1, 2, 3, checks=Checks(training=3, gold=0, repeats=0))
    (ada,) = join_graders(project, "Ada")
    for answered in range(3):
        lease = project.next_item(ada)
        assert lease.training
        assert lease.kind == CHECK
        assert lease.sample_id in {"s1", "s2", "s3"}
        answer = answer_to(lease, "safe" if answered else "unsafe")
        receipt = project.submit(ada, answer)
        assert receipt.feedback == Feedback(bool(answered), "safe", None, "")
        again = project.submit(ada, answer)
        assert again.again
        assert again.feedback == receipt.feedback
    lease = project.next_item(ada)
    assert (lease.training, lease.kind) == (False, SLOT)
    assert project.submit(ada, answer_to(lease)).feedback is None
    assert len(rows(project, grades)) == 1
    assert rows(project, people)[0].training_passed is False  # 2 of 3 is less than 0.7
    (day,) = rows(project, exposures)
    assert day.shown == 4


def test_who_does_not_pass_gets_other_items_once_more_and_then_works_with_a_mark(texts):
    project = texts(*range(6), checks=Checks(training=3, gold=0, repeats=0))
    (ada, bob) = join_graders(project, "Ada", "Bob")
    first, second = work(project, ada, 3, "unsafe"), work(project, ada, 3, "not_sure")
    assert len({lease.sample_id for lease in first + second}) == 6
    assert all(lease.training for lease in first + second)
    assert not project.next_item(ada).training
    work(project, bob, 3)
    assert not project.next_item(bob).training
    passed = {row.name: row.training_passed for row in rows(project, people)}
    assert passed == {"Ada": False, "Bob": True}


def test_who_does_not_pass_can_be_paused_instead(texts):
    project = texts(1, checks=Checks(rounds=1, pause_failed=True))
    (ada,) = join_graders(project, "Ada")
    work(project, ada, 1, "unsafe")
    assert project.next_item(ada) is Nothing.PAUSED
    project.resume(ada)
    assert not project.next_item(ada).training


def test_without_known_answers_there_is_no_training(texts):
    project = texts(checks=Checks())
    (ada,) = join_graders(project, "Ada")
    assert not project.next_item(ada).training
    assert rows(project, people)[0].training_passed is None


def test_a_page_that_holds_the_last_training_items_waits(texts):
    project = texts(1, 2, checks=Checks(training=2, gold=0, repeats=0))
    (ada,) = join_graders(project, "Ada")
    holds = [project.next_item(ada)]
    holds.append(project.next_item(ada, holds=holds))
    assert len({lease.slot for lease in holds}) == 2
    assert project.next_item(ada, holds=holds) is Nothing.HELD
    # A page that was loaded anew gets the same again.
    assert project.next_item(ada).token == holds[0].token


def test_a_training_item_is_not_taken_back_as_its_answer_is_known_by_then(texts):
    project = texts(1, 2, checks=Checks(training=2))
    (ada,) = join_graders(project, "Ada")
    work(project, ada, 1)
    with pytest.raises(AnnotationError, match="can no longer be taken back"):
        project.take_back(ada)


HIDDEN = Checks(training=0, gold=4, repeats=0)


def until_check(project, person, most=40):
    """Grade until a check comes; it."""
    for _ in range(most):
        lease = project.next_item(person)
        assert isinstance(lease, Lease), lease
        if lease.kind == CHECK:
            return lease
        project.submit(person, answer_to(lease))
    raise AssertionError("no check came")


def test_known_items_come_among_the_others_one_in_so_many(texts):
    project = texts(*range(20), samples=100, checks=HIDDEN)
    (ada,) = join_graders(project, "Ada")
    got = work(project, ada, 50)
    kinds = [lease.kind for lease in got]
    # 40 slots and one check for every 4: each stretch of 4 slots has one drawn place.
    assert kinds.count(CHECK) == 10
    assert all(
        lease.sample_id in {f"s{n}" for n in range(20)} for lease in got if lease.kind == CHECK
    )
    assert not any(lease.training for lease in got)
    assert len(rows(project, grades)) == 40
    gaps = [n for n, kind in enumerate(kinds) if kind == CHECK]
    assert len({b - a for a, b in pairwise(gaps)}) > 1  # not every fifth
    check_invariants(project)


def test_the_places_of_checks_are_each_graders_own(texts):
    project = texts(*range(20), samples=200, checks=HIDDEN)
    ada, bob = join_graders(project, "Ada", "Bob")
    kinds = [[lease.kind for lease in work(project, person, 30)] for person in (ada, bob)]
    assert kinds[0] != kinds[1]


def test_a_check_is_extended_shown_and_lost_as_a_slot_is(texts, clock):
    project = texts(1, 2, checks=HIDDEN)
    ada, bob = join_graders(project, "Ada", "Bob")
    check = until_check(project, ada)
    assert project.shown_to(ada, check).sample_id == check.sample_id
    assert project.shown_to(bob, check) is None
    with pytest.raises(LeaseLostError):
        project.submit(bob, answer_to(check))
    clock.forward(minutes=9)
    assert project.extend_leases(ada, [check]) == [check]
    clock.forward(minutes=9)
    assert project.shown_to(ada, check).sample_id == check.sample_id
    clock.forward(minutes=11)
    assert project.extend_leases(ada, [check]) == []
    assert project.shown_to(ada, check) is None
    # It comes again, under another token, so that the first is lost.
    again = project.next_item(ada)
    assert (again.kind, again.slot) == (CHECK, check.slot)
    assert again.token != check.token
    with pytest.raises(LeaseLostError):
        project.submit(ada, answer_to(check))
    project.submit(ada, answer_to(again))


def test_a_check_is_taken_back_and_answered_again(texts):
    project = texts(1, 2, checks=HIDDEN)
    (ada,) = join_graders(project, "Ada")
    project.submit(ada, answer_to(until_check(project, ada), "unsafe"))
    again = project.take_back(ada)
    assert again.kind == CHECK
    with pytest.raises(AnnotationError):
        project.take_back(ada)
    project.submit(ada, answer_to(again, "safe"))
    given = [(row.grade, row.live, row.withdrawn_as) for row in rows(project, checks)]
    assert given == [("unsafe", None, "taken_back"), ("safe", True, None)]
    # What comes after a check is taken back first.
    slot = project.next_item(ada)
    project.submit(ada, answer_to(slot))
    assert project.take_back(ada).slot == slot.slot


def test_a_check_that_is_skipped_is_not_shown_again_in_any_modality(texts):
    project = texts(1, checks=HIDDEN)
    (ada,) = join_graders(project, "Ada")
    project.skip(ada, until_check(project, ada))
    assert all(lease.kind == SLOT for lease in work(project, ada, 60))
    assert [row.withdrawn_as for row in rows(project, checks)] == ["skipped"]


def test_a_stop_of_a_check_stops_its_sample_for_all(texts):
    project = texts(1, checks=HIDDEN)
    ada, bob = join_graders(project, "Ada", "Bob")
    of_ada, of_bob = until_check(project, ada), until_check(project, bob)
    assert of_ada.item == of_bob.item
    assert project.stop(ada, of_ada, "threat") == [of_ada.item]
    assert project.shown_to(bob, of_bob) is None
    with pytest.raises(LeaseLostError):
        project.submit(bob, answer_to(of_bob))
    assert all(lease.item != of_ada.item for lease in work(project, bob, 60))
    check_invariants(project)


def test_a_paused_grader_sees_no_check(texts):
    project = texts(1, checks=HIDDEN)
    (ada,) = join_graders(project, "Ada")
    check = until_check(project, ada)
    project.pause(ada)
    assert project.shown_to(ada, check) is None
    with pytest.raises(LeaseLostError):
        project.submit(ada, answer_to(check))
    project.resume(ada)
    assert project.next_item(ada).slot == check.slot


def test_strata_opted_out_of_are_not_in_checks(new_project, tmp_path):
    dataset = make_dataset(tmp_path / "dataset", 40, apart=True)
    harmful = {sample.id for sample in dataset if sample.joint_category == "C9"}
    project = new_project(
        dataset, gold=gold(*range(20)), graders=TEXTS, checks=Checks(training=20), bounds=FREE
    )
    (ada,) = join_graders(project, "Ada")
    project.opt_out(ada, "C9")
    first = work(project, ada, 1)
    open_ = {row.item_id for row in rows(project, checks)}
    assert len(open_) == 20 - len({f"s{n}" for n in range(20)} & harmful)
    project.opt_in(ada, "C9")
    project.opt_out(ada, "none")
    rest = work(project, ada, 40)
    assert not any(lease.training for lease in rest)  # all that were left are opted out of
    assert first[0].sample_id not in harmful
    assert {lease.sample_id for lease in rest} <= harmful


def test_the_daily_bound_of_hard_items_holds_for_checks(new_project, tmp_path):
    dataset = make_dataset(tmp_path / "dataset", 40, apart=True)
    known = gold(*range(12), grade="unsafe,C9,")
    project = new_project(
        dataset,
        gold=known,
        graders=TEXTS,
        bounds=Bounds(hard_a_day=2, spacing=0),
        checks=Checks(training=5, gold=0, repeats=0),
    )
    (ada,) = join_graders(project, "Ada")
    assert len(work(project, ada, 5, "unsafe")) == 2
    assert project.next_item(ada) is Nothing.HARD_ITEMS


def test_what_was_graded_long_ago_is_repeated_and_counts_once(texts, clock):
    checks_ = Checks(training=0, gold=0, repeats=5, repeat_after=10, repeat_hours=20)
    project = texts(samples=100, checks=checks_, order=Order(apart=2))
    (ada,) = join_graders(project, "Ada")
    first = work(project, ada, 10)
    assert all(lease.kind == SLOT for lease in first)
    clock.forward(minutes=24 * 60)
    got = work(project, ada, 24)
    repeats = [n for n, lease in enumerate(got) if lease.kind == CHECK]
    assert len(repeats) >= 3
    # Those of the day before, none twice, none before ten others.
    names = [got[n].sample_id for n in repeats]
    assert set(names) <= {lease.sample_id for lease in first}
    assert len(set(names)) == len(names)
    done = [slot for slot in rows(project, slots) if slot.state == State.DONE]
    assert len(done) == len(rows(project, grades)) == 34 - len(repeats)
    found = {row.grade_id for row in rows(project, checks)}
    assert found <= {row.id for row in rows(project, grades)}


def test_a_part_is_never_shown_after_its_pair(new_project, tmp_path):
    """Repeats of parts stop with the pair; known parts of samples in work come before it."""
    dataset = make_dataset(tmp_path / "dataset", 12, apart=True)
    project = new_project(
        dataset,
        gold=gold(*range(6), modality="image"),
        graders={"image": 1, "text": 1, "joint": 1},
        bounds=FREE,
        checks=Checks(training=2, gold=2, repeats=2, repeat_after=1, repeat_hours=0),
        order=Order(block=2, apart=1),
    )
    (ada,) = join_graders(project, "Ada")
    kinds = set()
    for _ in count():
        lease = project.next_item(ada)
        if not isinstance(lease, Lease):
            break
        kinds.add((lease.kind, lease.modality))
        project.submit(ada, answer_to(lease))
        check_invariants(project)
    assert lease is Nothing.FINISHED
    assert {(CHECK, "image"), (CHECK, "joint"), (SLOT, "joint")} <= kinds
    done = [slot for slot in rows(project, slots) if slot.state == State.DONE]
    assert len(done) == len(rows(project, slots))
