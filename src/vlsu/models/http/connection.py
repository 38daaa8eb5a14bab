"""One HTTP/1.1 connection (RFC 9112) on the event loop, with one request at a time."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from vlsu.models.http.answer_reader import AnswerReader
from vlsu.models.http.transport import Answer, Body, NetworkFaultError

__all__ = ["Connection", "Pool"]


class Pool(Protocol):
    """Whose connections they are."""

    def hold(self, more: int) -> None:
        """Account for bytes of responses that are now held in memory; negative if released."""
        ...


class Connection(asyncio.Protocol):
    """One TCP connection, with one request at a time.

    Attributes:
        idle_since: Time of its last response, by the loop's clock.
    """

    def __init__(self, owner: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._answer = AnswerReader(self)
        self._answer.may_follow = True  # no request was sent yet
        self.idle_since = 0.0

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the last one and its response are complete."""
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
        """Bytes of the response's body that are held in memory."""
        return self._answer.size

    def send(self, pieces: Body) -> asyncio.Future[Answer]:
        """Send a request, given in pieces; the future gives its response."""
        self._answer = AnswerReader(self)
        waiting = self._waiting = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            self._answer.end()
        else:
            self._write(pieces)
        return waiting

    def _write(self, pieces: Body) -> None:
        """Write a request to the open connection."""
        assert self._transport is not None
        self._transport.writelines(pieces)

    def abort(self) -> None:
        """Close at once, without waiting for a response."""
        self._waiting = None
        if self._transport is not None:
            self._transport.abort()

    def give_up(self, why: str) -> None:
        """Abort a response that is too large."""
        self._answer.give_up("endless", why)

    def hold(self, more: int) -> None:
        """Account for bytes of the response that are now held in memory; negative if released."""
        self._owner.hold(more)

    def fail(self, kind: str, message: str) -> None:
        """There will be no response."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(NetworkFaultError(kind, message))

    def succeed(self, answer: Answer) -> None:
        """The response is complete."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A piece of the response came."""
        if self._waiting is None:  # unsolicited data: the connection cannot be reused
            self.abort()
        else:
            self._answer.feed(data)

    def eof_received(self) -> None:
        """The server sends nothing more."""
        # Pending writes are not waited for: a server that has closed need not read them.
        if self._waiting is not None:
            self._answer.end()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._transport = None
        if self._waiting is None:
            return
        if error is not None:
            why = getattr(error, "strerror", None) or type(error).__name__
            self.fail("broken", f"the connection broke ({why})")
        else:
            self._answer.end()
