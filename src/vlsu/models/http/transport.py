"""What the two HTTP clients share: a body is posted, an answer or a fault comes back."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

__all__ = [
    "CONNECT_S",
    "MAX_BODY",
    "MAX_HELD",
    "TOO_MUCH_HELD",
    "UNUSABLE",
    "Answer",
    "Body",
    "Header",
    "MakeBody",
    "NetworkFaultError",
    "Transport",
    "host_of",
    "unpacked",
]

#: An answer longer than this is not an answer: bytes of body read before giving up.
MAX_BODY = 16 * 2**20
#: Bytes of all answers of a server that are under way at once. Past it one is given up: a server
#: that sends what has no end fills no memory, however many requests are in flight.
MAX_HELD = 256 * 2**20
TOO_MUCH_HELD = f"the answers under way exceed {MAX_HELD // 2**20} MiB together"
#: What is said of an address that cannot be used.
UNUSABLE = "not a usable address; give one such as http://127.0.0.1:8000/v1"
#: Seconds to connect in at most: a host that drops packets shows before an answer would be late.
CONNECT_S = 10.0

#: A header of an answer by its name in any case, or `None`.
Header = Callable[[str], str | None]
#: A request's body, in pieces to be sent one after the other. An image's base64 is a piece of its
#: own, so that requests that share it need not each have a copy.
Body = Sequence[bytes]
#: Makes a body. It is called when there is a connection for it, and what it made is let go of when
#: it was handed on: memory that is used again at once lies in the processor's cache.
MakeBody = Callable[[], Body]


class Answer(NamedTuple):
    """What a server answered: HTTP status, the whole body unpacked, and its headers."""

    status: int
    body: bytes
    header: Header


class NetworkFaultError(Exception):
    """No whole answer came.

    Attributes:
        kind: ``connect``, ``proxy`` (no connection through one), ``machine`` (this one lacks what
            a connection takes), ``timeout``, ``broken``,
            ``malformed``, ``endless`` or ``address``.
        said: One line without the address's path, which may hold a secret.
    """

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(said)
        self.kind = kind
        self.said = said


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body of an answer, by its ``Content-Encoding``.

    Raises:
        NetworkFaultError: It is damaged, has no end, or goes on after its end, or the encoding is
            none that was asked for.
    """
    name = encoding.strip().lower()
    if not body or name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        shown = re.sub(r"[^\w.,-]", "?", name[:20], flags=re.ASCII)
        why = f"the answer is packed in a way not asked for ({shown})"
        raise NetworkFaultError("malformed", why)
    unpacking = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
    try:
        whole = unpacking.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise NetworkFaultError("broken", "the packed answer is damaged") from None
    if len(whole) > MAX_BODY:
        raise NetworkFaultError("endless", "the answer has no end")
    if not unpacking.eof:
        raise NetworkFaultError("broken", "the packed answer ends before it should")
    if unpacking.unused_data:
        why = "the packed answer is followed by something else"
        raise NetworkFaultError("malformed", why)
    return whole


class Transport(Protocol):
    """Pooled connections to one address. Redirects are not followed."""

    async def post(self, make: MakeBody) -> Answer:
        """Post once.

        Raises:
            NetworkFaultError: No whole answer of at most `MAX_BODY` bytes came in time.
            Exception: Whatever the making of the body raised.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def host_of(url: str | SplitResult) -> str:
    """Host and port of an address, without the credentials it may hold."""
    try:
        netloc = urlsplit(url).netloc if isinstance(url, str) else url.netloc
    except ValueError:  # no address: what stands in a host's place
        netloc = str(url).partition("://")[2].partition("/")[0]
    return netloc.rpartition("@")[2]
