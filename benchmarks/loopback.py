"""Images of one pixel and chat completions, served on loopback from a thread of this process."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson

from benchmarks.mock_server import CONTENT, completion
from benchmarks.payload import pixel

__all__ = ["serving"]

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_COMPLETION = orjson.dumps(completion(CONTENT[0]))


class _Connection(asyncio.Protocol):
    """Answers ``GET /N.png`` with the image of that number, and any ``POST`` with a completion."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            stated = _LENGTH.search(head)
            whole = end + 4 + (int(stated[1]) if stated else 0)
            if len(self._received) < whole:
                return
            del self._received[:whole]
            kind, body = b"application/json", _COMPLETION
            if head.startswith(b"GET "):
                number = int(head.split(b" ", 2)[1].strip(b"/").partition(b".")[0])
                kind, body = b"image/png", pixel(number)
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
                % (kind, len(body), body)
            )


@contextmanager
def serving() -> Iterator[str]:
    """The root address of the server, for as long as the context lasts."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
