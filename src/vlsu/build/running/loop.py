"""The loop: one stage after the other, round after round, until cells are full or a bound is met.

Where it stands is read from the records alone. A loop that was killed goes on with the stage it was
in, and comes to the records that it would have come to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import demand
from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES
from vlsu.build.folder.stage_report import StageReport
from vlsu.build.folder.stalled import PATIENCE, stalled
from vlsu.build.plan.cells import Cell
from vlsu.errors import UsageError
from vlsu.runs.stop import Stop

__all__ = ["Bounds", "Ran", "run_stages"]

#: Why it ends where nothing is missing.
FULL = "every cell is full"
#: The stage that plans again in one start, as long as images are missing.
_SEARCHES = STAGES[1]

#: A stage of a build: does what there is to do for it.
Stage = Callable[[Build], StageReport]
#: Told before (`None`) and after each stage: the round, from 1, and what the stage did.
Told = Callable[[int, str, StageReport | None], None]
#: Gives up samples of a full build that are to be replaced; how many.
Refill = Callable[[Build], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When the loop ends, if cells are not full before.

    Attributes:
        max_rounds: Rounds of one start; `None` for no bound.
        max_tries: Tries of one start, of all stages together, looked at before each stage; the
            stage that searches may go beyond it, as one image can take several searches.
        round_size: Samples that one round is for, so that a writer that is of no use is found out
            early.
        patience: Tries that one concept, image or sample may take; see
            `vlsu.build.folder.stalled.stalled`.
        refills: How often samples of full cells may be replaced in a build, over all starts.

    Raises:
        UsageError: One is below 1, or `refills` below 0.
    """

    max_rounds: int | None = None
    max_tries: int | None = None
    round_size: int = 100
    patience: int = PATIENCE
    refills: int = 1

    def __post_init__(self) -> None:
        for name, least in (
            *((each, 1) for each in ("max_rounds", "max_tries", "round_size", "patience")),
            ("refills", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"--{name.replace('_', '-')} {value}: give at least {least}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one start of the loop did.

    Attributes:
        rounds: Rounds that were begun.
        reports: Of each stage that was started, in order, with the round it was in.
        refilled: Samples that were given up when cells were full, to be replaced.
        ended: Why it ended, in one line.
        stopped: Set if that was a bound on cost, an interrupt or a failure.
        stalled: Cells that are left alone, and why.
    """

    rounds: int
    reports: tuple[tuple[int, StageReport], ...]
    refilled: int
    ended: str
    stopped: Stop | None
    stalled: Mapping[Cell, str]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "rounds": self.rounds,
            "stages": [{"round": number, **each.as_dict()} for number, each in self.reports],
            "refilled": self.refilled,
            "ended": self.ended,
            "stopped": None if self.stopped is None else self.stopped.message,
            "stalled": [
                {**cell.as_dict(), "reason": reason} for cell, reason in self.stalled.items()
            ],
        }


def run_stages(
    build: Build,
    stages: Mapping[str, Stage],
    bounds: Bounds | None = None,
    *,
    reuse: int = 1,
    refill: Refill | None = None,
    told: Told = lambda _number, _stage, _report: None,
) -> Ran:
    """Run the stages in turn until every cell is full, or nothing more is worth a try.

    Args:
        build: Its folder is locked by the caller.
        stages: A function for each of `vlsu.build.folder.records.STAGES`. It is given the build
            with what this round is for in its `wanted`.
        bounds: When to end, whatever is missing.
        reuse: Samples that one image may be part of.
        refill: Called when all cells are full; what it gives up is built anew. Its decisions have
            `vlsu.build.folder.records.REFILL` in what they say, which is how often it was done.
        told: Called before and after each stage.

    Raises:
        VlsuError: As the stages do; what they were told is stored is there.
    """
    loop = _Loop(build, stages, bounds or Bounds(), reuse, refill, told)
    ended, stopped = loop.run()
    with build.store(read_only=True) as store:
        stuck = stalled(build.wanted, store, loop.bounds.patience)
    return Ran(
        rounds=loop.rounds,
        reports=tuple(loop.reports),
        refilled=loop.refilled,
        ended=ended,
        stopped=stopped,
        stalled=stuck,
    )


class _Loop:
    def __init__(
        self,
        build: Build,
        stages: Mapping[str, Stage],
        bounds: Bounds,
        reuse: int,
        refill: Refill | None,
        told: Told,
    ) -> None:
        self.build, self.stages, self.bounds = build, stages, bounds
        self.reuse, self.refill, self.told = reuse, refill, told
        self.rounds, self.tries, self.refills, self.refilled = 0, 0, 0, 0
        self.reports: list[tuple[int, StageReport]] = []

    def run(self) -> tuple[str, Stop | None]:
        with self.build.store(read_only=True) as store:
            first = _next_stage(store)
        while True:
            if (ended := self._ended()) is not None:
                if ended == FULL and self._refilled():
                    continue
                return ended, None
            self.rounds += 1
            before = self.tries
            for stage in STAGES[first:]:
                if self._tries_left() == 0:
                    return self._bound_on_tries(), None
                if (stopped := self._start(stage)) is not None:
                    return stopped.message, stopped
            if self.tries == before and first == 0:
                return f"nothing more could be tried{self._lacking()}", None
            first = 0

    def _start(self, stage: str) -> Stop | None:
        with self.build.store(read_only=True) as store:
            wanted = self._wanted(store)
        self.told(self.rounds, stage, None)
        report = self.stages[stage](replace(self.build, wanted=wanted))
        self.tries += report.tries
        self.reports.append((self.rounds, report))
        self.told(self.rounds, stage, report)
        return report.stopped

    def _wanted(self, store: Reader) -> dict[Cell, int]:
        """What this round is for: cells that are worth it, as many samples as it may try for."""
        stuck = stalled(self.build.wanted, store, self.bounds.patience)
        wanted = {
            cell: 0 if cell in stuck else number for cell, number in self.build.wanted.items()
        }
        left = self._tries_left()
        most = self.bounds.round_size if left is None else min(left, self.bounds.round_size)
        missing = demand(replace(self.build, wanted=wanted), store, reuse=self.reuse).cells
        granted = _shared(missing, most)
        return {
            cell: number - missing.get(cell, 0) + granted.get(cell, 0)
            for cell, number in wanted.items()
        }

    def _ended(self) -> str | None:
        """Why no other round is begun."""
        with self.build.store(read_only=True) as store:
            counts = store.counts()
            left = {
                cell: number
                for cell, number in self.build.wanted.items()
                if number > (counts[cell].have if cell in counts else 0)
            }
            under_way = _has_open_tries(store) or _has_ungraded(store)
            stuck = stalled(self.build.wanted, store, self.bounds.patience)
        if not under_way and not left:
            return FULL
        if not under_way and set(left) <= set(stuck):
            return f"{len(left)} cells are stalled, the others are full"
        if self.bounds.max_rounds is not None and self.rounds >= self.bounds.max_rounds:
            return f"--max-rounds {self.bounds.max_rounds} reached"
        return self._bound_on_tries() if self._tries_left() == 0 else None

    def _refilled(self) -> bool:
        """Whether samples were given up to be replaced, as often as that may be in a build."""
        with self.build.store(read_only=True) as store:
            done = max(self.refills, store.refills())
        if self.refill is None or done >= self.bounds.refills:
            return False
        self.refills = done + 1
        given_up = self.refill(self.build)
        self.refilled += given_up
        return given_up > 0

    def _tries_left(self) -> int | None:
        most = self.bounds.max_tries
        return None if most is None else max(0, most - self.tries)

    def _bound_on_tries(self) -> str:
        return f"--max-tries {self.bounds.max_tries} reached"

    def _lacking(self) -> str:
        lines = dict.fromkeys(
            line
            for number, report in self.reports
            if number == self.rounds
            for line in report.lacking
        )
        return f": {'; '.join(lines)}" if lines else ""


def _next_stage(store: Reader) -> int:
    """Where a round goes on: the stage with open tries, or the one after that last planned.

    The stage that searches plans again and again in one start, until nothing is left for it: it may
    have been killed between two times, and is started again. If it had ended, it finds nothing.
    """
    order = [stage for stage in store.stages_planned() if stage in STAGES]
    if not order:
        return 0
    last = STAGES.index(order[-1])
    if order[-1] == _SEARCHES or store.tries(order[-1], open_only=True):
        return last
    return (last + 1) % len(STAGES)


def _has_open_tries(store: Reader) -> bool:
    """Whether a try of a stage is open; those on queries are minimal pairs, which it leaves."""
    images = {image.key for image in store.states(STAGES[1])}
    return any(
        stage != STAGES[2] or each.subject in images
        for stage in STAGES
        for each in store.tries(stage, open_only=True)
    )


def _has_ungraded(store: Reader) -> bool:
    """Whether a kept query has no pre-grade yet."""
    graded = {each.parent for each in store.states(STAGES[-1])}
    return any(each.kept and each.key not in graded for each in store.states(STAGES[-2]))


def _shared(missing: Mapping[Cell, int], most: int) -> dict[Cell, int]:
    """At most so many samples in all, one of each cell after the other."""
    granted: dict[Cell, int] = dict.fromkeys(missing, 0)
    left = min(most, sum(missing.values()))
    while left:
        for cell, number in missing.items():
            if left and granted[cell] < number:
                granted[cell] += 1
                left -= 1
    return granted
