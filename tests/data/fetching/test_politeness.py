"""The order, the bounds and the end of asking, without a network."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from vlsu.data.fetching.connection import Held
from vlsu.data.fetching.entries import Wanted
from vlsu.data.fetching.faults import FetchFaultError, Reason
from vlsu.data.fetching.politeness import Dispatcher, Pace
from vlsu.errors import MachineError


class Asked:
    """Hosts with so many addresses each; `answer` decides what an attempt gives.

    Attributes:
        order: Host of each attempt.
        failed: Reason -> addresses that were given up.
    """

    def __init__(self, queued: dict[str, int], answer=None, **pace) -> None:
        self.queued = queued
        self.answer = answer
        self.pace = Pace(**{"backoff_s": 0.001, **pace})
        self.order: list[str] = []
        self.failed: Counter[str] = Counter()
        self.loaded = 0
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def more(self, host: str, after: int, count: int) -> list[Wanted]:
        ids = range(after + 1, min(after + count, self.queued[host]) + 1)
        self.loaded += len(ids)
        return [Wanted(n, host, f"s{n}", None, None, None) for n in ids]

    async def attempt(self, wanted: Wanted) -> None:
        self.order.append(wanted.url)
        for name in (wanted.url, "all"):
            self.under_way[name] += 1
            self.most[name] = max(self.most[name], self.under_way[name])
        try:
            await asyncio.sleep(0)
            if self.answer is not None:
                self.answer(wanted)
        finally:
            self.under_way.subtract([wanted.url, "all"])

    def fail(self, wanted: Wanted, fault: FetchFaultError) -> None:
        self.failed[fault.reason] += 1

    def give_up(self, host: str, after: int, reason: str) -> None:
        self.failed[reason] += self.queued[host] - after

    def run(self) -> None:
        async def main() -> None:
            dispatcher = Dispatcher(
                self.queued,
                more=self.more,
                attempt=self.attempt,
                failed=self.fail,
                give_up=self.give_up,
                pace=self.pace,
            )
            await asyncio.wait_for(dispatcher.run(), 100)

        asyncio.run(main())


def test_hosts_take_turns():
    asked = Asked({"a": 500, "b": 500, "c": 3}, concurrency=4, per_host=2)
    asked.run()
    assert Counter(asked.order) == {"a": 500, "b": 500, "c": 3}
    assert asked.order.index("c") < 4
    assert Counter(asked.order[:100])["a"] == pytest.approx(49, abs=3)
    assert asked.most["all"] <= 4
    assert max(asked.most[host] for host in "abc") <= 2


def test_only_some_addresses_are_in_memory():
    def stop(wanted: Wanted) -> None:
        raise MachineError("enough")

    asked = Asked({f"h{n}": 100_000 for n in range(3)}, stop, concurrency=3)
    with pytest.raises(MachineError):
        asked.run()
    assert asked.loaded <= 3 * 64


def test_a_failure_that_may_pass_is_tried_so_often():
    def fail(wanted: Wanted) -> None:
        raise FetchFaultError(Reason.TIMEOUT, transient=True)

    asked = Asked({"a": 5}, fail, tries=3)
    asked.run()
    assert (len(asked.order), asked.failed) == (15, {"timeout": 5})


def test_one_for_good_is_not_and_says_that_the_host_is_there():
    def fail(wanted: Wanted) -> None:
        raise FetchFaultError("http-404")

    asked = Asked({"a": 200}, fail, max_failures=3)
    asked.run()
    assert (len(asked.order), asked.failed) == (200, {"http-404": 200})


def test_a_host_that_never_answers_is_given_up_and_counted_whole():
    def fail(wanted: Wanted) -> None:
        if wanted.url == "dead":
            raise FetchFaultError(Reason.CONNECT, transient=True)

    asked = Asked({"dead": 10_000, "alive": 1000}, fail, tries=2, max_failures=5)
    asked.run()
    assert asked.failed == {"no-connection": 10_000}
    assert Counter(asked.order)["alive"] == 1000
    assert Counter(asked.order)["dead"] < 200


@pytest.mark.parametrize("where", ["attempt", "failed", "more", "give_up"])
def test_a_fault_of_this_machine_ends_it(where):
    def attempt(wanted: Wanted) -> None:
        if where == "attempt":
            raise MachineError("the disk is full")
        raise FetchFaultError(Reason.CONNECT, transient=True)

    class Full(Asked):
        def more(self, host: str, after: int, count: int) -> list[Wanted]:
            if where == "more" and after:
                raise MachineError("the disk is full")
            return super().more(host, after, count)

        def fail(self, wanted: Wanted, fault: FetchFaultError) -> None:
            if where == "failed":
                raise MachineError("the disk is full")

        def give_up(self, host: str, after: int, reason: str) -> None:
            raise MachineError("the disk is full")

    most = 10**9 if where == "more" else 3
    asked = Full({"a": 1000}, attempt, tries=1, max_failures=most)
    with pytest.raises(MachineError, match="the disk is full"):
        asked.run()


def test_what_is_under_way_ends_with_it():
    ended = []

    class Slow(Asked):
        async def attempt(self, wanted: Wanted) -> None:
            if wanted.id == 3:
                raise MachineError("no")
            try:
                await asyncio.sleep(600)
            finally:
                ended.append(wanted.id)

    with pytest.raises(MachineError):
        Slow({"a": 100}, per_host=3).run()
    assert sorted(ended) == [1, 2]


class Body:
    """A body under way."""

    def __init__(self, size: int) -> None:
        self.size, self.paused = size, False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


def test_of_too_much_at_a_time_only_the_largest_is_read_on():
    held = Held(100)
    bodies = [Body(40), Body(50), Body(30)]
    for body in bodies:
        held.add(body, body.size)
    assert [body.paused for body in bodies] == [False, False, True]
    held.add(bodies[1], 10)
    bodies[1].size += 10
    assert not bodies[1].paused
    held.add(bodies[0], 5)
    bodies[0].size += 5
    assert bodies[0].paused
    held.release(bodies[1], 60)  # it is complete
    assert [bodies[0].paused, bodies[2].paused] == [False, False]
