"""Calls of any method to the addresses of one server, with files in either direction.

For what is not one answer to one request, such as a provider's batch interface: bodies are sent
from files and answers are read line by line, so that neither has to fit in memory. TLS, proxies
and the rule for credentials over plain HTTP are those of `vlsu.models.http.secure`.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from vlsu._machine import exhausted_file_descriptors, exhausted_resource_in_text
from vlsu._proxies import Proxy, proxy_of
from vlsu._version import __version__
from vlsu.models.http.client import is_usable
from vlsu.models.http.exposure import exposure
from vlsu.models.http.secure import distrust, header_of, messages_of
from vlsu.models.http.transport import (
    CONNECT_S,
    MAX_BODY,
    UNUSABLE,
    Header,
    NetworkFaultError,
    host_of,
    untrusted,
)

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.response import Response

__all__ = ["Elements", "HttpService", "Piece", "Reply", "size_of"]

#: Bytes that are read and written at once.
PIECE = 2**18
#: Bytes a second at which a file is sent, or arrives, at least; a slower one is given up.
SLOWEST = 64 * 2**10
#: Maximum bytes of a file that is read by lines, after decompression.
MAX_FILE = 16 * 2**30
#: Seconds that a closed client is given to release its buffers (see `vlsu.models.http.secure`).
RELEASE_S = 0.1


class Elements(NamedTuple):
    """A file of JSON values, a line each, that is sent as the elements of an array.

    The line ends, which no value contains, become commas.
    """

    lines: Path


#: A part of a body: bytes, or a file that is sent as it is or as `Elements`.
Piece = bytes | Path | Elements


class Reply(NamedTuple):
    """A whole answer: HTTP status, body, and the headers."""

    status: int
    body: bytes
    header: Header


def size_of(pieces: Iterable[Piece]) -> int:
    """Bytes of a body."""
    return sum(map(_size, pieces))


def _size(piece: Piece) -> int:
    if isinstance(piece, bytes):
        return len(piece)
    if isinstance(piece, Path):
        return piece.stat().st_size
    return max(piece.lines.stat().st_size - 1, 0)


class HttpService:
    """Connections to one server.

    Args:
        url: An address on it; every other one that is called has the same scheme, host and port.
        headers: Headers of every request, credentials among them.
        timeout_s: Seconds for one call, and for each part of a file; a file may take so long
            together with what its bytes take at `SLOWEST`.
        only_local: Over plain HTTP, send only to this machine and private networks.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout_s: float, *, only_local: bool = False
    ) -> None:
        self._url = url
        self._headers = {k: v for k, v in headers.items() if k.lower() != "content-type"}
        self._timeout_s = timeout_s
        self._only_local = only_local
        self._client: Client | None = None

    async def call(
        self,
        method: str,
        url: str,
        body: Sequence[Piece] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Call an address once.

        Args:
            method: ``GET``, ``POST``, ``PUT`` or ``DELETE``.
            url: The address, on this server.
            body: In pieces, of which files are read as they are sent.
            headers: Further ones.

        Raises:
            NetworkFaultError: No complete answer of at most `MAX_BODY` bytes arrived in time.
        """
        async with self._answer(method, url, body, headers or {}) as answer:
            return await self._whole(answer)

    async def lines(self, url: str, refused: Callable[[Reply], Exception]) -> AsyncGenerator[bytes]:
        """The lines of a file as they arrive, without their ends; empty ones are left out.

        Args:
            url: Its address.
            refused: Makes the error for an answer of any status but 200.

        Raises:
            NetworkFaultError: It did not arrive whole, or a line has more than `MAX_BODY` bytes;
                the lines before that were given.
        """
        async with self._answer("GET", url, (), {}) as answer:
            if answer.status != 200:
                raise refused(await self._whole(answer))
            rest: list[bytes] = []
            async with aclosing(self._parts(answer, MAX_FILE)) as parts:
                async for part in parts:
                    first, *more = part.split(b"\n")
                    rest.append(first)
                    for line in more:
                        whole, rest = b"".join(rest).strip(), [line]
                        if whole:
                            yield whole
                    if sum(map(len, rest)) > MAX_BODY:
                        raise NetworkFaultError("endless", "a line has no end")
            if whole := b"".join(rest).strip():
                yield whole

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, body: Sequence[Piece], headers: Mapping[str, str]
    ) -> AsyncIterator[Response]:
        """The answer to a call, once its head has arrived."""
        from pyreqwest.exceptions import PyreqwestError

        self._require_own(url)
        proxy = proxy_of(url)
        if self._client is None:
            self._client = self._opened(proxy)
        size = size_of(body)
        async with AsyncExitStack() as stack:
            try:
                request = self._client.request(method, url).headers(dict(headers))
                if len(body) == 1 and isinstance(body[0], bytes):
                    request = request.body_bytes(body[0])
                elif body:
                    request = request.header("Content-Length", str(size)).body_stream(_sent(body))
                async with asyncio.timeout(self._timeout_s + size / SLOWEST):
                    answer = await stack.enter_async_context(request.build_streamed())
            except TimeoutError:
                raise _too_late(self._timeout_s) from None
            except (PyreqwestError, ValueError) as error:
                raise _fault(error, url, proxy) from None
            yield answer

    async def _whole(self, answer: Response) -> Reply:
        pieces = []
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                aclosing(self._parts(answer, MAX_BODY)) as parts,
            ):
                async for part in parts:
                    pieces.append(part)  # noqa: PERF401 - closed whatever happens
        except TimeoutError:
            raise _too_late(self._timeout_s) from None
        return Reply(answer.status, b"".join(pieces), header_of(answer))

    async def _parts(self, answer: Response, most: int) -> AsyncGenerator[bytes]:
        """The body of an answer as it arrives, decompressed."""
        from pyreqwest.exceptions import PyreqwestError

        proxy = proxy_of(self._url)
        unpacking = _unpacking(header_of(answer)("content-encoding") or "")
        total, last = 0, b""
        clock = asyncio.get_running_loop().time
        arrived, waited = 0, 0.0  # of the server; what is done with a part takes its own time
        while True:
            begun = clock()
            left = self._timeout_s + arrived / SLOWEST - waited
            try:
                async with asyncio.timeout(min(self._timeout_s, left)):
                    data = await answer.body_reader.read(PIECE)
            except TimeoutError:
                raise _too_late(self._timeout_s, arrived if left < self._timeout_s else 0) from None
            except (PyreqwestError, ValueError) as error:
                raise _fault(error, self._url, proxy) from None
            if data is None:
                break
            last = data.to_bytes()
            arrived, waited = arrived + len(last), waited + clock() - begun
            while last:
                part, last = last, b""
                if unpacking is not None:
                    part, last = _unpacked(unpacking, part)
                total += len(part)
                if total > most:
                    raise NetworkFaultError("endless", "the answer has no end")
                yield part
        if unpacking is not None and total and not unpacking.eof:
            raise NetworkFaultError("broken", "the compressed answer ends before it should")

    def _require_own(self, url: str) -> None:
        """Refuse what must not be called.

        Raises:
            NetworkFaultError: The address is not usable or of another server, or the key would be
                readable on the way.
        """
        if not is_usable(url):
            raise NetworkFaultError("address", UNUSABLE)
        own, other = urlsplit(self._url), urlsplit(url)
        if (own.scheme, own.netloc) != (other.scheme, other.netloc):
            raise NetworkFaultError(
                "address",
                f"the server names an address on {host_of(url)}, where the key does not go: "
                f"it is for {host_of(own)}",
            )
        proxy = proxy_of(url)
        if proxy is not None and not proxy.usable:
            raise NetworkFaultError("address", f"{proxy.source}: not a usable proxy")
        if self._only_local and (why := exposure(url, guarded=False)) is not None:
            raise NetworkFaultError("address", f"the key would be readable on the way: {why}")

    def _opened(self, proxy: Proxy | None) -> Client:
        from datetime import timedelta

        from pyreqwest.client import ClientBuilder
        from pyreqwest.proxy import ProxyBuilder

        builder = ClientBuilder().no_proxy()  # none but the one given
        if proxy is not None:
            builder = builder.proxy(ProxyBuilder.all(proxy.url))
        return (
            builder.default_headers({"Accept-Encoding": "gzip", **self._headers})
            .user_agent(f"vlsu/{__version__}")
            .connect_timeout(timedelta(seconds=min(CONNECT_S, self._timeout_s / 2)))
            .follow_redirects(False)
            .gzip(False)  # decompressed here, which bounds it
            .deflate(False)
            .brotli(False)
            .zstd(False)
            .build()
        )

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
            await asyncio.sleep(RELEASE_S)


async def _sent(body: Sequence[Piece]) -> AsyncIterator[bytes]:
    for piece in body:
        if isinstance(piece, bytes):
            yield piece
            continue
        left = _size(piece)
        with (piece if isinstance(piece, Path) else piece.lines).open("rb") as file:
            while data := await asyncio.to_thread(file.read, min(PIECE, left)):
                left -= len(data)
                yield data if isinstance(piece, Path) else data.replace(b"\n", b",")


class _Unpacking:
    """Decompresses gzip or zlib as it arrives; one member may follow another."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=47)

    @property
    def eof(self) -> bool:
        """Whether the last member is complete."""
        return self._stream.eof

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """A part of at most `PIECE` bytes, and what of the data is left to be fed."""
        if self._stream.eof:
            self._stream = zlib.decompressobj(wbits=47)
        part = self._stream.decompress(data, PIECE)
        return part, self._stream.unconsumed_tail or self._stream.unused_data


def _unpacking(encoding: str) -> _Unpacking | None:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return _Unpacking()
    raise NetworkFaultError("malformed", "the answer has a content encoding that was not asked for")


def _unpacked(unpacking: _Unpacking, data: bytes) -> tuple[bytes, bytes]:
    try:
        return unpacking.feed(data)
    except zlib.error:
        raise NetworkFaultError("broken", "the compressed answer is damaged") from None


def _too_late(timeout_s: float, arrived: int = 0) -> NetworkFaultError:
    """The fault for a server that sends nothing more, or so little since the call began."""
    if arrived:
        return NetworkFaultError(
            "timeout",
            f"no more than {arrived} bytes came, slower than {SLOWEST // 2**10} KiB/s beyond "
            f"{timeout_s:g} s; a longer --timeout lets it take its time",
        )
    return NetworkFaultError("timeout", f"nothing more within {timeout_s:g} s")


def _fault(error: Exception, url: str, proxy: Proxy | None) -> NetworkFaultError:
    """The fault for an error of the library."""
    messages, last = messages_of(error)
    by = "" if proxy is None else f" through the proxy {proxy.shown}"
    unconnected = any("(Connect)" in message for message in messages)
    if exhausted := exhausted_resource_in_text(last) or (
        exhausted_file_descriptors() if unconnected else None
    ):
        return NetworkFaultError("machine", f"{exhausted} ({last})")
    if unconnected and (why := distrust(last)):
        return untrusted(f"{host_of(url)}{by}", why)
    if unconnected:
        return NetworkFaultError("connect", f"cannot connect to {host_of(url)}{by} ({last})")
    return NetworkFaultError("broken", f"the connection{by} broke ({last})")
