"""The loop over stages whose results are made up: when it ends, and where it goes on."""

from __future__ import annotations

import hashlib
from functools import partial

import pytest

from tests.build.folder.stages import PlayedStages
from vlsu.build.folder.build import init, status
from vlsu.build.folder.records import STAGES, Decision
from vlsu.build.folder.stage_report import StageReport
from vlsu.build.plan.targets import parse_targets
from vlsu.build.running.loop import Bounds, run_stages
from vlsu.errors import UsageError
from vlsu.policy import default_policy
from vlsu.runs.stop import Stop, StopReason


class KilledError(Exception):
    """In place of a signal."""


class Drawn:
    """Numbers that depend on the try alone, as a model's answers do."""

    def __init__(self, worst=1.0):
        self.worst, self.now = worst, ""

    def __call__(self, name):
        digest = hashlib.sha256(f"{self.now} {name}".encode()).digest()
        return self.worst * int.from_bytes(digest[:6]) / 2**48


class Stages:
    """Stages for the loop, killed after so many tries in all."""

    def __init__(self, kill_after=None, worst=1.0, stop_at=None):
        self.left, self.drawn, self.stop_at = kill_after, Drawn(worst), stop_at
        self.started, self.planned = [], []

    def functions(self):
        return {stage: self._function(stage) for stage in STAGES}

    def _function(self, stage):
        def work(build):
            self.started.append(stage)
            if stage == self.stop_at:
                return StageReport(stage=stage, stopped=Stop(StopReason.BUDGET, "--max-cost 1"))
            with build.store() as store:
                played = PlayedStages(build, store, self.drawn)
                tries = self._planned(played, stage)
                done = self._conclude(played, stage, tries)
                while tries and stage == "images":  # which looks on until nothing is left
                    tries = self._planned(played, stage)
                    done += self._conclude(played, stage, tries)
            return StageReport(stage=stage, tries=done)

        return work

    def _planned(self, played, stage):
        tries = played.store.tries(stage, open_only=True)
        if not tries:
            self._step(0)
            tries = list(played.plan(stage))
            played.store.plan(tries)
        self.planned.append(len(tries))
        return tries

    def _conclude(self, played, stage, tries):
        for each in tries:
            self._step(1)
            self.drawn.now = each.key
            getattr(played, stage)(each)
        return len(tries)

    def _step(self, number):
        """Killed, if enough was done."""
        if self.left == 0:
            raise KilledError
        if self.left is not None:
            self.left -= number


def build_of(folder, targets="all=0,S-S-U/C9=6,S-U-U/C9=2,S-S-S=2"):
    return init(
        folder, default_policy(), languages=["en", "de"], targets=parse_targets(targets.split())
    )


def keys(build):
    with build.store(read_only=True) as store:
        return [
            (record.key, kept)
            for stage in STAGES
            for kept in (True, False, None)
            for record in store.records(stage, kept=kept)
        ]


def test_it_goes_on_until_every_cell_is_full(tmp_path):
    build = build_of(tmp_path / "b")
    ran = run_stages(build, Stages().functions())
    assert (ran.ended, ran.stopped, ran.stalled) == ("every cell is full", None, {})
    assert status(build)["short"] == []
    assert ran.rounds > 1
    assert [report.stage for _, report in ran.reports] == [*STAGES] * ran.rounds
    again = Stages()
    assert run_stages(build, again.functions()).rounds == 0
    assert again.started == []


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_killed_anywhere_it_comes_to_the_same_records(tmp_path, steps):
    whole = build_of(tmp_path / "whole")
    run_stages(whole, Stages().functions())
    killed, kills = build_of(tmp_path / "killed"), 0
    while True:
        try:
            ran = run_stages(killed, Stages(kill_after=steps).functions())
            break
        except KilledError:
            kills += 1
    assert kills >= 4
    assert ran.ended == "every cell is full"
    assert keys(killed) == keys(whole)


def test_a_round_is_for_so_many_samples_and_for_all_cells_alike(tmp_path):
    build, stages = build_of(tmp_path / "b"), Stages()
    run_stages(build, stages.functions(), Bounds(round_size=4, max_rounds=1))
    assert stages.planned[0] == 4
    with build.store(read_only=True) as store:
        cells = {(str(each.cell.pattern), each.cell.language) for each in store.tries("queries")}
    assert len(cells) > 1
    assert all(number <= 4 for number in stages.planned)


