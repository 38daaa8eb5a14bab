"""A chat-completions server that costs next to nothing, so that what is measured is the client.

One process, one core. Bodies are counted and dropped as they come in: the kernel writes every one
into the same buffer and nothing is copied out of it. Answers leave after a fixed latency, in the
order in which the requests were complete, so pipelined requests are answered in order.

    python -m benchmarks.mock_server --latency 0.02

prints one line, ``{"port": ...}``, and serves on loopback until it is killed or `--lifetime` is
over. ``POST`` on any path is answered with a completion. ``GET /health`` answers ``ok``,
``GET /stats`` the counters as JSON, ``GET /reset`` sets them to zero.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import cast

#: Bounds: a header block, a body, and how long a server may live, in bytes and seconds.
MAX_HEAD = 64 * 2**10
MAX_BODY = 64 * 2**20
LIFETIME_S = 3600.0

#: All connections read into this: what lies in it is used up before the next read.
_BUFFER = memoryview(bytearray(2**20))

CONTENT = ('{"severity": "safe", "category": null}', '{"severity": "unsafe", "category": "C9"}')
_HEAD, _BODY, _CHUNK_SIZE, _CHUNK, _TRAILER = range(5)


@dataclass(slots=True)
class Counters:
    """What the server has seen since its start or the last reset.

    Attributes:
        requests: Completions answered.
        received: Body bytes of all requests.
        most_in_flight: Most requests that were complete and not yet answered.
        connections: Connections opened.
        lost: Answers whose connection was gone.
        first_at: When the first request was complete, `time.monotonic`; 0 before.
        last_at: When the last answer was written.
    """

    requests: int = 0
    received: int = 0
    most_in_flight: int = 0
    connections: int = 0
    lost: int = 0
    first_at: float = 0.0
    last_at: float = 0.0


class Server:
    """Counters and the answers that wait for their time."""

    def __init__(self, latency_s: float) -> None:
        self.counters = Counters()
        self._latency_s = latency_s
        self._waiting: deque[tuple[float, Connection]] = deque()
        self._loop = asyncio.get_running_loop()
        self._answers = [_answer(json.dumps(completion(text)).encode()) for text in CONTENT]

    def respond(self, connection: Connection) -> None:
        """Answer a complete request when its latency is over."""
        counters = self.counters
        now = self._loop.time()
        if not counters.first_at:
            counters.first_at = time.monotonic()
        if not self._latency_s:
            counters.most_in_flight = max(counters.most_in_flight, 1)
            self._write(connection)
            counters.last_at = time.monotonic()
            return
        waiting = self._waiting
        waiting.append((now + self._latency_s, connection))
        if len(waiting) > counters.most_in_flight:
            counters.most_in_flight = len(waiting)
        if len(waiting) == 1:
            self._loop.call_later(self._latency_s, self._flush)

    def _flush(self) -> None:
        # The latency is the same for all, so the first to come is the first to go.
        waiting, now = self._waiting, self._loop.time()
        while waiting and waiting[0][0] <= now:
            self._write(waiting.popleft()[1])
        self.counters.last_at = time.monotonic()
        if waiting:
            self._loop.call_later(max(waiting[0][0] - now, 0.001), self._flush)

    def _write(self, connection: Connection) -> None:
        counters = self.counters
        transport = connection.transport
        if transport is None or transport.is_closing():
            counters.lost += 1
            return
        transport.write(self._answers[counters.requests % len(self._answers)])
        counters.requests += 1

    def get(self, path: bytes) -> bytes:
        """The answer to a GET."""
        if path == b"/stats":
            return _answer(json.dumps(asdict(self.counters)).encode())
        if path == b"/reset":
            self.counters = Counters()
        return _answer(b'"ok"') if path in (b"/health", b"/reset") else _answer(b"{}", b"404 None")


class Connection(asyncio.BufferedProtocol):
    """Reads requests by ``Content-Length`` or in chunks; keeps none of their bodies."""

    __slots__ = ("_chunked", "_expected", "_pending", "_post", "_server", "_state", "transport")

    def __init__(self, server: Server) -> None:
        self._server = server
        self.transport: asyncio.Transport | None = None
        self._state = _HEAD
        self._expected = 0  # bytes of the body or chunk still to come
        self._chunked = False
        self._pending = b""  # a header or chunk line of which the end is missing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._server.counters.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self._expected >= nbytes:  # within a body: the way of nearly every read
            self._server.counters.received += nbytes
            self._expected -= nbytes
            if not self._expected:
                self._part_complete()
            return
        self._read(self._pending + bytes(_BUFFER[:nbytes]))

    def _read(self, data: bytes) -> None:
        at = 0
        while at < len(data) and self.transport is not None:
            if self._expected:
                size = min(self._expected, len(data) - at)
                at += size
                self._expected -= size
                self._server.counters.received += size
                if not self._expected:
                    self._part_complete()
                continue
            mark = b"\r\n\r\n" if self._state == _HEAD else b"\r\n"
            end = data.find(mark, at)
            if end < 0:
                if len(data) - at > MAX_HEAD:
                    self._reject(b"431 Header Too Large")
                break
            line, at = data[at:end], end + len(mark)
            if self._state == _HEAD:
                self._begin(line)
            elif self._state == _CHUNK_SIZE:
                self._begin_chunk(line)
            elif not line:  # the empty line after the last chunk and its trailers
                self._complete()
        self._pending = data[at:]

    def _begin(self, head: bytes) -> None:
        assert self.transport is not None
        if head.startswith(b"GET "):
            self.transport.write(self._server.get(head.split()[1]))
            return
        if not head.startswith(b"POST "):
            self._reject(b"400 Bad Request")
            return
        lower = head.lower()
        if b"\r\nexpect: 100-continue" in lower:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"\r\ntransfer-encoding: chunked" in lower:
            self._state = _CHUNK_SIZE
            return
        _, _, rest = lower.partition(b"\r\ncontent-length:")
        length = _number(rest.partition(b"\r\n")[0].strip() or b"0", 10)
        if length < 0:
            self._reject(b"400 Bad Request")
        elif length > MAX_BODY:
            self._reject(b"413 Content Too Large")
        elif length:
            self._state, self._expected = _BODY, length
        else:
            self._complete()

    def _begin_chunk(self, line: bytes) -> None:
        size = _number(line.partition(b";")[0].strip(), 16)
        if size < 0:
            self._reject(b"400 Bad Request")
        elif size > MAX_BODY:
            self._reject(b"413 Content Too Large")
        elif size:
            self._state, self._expected = _CHUNK, size + 2  # with the line end behind it
        else:
            self._state = _TRAILER

    def _part_complete(self) -> None:
        if self._state == _CHUNK:
            self._state = _CHUNK_SIZE
        else:
            self._complete()

    def _complete(self) -> None:
        self._state = _HEAD
        self._server.respond(self)

    def _reject(self, status: bytes) -> None:
        if self.transport is not None:
            self.transport.write(_answer(b"{}", status))
            self.transport.close()
            self.transport = None


def _number(digits: bytes, base: int) -> int:
    """What the digits say; -1 where they say nothing."""
    try:
        return int(digits, base)
    except ValueError:
        return -1


def _answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def completion(content: str) -> dict[str, object]:
    """The body of a chat completion that says this."""
    message = {"role": "assistant", "content": content}
    return {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1,
        "model": "mock",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 1200, "completion_tokens": 14, "total_tokens": 1214},
    }


async def serve(
    latency_s: float, port: int, lifetime_s: float, context: ssl.SSLContext | None
) -> None:
    """Serve on loopback for so long, with TLS if there is a context for it."""
    loop = asyncio.get_running_loop()
    server = Server(latency_s)
    listening = await loop.create_server(
        lambda: Connection(server), "127.0.0.1", port, backlog=4096, ssl=context
    )
    async with listening:
        print(json.dumps({"port": listening.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.sleep(lifetime_s)


def run(
    serve: Callable[[float, int, float, ssl.SSLContext | None], Coroutine[None, None, None]],
    about: str,
) -> int:
    """The command of a server: its latency, port and lifetime are the options."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--latency", type=float, default=0.02, help="seconds (default: 0.02)")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--lifetime", type=float, default=LIFETIME_S, help="seconds at most")
    parser.add_argument("--certificate", help="PEM file with key and certificate: speak TLS")
    options = parser.parse_args()
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    import uvloop  # of the peers' environment; what else is here is imported from others too

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.latency, options.port, options.lifetime, context))
    return 0


if __name__ == "__main__":
    sys.exit(run(serve, __doc__))
