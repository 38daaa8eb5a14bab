"""Results that take a while: kept, and made anew in a thread of their own when somebody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from vlsu.errors import VlsuError

__all__ = ["Kept"]

T = TypeVar("T")
#: A result is kept for as many times as it took to make, so that making it anew again and again
#: takes a twentieth of a processor at most.
_TIMES = 20


class Kept(Generic[T]):
    """A result of some work, made by one thread at a time, and only when it is asked for.

    Whoever asks gets the latest there is. Where that is old, another is begun, and waited for a
    little: what is quick is thus always fresh, and what is slow holds nobody up.

    Args:
        make: The work.
        least: Seconds for which a result is good whatever it took.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        make: Callable[[], T],
        *,
        least: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._clock = clock
        self._least = least
        self._lock = threading.Lock()
        self._made = threading.Event()
        self._running = False
        self._latest: T | None = None
        self._due = 0.0
        self._expired = False

    def get(self, wait: float) -> T | None:
        """The latest result; `None` if there is none yet.

        Args:
            wait: Seconds to wait for a new one at most, if one is due.
        """
        with self._lock:
            if not self._running and (self._expired or self._clock() >= self._due):
                self._running, self._expired = True, False
                self._made.clear()
                threading.Thread(target=self._work, daemon=True).start()
            running = self._running
        if running:
            self._made.wait(wait)
        return self._latest

    def expire(self) -> None:
        """Have the next who asks begin a new one: something has changed."""
        self._expired = True

    def _work(self) -> None:
        start = self._clock()
        try:
            self._latest = self._make()
        except VlsuError:
            pass  # the database is away: what there is stays, and the next who asks tries again
        finally:
            end = self._clock()
            with self._lock:
                self._due = end + max(self._least, _TIMES * (end - start))
                self._running = False
                self._made.set()
