"""Servers that play the batch interfaces of providers on loopback, faults included.

Each answers single requests too, at the addresses of the same provider, by the same `respond`, so
that a run with batches can be compared with one without. What is paid for is counted.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.support.values import present

#: As in `tests.conftest.ChatServer`: a request's chat completion, or a response with a status.
Respond = Callable[[dict[str, Any], int], Any]


@dataclass(frozen=True)
class Course:
    """How a batch goes.

    Attributes:
        polls: How often it is said to be running before it has ended.
        ends: ``completed``, ``failed``, ``expired`` or ``cancelled``.
        answered: Share of its requests that are answered by then.
        code: Of one that failed, why.
        backwards: Whether the answers come in another order than the requests.
        repeated: So many answers come twice.
        missing: So many are lost, though they are paid for.
        truncated: Whether the last answer ends in the middle.
        broken: So many lines of answers end in the middle, each within its line.
        nameless: So many lines after these do not say which request they answer.
    """

    polls: int = 1
    ends: str = "completed"
    answered: float = 1.0
    code: str = "invalid_request"
    backwards: bool = False
    repeated: int = 0
    missing: int = 0
    truncated: bool = False
    broken: int = 0
    nameless: int = 0


@dataclass
class Fault:
    """What goes wrong with the next calls of an address.

    Attributes:
        method: ``GET`` or ``POST``.
        path: What the address ends in.
        times: How many calls.
        status: What they are answered with; 0 closes the connection without an answer.
        accepted: Whether the server did what it was asked to before that.
        headers: Of the answer.
        body: Of the answer.
        page: What is answered instead, as a page in HTML.
        cut: Whether the answer is sent as announced and breaks off in the middle.
    """

    method: str
    path: str
    times: int = 1
    status: int = 0
    accepted: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    page: str = ""
    cut: bool = False


@dataclass
class PlayedBatch:
    """A batch on the server: what was handed in, and what came of it.

    Attributes:
        id: Its identifier.
        requests: Key and body of each request, in order.
        course: How it goes.
        made: As it was described when it was made.
        answers: Key, status and body of each request that was answered; `None` until it has ended.
        polls: How often it was asked after.
        cancelled: Whether it was asked to be left alone.
        created: Seconds since the epoch.
    """

    id: str
    requests: list[tuple[str, dict[str, Any]]]
    course: Course
    made: Mapping[str, Any]
    answers: list[tuple[str, int, Any]] | None = None
    polls: int = 0
    cancelled: bool = False
    created: float = field(default_factory=time.time)

    @property
    def ends(self) -> str:
        return "cancelled" if self.cancelled else self.course.ends


class BatchServer:
    """A provider's server; subclasses say what its addresses and bodies look like.

    Args:
        respond: Decides each answer.
        courses: How the batches go, one after another; the last goes for all further ones.

    Attributes:
        paid: How often each request was answered in a batch, by its key.
        batches: By identifier.
        faults: What goes wrong, in turn.
        calls: Method and path of every call.
        headers: Those of every call, by names in lower case.
        quota: Requests that may be enqueued at once.
        asked: Bodies of the requests that were asked one by one.
        stopped: While true, no batch gets on.
        deleted: What was deleted.
        state: What is said of every batch, in place of where it is.
    """

    #: The provider of its models.
    provider = ""

    def __init__(self, respond: Respond, courses: Sequence[Course] = (Course(),)) -> None:
        self.respond = respond
        self.courses = list(courses)
        self.paid: Counter[str] = Counter()
        self.batches: dict[str, PlayedBatch] = {}
        self.faults: list[Fault] = []
        self.calls: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        self.quota: int | None = None
        self.stopped = False
        self.state = ""
        self.deleted: list[str] = []
        self.origin = ""
        self._number = 0
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        raise NotImplementedError

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    # What is played

    def fail(self, method: str, path: str, **what: Any) -> None:
        """Let the next call of an address go wrong; see `Fault`."""
        self.faults.append(Fault(method, path, **what))

    def submits(self) -> int:
        """How many batches were made."""
        return len(self.batches)

    def next_id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number:04d}"

    def made(
        self, id: str, requests: list[tuple[str, dict[str, Any]]], described: Mapping[str, Any]
    ) -> PlayedBatch:
        """A new batch."""
        course = self.courses[min(len(self.batches), len(self.courses) - 1)]
        if self.quota is not None and self.enqueued() + len(requests) > self.quota:
            course = Course(polls=0, ends="failed", code="token_limit_exceeded")
        batch = self.batches[id] = PlayedBatch(id, requests, course, described)
        return batch

    def known(self, id: str) -> PlayedBatch:
        """A batch of the account."""
        batch = self.batches.get(id)
        if batch is None:
            raise web.HTTPNotFound(
                text=json.dumps({"error": {"message": f"No such batch: {id}"}}),
                content_type="application/json",
            )
        return batch

    def polled(self, id: str) -> PlayedBatch:
        """A batch, which has got a step further."""
        batch = self.known(id)
        if batch.answers is None and not self.stopped:
            batch.polls += 1
            if batch.cancelled or batch.polls > batch.course.polls:
                self._end(batch)
        return batch

    def _end(self, batch: PlayedBatch) -> None:
        course = batch.course
        batch.answers = []
        if batch.ends == "failed":
            return
        share = 0.5 if batch.cancelled else course.answered
        for key, body in batch.requests[: round(share * len(batch.requests))]:
            status, answer = self.answer(body)
            if status == 200:
                self.paid[key] += 1
            batch.answers.append((key, status, answer))

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and body of a request's answer, in the provider's format."""
        with self._lock:
            self._number += 1
            number = self._number
        answer = self.respond(self.as_chat(body), number)
        if isinstance(answer, dict):
            return 200, self.from_chat(answer)
        body = json.loads(answer.text or "{}")
        message = body.get("error", {}).get("message", "no")
        return answer.status, self.error_of(answer.status, message) or body

    def as_chat(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body of this provider as one of chat completions."""
        return body

    def from_chat(self, answer: dict[str, Any]) -> Any:
        """A chat completion as this provider's answer."""
        return answer

    def error_of(self, status: int, message: str) -> Any:
        """The body of an error; `None` where it is as in chat completions."""
        return None

    def enqueued(self) -> int:
        """How many requests wait to be answered in batches."""
        return sum(len(b.requests) for b in self.batches.values() if b.answers is None)

    def disordered(self, lines: Sequence[Any], course: Course) -> list[Any]:
        """Answers as a course has them come."""
        lines = [*reversed(lines)] if course.backwards else [*lines]
        lines = lines[course.missing :]
        return lines + lines[: course.repeated]

    def file_of(self, lines: Sequence[Any], course: Course) -> bytes:
        """Lines of answers as they are sent, with the faults of a course."""
        lines = self.disordered(lines, course)
        texts = [json.dumps(line).encode() for line in lines]
        for n in range(course.broken + course.nameless):
            nameless = re.sub(rb'"(custom_id|key)"', b'"lost"', texts[n], count=1)
            texts[n] = texts[n][:-9] if n < course.broken else nameless
        data = b"".join(text + b"\n" for text in texts)
        return data[:-9] if course.truncated else data

    # Serving

    async def single(self, request: web.Request) -> web.StreamResponse:
        """One request, asked by itself."""
        body = await request.json()
        self.asked.append(body)
        status, answer = self.answer(body)
        return web.json_response(answer, status=status)

    @web.middleware
    async def _meddle(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append((request.method, request.path))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        fault = next(
            (
                f
                for f in self.faults
                if f.method == request.method and request.path.endswith(f.path)
            ),
            None,
        )
        if fault is None:
            return await handler(request)
        fault.times -= 1
        if fault.times <= 0:
            self.faults.remove(fault)
        if fault.cut:
            whole = await handler(request)
            broken = web.StreamResponse(headers={"Content-Length": str(len(whole.body))})
            await broken.prepare(request)
            await broken.write(whole.body[: len(whole.body) // 2])
            await asyncio.sleep(0.05)
            present(request.transport).abort()
            return broken
        if fault.accepted:
            await handler(request)
        else:
            await request.read()
        if fault.status == 0:
            present(request.transport).abort()
            return web.Response()
        if fault.page:
            return web.Response(text=fault.page, status=fault.status, content_type="text/html")
        return web.json_response(dict(fault.body), status=fault.status, headers=fault.headers)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=600 * 2**20, middlewares=[self._meddle])
        app.router.add_routes(self.routes())
        return app


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def image_url(media_type: str, data: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}}


@contextmanager
def batch_servers() -> Iterator[Callable[[BatchServer], BatchServer]]:
    """Starts servers, each on a free port, and stops them at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runners: list[web.AppRunner] = []

    async def serve(server: BatchServer) -> None:
        runner = web.AppRunner(server.app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        server.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"

    def start(server: BatchServer) -> BatchServer:
        asyncio.run_coroutine_threadsafe(serve(server), loop).result(10)
        return server

    async def stop() -> None:
        for runner in runners:
            await runner.cleanup()

    try:
        yield start
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
