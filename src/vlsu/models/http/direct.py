"""The client without a proxy: HTTP/1.1 (RFC 9112) on the event loop itself, with or without TLS.

A client with its own threads hands every response over to Python's thread and waits for the
interpreter lock; at some thousand responses a second that waiting dominates. Here the pieces of a
body go to the kernel without copying, or are encrypted one by one (`vlsu.models.http.tls`), and
responses are parsed in the same thread (`vlsu.models.http.answer_reader`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from vlsu._machine import exhausted_file_descriptors, exhausted_resource
from vlsu._version import __version__
from vlsu.models.http.connection import Connection
from vlsu.models.http.exposure import is_local
from vlsu.models.http.tls import SecureConnection, TlsClient
from vlsu.models.http.transport import (
    CONNECT_S,
    MAX_HELD,
    TOO_MUCH_HELD,
    Answer,
    Body,
    MakeBody,
    NetworkFaultError,
    host_of,
    untrusted,
)

__all__ = ["DirectTransport"]

#: Seconds that others wait at most for the first TLS connection, whose session they then resume.
FIRST_S = 1.0
#: Seconds after which an idle connection is not reused: a middlebox may have dropped it.
IDLE_S = 60.0


class DirectTransport:
    """Pooled connections to one server; arguments as `vlsu.models.http.client.HttpClient`.

    With a `context` they are of TLS.

    Last in, first out: connections that are no longer needed become idle and are closed.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        only_local: bool = False,
        context: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (80 if context is None else 443)
        self._tls = None if context is None else TlsClient(context, self._host)
        self._shown = host_of(parts)
        self._timeout_s = timeout_s
        self._only_local = only_local
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": self._shown, "User-Agent": f"vlsu/{__version__}"}
        # Without TLS the server is near: unpacking would cost more than the bytes.
        fields |= {"Accept-Encoding": "identity" if context is None else "gzip", **headers}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode()
        self._idle: list[Connection] = []
        self._held = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Deadline of each connection that awaits a response, by the loop's clock.
        self._deadlines: dict[Connection, float] = {}
        self._next_check = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    async def post(self, make: MakeBody) -> Answer:
        """Post once.

        Raises:
            NetworkFaultError: No complete response of at most `MAX_BODY` bytes arrived in time.
            Exception: Whatever the making of the body raised.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # connections belong to the loop that opened them
            self._idle, self._deadlines, self._loop = [], {}, loop
            self._timer, self._next_check, self._held = None, float("inf"), 0
            if self._tls is not None:
                self._tls.first = None
        left = self._timeout_s
        if (connection := self._reusable(loop.time())) is None:
            began = loop.time()
            connection = await self._new_connection(loop)
            left -= loop.time() - began
        try:
            waiting = connection.send(self._request(make()))
        except BaseException:  # nothing was sent
            self._release(connection, loop.time())
            raise
        deadline = self._deadlines[connection] = loop.time() + left
        if deadline < self._next_check:
            self._schedule_check(loop, deadline)
        try:
            answer = await waiting
        except BaseException:  # cancelled, or the connection is no longer usable
            connection.abort()
            raise
        finally:
            del self._deadlines[connection]
            self._held -= connection.held
        self._release(connection, loop.time())
        return answer

    def hold(self, more: int) -> None:
        """Account for bytes of responses that are now held in memory; negative if released."""
        self._held += more
        if self._held > MAX_HELD and self._deadlines:
            largest = max(self._deadlines, key=lambda connection: connection.held)
            largest.give_up(TOO_MUCH_HELD)

    def _request(self, body: Body) -> list[bytes]:
        """Head and body as pieces to write."""
        return [self._head + b"%d\r\n\r\n" % sum(map(len, body)), *body]

    def _release(self, connection: Connection, now: float) -> None:
        """Return a connection to the pool, or close it if it cannot be reused."""
        if connection.reusable:
            connection.idle_since = now
            self._idle.append(connection)
        else:
            connection.abort()

    def _schedule_check(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        """Check deadlines when the first is reached; one timer serves all connections."""
        if self._timer is not None:
            self._timer.cancel()
        self._next_check = when
        self._timer = loop.call_at(when, self._check_deadlines)

    def _check_deadlines(self) -> None:
        """Fail the connections whose deadline has passed."""
        self._timer, self._next_check = None, float("inf")
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection, deadline in self._deadlines.items():
            if deadline <= now:
                connection.fail("timeout", f"no full answer within {self._timeout_s:g} s")
        if left := [deadline for deadline in self._deadlines.values() if deadline > now]:
            self._schedule_check(loop, min(left))

    def _reusable(self, now: float) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and now - connection.idle_since < IDLE_S:
                return connection
            connection.abort()
        return None

    async def _new_connection(self, loop: asyncio.AbstractEventLoop) -> Connection:
        """Open a connection; with TLS the first before all others."""
        tls = self._tls
        if tls is None or tls.session or (tls.first is not None and tls.first.done()):
            return await self._connected(loop)
        if tls.first is not None:
            await asyncio.wait([tls.first], timeout=min(FIRST_S, self._timeout_s / 8))
            return await self._connected(loop)
        tls.first = loop.create_future()
        began = loop.time()
        try:
            connection = await self._connected(loop)
        except BaseException:
            tls.release_others()
            raise
        # The ticket to resume its session with arrives half a round trip later, if at all.
        loop.call_later(loop.time() - began, tls.release_others)
        return connection

    async def _connected(self, loop: asyncio.AbstractEventLoop) -> Connection:
        connection = self._new(loop)
        try:
            async with asyncio.timeout(min(CONNECT_S, self._timeout_s / 2)):
                transport, _ = await loop.create_connection(
                    lambda: connection, self._host, self._port
                )
                peer = _peer(transport)
                if self._only_local and not is_local(peer):  # the name resolved to another before
                    raise NetworkFaultError(
                        "address",
                        f"{self._shown} ({peer}) is no private or loopback address, and the key "
                        "would be readable on the way; use https, or --insecure-http",
                    )
                if isinstance(connection, SecureConnection):
                    await connection.ready
        except TimeoutError:
            why = "timed out"
        except OSError as error:
            why = error.strerror or str(error)
            if exhausted := exhausted_resource(error) or exhausted_file_descriptors():
                raise NetworkFaultError("machine", f"{exhausted} ({why})") from None
        except NetworkFaultError as fault:
            connection.abort()
            if fault.kind == "certificate":
                raise untrusted(self._shown, fault.message) from None
            if fault.kind != "connect":
                raise
            why = fault.message
        except BaseException:
            connection.abort()
            raise
        else:
            return connection
        connection.abort()
        raise NetworkFaultError("connect", f"cannot connect to {self._shown} ({why})")

    def _new(self, loop: asyncio.AbstractEventLoop) -> Connection:
        return (
            Connection(self, loop) if self._tls is None else SecureConnection(self, loop, self._tls)
        )

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._idle:
            connection.abort()
        self._idle = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._next_check = None, float("inf")
        await asyncio.sleep(0)  # they close in the loop's next iteration


def _peer(transport: asyncio.Transport) -> str:
    """The address at the other end.

    Raises:
        ConnectionAbortedError: The connection was closed meanwhile; uvloop knows none then.
    """
    try:
        return str((transport.get_extra_info("peername") or ("",))[0])
    except AttributeError:
        raise ConnectionAbortedError("closed at once") from None
