"""Reading an HTTP/1.1 response as it arrives, with a limit on every part of it.

It is parsed by httptools (llhttp, the parser of Node.js) in strict mode.
"""

from __future__ import annotations

from typing import Protocol

import httptools

from vlsu.models.http.transport import MAX_BODY, Answer, NetworkFaultError, decompressed

__all__ = ["AnswerReader", "Receiver"]

#: Maximum bytes of a response's head, with interim responses before it; servers send some hundred.
MAX_HEAD = 128 * 2**10
#: Maximum bytes of a response on the wire, with head, chunk framing and trailers.
MAX_WIRE = MAX_BODY + 2 * MAX_HEAD
#: Maximum bytes of chunk framing and trailers per byte of body, plus a constant for short bodies.
#: The smallest chunks, of one byte each, have six.
MAX_FRAMING = 16
#: Pieces of a body below this many bytes are merged.
SMALL = 64 * 2**10
#: A server that expects TLS answers plain HTTP with an alert, in any TLS version.
_TLS_ALERT = b"\x15\x03"


class Receiver(Protocol):
    """The connection that a response arrives on."""

    def hold(self, more: int) -> None:
        """Account for bytes of the response that are now held in memory; negative if released."""
        ...

    def fail(self, kind: str, message: str) -> None:
        """There will be no response."""
        ...

    def succeed(self, answer: Answer) -> None:
        """The response is complete."""
        ...


class AnswerReader:
    """One response as it arrives; its `on_` methods are called by the parser.

    Attributes:
        may_follow: Whether the response is complete and the connection is kept alive.
        size: Bytes of its body that are held in memory.
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
        #: Consecutive small pieces; as separate objects they would take far more memory.
        self._small = bytearray()
        self._in_body = False
        self._over = False
        self.may_follow = False

    def feed(self, data: bytes) -> None:
        """Parse received data; the connection is notified once the response is whole or invalid."""
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
        """Abort a response of which any part exceeds its limit."""
        framing = self._fed - self.size
        if not self._in_body:
            if self._fed > MAX_HEAD:
                self.give_up("malformed", "the answer's head has no end")
        elif framing > 2 * MAX_HEAD + MAX_FRAMING * self.size:
            self.give_up("endless", "the answer's chunks or trailers have no end")
        elif self._fed > MAX_WIRE:
            self.give_up("endless", "the answer has no end")

    def give_up(self, kind: str, message: str) -> None:
        """Stop reading: there will be no response."""
        self._over, self.may_follow = True, False
        # Parser and reader refer to each other, so their memory would be freed only by the
        # collector.
        self._body, self._small = [], bytearray()
        self._connection.hold(-self.size)
        self.size = 0
        self._connection.fail(kind, message)

    def end(self) -> None:
        """The server closed the connection, which ends a response without a stated length."""
        if self._in_body and not self._framed:
            self.on_message_complete()
        elif self._in_body:
            self.give_up("malformed", "the answer ends before it should")
        elif not self._over:
            self.give_up("broken", "the connection was closed without an answer")

    def cut_off(self) -> None:
        """The connection broke, which ends no response."""
        if self._in_body and not self._framed:
            self.give_up("broken", "the connection ended before TLS did: the answer may be cut off")
        else:
            self.end()

    @property
    def _framed(self) -> bool:
        """Whether the response states its length or is chunked."""
        return any(self.header(name) for name in ("content-length", "transfer-encoding"))

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        wanted = name.lower().encode("latin-1", "replace")
        for key, value in self._headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None

    # Called by the parser

    def on_message_begin(self) -> None:
        """A response begins, perhaps after an interim one."""
        if self._over:  # an unsolicited response
            self.may_follow = False
        else:
            self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        if not self._over and not self._in_body:  # a trailer is no header
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self._over or self._interim:
            return
        self._in_body = True

    @property
    def _interim(self) -> bool:
        """Whether this is an interim response such as ``100 Continue``."""
        return 100 <= self._parser.get_status_code() < 200

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._over:
            return
        # Not one growing buffer: many of those at once fragment memory.
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
        """Merge the small pieces into one."""
        if self._small:
            self._body.append(bytes(self._small))
            self._small.clear()

    def on_message_complete(self) -> None:
        """The response is complete."""
        if self._over or self._interim:
            return
        self._over = True
        self.may_follow = self._parser.should_keep_alive()
        status = self._parser.get_status_code()
        encoding = self.header("content-encoding")
        self._gather()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        if encoding is not None:
            try:
                body = decompressed(body, encoding)
            except NetworkFaultError as fault:
                self.give_up(fault.kind, fault.message)
                return
        self._connection.succeed(Answer(status, body, self.header))
