"""The local executor: many requests in flight, each stored as it arrives.

The event loop plans in small chunks, sends and receives; the store's own thread writes. Planning is
not worth a thread: it is Python, and would take turns with the loop for the interpreter's lock.
Reading images is worth one only where storage is slow, and then gets one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from vlsu._machine import exhausted_resource
from vlsu.models.base import Fault, ImageSource, Model, Outcome, Raw, Response
from vlsu.runs.asking.backlog import Backlog, PendingRequest
from vlsu.runs.asking.images import Images
from vlsu.runs.asking.in_flight import InFlight
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.memory import InFlightBytes
from vlsu.runs.asking.pace import Breaker, RateLimit
from vlsu.runs.asking.patience import MACHINE, SERVER_FAULTS, Patience, Retries
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.purse import Purse
from vlsu.runs.asking.sending import send_once
from vlsu.runs.asking.tally import Tally
from vlsu.runs.asking.tickets import Ticket
from vlsu.runs.asking.warming import Warming
from vlsu.runs.stop import INTERRUPTED, Stop, StopReason
from vlsu.runs.store.store import ResponseStore

__all__ = ["Executor"]

#: Requests kept ready beside those in flight, at least.
READY = 256
#: Chunks of samples planned in a row at most: answers come in between.
IN_A_ROW = 16
#: Seconds after which a request that this machine could not send is sent again.
LACKING_PAUSE_S = 1.0
#: HTTP statuses of a server that is overloaded, besides 429.
BUSY = frozenset({503, 529})
_ALL_REFUSED = Stop(StopReason.REFUSED, "every request so far was refused")
_FAILED = Stop(StopReason.FAILED, "failed")
_LIMIT_SPENT = "for the server's rate limit, which its headers say is used up"


class Executor:
    """Asks a model whatever of a plan is not stored yet.

    Args:
        model: Whom to ask.
        images: Where it finds the images.
        store: Where responses are kept.
        in_flight: How many requests at once.
        rate: How many a minute.
        breaker: When to give up on a server.
        budget: How much may be spent.
        progress: Where progress is reported.
        outcome_of: What a response counts as, for the progress shown.
        on_response: Called with the key of each response that is stored, and the response.
        retries: When a request is tried again.
        in_flight_bytes: How much their images may hold; no bound by default.
        clock: The time, in seconds.
    """

    def __init__(
        self,
        model: Model,
        images: Images,
        store: ResponseStore,
        *,
        in_flight: InFlight,
        rate: RateLimit,
        breaker: Breaker,
        budget: Budget,
        progress: Progress,
        outcome_of: Callable[[Response], Outcome],
        on_response: Callable[[str, Raw, Response], None] | None = None,
        retries: Retries | None = None,
        in_flight_bytes: InFlightBytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._model = model
        self._images = images
        self._store = store
        self._in_flight = in_flight
        self._bytes = in_flight_bytes
        self._rate = rate
        self._budget = Purse(budget)
        self._progress = progress
        self._outcome_of = outcome_of
        self._on_response = on_response
        self._retries = retries or Retries()
        self._patience = Patience(model.spec, breaker, self._retries)
        self._tally = Tally()
        self._warming = Warming(model)
        self._backlog = Backlog(self._woken)
        self._planned_all = False
        self._low = asyncio.Event()
        self._stop = asyncio.Event()
        self._turns = asyncio.Lock()
        #: Planned and not known to be on disk: waiting, in flight, being written, or failed.
        self._open: set[str] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Send nothing more: interrupted. A second call also cancels the requests in flight."""
        if self._ended:
            self._cancel()
        self._end(INTERRUPTED)

    async def run(self, chunks: Iterator[Chunk]) -> Tally:
        """Work through the plan.

        Raises:
            MachineError: This machine could send nothing for a minute.
            ModelError: A fault that every further request would meet, a server that is down, or
                one that answered nothing at all.
            RunError: Responses cannot be stored.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="images") as reader:
            try:
                await self._feed(chunks, reader)
                while self._workers or self._backlog.resting:
                    self._low.clear()
                    await self._low.wait()
            finally:
                self._cancel()
                await asyncio.gather(*self._workers, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        if self._tally.stopped in (None, _ALL_REFUSED):
            self._patience.check_anything_answered()
        return self._tally

    # Planning ahead

    async def _feed(self, chunks: Iterator[Chunk], reader: ThreadPoolExecutor) -> None:
        in_a_row = 0
        try:
            for chunk in chunks:
                ready = self._to_ask(chunk)
                in_a_row += 1
                if self._images.slow:
                    images = dict.fromkeys(i for w in ready for i in w.request.images)
                    await self._prepare(reader, images)
                elif in_a_row >= IN_A_ROW or not chunk.samples:  # one may stand for many
                    await asyncio.sleep(0)
                    in_a_row = 0
                if self._ended:
                    break
                self._backlog.add(ready)
                self._spawn()
                while self._backlog.ready > self._enough and not self._ended:
                    in_a_row = 0
                    self._low.clear()
                    await self._low.wait()
        except Exception as error:
            self._fail(error)
        finally:
            self._planned_all = True

    async def _prepare(self, reader: ThreadPoolExecutor, images: Iterable[str]) -> None:
        """Have images read ahead; without a thread for it each is read when it is asked about."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(reader, self._images.prepare, images)
        except Exception as error:
            if exhausted_resource(error) is None:
                raise

    def _to_ask(self, chunk: Chunk) -> list[PendingRequest]:
        """What of a chunk is to be asked: what is not stored, nor under way for another sample."""
        self._open.difference_update(self._store.written())
        fresh = {p.key: p.task_request.request for p in chunk.planned if p.key not in self._open}
        stored = self._store.stored(list(fresh))
        if stored or chunk.stored:
            self._patience.answered_before()
        missing = [PendingRequest(k, request) for k, request in fresh.items() if k not in stored]
        self._open.update(waiting.key for waiting in missing)
        count = len(chunk.planned) + chunk.stored
        self._tally.planned += count
        self._progress.spared(count - len(missing))
        return self._warming.ordered(missing)

    # RequestSource

    @property
    def _ended(self) -> bool:
        return self._tally.stopped is not None

    @property
    def _enough(self) -> int:
        """Requests to keep ready: a turn of the loop may use up as many as are in flight."""
        return max(READY, self._in_flight.size)

    @property
    def _level(self) -> int:
        """How many requests may be in flight: while a cache is warmed, only those that do it."""
        size = self._budget.pays_for(self._in_flight.size)
        return min(size, self._warming.going_ahead or size)

    def _spawn(self) -> None:
        """As many workers as may be in flight, and as there is work for; they end without it."""
        level = self._level
        wanted = min(level, len(self._workers) + self._backlog.to_send(level))
        while len(self._workers) < wanted and not self._ended:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._finished)

    def _finished(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._woken()

    def _woken(self) -> None:
        self._spawn()
        if not self._workers:
            self._low.set()

    def _end(self, why: Stop) -> None:
        """Let what is in flight come in, and send nothing more."""
        self._tally.stopped = self._tally.stopped or why
        self._backlog.clear()
        self._warming.clear()
        self._low.set()
        self._stop.set()
        if self._bytes is not None:
            self._bytes.stop()

    async def _rest(self, seconds: float) -> None:
        """Sleep, unless the run ends."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    def _cancel(self) -> None:
        for worker in self._workers:
            worker.cancel()

    def _fail(self, error: BaseException) -> None:
        """Give up the run; what is in flight is dropped."""
        if self._failure is None:
            self._failure = error
            self._cancel()
        self._end(_FAILED)

    async def _work(self) -> None:
        try:
            while not self._ended and len(self._workers) <= self._level:
                waiting = self._backlog.take(self._in_flight.size)
                if self._backlog.ready < self._enough:
                    self._low.set()
                if waiting is None:
                    return
                if (outcome := await self._ask(waiting)) is not None:
                    self._tally.asked[outcome] += 1
                    self._progress.answered(outcome)
        except Exception as error:
            self._fail(error)

    async def _ask(self, waiting: PendingRequest) -> Outcome | None:
        """Send once; what it comes to, if it has come to anything.

        It has not if the run was stopped, or the request is to be sent later.
        """
        await self._turn()
        await self._room(waiting)
        if why := self._budget.exhausted():
            self._end(why)
        if self._ended:
            return None
        if len(self._workers) > self._budget.pays_for(self._in_flight.size):  # by now fewer may be
            self._backlog.put_back(waiting)
            if self._bytes is not None:
                self._bytes.pass_on()
            return None
        self._budget.sent()
        ticket = self._in_flight.sent(self._clock())
        raw, response = await self._send(waiting, self._images)
        self._backlog.add_first(self._warming.came_back(waiting.key))
        now = self._clock()
        fault = response.fault
        if fault is not None and fault.kind == MACHINE:
            self._not_sent(now, ticket, waiting, fault)
            return None
        waiting.attempts.made += 1
        if fault is None:
            self._in_flight.answered(now, ticket)
            self._store.put(waiting.key, raw, waiting.attempts.made)
            self._store.put_usage(waiting.key, self._model.spec, response)
            if self._on_response is not None:
                self._on_response(waiting.key, raw, response)
            self._completed(now, raw, response)
            return self._outcome_of(response)
        self._failed(now, ticket, raw, fault)
        self._store.put_error(waiting.key, raw, fault, waiting.attempts.made)
        if self._stop_retrying(now, waiting, fault):
            return response.outcome
        self._tally.retries[fault.kind] += 1
        self._progress.retried(fault.kind)
        if not self._ended:
            down = self._patience.down
            pause_s = self._retries.pause_s(waiting.attempts.made, raw.retry_after, down=down)
            self._progress.waiting(pause_s, self._why(raw, fault))
            # While the server seems to be down: perhaps it is these requests; others have a try.
            self._backlog.rest(waiting, pause_s, last=down)
        return None

    async def _room(self, waiting: PendingRequest) -> None:
        """Wait until those in flight leave room for the images of another request."""
        held = self._bytes if waiting.request.images else None
        while held is not None and held.is_full and not self._ended:
            await held.wait()

    async def _send(self, waiting: PendingRequest, images: ImageSource) -> tuple[Raw, Response]:
        return await send_once(self._model, waiting.request, images, self._bytes)

    def _not_sent(self, now: float, ticket: Ticket, waiting: PendingRequest, fault: Fault) -> None:
        """This machine lacked something; no attempt of the request's is over.

        Raises:
            MachineError: It has for long, and nothing else is in flight.
        """
        self._budget.not_sent()
        self._in_flight.not_sent(now, ticket)
        self._patience.lacking(fault, now, alone=not self._in_flight.count)
        self._tally.retries[fault.kind] += 1
        self._progress.retried(fault.kind)
        if not self._ended:
            self._progress.waiting(LACKING_PAUSE_S, f"as {fault.message}")
            self._backlog.rest(waiting, LACKING_PAUSE_S, last=False)

    async def _turn(self) -> None:
        """Wait until the next request may be sent; those who wait come one after the other."""
        delay = 0.0 if self._turns.locked() else self._rate.wait(self._clock())
        if not delay and not self._turns.locked():
            return
        async with self._turns:
            delay = delay or self._rate.wait(self._clock())
            while delay > 0 and not self._ended:
                await self._rest(delay)
                now = self._clock()
                delay = self._rate.wait(now) if self._rate.paused_s(now) else 0.0

    def _completed(self, now: float, raw: Raw, response: Response) -> None:
        self._patience.answered(now)
        self._rate.used((response.input_tokens or 0) + (response.output_tokens or 0))
        self._budget.spent(response)
        if raw.pause_s is not None:
            self._hold(now, min(raw.pause_s, self._retries.longest_pause_s), _LIMIT_SPENT)
        if len(self._workers) < self._in_flight.size:
            self._spawn()

    def _why(self, raw: Raw, fault: Fault) -> str:
        """What is waited for after a fault."""
        if self._retries.asked_pause_s(raw.retry_after) is None:
            return f"to try again after {fault.message}"
        return f"as the server asks ({fault.message})"

    def _hold(self, now: float, seconds: float, why: str) -> None:
        """Send nothing for so long."""
        self._rate.pause(now, now + seconds)
        self._progress.waiting(seconds, why)

    def _failed(self, now: float, ticket: Ticket, raw: Raw, fault: Fault) -> None:
        """Learn from a fault how many requests, and how fast, the server accepts."""
        if fault.kind == "rate-limit" or raw.status in BUSY:
            pause_s = self._retries.asked_pause_s(raw.retry_after) or 0.0
            paced = self._rate.paced(now)
            if pause_s:
                self._hold(now, pause_s, self._why(raw, fault))
            if self._rate.ignores_refusals(now):
                self._in_flight.ended(now, ticket)
            elif self._in_flight.refused(now, ticket, paced=paced, pause_s=pause_s):
                self._rate.refused(now, ticket.at, pause_s)
        elif fault.kind == "timeout":
            self._in_flight.late(now, ticket)
        elif fault.kind in SERVER_FAULTS:
            self._in_flight.failed(now, ticket)
        else:
            self._in_flight.ended(now, ticket)

    def _stop_retrying(self, now: float, waiting: PendingRequest, fault: Fault) -> bool:
        """Whether to stop retrying a request.

        Raises:
            ModelError: Nothing further can be expected of this server.
        """
        stop = self._patience.stop_retrying(
            fault, waiting.attempts, now, last_ones=self._planned_all
        )
        if self._patience.all_refused:
            self._end(_ALL_REFUSED)  # what is in flight may still prove it wrong
        return stop
