"""What is still to be made, whatever the stages came to and wherever they were killed."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.build.folder.made import chain, record
from tests.build.folder.stages import PlayedStages
from vlsu.build.folder.build import init
from vlsu.build.folder.demand import MOST_IMAGES, MOST_TRIES, Demand, demand
from vlsu.build.folder.records import STAGES, Decision, Try
from vlsu.build.plan.cells import Cell, Place
from vlsu.build.plan.targets import parse_targets
from vlsu.policy import Pattern, Severity, default_policy

TARGETS = "all=0,S-S-U/C9=3,S-U-U/C9=2,U-S-U/C3=1"
CONCEPTS, IMAGES, QUERIES, GRADES = STAGES


def build_of(folder, targets=TARGETS):
    return init(
        Path(folder), default_policy(), languages=["en", "de"], targets=parse_targets([targets])
    )


@pytest.fixture
def build(tmp_path):
    return build_of(tmp_path / "build", "all=0,S-S-U/C9=2")


@pytest.fixture
def store(build):
    with build.store() as store:
        yield store


C9 = Place("C9", Severity.SAFE)
EN, DE = (Cell(Pattern.parse("S-S-U"), "C9", language) for language in ("en", "de"))


def test_a_new_build_needs_an_image_and_a_concept_for_each_sample(build, store):
    assert demand(build, store) == Demand({EN: 1, DE: 1}, {}, {}, {C9: 2}, {C9: 2})


def test_what_is_under_way_is_not_asked_for_again(build, store):
    _, image = chain(store, "images", EN)
    before = demand(build, store)
    assert (before.images_wanted, before.concepts_wanted) == ({C9: 1}, {})
    store.plan([Try(QUERIES, EN, image, 0)])
    after = demand(build, store)
    assert (after.cells, after.images, after.images_wanted) == ({DE: 1}, {}, {C9: 1})


def test_a_try_that_came_to_nothing_makes_room_for_another(build, store):
    _, image = chain(store, "images", EN)
    for number in range(MOST_TRIES):
        assert [each.key for each in demand(build, store).images[C9]] == [image]
        each = Try(QUERIES, EN, image, number)
        store.plan([each])
        store.conclude(each)
    assert demand(build, store).images == {}
    assert demand(build, store).images_wanted == {C9: 2}


def test_an_image_that_is_a_sample_is_not_used_again_unless_asked(build, store):
    *_, image, _, _ = chain(store, cell=EN)
    assert demand(build, store).images == {}
    assert [each.key for each in demand(build, store, reuse=2).images[C9]] == [image]


def test_one_that_was_kept_off_target_uses_its_image_and_does_not_fill_the_cell(build, store):
    *_, query = chain(store, "queries", EN)
    prompt = next(iter(store.prompts()))
    (grade,) = store.add([record(GRADES, prompt, query, EN)])
    store.decide([Decision(grade, True, about={"on_target": False})])
    found = demand(build, store)
    assert (found.cells, found.images) == ({EN: 1, DE: 1}, {})


def test_a_concept_yields_so_many_images_and_ends_when_nothing_more_is_found(build, store):
    concept, _ = chain(store, "images", EN)
    found = demand(build, store)
    assert ([each.key for each in found.concepts[C9]], found.concepts_wanted) == ([concept], {})
    each = Try(IMAGES, EN, concept, 1)
    store.plan([each])
    assert demand(build, store).concepts == {}
    store.conclude(each, about={"exhausted": True})
    assert demand(build, store).concepts_wanted == {C9: 1}
    assert MOST_IMAGES > 1


def test_what_was_planned_on_an_image_that_is_taken_down_is_over(build, store):
    _, image = chain(store, "images", EN)
    each = Try(QUERIES, EN, image, 0)
    store.plan([each])
    assert store.tries(QUERIES, open_only=True) == [each]
    store.decide([Decision(image, False, "taken down")])
    assert store.tries(QUERIES, open_only=True) == []
    assert demand(build, store).cells == {EN: 1, DE: 1}


def test_a_try_is_concluded_once(store):
    each = Try(CONCEPTS, EN, None, 0)
    store.plan([each, each])
    assert store.tries(CONCEPTS) == [each]
    assert store.conclude(each, about={"refused": 1}) is True
    assert store.conclude(each, about={"refused": 2}) is False
    assert store.outcomes(CONCEPTS) == {each.key: {"refused": 1}}


def samples_of(store):
    """Image -> samples of it, by walking up from each."""
    return Counter(
        store.record(str(grade.parent)).parent for grade in store.records(GRADES, kept=True)
    )


def busy(store):
    """Images and cells that something is under way for, by looking at each query by itself."""
    found = {(each.subject, each.cell) for each in store.tries(QUERIES, open_only=True)}
    for kept in (None, True):
        for query in store.records(QUERIES, kept=kept):
            states = [store.kept(grade.key) for grade in store.children(query.key)]
            if not states or (True not in states and None in states):
                found.add((query.parent, query.cell))
    return found


class Histories(RuleBasedStateMachine):
    """Stages in any order, killed after any try, with any results; images are taken down."""

    @initialize(seed=st.integers(0, 2**32), reuse=st.sampled_from([1, 1, 2]))
    def begin(self, seed, reuse):
        self.folder = tempfile.TemporaryDirectory()
        self.build = build_of(self.folder.name)
        self.store = self.build.store()
        self.reuse = reuse
        drawn = random.Random(seed)
        self.stages = PlayedStages(
            self.build, self.store, lambda _: drawn.random(), reuse=self.reuse
        )

    @rule(stage=st.sampled_from(STAGES), most=st.one_of(st.none(), st.integers(0, 3)))
    def start_and_kill(self, stage, most):
        self.stages.work(stage, most)

    @rule()
    def a_whole_round(self):
        for stage in STAGES:
            self.stages.work(stage)

    @rule(which=st.integers(0, 99))
    def take_an_image_down(self, which):
        kept = self.store.records(IMAGES, kept=True)
        if kept:
            self.store.decide([Decision(kept[which % len(kept)].key, False, "taken down")])

    @rule()
    def open_again(self):
        self.store.close()
        self.store = self.stages.store = self.build.store()

    @invariant()
    def no_image_is_in_more_samples_than_asked(self):
        if hasattr(self, "store"):
            assert all(n <= self.reuse for n in samples_of(self.store).values())

    @invariant()
    def nothing_is_under_way_twice(self):
        if not hasattr(self, "store"):
            return
        for stage in STAGES[1:]:
            subjects = Counter(each.subject for each in self.store.tries(stage, open_only=True))
            assert all(number == 1 for number in subjects.values())

    @invariant()
    def what_is_there_under_way_and_missing_is_what_is_wanted(self):
        if not hasattr(self, "store"):
            return
        counts, under_way = self.store.counts(), Counter(cell for _, cell in busy(self.store))
        missing = demand(self.build, self.store, reuse=self.reuse).cells
        for cell, wanted in self.build.wanted.items():
            have = counts[cell].have if cell in counts else 0
            assert have <= wanted
            assert max(wanted, have + under_way[cell]) == (
                have + under_way[cell] + missing.get(cell, 0)
            )

    @invariant()
    def a_free_image_is_no_sample_and_nothing_is_under_way_for_it(self):
        if not hasattr(self, "store"):
            return
        used = samples_of(self.store) + Counter(image for image, _ in busy(self.store))
        free = demand(self.build, self.store, reuse=self.reuse).images
        for place, images in free.items():
            for image in images:
                assert self.store.kept(image.key) is True
                assert Place.of(image.cell) == place
                assert used[image.key] < self.reuse

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=12,
    stateful_step_count=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_every_cell_is_full_in_the_end_wherever_it_is_killed(seed, most):
    drawn = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        build = build_of(folder)
        with build.store() as store:
            stages = PlayedStages(build, store, lambda _: drawn.random())
            for _ in range(200):
                found = demand(build, store)
                if not found.cells and not busy(store):
                    break
                for stage in STAGES:
                    stages.work(stage, drawn.choice([None, most]))
            counts = store.counts()
            assert {cell: counts[cell].have for cell, n in build.wanted.items() if n} == {
                cell: n for cell, n in build.wanted.items() if n
            }
            left = demand(build, store)
            assert (left.cells, left.images_wanted, left.concepts_wanted) == ({}, {}, {})
