"""One HTTP/1.1 connection: a request at a time, and every part of a response bounded."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from vlsu.data.fetching.faults import FetchFaultError, Reason

__all__ = ["Connection", "Held", "Received"]

#: Maximum bytes of a response's head, interim responses included.
MAX_HEAD = 64 * 2**10
#: Maximum bytes of the body of a response that is no image: an error page, a redirect's text.
MAX_PAGE = 64 * 2**10
#: Maximum bytes of chunk framing per byte of body, plus a constant for short ones.
MAX_FRAMING = 16
#: Maximum bytes of all images under way together, beyond which only the largest is read on.
MAX_HELD = 256 * 2**20
#: Content codings that a server may use although none was asked for.
_CODINGS = ("gzip", "x-gzip", "deflate")


@dataclass(frozen=True, slots=True)
class Received:
    """A response.

    Attributes:
        status: HTTP status.
        headers: Name in lower case -> value; of several the first.
        body: As the server meant it, decompressed; cut where it is not an image's.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class _Holder(Protocol):
    @property
    def size(self) -> int: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Held:
    """The bytes of all bodies under way, kept within bounds by reading only the largest on."""

    def __init__(self, limit: int = MAX_HELD) -> None:
        self._limit = limit
        self._total = 0
        self._holders: set[_Holder] = set()
        self._paused: set[_Holder] = set()

    def add(self, holder: _Holder, count: int) -> None:
        """Account for more bytes of a body."""
        self._total += count
        self._holders.add(holder)
        if self._total > self._limit and holder is not max(self._holders, key=lambda h: h.size):
            self._paused.add(holder)
            holder.pause()

    def release(self, holder: _Holder, count: int) -> None:
        """A body is complete, or given up."""
        self._total -= count
        self._holders.discard(holder)
        self._paused.discard(holder)
        if self._paused and (self._total <= self._limit or len(self._holders) == 1):
            paused, self._paused = self._paused, set()
            for each in paused:
                each.resume()
        elif self._paused:
            largest = max(self._holders, key=lambda h: h.size)
            self._paused.discard(largest)
            largest.resume()


class Connection(asyncio.Protocol):
    """A connection to one server.

    Args:
        held: The bytes of all connections.
        max_bytes: Maximum bytes of an image.

    Attributes:
        idle_since: When its last response was complete, by the loop's clock.
        began: Whether the server has sent anything in answer to the last request.
    """

    def __init__(self, held: Held, max_bytes: int) -> None:
        self._held = held
        self._max_bytes = max_bytes
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Received] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self.size = 0
        self._fed = 0
        self._in_body = False
        self._keep_alive = False
        self.idle_since = 0.0
        self.began = False

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent."""
        transport = self._transport
        return (
            transport is not None
            and self._waiting is None
            and self._keep_alive
            and not transport.is_closing()
        )

    async def request(self, head: bytes) -> Received:
        """Send a request, and wait for its response.

        Raises:
            FetchFaultError: There is none, or a part of it exceeds its bound.
        """
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._pieces, self._fed = {}, [], 0
        self._in_body, self.began, self._keep_alive = False, False, False
        waiting: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        if self._transport is None or self._transport.is_closing():
            self._fail(Reason.BROKEN, transient=True)
        else:
            self._transport.write(head)
        try:
            return await waiting
        except BaseException:
            # A stop may come when the response is complete: who asked does not learn of it then.
            self._keep_alive = False
            raise
        finally:
            self._waiting = None
            self._let_go()
            if not self._keep_alive:
                self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read no further, for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _let_go(self) -> None:
        """Forget the response under way."""
        self._held.release(self, self.size)
        self._parser, self._pieces, self.size = None, [], 0

    def _fail(self, reason: str, *, transient: bool = False) -> None:
        self._keep_alive = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(FetchFaultError(reason, transient=transient))

    def _succeed(self, status: int, *, keep_alive: bool) -> None:
        if self._waiting is None or self._waiting.done():
            return  # of what follows a response, or a failure, none makes the connection usable
        self._keep_alive = keep_alive
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        try:
            body = self._decoded(body, status)
        except FetchFaultError as fault:
            self._fail(fault.reason, transient=fault.transient)
            return
        self._waiting.set_result(Received(status, self._headers, body))

    def _decoded(self, body: bytes, status: int) -> bytes:
        coding = self._headers.get("content-encoding", "").strip().lower()
        if not body or status != 200 or coding in ("", "identity"):
            return body
        if coding not in _CODINGS:
            raise FetchFaultError(Reason.ENCODING)
        unpacking = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
        try:
            whole = unpacking.decompress(body, self._max_bytes + 1)
        except zlib.error:
            raise FetchFaultError(Reason.ENCODING) from None
        if len(whole) > self._max_bytes:
            raise FetchFaultError(Reason.TOO_LARGE)
        if not unpacking.eof:
            raise FetchFaultError(Reason.BROKEN, transient=True)
        return whole

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A piece of the response."""
        if self._parser is None or self._waiting is None or self._waiting.done():
            self.abort()  # nothing was asked
            return
        self.began = True
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Reason.NOT_HTTP)
            return
        if (
            not self._in_body and self._fed > MAX_HEAD
        ) or self._fed - self.size > 2 * MAX_HEAD + MAX_FRAMING * self.size:
            self._fail(Reason.NOT_HTTP)

    def eof_received(self) -> None:
        """The server sends nothing more."""
        self._ended()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._transport = None
        self._ended()

    def _ended(self) -> None:
        """The server has closed, which ends a body without a stated length."""
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        if self._parser is not None and self._in_body and not framed:
            self._succeed(self._parser.get_status_code(), keep_alive=False)
        else:
            self._fail(Reason.BROKEN, transient=True)

    # Called by the parser

    def on_message_begin(self) -> None:
        """A response begins, perhaps after an interim one."""
        if self._in_body:  # a second response that nobody asked for
            self._fail(Reason.NOT_HTTP)
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        if not self._in_body:  # a trailer is no header
            self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        status = self._status()
        if status < 200:
            return
        self._in_body = True
        length = self._headers.get("content-length", "")
        if status == 200 and length.isdigit() and int(length[:20]) > self._max_bytes:
            self._fail(Reason.TOO_LARGE)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._waiting is None or self._waiting.done():
            return
        self._pieces.append(data)
        self.size += len(data)
        self._held.add(self, len(data))
        if self._status() != 200:
            if self.size > MAX_PAGE:  # what it says is of no interest
                self._succeed(self._status(), keep_alive=False)
        elif self.size > self._max_bytes:
            self._fail(Reason.TOO_LARGE)

    def on_message_complete(self) -> None:
        """The response is complete."""
        if self._status() >= 200 and self._parser is not None:
            self._succeed(self._status(), keep_alive=self._parser.should_keep_alive())

    def _status(self) -> int:
        return 0 if self._parser is None else int(self._parser.get_status_code())
