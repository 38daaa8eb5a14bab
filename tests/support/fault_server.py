"""A chat-completions server that misbehaves as told, below HTTP where need be, and who asks it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl

from tests.conftest import completion
from tests.support import tls
from tests.support.holding import HELD_S, held_until
from tests.support.ports import reserved_port
from tests.support.values import present
from vlsu.data import Dataset, Sample, write_dataset
from vlsu.models import Settings
from vlsu.models.http.transport import MAX_BODY
from vlsu.policy import Severity, default_policy
from vlsu.runs import NO_PROGRESS, Limits, ResponseStore, UnderstandingOptions
from vlsu.runs.asking.asking import ask
from vlsu.runs.asking.event_loop import in_event_loop
from vlsu.runs.asking.images import DatasetImages
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.pace import Breaker
from vlsu.runs.asking.patience import Retries
from vlsu.runs.asking.plan import plan
from vlsu.runs.asking.progress import Progress
from vlsu.runs.asking.tally import Tally
from vlsu.runs.judging import JudgmentsFile, judged
from vlsu.runs.understanding.evaluation import prepare
from vlsu.tasks import read_answer

#: How one request is answered: writes to the connection, or breaks it.
Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it reached the server.

    Attributes:
        digest: Names the request: two with the same body have the same.
        words: Text of the user's turn.
        times: How often this very request has been asked, this time included.
        number: How many requests of any kind have been.
    """

    digest: str
    words: str
    times: int
    number: int


class HangUpError(Exception):
    """The connection is to be closed."""


class FaultServer:
    """Listens on loopback in a thread of its own; `choose` says how each request is answered.

    Args:
        choose: Called for each request, in the server's thread.
        delay: Seconds before each answer.

    Attributes:
        ready: Whether the request of a number may be answered yet.
    """

    def __init__(self, choose: Callable[[Asked], Behaviour], delay: float = 0.0) -> None:
        self.choose = choose
        self.delay = delay
        self.ready: Callable[[int], bool] = lambda number: True
        self.asked: list[Asked] = []
        self.heads: list[bytes] = []
        self.in_flight = 0
        #: For TLS.
        self.context: ssl.SSLContext | None = tls.current
        self._times: Counter[str] = Counter()
        self._port = 0
        self._reserved = reserved_port()
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FaultServer:
        self._port = self._reserved.__enter__()
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *about: Any) -> None:
        self.hang_up()
        self._reserved.__exit__(*about)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(HELD_S)
        self._loop.close()

    @property
    def base_url(self) -> str:
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}/v1"

    def listen(self) -> None:
        """Accept connections; after `hang_up`, on the same port again."""

        async def listen() -> None:
            self._listener = await asyncio.start_server(
                self._serve, "127.0.0.1", self._port, backlog=1024, limit=2**20, ssl=self.context
            )

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(HELD_S)

    def hang_up(self) -> None:
        """Break every connection and refuse new ones."""

        async def close() -> None:
            listener, self._listener = self._listener, None
            # Accepting is to end before the listener does: asyncio trips over what lies between.
            for each in listener.sockets if listener else ():
                self._loop.remove_reader(each.fileno())
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in self._serving:
                    task.cancel()
                await asyncio.wait(tasks, timeout=0.05)
            if listener:
                listener.close()
            await asyncio.sleep(0)  # the transports close in the loop's next round

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(HELD_S)

    def settle(self) -> None:
        """Read all that was sent by a process that is gone, to the end of each connection."""

        async def ended() -> None:
            for _ in range(20):  # turns in which connections are accepted and come to be served
                await asyncio.sleep(0)
            while self._serving:
                await asyncio.sleep(0.002)

        asyncio.run_coroutine_threadsafe(ended(), self._loop).result(HELD_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = present(asyncio.current_task())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1]) if found else 0)
                asked = self._note(head, body)
                self.in_flight += 1
                try:
                    await held_until(partial(self._is_ready, asked.number))
                    await asyncio.sleep(self.delay)
                    await self.choose(asked)(writer)
                    await writer.drain()
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, OSError, HangUpError):
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()

    def _is_ready(self, number: int) -> bool:
        return self.ready(number)

    def _note(self, head: bytes, body: bytes) -> Asked:
        digest = hashlib.sha256(body).hexdigest()[:16]
        self._times[digest] += 1
        asked = Asked(digest, _words(body), self._times[digest], len(self.asked) + 1)
        self.asked.append(asked)
        self.heads.append(head)
        return asked


