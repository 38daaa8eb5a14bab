"""An HTTP proxy on loopback: whole addresses for http, ``CONNECT`` for https."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.listening import listening


@dataclass
class ProxyServer:
    """A proxy that resolves every name to loopback.

    Attributes:
        wants: The value of ``Proxy-Authorization`` that it wants, if any.
        refused: Host -> the status that ``CONNECT`` to it gets.
        asked: Method and target of each request.
        heads: The whole head of each request.
    """

    wants: str | None = None
    refused: dict[str, int] = field(default_factory=dict)
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._serve(reader, writer):
                    pass
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.asked.append((method, target))
        self.heads.append(head)
        if self.wants is not None and f"Proxy-Authorization: {self.wants}\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return True
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            if status := self.refused.get(host):
                writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno".encode())
                await writer.drain()
                return True
            theirs = await asyncio.open_connection("127.0.0.1", int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: played\r\n\r\n")
            ways = (_copy(reader, theirs[1]), _copy(theirs[0], writer))
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                theirs[1].transport.abort()
            return False
        parts = urlsplit(target)
        theirs = await asyncio.open_connection("127.0.0.1", parts.port or 80)
        path = parts._replace(scheme="", netloc="").geturl()
        its_own = ("Proxy-", "Connection:")
        lines = [line for line in head.split("\r\n")[1:] if not line.startswith(its_own)]
        request = "\r\n".join([f"{method} {path} HTTP/1.1", "Connection: close", *lines])
        theirs[1].write(request.encode())
        try:
            await _copy(theirs[0], writer)
        finally:
            theirs[1].transport.abort()
        return True


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@contextmanager
def proxying(wants: str | None = None, **refused: int) -> Iterator[ProxyServer]:
    """A proxy for the time of the block; it refuses hosts such as ``gone_example=403``."""
    hosts = {name.replace("_", "."): status for name, status in refused.items()}
    proxy = ProxyServer(wants, hosts)
    with listening(proxy.handle) as proxy.port:
        yield proxy
