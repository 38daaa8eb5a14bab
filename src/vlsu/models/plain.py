"""The client for servers over plain HTTP: HTTP/1.1 (RFC 9112) on the event loop itself.

A client with a thread of its own hands every answer over to Python's thread and waits for the
interpreter to be free; at some thousand answers a second that waiting is most of the time. Here a
body's pieces go to the kernel as they are, and answers are read where they are used. They are
parsed by httptools (llhttp, the parser of Node.js) in its strict form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

import httptools

from vlsu._version import __version__
from vlsu.models.exposure import is_local
from vlsu.models.transport import (
    CONNECT_S,
    MAX_BODY,
    MAX_HELD,
    TOO_MUCH_HELD,
    Answer,
    Body,
    MakeBody,
    NetworkFaultError,
    host_of,
    unpacked,
)

__all__ = ["PlainTransport"]

#: Bytes of an answer's head at most, interim answers before it included; servers send some hundred.
MAX_HEAD = 128 * 2**10
#: Bytes at most of an answer as it comes over the wire: head, chunk framing, trailers and all.
MAX_WIRE = MAX_BODY + 2 * MAX_HEAD
#: Bytes of chunk framing and trailers at most for a byte of body, beside `MAX_HEAD` for short ones.
#: Chunks of one byte each, the smallest there are, have six.
MAX_FRAMING = 16
#: How a server that expects TLS answers what is none: an alert, of any version.
_TLS_ALERT = b"\x15\x03"
#: Seconds after which an idle connection is not used again: what lies between may have dropped it.
IDLE_S = 60.0


class PlainTransport:
    """Pooled connections to one server; arguments as `vlsu.models.transport.HttpClient`.

    The connection used last is used first: those that a lull leaves over grow old and are closed.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        only_local: bool = False,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or 80
        self._shown = host_of(parts)
        self._timeout_s = timeout_s
        self._only_local = only_local
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": self._shown, "User-Agent": f"vlsu/{__version__}"}
        fields |= {"Accept-Encoding": "identity", **headers}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode()
        self._idle: list[_Connection] = []
        self._held = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        #: By when each connection that is waited for must have answered, by the loop's clock.
        self._deadlines: dict[_Connection, float] = {}
        self._look_at = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    async def post(self, make: MakeBody) -> Answer:
        """Post once.

        Raises:
            NetworkFaultError: No whole answer of at most `MAX_BODY` bytes came in time.
            Exception: Whatever the making of the body raised.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # connections belong to the loop that made them
            self._idle, self._deadlines, self._loop = [], {}, loop
            self._timer, self._look_at, self._held = None, float("inf"), 0
        left = self._timeout_s
        if (connection := self._reusable(loop.time())) is None:
            began = loop.time()
            connection = await self._connected(loop)
            left -= loop.time() - began
        try:
            waiting = connection.ask(self._request(make()))
        except BaseException:  # nothing was sent
            self._let_go(connection, loop.time())
            raise
        deadline = self._deadlines[connection] = loop.time() + left
        if deadline < self._look_at:
            self._look_later(loop, deadline)
        try:
            answer = await waiting
        except BaseException:  # whoever waited gave up, or the connection is of no more use
            connection.abort()
            raise
        finally:
            del self._deadlines[connection]
            self._held -= connection.held
        self._let_go(connection, loop.time())
        return answer

    def hold(self, more: int) -> None:
        """So many bytes more of an answer have come."""
        self._held += more
        if self._held > MAX_HELD and self._deadlines:
            largest = max(self._deadlines, key=lambda connection: connection.held)
            largest.give_up(TOO_MUCH_HELD)

    def _request(self, body: Body) -> list[bytes]:
        """Head and body, in pieces."""
        return [self._head + b"%d\r\n\r\n" % sum(map(len, body)), *body]

    def _let_go(self, connection: _Connection, now: float) -> None:
        """Keep a connection for the next request, if it may be used again."""
        if connection.reusable:
            connection.idle_since = now
            self._idle.append(connection)
        else:
            connection.abort()

    def _look_later(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        """Look at the clock when the first deadline is reached; one timer serves all."""
        if self._timer is not None:
            self._timer.cancel()
        self._look_at = when
        self._timer = loop.call_at(when, self._look)

    def _look(self) -> None:
        """Give up what is late."""
        self._timer, self._look_at = None, float("inf")
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection, deadline in self._deadlines.items():
            if deadline <= now:
                connection.fail("timeout", f"no full answer within {self._timeout_s:g} s")
        if left := [deadline for deadline in self._deadlines.values() if deadline > now]:
            self._look_later(loop, min(left))

    def _reusable(self, now: float) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and now - connection.idle_since < IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connected(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        try:
            async with asyncio.timeout(min(CONNECT_S, self._timeout_s / 2)):
                transport, connection = await loop.create_connection(
                    lambda: _Connection(self, loop), self._host, self._port
                )
        except TimeoutError:
            why = "timed out"
        except OSError as error:
            why = error.strerror or str(error)
        else:
            peer = str((transport.get_extra_info("peername") or ("",))[0])
            if self._only_local and not is_local(peer):  # its name meant something else before
                connection.abort()
                raise NetworkFaultError(
                    "address",
                    f"{self._shown} ({peer}) is no private or loopback address, and the key would "
                    "be readable on the way; use https, or --insecure-http",
                )
            return connection
        raise NetworkFaultError("connect", f"cannot connect to {self._shown} ({why})")

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._idle:
            connection.abort()
        self._idle = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._look_at = None, float("inf")
        await asyncio.sleep(0)  # they close in the loop's next round


class _Connection(asyncio.Protocol):
    """One connection, which carries one request at a time.

    Attributes:
        idle_since: When its last answer had come, by the loop's clock.
    """

    def __init__(self, owner: PlainTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._answer = _Reading(self)
        self._answer.may_follow = True  # nothing was asked yet
        self.idle_since = 0.0

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the last one has gone out, its answer come in."""
        transport = self._transport
        return (
            transport is not None
            and self._waiting is None
            and self._answer.may_follow
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )

    @property
    def held(self) -> int:
        """Bytes of the answer's body that have come."""
        return self._answer.size

    def ask(self, pieces: Body) -> asyncio.Future[Answer]:
        """Send a request, given in pieces; its answer comes later."""
        self._answer = _Reading(self)
        waiting = self._waiting = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            self._answer.end()
        else:
            self._transport.writelines(pieces)
        return waiting

    def abort(self) -> None:
        """Close at once; an answer is waited for no more."""
        self._waiting = None
        if self._transport is not None:
            self._transport.abort()

    def give_up(self, why: str) -> None:
        """Wait no longer for an answer that is too large."""
        self._answer.give_up("endless", why)

    def hold(self, more: int) -> None:
        """So many bytes more of the answer have come."""
        self._owner.hold(more)

    def fail(self, kind: str, said: str) -> None:
        """There will be no answer."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(NetworkFaultError(kind, said))

    def succeed(self, answer: Answer) -> None:
        """The answer is whole."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:  # more than was asked for: not a server to go on with
            self.abort()
        else:
            self._answer.feed(data)

    def eof_received(self) -> None:
        # What is still to be sent may wait for ever: a server that has closed need not read it.
        if self._waiting is not None:
            self._answer.end()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._waiting is None:
            return
        if error is not None:
            why = getattr(error, "strerror", None) or type(error).__name__
            self.fail("broken", f"the connection broke ({why})")
        else:
            self._answer.end()


