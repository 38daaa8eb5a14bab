"""Whom to ask next: bounded in all and for each host, and no host that wants rest."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from vlsu.data.fetching.entries import Wanted
from vlsu.data.fetching.faults import FetchFaultError

__all__ = ["Dispatcher", "Pace"]

#: Addresses of a host that are in memory at a time, and that may wait to be asked again.
_LOADED, _MAX_RETRYING = 64, 16
#: Images after which a host that wanted rest is asked for one more at a time.
_TRUSTED = 20
#: Statuses that mean a host is asked too much.
_BUSY = frozenset({"http-429", "http-503"})


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast servers are asked.

    Attributes:
        concurrency: Requests at a time.
        per_host: Of these, to one host.
        tries: How often an address is asked in one start, if the failure may pass.
        backoff_s: Seconds before the second try; doubled for each further one, and varied.
        max_wait_s: A host that asks for a longer rest is left to a later start.
        max_failures: A host of which so many addresses in a row failed in a way that may pass is
            left to a later start.
    """

    concurrency: int = 64
    per_host: int = 6
    tries: int = 4
    backoff_s: float = 1.0
    max_wait_s: float = 120.0
    max_failures: int = 10


@dataclass(slots=True, eq=False)
class _Host:
    name: str
    left: int  # not loaded yet
    slots: int
    after: int = 0
    loaded: list[Wanted] = field(default_factory=list)  # the next one last
    active: int = 0
    retrying: int = 0
    not_before: float = 0.0
    rests: int = 0  # asked for in a row
    failures: int = 0  # in a row
    answered: int = 0
    in_turn: bool = False
    given_up: str | None = None


class Dispatcher:
    """Runs one attempt a time for each free place, until every host's addresses are done.

    Hosts take turns, so that a slow one holds up no other.

    Args:
        queued: Host -> number of its addresses.
        more: The next addresses of a host, behind a number, at most so many.
        attempt: Asks one address; raises a `FetchFaultError` where that gives no image.
        failed: Called with an address that is not asked again, and the failure.
        give_up: Called with a host, the number behind which none of its addresses is asked, and the
            reason.
        pace: How fast.
    """

    def __init__(
        self,
        queued: Mapping[str, int],
        *,
        more: Callable[[str, int, int], list[Wanted]],
        attempt: Callable[[Wanted], Awaitable[None]],
        failed: Callable[[Wanted, FetchFaultError], None],
        give_up: Callable[[str, int, str], None],
        pace: Pace,
    ) -> None:
        self._more = more
        self._attempt = attempt
        self._failed = failed
        self._give_up = give_up
        self._pace = pace
        self._turns: deque[_Host] = deque()
        self._later: list[tuple[float, int, _Host, Wanted | None]] = []
        self._number = itertools.count()
        self._active = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None
        for name, count in queued.items():
            self._queue(_Host(name, count, pace.per_host))

    async def run(self) -> None:
        """Ask everything.

        Raises:
            BaseException: Whatever an attempt raised but a `FetchFaultError`; those under way are
                cancelled then, as they are where this is.
        """
        self._loop = asyncio.get_running_loop()
        self._random = random.Random()  # noqa: S311 - only spreads the retries
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._go_on()
        try:
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _dispatch(self) -> None:
        """Start attempts while there are places; wait for what is due later, or end."""
        now = self._loop.time()
        while self._later and self._later[0][0] <= now:
            _, _, host, wanted = heapq.heappop(self._later)
            if wanted is not None:
                host.retrying -= 1
                host.loaded.append(wanted)
            self._queue(host)
        while self._active < self._pace.concurrency and self._error is None:
            found = self._take(now)
            if found is None:
                break
            self._active += 1
            task = self._loop.create_task(self._run(*found))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._error is not None:
            if not self._ended.done():
                self._ended.set_exception(self._error)
        elif self._later and self._active < self._pace.concurrency:
            self._timer = self._loop.call_at(self._later[0][0], self._go_on)
        elif not self._active and not self._later and not self._ended.done():
            self._ended.set_result(None)

    def _queue(self, host: _Host) -> None:
        """Give a host a turn, if it has something to be asked and a free place."""
        waits = host.retrying >= _MAX_RETRYING
        some = host.loaded or (host.left and not waits)
        if some and host.active < host.slots and not host.in_turn:
            host.in_turn = True
            self._turns.append(host)

    def _take(self, now: float) -> tuple[_Host, Wanted] | None:
        while self._turns:
            host = self._turns.popleft()
            host.in_turn = False
            if host.not_before > now:
                heapq.heappush(self._later, (host.not_before, next(self._number), host, None))
                continue
            if not host.loaded and host.left:
                host.loaded = self._more(host.name, host.after, _LOADED)
                host.left = max(0, host.left - len(host.loaded)) if host.loaded else 0
                if host.loaded:
                    host.after = host.loaded[-1].id
                    host.loaded.reverse()
            if not host.loaded:
                continue
            wanted = host.loaded.pop()
            host.active += 1
            self._queue(host)
            return host, wanted
        return None

    async def _run(self, host: _Host, wanted: Wanted) -> None:
        wanted.tries += 1
        try:
            try:
                await self._attempt(wanted)
            except FetchFaultError as fault:
                self._after_fault(host, wanted, fault)
            else:
                self._after_success(host)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._error = self._error or error
        host.active -= 1
        self._active -= 1
        self._queue(host)
        self._go_on()

    def _go_on(self) -> None:
        """Dispatch; what goes wrong there ends the run, as nobody else would see it."""
        try:
            self._dispatch()
        except BaseException as error:
            if not self._ended.done():
                self._ended.set_exception(error)

    def _after_success(self, host: _Host) -> None:
        host.failures = host.rests = 0
        host.answered += 1
        if host.answered % _TRUSTED == 0 and host.slots < self._pace.per_host:
            host.slots += 1

    def _after_fault(self, host: _Host, wanted: Wanted, fault: FetchFaultError) -> None:
        pace, now = self._pace, self._loop.time()
        if not fault.transient:
            host.failures = 0  # it answers
            self._failed(wanted, fault)
            return
        busy = fault.reason in _BUSY
        if busy and now >= host.not_before:  # several answers of one moment count once
            host.slots = max(1, host.slots // 2)
            asked_s = fault.retry_after_s
            rest_s = pace.backoff_s * 2**host.rests if asked_s is None else asked_s
            host.rests += 1
            host.not_before = now + rest_s
            if rest_s > pace.max_wait_s:
                self._abandon(host, fault.reason)
        if host.given_up is not None or wanted.tries >= pace.tries or not fault.soon:
            self._failed(wanted, fault)
            host.failures += 1
            if host.failures >= pace.max_failures and host.given_up is None:
                self._abandon(host, fault.reason)
            return
        wait_s = pace.backoff_s * 2 ** (wanted.tries - 1) * self._random.uniform(0.75, 1.25)
        due = max(now + wait_s, host.not_before)
        host.retrying += 1
        heapq.heappush(self._later, (due, next(self._number), host, wanted))

    def _abandon(self, host: _Host, reason: str) -> None:
        """Leave the rest of a host's addresses to a later start."""
        host.given_up = reason
        fault = FetchFaultError(reason, transient=True)
        for wanted in host.loaded:
            self._failed(wanted, fault)
        host.loaded.clear()
        kept = []
        for entry in self._later:
            if entry[2] is host:
                if entry[3] is not None:
                    self._failed(entry[3], fault)
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self._later, host.retrying = kept, 0
        if host.left:
            host.left = 0
            self._give_up(host.name, host.after, reason)
