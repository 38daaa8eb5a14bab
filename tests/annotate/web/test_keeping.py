"""Results that are kept: made by one thread at a time, and never waited for longer than wanted."""

from __future__ import annotations

import threading

from vlsu.annotate.web.keeping import Kept
from vlsu.errors import AnnotationError

LONG = 30.0


class Work:
    """Counts how often it was done; stops at a gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.times = 0
        self.fails = False

    def __call__(self) -> int:
        self.times += 1
        done = self.times
        self.begun.set()
        assert self.gate.wait(LONG)
        if self.fails:
            raise AnnotationError("the database is away")
        return done


def test_what_is_quick_is_waited_for_and_kept() -> None:
    work = Work()
    kept = Kept(work, least=LONG)
    assert [kept.get(LONG), kept.get(LONG)] == [1, 1]
    kept.expire()
    assert kept.get(LONG) == 2


def test_what_is_slow_holds_nobody_up_and_is_made_once() -> None:
    work = Work()
    kept = Kept(work, least=LONG)
    assert kept.get(LONG) == 1
    work.gate.clear()
    work.begun.clear()
    kept.expire()
    assert kept.get(0.01) == 1
    assert work.begun.wait(LONG)
    assert [kept.get(0.01) for _ in range(5)] == [1] * 5
    assert work.times == 2
    work.gate.set()
    assert kept.get(LONG) == 2


def test_a_result_is_kept_for_twenty_times_as_long_as_it_took() -> None:
    now = 100.0

    def slow() -> float:
        nonlocal now
        now += 3
        return now

    kept = Kept(slow, least=10, clock=lambda: now)
    assert kept.get(LONG) == 103
    now += 59
    assert kept.get(LONG) == 103
    now += 1
    assert kept.get(LONG) == 166


def test_a_database_that_is_away_leaves_what_there_is() -> None:
    work = Work()
    kept = Kept(work, least=0)
    assert kept.get(LONG) == 1
    work.fails = True
    kept.expire()
    assert kept.get(LONG) == 1
    work.fails = False
    kept.expire()
    assert kept.get(LONG) == 3
