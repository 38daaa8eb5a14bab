"""Models that run in this process: worker threads, requests gathered into batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import orjson

from vlsu.errors import VlsuError
from vlsu.models.base import Fault, ImageSource, Outcome, Raw, Request, Response
from vlsu.models.wire import answered

__all__ = ["Answerer", "InProcessModel"]


class Answerer(Protocol):
    """A batch of requests in; out, one JSON-ready answer each, such as ``{"text": ...}``."""

    modalities: frozenset[str]
    takes_instructions: bool

    def identity(self) -> Mapping[str, object]:
        """All that could change an answer."""
        ...

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Answer a batch, in order. Runs in a worker thread, in several at once if so set up."""
        ...


class InProcessModel:
    """An `Answerer` as a `Model`.

    Requests waiting at the same time are answered together, at most `batch_size` at once.

    Args:
        spec: ``provider/name``.
        answerer: What answers.
        batch_size: Requests it is given at a time.
        workers: Threads that call it.
    """

    image_limits = None

    def __init__(
        self, spec: str, answerer: Answerer, *, batch_size: int = 16, workers: int = 1
    ) -> None:
        self.spec = spec
        self._answerer = answerer
        self._batch_size = batch_size
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="model")
        self._waiting: list[tuple[Request, asyncio.Future[Raw]]] = []
        self._working: set[asyncio.Task[None]] = set()

    @property
    def takes_instructions(self) -> bool:
        """Whether it reads prompts, or only the bare image and text."""
        return self._answerer.takes_instructions

    @property
    def modalities(self) -> frozenset[str]:
        """What it can judge."""
        return self._answerer.modalities

    @property
    def languages(self) -> frozenset[str] | None:
        """Those it knows, where the answerer says so."""
        languages: frozenset[str] | None = getattr(self._answerer, "languages", None)
        return languages

    def identity(self) -> Mapping[str, object]:
        """The spec and whatever the answerer names: weights, thresholds, versions."""
        return {"spec": self.spec, **self._answerer.identity()}

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Queue one request and wait for its answer."""
        future: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._working = {task for task in self._working if not task.done()}
        if len(self._working) < self._workers:
            self._working.add(asyncio.create_task(self._work(images)))
        return await future

    async def _work(self, images: ImageSource) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = self._waiting[: self._batch_size]
            del self._waiting[: self._batch_size]
            try:
                raws = await loop.run_in_executor(
                    self._threads, self._answer, [request for request, _ in batch], images
                )
            except VlsuError as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), raw in zip(batch, raws, strict=True):
                if not future.done():
                    future.set_result(raw)

    def _answer(self, requests: list[Request], images: ImageSource) -> list[Raw]:
        started = time.perf_counter()
        try:
            answers = self._answerer.answer(requests, images)
        except VlsuError:
            raise
        except Exception as error:
            if len(requests) == 1:
                return [Raw(0, f"in-process: {type(error).__name__}".encode())]
            # One bad request must not take its neighbours with it.
            return [raw for request in requests for raw in self._answer([request], images)]
        each = (time.perf_counter() - started) / len(requests)
        return [Raw(200, orjson.dumps(answer), each) for answer in answers]

    def read(self, raw: Raw) -> Response:
        """Read the answerer's JSON."""
        if raw.status != 200:
            message = raw.body.decode(errors="replace")
            return Response(Outcome.ERROR, fault=Fault("in-process", message))
        answer = orjson.loads(raw.body)
        return answered(
            answer["text"],
            finish_reason=answer.get("finish_reason", "stop"),
            cut_off=answer.get("finish_reason") == "length",
            input_tokens=answer.get("input_tokens"),
            output_tokens=answer.get("output_tokens"),
            p_unsafe=answer.get("p_unsafe"),
        )

    async def close(self) -> None:
        """Wait for the batches under way, forget what else waits, and stop the threads."""
        self._waiting.clear()
        await asyncio.gather(*self._working)
        self._threads.shutdown(wait=True, cancel_futures=True)
