"""Reading an answer of HTTP/1.1 as it comes in, every part of it within a bound.

It is parsed by httptools (llhttp, the parser of Node.js) in its strict form.
"""

from __future__ import annotations

from typing import Protocol

import httptools

from vlsu.models.http.transport import MAX_BODY, Answer, NetworkFaultError, unpacked

__all__ = ["AnswerReader", "Receiver"]

#: Bytes of an answer's head at most, interim answers before it included; servers send some hundred.
MAX_HEAD = 128 * 2**10
#: Bytes at most of an answer as it comes over the wire: head, chunk framing, trailers and all.
MAX_WIRE = MAX_BODY + 2 * MAX_HEAD
#: Bytes of chunk framing and trailers at most for a byte of body, beside `MAX_HEAD` for short ones.
#: Chunks of one byte each, the smallest there are, have six.
MAX_FRAMING = 16
#: Bytes below which pieces of a body are gathered.
SMALL = 64 * 2**10
#: How a server that expects TLS answers what is none: an alert, of any version.
_TLS_ALERT = b"\x15\x03"


class Receiver(Protocol):
    """The connection that an answer comes over."""

    def hold(self, more: int) -> None:
        """So many bytes more of the answer have come, or fewer are kept."""
        ...

    def fail(self, kind: str, said: str) -> None:
        """There will be no answer."""
        ...

    def succeed(self, answer: Answer) -> None:
        """The answer is whole."""
        ...


class AnswerReader:
    """One answer as it comes in; its `on_` methods are called by the parser.

    Attributes:
        may_follow: Whether the answer is over and the server goes on listening.
        size: Bytes of its body that have come and are kept.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_fed",
        "_headers",
        "_in_body",
        "_over",
        "_parser",
        "_small",
        "may_follow",
        "size",
    )

    def __init__(self, connection: Receiver) -> None:
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self.size = 0
        self._fed = 0
        #: Small pieces that came one after the other; as an object, one of two bytes takes forty.
        self._small = bytearray()
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
        # Parser and answer refer to each other: what they hold would stay for a while.
        self._body, self._small = [], bytearray()
        self._connection.hold(-self.size)
        self.size = 0
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
        """An answer begins, or another after an interim one."""
        if self._over:  # more than was asked for
            self.may_follow = False
        else:
            self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        if not self._over and not self._in_body:  # a trailer is no header
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._over or self._interim:
            return
        self._in_body = True

    @property
    def _interim(self) -> bool:
        """Whether this is no answer yet, such as ``100 Continue``."""
        return 100 <= self._parser.get_status_code() < 200

    def on_body(self, data: bytes) -> None:
        """A piece of the body, or of a chunk of it."""
        if self._over:
            return
        # No buffer that grows: many of them at once leave more holes in memory than they hold.
        if self._body and len(data) < SMALL:
            self._small += data
        else:
            self._gather()
            self._body.append(data)
        if len(self._small) >= SMALL:
            self._gather()
        self.size += len(data)
        self._connection.hold(len(data))
        if self.size > MAX_BODY:
            self.give_up("endless", "the answer has no end")

    def _gather(self) -> None:
        """Make one piece of the small ones."""
        if self._small:
            self._body.append(bytes(self._small))
            self._small.clear()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._over or self._interim:
            return
        self._over = True
        self.may_follow = self._parser.should_keep_alive()
        status = self._parser.get_status_code()
        packed = self.header("content-encoding")
        self._gather()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        if packed is not None:
            try:
                body = unpacked(body, packed)
            except NetworkFaultError as fault:
                self.give_up(fault.kind, fault.said)
                return
        self._connection.succeed(Answer(status, body, self.header))
