"""A web server on loopback that plays any host, and notes what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.holding import held_until
from tests.support.listening import listening
from vlsu.data import Dataset, Pace, Sample, write_dataset
from vlsu.data.fetching.client import dial
from vlsu.data.fetching.fetch import Network
from vlsu.policy import Severity

#: An address of the public internet that the tests' names resolve to.
PUBLIC = "93.184.216.34"
#: No waits between tries.
QUICK = Pace(backoff_s=0.01, max_wait_s=1.0)


def png(number: int, side: int = 8) -> bytes:
    """A picture of its own for each number."""
    buffer = io.BytesIO()
    colour = (number % 256, number // 256 % 256, 7)
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def response(body: bytes = b"", status: str = "200 OK", **headers: object) -> bytes:
    """A whole response; underscores in names of headers are hyphens."""
    fields: dict[str, object] = {"Content-Length": len(body)}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return response(status=status, Location=to)


@dataclass(frozen=True)
class Request:
    """What a server was asked.

    Attributes:
        target: Path and query.
        headers: Name in lower case -> value.
    """

    target: str
    headers: dict[str, str]

    @property
    def host(self) -> str:
        """Without the port."""
        return self.headers["host"].partition(":")[0]


#: Bytes to send, seconds to wait, or `None` to close at once.
Step = bytes | float | None
Respond = Callable[[Request], Step | Sequence[Step]]


@dataclass
class ImageServer:
    """A server; `respond` decides each answer, `ready` if that to a number may be given yet."""

    respond: Respond
    ready: Callable[[int], bool] = lambda number: True
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        request = Request(head[0].split(" ")[1], {n.lower(): value for n, _, value in pairs})
        self.requests.append(request)
        number = len(self.requests)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await held_until(lambda: self.ready(number))
            steps = self.respond(request)
            for step in [steps] if isinstance(steps, bytes | float | None) else steps:
                if step is None:
                    return False
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                else:
                    await asyncio.sleep(step)
        finally:
            self.in_flight -= 1
        return request.headers.get("connection") != "close"

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path at this server, under any name."""
        return f"http://{host}:{self.port}/{path}"


@contextmanager
def serving(respond: Respond, context: ssl.SSLContext | None = None) -> Iterator[ImageServer]:
    """A server for the time of the block."""
    server = ImageServer(respond)
    with listening(server.handle, context) as server.port:
        yield server


@dataclass
class Names:
    """Name servers and a network in which every public address leads to loopback.

    Attributes:
        answers: Name -> its addresses, one list a look-up, the last again and again; other names
            are of `PUBLIC`.
        asked: Names that were looked up.
        dialled: IP addresses that were connected to.
    """

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    context: ssl.SSLContext | None = None

    async def lookup(self, name: str) -> list[str]:
        self.asked.append(name)
        answers = self.answers.get(name, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def dial(self, factory: Any, ip: str, port: int, context: Any, name: Any) -> Any:
        self.dialled.append(ip)
        return await dial(factory, "127.0.0.1", port, context, name)

    @property
    def network(self) -> Network:
        return Network(self.lookup, self.dial, self.context)


def dataset_of(folder: Path, urls: Sequence[str | None]) -> Dataset:
    """A dataset with a sample for each address."""
    return write_dataset(
        folder,
        (
            Sample(f"s{n}", text=f"text {n}", image_url=url, joint_grade=Severity.SAFE)
            for n, url in enumerate(urls)
        ),
        name="addresses",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="tests",
    )
