"""The executor, with a record of what its requests waited for."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from vlsu.models.base import Encoded, ImageFile, ImageSource, Model, Outcome, Raw, Response
from vlsu.runs.asking.backlog import PendingRequest
from vlsu.runs.asking.executor import Executor
from vlsu.runs.asking.images import Images
from vlsu.runs.asking.plan import Chunk
from vlsu.runs.asking.tally import Tally
from vlsu.runs.asking.trace import LANES, READER, RUN, WARMING, Trace
from vlsu.runs.asking.warming import Warming
from vlsu.runs.store.store import ResponseStore

__all__ = ["TracedExecutor", "traced"]

#: Waits shorter than this are added up, and not drawn; seconds.
_DRAWN_S = 0.0002
#: Seconds between two values of a counter.
_COUNT_S = 0.05


@dataclass(slots=True)
class _Waiting:
    """A request that has no answer yet.

    Attributes:
        number: Its place in the order in which requests became ready.
        ready: When it was ready to be sent.
        since: Until when all is accounted for.
        lane: The track of the request that is in flight.
    """

    number: int
    ready: float
    since: float
    lane: int = 0


class TracedExecutor(Executor):
    """An `Executor` that writes down what it waits for.

    From when a request is ready to be sent until it is answered or given up, each moment belongs
    to one wait, and they add up:

    - ``slot``: as many are in flight as may be;
    - ``cache warm-up``: for the answer that puts a prompt into the provider's cache;
    - ``pause``: nothing is sent, as the server asks;
    - ``pace``: for its turn by requests or tokens a minute;
    - ``memory``: the images of those in flight take all that they may;
    - ``images``: for images of its own, read and encoded;
    - ``network``, or ``model`` for one in this process: for the answer;
    - ``retry``: before it is sent again;
    - ``answer``: for the answer to be handed to the store, which may wait for the disk.
    """

    def __init__(
        self, trace: Trace, model: Model, images: Images, store: ResponseStore, **options: Any
    ) -> None:
        super().__init__(model, images, store, clock=trace.clock, **options)
        self._trace = trace
        self._warming = _TracedWarming(model, self)
        self._answering = "network" if getattr(model, "destination", None) else "model"
        self._known: dict[str, _Waiting] = {}
        self._now: ContextVar[_Waiting] = ContextVar("waiting")
        self._free: list[int] = []
        self._lanes = 0
        self._warm_since: float | None = None
        self._warmed: list[tuple[float, float]] = []
        self._counted_at = 0.0

    async def run(self, chunks: Iterator[Chunk]) -> Tally:
        """Work through the plan; see `Executor.run`."""
        try:
            return await super().run(self._planned(chunks))
        finally:
            for left in self._known.values():
                self._trace.ended(left.since - left.ready, completed=False)

    async def _prepare(self, reader: ThreadPoolExecutor, images: Iterable[str]) -> None:
        began = self._clock()
        await super()._prepare(reader, images)
        self._trace.span("reading images ahead", READER, began, self._clock())

    def _planned(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        while True:
            began = self._clock()
            chunk = next(chunks, None)
            self._trace.span("planning", RUN, began, self._clock())
            if chunk is None:
                return
            yield chunk

    def _to_ask(self, chunk: Chunk) -> list[PendingRequest]:
        began = self._clock()
        ready = super()._to_ask(chunk)
        self._trace.span("looking up what is stored", RUN, began, self._clock())
        if self._warming.going_ahead and self._warm_since is None:
            self._warm_since = self._clock()
        return ready

    def ready(self, requests: Sequence[PendingRequest]) -> None:
        """These are planned, and wait."""
        now = self._clock()
        for each in requests:
            self._known[each.key] = _Waiting(self._trace.next_request(), now, now)

    def freed(self, requests: Sequence[PendingRequest]) -> None:
        """These have waited for one with the same beginning, and may be sent."""
        now = self._clock()
        for each in requests:
            self._wait("cache warm-up", self._known[each.key], now)

    async def _ask(self, waiting: PendingRequest) -> Outcome | None:
        known = self._known[waiting.key]
        self._now.set(known)
        self._until_taken(known, waiting)
        known.lane = heapq.heappop(self._free) if self._free else self._lanes
        self._lanes = max(self._lanes, known.lane + 1)
        try:
            outcome = await super()._ask(waiting)
        finally:
            now = self._clock()
            self._wait("answer", known, now, lane=True)
            heapq.heappush(self._free, known.lane)
            self._warmed_up(now)
        if outcome is not None:
            self._trace.ended(now - known.ready, completed=True)
            del self._known[waiting.key]
        if now >= self._counted_at:
            self._counted_at = now + _COUNT_S
            counts = {"ready": self._backlog.ready, "resting": self._backlog.resting}
            self._trace.count(in_flight=self._in_flight.count, **counts)
        return outcome

    def _until_taken(self, known: _Waiting, waiting: PendingRequest) -> None:
        """Account for the time in which it was not in flight."""
        now = self._clock()
        if waiting.rest_s:
            self._wait("retry", known, min(now, known.since + waiting.rest_s))
            waiting.rest_s = 0.0
        for _, end in self._warmed:
            if known.since < end:
                self._wait("cache warm-up", known, min(now, end))
        self._wait("slot", known, now)

    async def _turn(self) -> None:
        known = self._now.get()
        paused = self._rate.paused_s(known.since) > 0
        try:
            await super()._turn()
        finally:
            self._wait("pause" if paused else "pace", known, self._clock(), lane=True)

    async def _room(self, waiting: PendingRequest) -> None:
        try:
            await super()._room(waiting)
        finally:
            self._wait("memory", self._now.get(), self._clock(), lane=True)

    async def _send(self, waiting: PendingRequest, images: ImageSource) -> tuple[Raw, Response]:
        known, read = self._now.get(), _TimedImages(images, self._clock)
        began = known.since
        about: dict[str, object] = {"ended": "cancelled"}
        try:
            raw, response = await super()._send(waiting, read)
            about = {"status": raw.status, "attempt": waiting.attempts.made + 1}
            if response.fault is not None:
                about["fault"] = response.fault.kind
        finally:
            known.since = self._clock()
            self._trace.waited("images", read.took_s)
            self._trace.waited(self._answering, known.since - began - read.took_s)
            track = LANES + known.lane
            name, number = self._answering, known.number
            self._trace.span(name, track, began, known.since, number, request=number, **about)
            for start, end in read.spans:
                self._trace.span("images", track, start, end, number, request=number)
        return raw, response

    def _wait(self, name: str, known: _Waiting, until: float, *, lane: bool = False) -> None:
        """From where all is accounted for until then, it waited for this."""
        since, known.since = known.since, max(until, known.since)
        self._trace.waited(name, known.since - since)
        if known.since - since >= _DRAWN_S:
            track = LANES + known.lane if lane else None
            number = known.number
            self._trace.span(name, track, since, known.since, number, request=number)

    def _warmed_up(self, now: float) -> None:
        if self._warm_since is not None and not self._warming.going_ahead:
            self._trace.span("cache warm-up", WARMING, self._warm_since, now)
            self._warmed.append((self._warm_since, now))
            self._warm_since = None


def traced(trace: Trace) -> Callable[..., TracedExecutor]:
    """What makes executors that write to a trace."""
    return partial(TracedExecutor, trace)


class _TracedWarming(Warming):
    """A `Warming` whose requests are known from when they are planned."""

    def __init__(self, model: Model, executor: TracedExecutor) -> None:
        super().__init__(model)
        self._executor = executor

    def ordered(self, ready: Sequence[PendingRequest]) -> list[PendingRequest]:
        self._executor.ready(ready)
        return super().ordered(ready)

    def came_back(self, key: str) -> list[PendingRequest]:
        freed = super().came_back(key)
        self._executor.freed(freed)
        return freed


class _TimedImages:
    """The images of one request, with the times at which they were read.

    Attributes:
        spans: From when to when each was.
    """

    def __init__(self, images: ImageSource, clock: Callable[[], float]) -> None:
        self._images = images
        self._clock = clock
        self.spans: list[tuple[float, float]] = []

    @property
    def took_s(self) -> float:
        """Seconds that reading took."""
        return sum(end - start for start, end in self.spans)

    def read_image(self, sha256: str) -> ImageFile:
        """An image; see `ImageSource`."""
        began = self._clock()
        try:
            return self._images.read_image(sha256)
        finally:
            self.spans.append((began, self._clock()))

    def read_encoded(self, sha256: str) -> Encoded:
        """An image in base64; see `ImageSource`."""
        began = self._clock()
        try:
            return self._images.read_encoded(sha256)
        finally:
            self.spans.append((began, self._clock()))
