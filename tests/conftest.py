"""Shared fixtures: small datasets and a real chat-completions server."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import settings
from PIL import Image

from tests.support.distribution import distributed, processes
from tests.support.holding import HELD_S, held_until
from tests.support.tls import servers_behind_tls
from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.policy import Severity, default_policy

# A shared machine stalls now and then; how long a case takes is no property under test.
# Where a change is judged, the cases are the same each time; at a desk, new ones are looked for.
settings.register_profile("vlsu", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("vlsu")
# Collections of what lives as long as the session find nothing, and cost a fifteenth of its time.
gc.set_threshold(20_000, 20, 20)


def pytest_xdist_auto_num_workers() -> int:
    return processes()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = distributed(items, workers)


def png(color: tuple[int, int, int], size: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), color).save(buffer, "PNG")
    return buffer.getvalue()


def make_dataset(
    folder: Path,
    samples: int = 12,
    images: int = 4,
    *,
    apart: bool = False,
    names: str = "s{n}",
) -> Dataset:
    """Samples over every pattern in turn; the images and every third text are shared.

    Those that are apart share neither. Names may hold the number and the grade of the pair.
    """
    images = samples if apart else images
    store = ImageStore(folder)
    hashes = [store.add(png((n * 20, 0, 0))) for n in range(images)]
    levels = list(Severity)
    rows = [
        Sample(
            id=names.format(n=n, grade=levels[n // 2 % 3].label),
            text=f"text {n if apart else n - n % 3}",
            language="en",
            image_sha256=hashes[n % images],
            image_grade=levels[n % 3],
            text_grade=levels[n // 3 % 3],
            joint_grade=levels[n // 2 % 3],
            joint_category="C9" if n // 2 % 3 else None,
        )
        for n in range(samples)
    ]
    return write_dataset(
        folder,
        rows,
        name="tiny",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "dataset")


def completion(
    content: str | list[dict[str, str]] | None, finish: str = "stop", **message: Any
) -> dict[str, Any]:
    """The body of a chat completion, as the API reference documents it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "mock",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish,
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


@dataclass
class ChatServer:
    """A chat-completions server on loopback; `respond` decides each answer.

    `respond` gets the request's JSON and the count of requests so far, and returns a dictionary
    (sent as JSON with status 200) or an `aiohttp.web.Response`. The answer to the request of a
    number is held until it is `ready`. To `settle` is to read all that was sent by a process that
    is gone, to the end of each connection.
    """

    respond: Callable[[dict[str, Any], int], Any]
    delay: float = 0.0
    ready: Callable[[int], bool] = lambda number: True
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    base_url: str = ""
    in_flight: int = 0
    most_in_flight: int = 0
    settle: Callable[[], None] = lambda: None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.arrivals.append(time.monotonic())
        number = len(self.requests)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await held_until(lambda: self.ready(number))
            await asyncio.sleep(self.delay)
            answer = self.respond(body, number)
        finally:
            self.in_flight -= 1
        return web.json_response(answer) if isinstance(answer, dict) else answer


@pytest.fixture
def chat_server() -> Iterator[Callable[..., ChatServer]]:
    """Starts chat servers, each on a free port, and stops them after the test."""
    with chat_servers() as start:
        yield start


@contextmanager
def chat_servers() -> Iterator[Callable[..., ChatServer]]:
    """The same for a fixture of a wider scope."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runners: list[web.AppRunner] = []

    async def serve(server: ChatServer) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        names = ("chat/completions", "completions", "moderations", "systemone")
        for path in (f"/v1/{name}" for name in names):
            app.router.add_post(path, server.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

        async def ended() -> None:
            for _ in range(20):  # turns in which connections are accepted and come to be served
                await asyncio.sleep(0)
            while runner.server is not None and runner.server.connections:
                await asyncio.sleep(0.002)

        server.settle = lambda: asyncio.run_coroutine_threadsafe(ended(), loop).result(HELD_S)

    def start(respond: Callable[[dict[str, Any], int], Any], delay: float = 0.0) -> ChatServer:
        server = ChatServer(respond, delay)
        asyncio.run_coroutine_threadsafe(serve(server), loop).result(HELD_S)
        return server

    yield start

    async def stop() -> None:
        for runner in runners:
            await runner.cleanup()

    asyncio.run_coroutine_threadsafe(stop(), loop).result(HELD_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(HELD_S)
    loop.close()


def grade(severity: str, category: str | None = None) -> dict[str, Any]:
    """A completion that answers as asked."""
    return completion(json.dumps({"severity": severity, "category": category}))


@pytest.fixture(params=["plain", "tls", "other"])
def client(request, monkeypatch, tmp_path_factory):
    """Both clients, on addresses that the first would be chosen for, and that one with TLS too."""
    if request.param == "other":
        monkeypatch.setattr("vlsu.models.http.client.is_simple_http", lambda url: False)
    if request.param != "tls":
        yield request.param
        return
    with servers_behind_tls(tmp_path_factory.mktemp("tls")):
        yield request.param
