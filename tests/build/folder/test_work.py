"""What each stage has done, how long it took, and where more tries are in vain."""

from __future__ import annotations

import time

import pytest

from tests.build.folder.made import CELL, PROMPT, chain, record
from tests.build.folder.stages import PlayedStages
from vlsu.build.folder.build import init, status
from vlsu.build.folder.records import STAGES, Decision, Try
from vlsu.build.folder.stalled import stalled
from vlsu.build.folder.work import stages, timed
from vlsu.build.plan.targets import parse_targets
from vlsu.policy import default_policy


@pytest.fixture
def build(tmp_path):
    return init(tmp_path / "build", default_policy(), targets=parse_targets(["all=0,S-S-U/C9=2"]))


@pytest.fixture
def store(build):
    with build.store() as store:
        yield store


def test_a_stage_is_told_by_its_tries_records_calls_and_time(build, store):
    prompt = store.add_prompt("concepts", PROMPT)
    tries = [Try("concepts", CELL, None, number) for number in range(3)]
    store.plan(tries)
    made = [record("concepts", prompt, concept=str(n)) for n in range(3)]
    decisions = [Decision(made[0].key, True), Decision(made[1].key, False, "near-duplicate")]
    store.conclude(tries[0], made[:2], decisions)
    store.conclude(tries[1], made[2:])
    store.add_calls([("k1", "concepts", "openai/x", 0.5), ("k2", "concepts", "openai/x", None)])
    store.add_work("concepts", time.time(), 2.5)
    store.add_work("concepts", time.time(), 1.5)
    found = stages(store)
    assert list(found) == list(STAGES)
    assert found["concepts"] == {
        "tries": 2,
        "open_tries": 1,
        "made": 3,
        "kept": 1,
        "undecided": 1,
        "lost": {"near-duplicate": 1},
        "calls": 2,
        "cost": 0.5,
        "unpriced": 1,
        "starts": 2,
        "seconds": 4.0,
    }
    assert (found["grades"]["made"], found["grades"]["calls"]) == (0, 0)
    assert status(build)["stages"] == found


def test_the_time_of_a_stage_that_fails_is_recorded_too(build, store):
    @timed("images")
    def fails(build, seconds):
        time.sleep(seconds)
        raise ValueError("down")

    for _ in range(2):
        with pytest.raises(ValueError, match="down"):
            fails(build, 0.02)
    starts, seconds = store.work("images")
    assert starts == 2
    assert 0.04 <= seconds < 40  # as milliseconds they were more


def test_a_cell_without_a_sample_after_enough_tries_is_stalled(build, store):
    _, image = chain(store, "images")
    tries = [Try("queries", CELL, image, number) for number in range(3)]
    store.plan(tries)
    for each in tries[:2]:
        store.conclude(each)
    assert stalled(build.wanted, store, 3) == {}
    store.conclude(tries[2])
    assert stalled(build.wanted, store, 3) == {CELL: "3 tries at queries gave no samples"}
    assert stalled(build.wanted, store, 4) == {}
    chain(store, concept="another", caption="another")
    assert stalled(build.wanted, store, 3) == {}
    assert stalled({CELL: 1}, store, 1) == {}


def test_a_place_without_an_image_stalls_all_its_cells(build, store):
    (concept,) = chain(store, "concepts")
    tries = [Try("images", CELL, concept, number) for number in range(2)]
    store.plan(tries)
    for each in tries:
        store.conclude(each, about={"exhausted": True})
    assert stalled(build.wanted, store, 2) == {CELL: "2 tries at images gave no images"}


def test_one_that_is_not_graded_yet_may_still_become_a_sample(build, store):
    *_, image, _ = chain(store, "queries")
    each = Try("queries", CELL, image, 0)
    store.plan([each])
    store.conclude(each)
    assert stalled(build.wanted, store, 1) == {}


def test_stages_that_always_fail_stall(build, store):
    played = PlayedStages(build, store, lambda _: 0.99)
    for _ in range(30):
        for stage in STAGES:
            played.work(stage)
    assert list(stalled(build.wanted, store, 20).values()) == [
        "60 tries at concepts gave no concepts"
    ]
