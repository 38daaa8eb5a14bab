"""Models that run in this process: worker threads, requests gathered into batches."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import orjson

from vlsu._machine import exhausted_resource
from vlsu._text import collapsed_line
from vlsu.errors import DataError, MachineError, VlsuError
from vlsu.models.base import Fault, ImageSource, Outcome, Raw, Request, Response
from vlsu.models.bodies.endings import Ending, parse_finish_reason
from vlsu.models.bodies.json_bodies import parse_json
from vlsu.models.formats.wire import completed_response, token_count
from vlsu.policy import Severity

__all__ = ["Answerer", "InProcessModel"]


class Answerer(Protocol):
    """Answers a batch of requests, each with a JSON-ready mapping such as ``{"text": ...}``.

    Besides ``text``, an answer may have ``finish_reason`` (a text, ``stop`` by default),
    ``input_tokens``, ``output_tokens``, ``cached_tokens``, ``reasoning_tokens`` and ``p_unsafe``
    (from 0 to 1).
    """

    modalities: frozenset[str]
    takes_instructions: bool

    def identity(self) -> Mapping[str, object]:
        """Everything that could change an answer, as JSON values."""
        ...

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Answer a batch, in order. Called in worker threads, in several at once if configured."""
        ...


class InProcessModel:
    """An `Answerer` as a `Model`.

    Requests waiting at the same time are answered together, at most `batch_size` at once.

    Args:
        spec: ``provider/name``.
        answerer: Answers the requests.
        batch_size: Maximum requests in a batch.
        workers: Number of threads that call it.
    """

    image_limits = None

    def __init__(
        self, spec: str, answerer: Answerer, *, batch_size: int = 16, workers: int = 1
    ) -> None:
        self.spec = spec
        self._answerer = answerer
        self._batch_size = batch_size
        self._workers = workers
        self._threads = self._new_threads()
        self._waiting: list[tuple[Request, asyncio.Future[Raw]]] = []
        self._working: set[asyncio.Task[None]] = set()

    @property
    def takes_instructions(self) -> bool:
        """Whether it reads prompts; classifiers read only the image and the text."""
        return self._answerer.takes_instructions

    @property
    def modalities(self) -> frozenset[str]:
        """What it can judge."""
        return self._answerer.modalities

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages it supports, if the answerer declares them."""
        languages: frozenset[str] | None = getattr(self._answerer, "languages", None)
        return languages

    @property
    def levels(self) -> tuple[Severity, ...] | None:
        """The severities that its answers can have, if the answerer declares them."""
        levels: tuple[Severity, ...] | None = getattr(self._answerer, "levels", None)
        return levels

    def identity(self) -> Mapping[str, object]:
        """The spec and the answerer's identity: weights, thresholds, versions."""
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
            except Exception as error:  # every waiting request must get it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), raw in zip(batch, raws, strict=True):
                if future.done():
                    continue
                if isinstance(raw, DataError):
                    future.set_exception(raw)
                else:
                    future.set_result(raw)

    def _answer(self, requests: list[Request], images: ImageSource) -> list[Raw | DataError]:
        """The raw response to each request, or the error if its image is missing or damaged.

        Raises:
            VlsuError: No request can be answered.
        """
        started = time.perf_counter()
        try:
            answers = self._answerer.answer(requests, images)
            if len(answers) != len(requests):
                raise ValueError(f"{len(answers)} answers to {len(requests)} requests")
            bodies = [_body(answer) for answer in answers]
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an unhandled one would leave requests waiting
            if isinstance(error, VlsuError) and not isinstance(error, DataError):
                raise
            if len(requests) == 1 and (
                exhausted := exhausted_resource(error)
            ):  # not the request's fault
                raise MachineError(exhausted) from None
            if len(requests) == 1:
                if isinstance(error, DataError):
                    return [error]
                return [Raw(0, f"in-process: {_describe(error)}".encode())]
            # One bad request must not fail the others of its batch.
            return [raw for request in requests for raw in self._answer([request], images)]
        each = (time.perf_counter() - started) / len(requests)
        return [Raw(200, body, each) for body in bodies]

    def read(self, raw: Raw) -> Response:
        """Parse the answerer's JSON; an invalid answer is an error with a message."""
        if raw.status != 200:
            return _no_answer(raw.body.decode(errors="replace"))
        answer = parse_json(raw.body)
        if not isinstance(answer, dict) or "text" not in answer:
            return _no_answer('in-process: an answer is a mapping with a "text"')
        text, p_unsafe = answer["text"], answer.get("p_unsafe")
        if text is not None and not isinstance(text, str):
            return _no_answer(f"in-process: text: expected a text, found {type(text).__name__}")
        if p_unsafe is not None and not _is_probability(p_unsafe):
            return _no_answer(f"in-process: p_unsafe: expected 0 to 1, found {str(p_unsafe)[:40]}")
        reason = answer.get("finish_reason")
        return completed_response(
            text or "",
            parse_finish_reason(reason, missing=Ending.NORMAL),
            reason="stop" if reason is None else reason,
            input_tokens=token_count(answer.get("input_tokens")),
            output_tokens=token_count(answer.get("output_tokens")),
            cached_tokens=token_count(answer.get("cached_tokens")),
            reasoning_tokens=token_count(answer.get("reasoning_tokens")),
            p_unsafe=lambda: None if p_unsafe is None else float(p_unsafe),
        )

    async def close(self) -> None:
        """Wait for the current batches, drop the requests still queued, and stop the threads.

        As a model that is asked over HTTP it can be used again, in another event loop too.
        """
        self._waiting.clear()
        await asyncio.gather(*self._working)
        self._working.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)
        if (close := getattr(self._answerer, "close", None)) is not None:
            close()
        self._threads = self._new_threads()

    def _new_threads(self) -> ThreadPoolExecutor:
        """Threads that begin when the first request comes."""
        return ThreadPoolExecutor(self._workers, thread_name_prefix="model")


def _body(answer: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        if "surrogates" not in str(error):
            raise
        return json.dumps(answer).encode()  # a lone surrogate is no reason to lose the answer


def _describe(error: BaseException) -> str:
    """Class and message of an error; a custom class may fail to give the latter."""
    try:
        message = collapsed_line(str(error).encode(errors="replace").decode())
    except Exception:
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _no_answer(why: str) -> Response:
    return Response(Outcome.ERROR, fault=Fault("in-process", why))


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
