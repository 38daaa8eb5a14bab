"""The local executor: many requests in flight, each stored as it arrives."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from vlsu.errors import DataError, ModelError, UsageError
from vlsu.models.base import Fault, ImageSource, Model, Outcome, Raw, Request, Response
from vlsu.runs.plan import Planned
from vlsu.runs.store import ResponseStore

__all__ = ["Executor", "Progress", "Tally"]

#: Attempts at one request before its fault stands, and the bound of the pause between two.
ATTEMPTS = 5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0


class Progress(Protocol):
    """Who wants to know how far a run is."""

    def begin(self, total: int) -> None:
        """The run needs this many requests, those stored already included."""
        ...

    def stored(self, count: int) -> None:
        """This many were found in the store."""
        ...

    def answered(self, outcome: Outcome) -> None:
        """One more is settled."""
        ...

    def retried(self, kind: str) -> None:
        """An attempt failed and is made again."""
        ...


@dataclass(slots=True)
class Tally:
    """What an execution did.

    Attributes:
        reused: Requests whose response was stored before.
        asked: Requests settled now, by outcome of the response (``unparsed`` does not occur here).
        retries: Attempts made again, by kind of fault.
        stopped: Whether it ended before the plan did.
    """

    reused: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    stopped: bool = False


class Executor:
    """Asks a model whatever of a plan is not stored yet.

    Args:
        concurrency: Requests in flight at most.
        attempts: How often one request is tried before its fault stands.
    """

    def __init__(
        self,
        model: Model,
        images: ImageSource,
        store: ResponseStore,
        *,
        concurrency: int,
        progress: Progress,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._model = model
        self._images = images
        self._store = store
        self._concurrency = concurrency
        self._progress = progress
        self._attempts = attempts
        self._tally = Tally()
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """Ask nothing more; the second call also gives up what is in flight."""
        if self._stopping:
            for worker in self._workers:
                worker.cancel()
        self._stopping = True

    async def run(self, chunks: Iterator[list[Planned]]) -> Tally:
        """Work through the plan.

        Raises:
            ModelError: A fault that every further request would meet.
            RunError: Responses cannot be stored.
        """
        waiting = self._to_ask(chunks)
        self._workers = [asyncio.create_task(self._work(waiting)) for _ in range(self._concurrency)]
        done, _ = await asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION)
        failure = next((e for w in done if not w.cancelled() and (e := w.exception())), None)
        if failure is not None:
            for worker in self._workers:
                worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if failure is not None:
            raise failure
        self._tally.stopped = self._stopping
        return self._tally

    def _to_ask(self, chunks: Iterator[list[Planned]]) -> Iterator[tuple[str, Request]]:
        """Requests to send: not stored, and each once though many samples may need it."""
        # Seen in this run; what an earlier run stored is looked up chunk by chunk.
        seen: set[str] = set()
        for chunk in chunks:
            fresh = {p.key: p.ask.request for p in chunk if p.key not in seen}
            seen.update(fresh)
            stored = self._store.stored(list(fresh))
            self._tally.reused += len(stored)
            self._progress.stored(len(stored))
            for key, request in fresh.items():
                if key not in stored:
                    yield key, request

    async def _work(self, waiting: Iterator[tuple[str, Request]]) -> None:
        for key, request in waiting:
            if self._stopping:
                return
            response = await self._ask(key, request)
            if response is not None:
                self._tally.asked[response.outcome] += 1
                self._progress.answered(response.outcome)

    async def _ask(self, key: str, request: Request) -> Response | None:
        """Send until there is an answer or a fault that stands; `None` if stopped in between."""
        for attempt in range(1, self._attempts + 1):
            try:
                raw = await self._model.send(request, self._images)
            except DataError as error:  # this sample's image alone
                raw, response = Raw(0, b""), _image_fault(error)
            else:
                response = self._model.read(raw)
            fault = response.fault
            if fault is None:
                self._store.put(key, raw, attempt)
                return response
            self._store.put_error(key, raw, fault, attempt)
            if fault.fatal:
                raise ModelError(f"{self._model.spec}: {fault.message}")
            if not fault.retry or attempt == self._attempts:
                return response
            if self._stopping:
                return None
            self._tally.retries[fault.kind] += 1
            self._progress.retried(fault.kind)
            await asyncio.sleep(_pause(attempt, raw.retry_after))
        raise UsageError("attempts must be at least 1")


def _image_fault(error: DataError) -> Response:
    return Response(Outcome.ERROR, fault=Fault("image", str(error)))


def _pause(attempt: int, retry_after: float | None) -> float:
    """Seconds before the next attempt: what the server asked for, else doubling with jitter."""
    if retry_after is not None:
        return min(retry_after, LONGEST_PAUSE_S) + random.uniform(0, FIRST_PAUSE_S)  # noqa: S311
    longest = min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
    return random.uniform(longest / 2, longest)  # noqa: S311 - jitter, not a secret
