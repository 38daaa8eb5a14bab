"""An event loop whose clock jumps to what comes next: hours pass in seconds, each time alike.

Only timers and coroutines may run on it: what waits for a socket or a thread is never woken.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualTimeLoop", "in_virtual_time"]

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Instead of waiting it moves the clock on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that begins at time 0 and never waits."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._jump.now


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end on a loop of that kind."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work())