def _words(body: bytes) -> str:
    content = json.loads(body)["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


# Answers


def raw_reply(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def reply(status: int, body: bytes, **headers: str) -> Behaviour:
    """A whole answer; header names with ``_`` for ``-``."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body))} | fields

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(raw_reply(status, body, fields))

    return behave


def say(answer: Mapping[str, Any], status: int = 200, **headers: str) -> Behaviour:
    """A whole answer of JSON."""
    return reply(status, json.dumps(answer).encode(), **headers)


def good(asked: Asked, severity: str = "safe") -> Behaviour:
    """The answer that was asked for; its ``id`` names the request."""
    text = json.dumps({"severity": severity, "category": None})
    return say(completion(text) | {"id": asked.digest})


def error(status: int, message: str, **headers: str) -> Behaviour:
    """An error in the words of OpenAI's API."""
    return say({"error": {"message": message, "type": "error", "code": None}}, status, **headers)


GOOD_BODY = json.dumps(completion('{"severity": "safe", "category": null}')).encode()


def html(status: int) -> Behaviour:
    """What a proxy says when the server behind it is gone."""
    return reply(status, b"<html><h1>Bad Gateway</h1></html>", Content_Type="text/html")


def zipped(body: bytes) -> Behaviour:
    return reply(200, body, Content_Encoding="gzip")


@cache
def bomb(mebibytes: int = 128) -> bytes:
    """A gzip file that unpacks to a thousand times its size, in spaces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = b" " * 2**20
    return b"".join([*(packer.compress(piece) for _ in range(mebibytes)), packer.flush()])


# Breakage below HTTP


async def close_unanswered(writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    raise HangUpError


async def reset_in_body(writer: asyncio.StreamWriter) -> None:
    """Half an answer, then a TCP reset."""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(GOOD_BODY))}
    writer.write(raw_reply(200, GOOD_BODY[: len(GOOD_BODY) // 2], headers))
    await writer.drain()
    await asyncio.sleep(0.01)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise HangUpError


async def close_in_body(writer: asyncio.StreamWriter) -> None:
    """Half an answer, then an orderly end of the connection."""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(GOOD_BODY))}
    writer.write(raw_reply(200, GOOD_BODY[: len(GOOD_BODY) // 2], headers))
    raise HangUpError


async def drip(writer: asyncio.StreamWriter) -> None:
    """An answer that comes a byte at a time, and never in time."""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(GOOD_BODY))}
    writer.write(raw_reply(200, b"", headers))
    for n in range(len(GOOD_BODY)):
        writer.write(GOOD_BODY[n : n + 1])
        await writer.drain()
        await asyncio.sleep(0.05)


async def silence(writer: asyncio.StreamWriter) -> None:
    """No answer at all, the connection open."""
    await asyncio.sleep(3600)


async def endless(writer: asyncio.StreamWriter) -> None:
    """An answer of twice the length that is read, which is as good as one without an end."""
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    writer.write(raw_reply(200, b"", headers))
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(2 * MAX_BODY // 0x10000):
        writer.write(chunk)
        await writer.drain()
        await asyncio.sleep(0)
    raise HangUpError


async def no_http(writer: asyncio.StreamWriter) -> None:
    """Another protocol's greeting."""
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    raise HangUpError


# Who asks

#: Pauses of a hundredth: what they become in use is `Retries()`.
QUICK = Retries(first_pause_s=0.005, longest_pause_s=0.1, down_pause_s=0.05, put_off_s=0.3)


@dataclass(frozen=True)
class Result:
    """What became of a run, and what its store holds."""

    tally: Tally
    judgments: pl.DataFrame
    responses: int
    errors: dict[str, int]

    @property
    def outcomes(self) -> dict[str, int]:
        return dict(Counter(self.judgments["outcome"]))


def text_dataset(folder: Path, samples: int) -> Dataset:
    """Samples of a text each, no two alike."""
    rows = [
        Sample(id=f"s{n}", text=f"words {n} end", text_grade=Severity(n % 3))
        for n in range(samples)
    ]
    return write_dataset(
        folder,
        rows,
        name="texts",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
        policy=default_policy(),
    )


def ask_and_judge(dataset: Dataset, base_url: str, folder: Path, **options: Any) -> Result:
    """What ``vlsu run`` does, with pauses that suit a test; options as `_ask_and_judge`."""
    return in_event_loop(lambda: _ask_and_judge(dataset, base_url, folder, **options))


async def _ask_and_judge(
    dataset: Dataset,
    base_url: str,
    folder: Path,
    *,
    modalities: tuple[str, ...] = ("text",),
    concurrency: int = 4,
    timeout_s: float = 20.0,
    retries: Retries = QUICK,
    breaker: Breaker | None = None,
    progress: Progress = NO_PROGRESS,
) -> Result:
    folder.mkdir(exist_ok=True)
    evaluation = prepare(
        dataset,
        UnderstandingOptions(
            model="openai/mock",
            modalities=modalities,
            settings=Settings(base_url=base_url, timeout_s=timeout_s),
            limits=Limits(concurrency=concurrency),
        ),
    )
    model, subset, task = evaluation.model, evaluation.subset, evaluation.task
    keys = RequestKeys(model.identity())
    store = ResponseStore(folder / "responses.sqlite")
    try:
        tally = await ask(
            plan(dataset, subset, task, keys, by_image=True),
            model,
            DatasetImages(dataset, model.image_limits),
            store,
            limits=evaluation.options.limits,
            budget=evaluation.options.limits.budget(),
            progress=progress,
            outcome_of=lambda response: read_answer(response, evaluation.policy).outcome,
            breaker=breaker,
            retries=retries,
        )
        with JudgmentsFile(folder / "judgments.parquet") as file:
            for judgments, _ in judged(plan(dataset, subset, task, keys), store, model, task):
                file.add(judgments)
        return Result(
            tally,
            pl.read_parquet(folder / "judgments.parquet"),
            store.count(),
            store.error_counts(),
        )
    finally:
        store.close()
        await model.close()


def run_command(
    dataset: Dataset, base_url: str, out: Path, *more: object, **options: Any
) -> subprocess.Popen[str]:
    """``vlsu run`` as a process of its own."""
    command = ["run", "understanding", dataset.path, "--out", out, "--modalities", "text"]
    command += ["--model", "openai/mock", "--base-url", base_url, *more]
    return subprocess.Popen(
        [sys.executable, "-m", "vlsu", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
