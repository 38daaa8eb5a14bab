"""Limits of attempts."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.annotate.web.limiting import Limit, Limiter, network


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_in_so_long_and_no_more():
    clock = Clock()
    limiter = Limiter({"name": Limit(3, 60), "all": Limit(5, 10)}, clock=clock)
    assert [limiter.take({"name": "ada", "all": ""}) for _ in range(3)] == [0, 0, 0]
    clock.now += 20
    assert limiter.take({"name": "ada", "all": ""}) == 40
    assert limiter.take({"name": "ben", "all": ""}) == 0
    clock.now += 40
    assert limiter.take({"name": "ada", "all": ""}) == 0


def test_who_succeeds_is_not_counted():
    limiter = Limiter({"name": Limit(2, 60)}, clock=Clock())
    for _ in range(10):
        assert limiter.take({"name": "ada"}) == 0
        limiter.give_back({"name": "ada"})


def test_a_refused_attempt_prolongs_nothing():
    clock = Clock()
    limiter = Limiter({"name": Limit(1, 60)}, clock=clock)
    limiter.take({"name": "ada"})
    for _ in range(59):
        clock.now += 1
        assert limiter.take({"name": "ada"}) > 0
    clock.now += 1
    assert limiter.take({"name": "ada"}) == 0


def test_many_at_once_are_no_way_around():
    limiter = Limiter({"name": Limit(7, 60)})
    taken: list[float] = []
    threads = [
        threading.Thread(target=lambda: taken.append(limiter.take({"name": "ada"})))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wait == 0 for wait in taken) == 7


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("ab"))))
def test_never_more_in_any_window_than_the_limit(attempts):
    clock = Clock()
    limiter = Limiter({"name": Limit(3, 20)}, clock=clock)
    made: dict[str, list[float]] = {"a": [], "b": []}
    for pause, name in attempts:
        clock.now += pause
        if limiter.take({"name": name}) == 0:
            made[name].append(clock.now)
    for times in made.values():
        assert all(later - earlier >= 20 for earlier, later in zip(times, times[3:], strict=False))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("unix", "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one(address, expected):
    assert network(address) == expected
