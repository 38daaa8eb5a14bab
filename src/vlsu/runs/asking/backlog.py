"""What is still to be asked: requests that are ready, and those that rest before another try."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from vlsu.models.base import Request
from vlsu.runs.asking.patience import Attempts

__all__ = ["Backlog", "PendingRequest"]

#: While this many, or as many as may be in flight, wait for a retry, no new request is sent: it
#: would fail as well.
_REST_AT_MOST = 16


@dataclass(slots=True, eq=False)
class PendingRequest:
    """A request that has no answer yet.

    Attributes:
        key: Its key.
        request: What is asked.
        attempts: How often it was sent.
        rest_s: For how long it rested last, in seconds.
    """

    key: str
    request: Request
    attempts: Attempts = field(default_factory=Attempts)
    rest_s: float = 0.0


class Backlog:
    """Requests in the order in which they are to be sent.

    One that rests is not in flight: its place is free for another.

    Args:
        woken: Called when a request has rested.
    """

    def __init__(self, woken: Callable[[], None]) -> None:
        self._woken = woken
        self._ready: deque[PendingRequest] = deque()
        self._again: deque[PendingRequest] = deque()
        self._resting: dict[PendingRequest, asyncio.TimerHandle] = {}

    def add(self, fresh: Iterable[PendingRequest]) -> None:
        """These are to be sent for the first time."""
        self._ready.extend(fresh)

    def add_first(self, fresh: Sequence[PendingRequest]) -> None:
        """These are to be sent for the first time, before all others that are."""
        self._ready.extendleft(reversed(fresh))

    @property
    def ready(self) -> int:
        """How many have not been sent yet."""
        return len(self._ready)

    @property
    def resting(self) -> int:
        """How many rest."""
        return len(self._resting)

    def to_send(self, level: int) -> int:
        """How many may be sent now, where so many may be in flight."""
        fresh = len(self._ready) if self._may_begin(level) else 0
        return len(self._again) + fresh

    def _may_begin(self, level: int) -> bool:
        return len(self._resting) + len(self._again) < max(level, _REST_AT_MOST)

    def take(self, level: int) -> PendingRequest | None:
        """The next to be sent, if any may be; arguments as `to_send`."""
        if self._again:
            return self._again.popleft()
        if self._ready and self._may_begin(level):
            return self._ready.popleft()
        return None

    def put_back(self, waiting: PendingRequest) -> None:
        """It was not sent, and is the next to be."""
        self._again.appendleft(waiting)

    def rest(self, waiting: PendingRequest, seconds: float, *, last: bool) -> None:
        """Send it again after so long.

        Args:
            waiting: The request.
            seconds: How long it rests.
            last: Then it is to be sent after all others that are ready, else before them.
        """
        waiting.rest_s = seconds
        self._resting[waiting] = asyncio.get_running_loop().call_later(
            seconds, self._rested, waiting, last
        )

    def _rested(self, waiting: PendingRequest, last: bool) -> None:
        del self._resting[waiting]
        (self._ready if last else self._again).append(waiting)
        self._woken()

    def clear(self) -> None:
        """Nothing more is to be sent."""
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()
        self._ready.clear()
        self._again.clear()