@pytest.mark.parametrize(
    ("bounds", "ended"),
    [
        (Bounds(max_rounds=2), "--max-rounds 2 reached"),
        (Bounds(max_tries=7), "--max-tries 7 reached"),
    ],
)
def test_it_ends_at_a_bound_and_goes_on_from_there(tmp_path, bounds, ended):
    build = build_of(tmp_path / "b")
    ran = run_stages(build, Stages().functions(), bounds)
    assert (ran.ended, ran.stopped) == (ended, None)
    if bounds.max_tries:
        assert sum(report.tries for _, report in ran.reports) == 7
    for _ in range(40):
        ran = run_stages(build, Stages().functions(), bounds)
        if ran.ended == "every cell is full":
            break
    assert status(build)["short"] == []


def test_stages_that_yield_nothing_are_left_alone_and_named(tmp_path):
    build = build_of(tmp_path / "b")

    class Refusing(Drawn):
        def __call__(self, name):
            return 0.99

    stages = Stages()
    stages.drawn = Refusing()
    ran = run_stages(build, stages.functions(), Bounds(patience=5))
    assert ran.ended == "6 cells are stalled, the others are full"
    assert all("tries at concepts gave no concepts" in each for each in ran.stalled.values())
    assert len(ran.as_dict()["stalled"]) == 6


def test_a_stage_that_stops_ends_it(tmp_path):
    stages = Stages(stop_at="queries")
    ran = run_stages(build_of(tmp_path / "b"), stages.functions())
    assert (ran.ended, ran.stopped) == ("--max-cost 1", Stop(StopReason.BUDGET, "--max-cost 1"))
    assert stages.started == ["concepts", "images", "queries"]
    assert ran.as_dict()["stopped"] == "--max-cost 1"


def test_where_nothing_can_be_tried_it_says_what_is_lacking(tmp_path):
    def nothing(stage):
        lacking = ("no image for C9 at safe",) if stage == "images" else ()
        return lambda build: StageReport(stage=stage, lacking=lacking)

    ran = run_stages(build_of(tmp_path / "b"), {stage: nothing(stage) for stage in STAGES})
    assert (ran.rounds, ran.ended) == (
        1,
        "nothing more could be tried: no image for C9 at safe",
    )


def test_what_is_given_up_when_all_is_full_is_replaced_once(tmp_path):
    build, asked = build_of(tmp_path / "b"), []

    def refill(build):
        with build.store() as store:
            first, *_ = store.records("grades", kept=True)
            asked.append(first.key)
            about = {"refill": store.refills() + 1}
            store.decide([Decision(first.key, False, "told by text alone (length)", about)])
        return 1

    ran = run_stages(build, Stages().functions(), refill=refill)
    assert (ran.ended, ran.refilled, len(asked)) == ("every cell is full", 1, 1)
    assert status(build)["short"] == []
    again = run_stages(build, Stages().functions(), refill=refill)
    assert (again.rounds, again.refilled, len(asked)) == (0, 0, 1)
    twice = run_stages(build, Stages().functions(), Bounds(refills=2), refill=refill)
    assert (twice.ended, twice.refilled, len(asked)) == ("every cell is full", 1, 2)


@pytest.mark.parametrize("given_up_before", [False, True])
def test_killed_while_full_cells_are_refilled_it_gives_up_as_much_as_without(
    tmp_path, given_up_before
):
    def refill(build, *, killed=False):
        with build.store() as store:
            first, *_ = store.records("grades", kept=True)
            decision = Decision(first.key, False, "told", {"refill": store.refills() + 1})
            if not killed or given_up_before:
                store.decide([decision])
        if killed:
            raise KilledError
        return 1

    whole, killed = build_of(tmp_path / "whole"), build_of(tmp_path / "killed")
    run_stages(whole, Stages().functions(), refill=refill)
    with pytest.raises(KilledError):
        run_stages(killed, Stages().functions(), refill=partial(refill, killed=True))
    run_stages(killed, Stages().functions(), refill=refill)
    assert keys(killed) == keys(whole)


def test_it_tells_of_each_stage_before_and_after(tmp_path):
    told = []
    run_stages(
        build_of(tmp_path / "b"),
        Stages().functions(),
        Bounds(max_rounds=1),
        told=lambda number, stage, report: told.append((number, stage, report is None)),
    )
    assert told == [(1, stage, before) for stage in STAGES for before in (True, False)]


@pytest.mark.parametrize("name", ["max_rounds", "max_tries", "round_size", "patience"])
def test_a_bound_below_1_is_refused(name):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} 0: give at least 1"):
        Bounds(**{name: 0})
