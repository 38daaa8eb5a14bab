"""Servers that play the batch interfaces of providers on loopback, faults included.

Each answers single requests too, at the addresses of the same provider, by the same `respond`, so
that a run with batches can be compared with one without. What is paid for is counted.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    """

    polls: int = 1
    ends: str = "completed"
    answered: float = 1.0
    code: str = "invalid_request"
    backwards: bool = False
    repeated: int = 0
    missing: int = 0
    truncated: bool = False


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
        cut: Whether the answer is sent as announced and breaks off in the middle.
    """

    method: str
    path: str
    times: int = 1
    status: int = 0
    accepted: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
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
        headers: Those of every call.
        quota: Requests that may be enqueued at once.
        asked: Bodies of the requests that were asked one by one.
        stopped: While true, no batch gets on.
    """

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
        waiting = sum(len(b.requests) for b in self.batches.values() if b.answers is None)
        if self.quota is not None and waiting + len(requests) > self.quota:
            course = Course(polls=0, ends="failed", code="token_limit_exceeded")
        batch = self.batches[id] = PlayedBatch(id, requests, course, described)
        return batch

    def polled(self, id: str) -> PlayedBatch:
        """A batch, which has got a step further."""
        batch = self.batches.get(id)
        if batch is None:
            raise web.HTTPNotFound(
                text=json.dumps({"error": {"message": f"No such batch: {id}"}}),
                content_type="application/json",
            )
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
        return answer.status, json.loads(answer.text or "{}")

    def as_chat(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body of this provider as one of chat completions."""
        return body

    def from_chat(self, answer: dict[str, Any]) -> Any:
        """A chat completion as this provider's answer."""
        return answer

    def file_of(self, lines: Sequence[Any], course: Course) -> bytes:
        """Lines of answers as they are sent, with the faults of a course."""
        lines = list(lines)
        if course.backwards:
            lines.reverse()
        lines = lines[course.missing :]
        lines += lines[: course.repeated]
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
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
        self.headers.append(dict(request.headers))
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
        return web.json_response(dict(fault.body), status=fault.status, headers=fault.headers)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=600 * 2**20, middlewares=[self._meddle])
        app.router.add_routes(self.routes())
        return app


def unix(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


class OpenAIServer(BatchServer):
    """OpenAI's Batch API.

    Attributes:
        files: Name and content of every file, by identifier.
        labels: Whether metadata is kept; some compatible servers drop it.
    """

    def __init__(self, respond: Respond, courses: Sequence[Course] = (Course(),)) -> None:
        super().__init__(respond, courses)
        self.files: dict[str, tuple[str, bytes]] = {}
        self.labels = True

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self.single),
            web.post("/v1/files", self.upload),
            web.get("/v1/files/{id}", self.file),
            web.get("/v1/files/{id}/content", self.content),
            web.post("/v1/batches", self.create),
            web.get("/v1/batches", self.list),
            web.get("/v1/batches/{id}", self.retrieve),
            web.post("/v1/batches/{id}/cancel", self.cancel),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        file = form["file"]
        assert isinstance(file, web.FileField)
        id = self.next_id("file-")
        self.files[id] = (file.filename, file.file.read())
        return web.json_response(self._file(id))

    def _file(self, id: str) -> dict[str, Any]:
        name, data = self.files[id]
        return {
            "id": id,
            "object": "file",
            "bytes": len(data),
            "created_at": 1711471533,
            "filename": name,
            "purpose": "batch",
            "status": "processed",
        }

    async def file(self, request: web.Request) -> web.Response:
        return web.json_response(self._file(self._known(request)))

    async def content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[self._known(request)][1])

    def _known(self, request: web.Request) -> str:
        id = request.match_info["id"]
        if id not in self.files:
            raise web.HTTPNotFound(
                text=json.dumps({"error": {"message": f"No such File object: {id}"}}),
                content_type="application/json",
            )
        return id

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert asked["completion_window"] == "24h"
        assert asked["endpoint"] == "/v1/chat/completions"
        _, data = self.files[asked["input_file_id"]]
        lines = [json.loads(line) for line in data.splitlines()]
        assert all((line["method"], line["url"]) == ("POST", asked["endpoint"]) for line in lines)
        requests = [(line["custom_id"], line["body"]) for line in lines]
        batch = self.made(self.next_id("batch_"), requests, asked)
        keys = [key for key, _ in requests]
        why = None
        if len(set(keys)) < len(keys):
            why = "duplicate_custom_id"
        elif len(lines) > 50_000 or len(data) > 200_000_000:
            why = "too_many_requests" if len(lines) > 50_000 else "file_too_large"
        elif not lines:
            why = "empty_file"
        if why:
            batch.course = Course(polls=0, ends="failed", code=why)
        return web.json_response(self._batch(batch, "validating"))

    async def retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._batch(self.polled(request.match_info["id"])))

    async def cancel(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        batch.cancelled = batch.answers is None
        return web.json_response(self._batch(batch, "cancelling"))

    async def list(self, request: web.Request) -> web.Response:
        ids = [*reversed(self.batches)]
        if after := request.query.get("after"):
            ids = ids[ids.index(after) + 1 :]
        limit = int(request.query.get("limit", "20"))
        assert 1 <= limit <= 100
        page = [self._batch(self.batches[id]) for id in ids[:limit]]
        return web.json_response(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": len(ids) > limit,
            }
        )

    def _batch(self, batch: PlayedBatch, state: str = "") -> dict[str, Any]:
        ended = batch.answers is not None
        state = (
            batch.ends if ended else state or ("cancelling" if batch.cancelled else "in_progress")
        )
        tree: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.made["endpoint"],
            "errors": None,
            "input_file_id": batch.made["input_file_id"],
            "completion_window": "24h",
            "status": state,
            "output_file_id": None,
            "error_file_id": None,
            "created_at": unix(batch.created),
            "expires_at": unix(batch.created + 86400),
            "metadata": batch.made.get("metadata") if self.labels else None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        if state == "failed":
            error = {"code": batch.course.code, "message": "It was not accepted.", "line": None}
            return tree | {"errors": {"object": "list", "data": [error]}}
        answers = batch.answers or []
        good = [a for a in answers if a[1] == 200]
        tree["request_counts"] = {
            "total": len(batch.requests),
            "completed": len(good),
            "failed": len(answers) - len(good),
        }
        return tree | (self._files_of(batch) if ended else {})

    def _files_of(self, batch: PlayedBatch) -> dict[str, Any]:
        """The identifiers of a batch's files, which are made when it ends."""
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        answers = batch.answers or []
        for n, (key, status, body) in enumerate(answers):
            response = {"status_code": status, "request_id": f"req_{n}", "body": body}
            line = {"id": f"batch_req_{n}", "custom_id": key, "response": response, "error": None}
            (good if status == 200 else bad).append(line)
        rest = {"expired": "batch_expired", "cancelled": "batch_cancelled"}.get(batch.ends)
        seen = {key for key, _, _ in answers}
        if rest:
            bad += [
                {
                    "id": f"batch_req_{key}",
                    "custom_id": key,
                    "response": None,
                    "error": {"code": rest, "message": "This request could not be executed."},
                }
                for key, _ in batch.requests
                if key not in seen
            ]
        ids: dict[str, Any] = {}
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                ids[name] = f"file-{batch.id}-{name[:5]}"
                self.files.setdefault(
                    ids[name], (f"{batch.id}.jsonl", self.file_of(lines, batch.course))
                )
        return ids


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