class _Reading:
    """One answer as it comes in; its `on_` methods are called by the parser.

    Attributes:
        may_follow: Whether the answer is over and the server goes on listening.
        size: Bytes of its body that have come.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_fed",
        "_headers",
        "_in_body",
        "_over",
        "_parser",
        "may_follow",
        "size",
    )

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        #: One buffer, not a list of pieces: a piece of two bytes takes forty as an object.
        self._body: bytes | bytearray = b""
        self.size = 0
        self._fed = 0
        self._in_body = False
        self._over = False
        self.may_follow = False

    def feed(self, data: bytes) -> None:
        """Read what came; the connection is told when the answer is whole or cannot be."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._over:
                self.may_follow = False
            elif not self._fed and data.startswith(_TLS_ALERT):
                self.give_up("malformed", "the server speaks TLS: write https:// in its address")
            else:
                self.give_up("malformed", f"the answer is not HTTP ({error})")
        self._fed += len(data)
        if not self._over:
            self._check_size()

    def _check_size(self) -> None:
        """Give up what has no end, whichever part of it has none."""
        framing = self._fed - self.size
        if not self._in_body:
            if self._fed > MAX_HEAD:
                self.give_up("malformed", "the answer's head has no end")
        elif framing > 2 * MAX_HEAD + MAX_FRAMING * self.size:
            self.give_up("endless", "the answer's chunks or trailers have no end")
        elif self._fed > MAX_WIRE:
            self.give_up("endless", "the answer has no end")

    def give_up(self, kind: str, said: str) -> None:
        """Read no further: there will be no answer."""
        self._over, self.may_follow = True, False
        self._body = b""  # parser and answer refer to each other: it would stay for a while
        self._connection.fail(kind, said)

    def end(self) -> None:
        """The server closed the connection, which ends an answer that gave no length."""
        if self._in_body and not self._framed:
            self.on_message_complete()
        elif self._in_body:
            self.give_up("malformed", "the answer ends before it should")
        elif not self._over:
            self.give_up("broken", "the connection was closed without an answer")

    @property
    def _framed(self) -> bool:
        """Whether the answer says where it ends."""
        return any(self.header(name) for name in ("content-length", "transfer-encoding"))

    def header(self, name: str) -> str | None:
        """A header of the answer, the first of that name."""
        wanted = name.lower().encode("latin-1", "replace")
        for key, value in self._headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None

    # Called by the parser

    def on_message_begin(self) -> None:
        if self._over:  # more than was asked for
            self.may_follow = False
        else:
            self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._over and not self._in_body:  # a trailer is no header
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._over or self._interim:
            return
        self._in_body = True

    @property
    def _interim(self) -> bool:
        """Whether this is no answer yet, such as ``100 Continue``."""
        return 100 <= self._parser.get_status_code() < 200

    def on_body(self, data: bytes) -> None:
        if self._over:
            return
        if not self._body:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        self.size += len(data)
        self._connection.hold(len(data))
        if self.size > MAX_BODY:
            self.give_up("endless", "the answer has no end")

    def on_message_complete(self) -> None:
        if self._over or self._interim:
            return
        self._over = True
        self.may_follow = self._parser.should_keep_alive()
        status = self._parser.get_status_code()
        packed = self.header("content-encoding")
        body, self._body = bytes(self._body), b""
        if packed is not None:
            try:
                body = unpacked(body, packed)
            except NetworkFaultError as fault:
                self.give_up(fault.kind, fault.said)
                return
        self._connection.succeed(Answer(status, body, self.header))
