"""The interface of both HTTP clients: post a body, get a response or a network fault."""

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
    "decompressed",
    "host_of",
    "untrusted",
]

#: Maximum bytes of a response body.
MAX_BODY = 16 * 2**20
#: Maximum bytes of all partial responses of a server together. Beyond it one is aborted, so that a
#: server that never stops sending cannot fill memory, however many requests are in flight.
MAX_HELD = 256 * 2**20
TOO_MUCH_HELD = f"the answers under way exceed {MAX_HELD // 2**20} MiB together"
#: The message for an address that cannot be used.
UNUSABLE = "not a usable address; give one such as http://127.0.0.1:8000/v1"
#: Maximum seconds to connect: a host that drops packets is noticed long before the timeout.
CONNECT_S = 10.0

#: What the libraries for TLS say of a certificate of another host, and of another time.
_OTHER_NAME = re.compile(r"mismatch|NotValidForName|not valid for name", re.IGNORECASE)
_TIME = re.compile(r"expired|not yet valid|NotValidYet", re.IGNORECASE)

#: The value of a response header by its name in any case, or `None`.
Header = Callable[[str], str | None]
#: A request body as consecutive pieces. An image's base64 is a separate piece, which requests share
#: without copying.
Body = Sequence[bytes]
#: Builds a body. It is called when there is a connection for it, and the body is released once it
#: was written: memory that is reused at once is in the processor's cache.
MakeBody = Callable[[], Body]


class Answer(NamedTuple):
    """A response: HTTP status, the decompressed body, and the headers."""

    status: int
    body: bytes
    header: Header


class NetworkFaultError(Exception):
    """There is no complete response.

    Attributes:
        kind: ``connect``, ``certificate`` (the server's is not trusted), ``proxy`` (no connection
            through it), ``machine`` (a resource of this machine is exhausted), ``timeout``,
            ``broken``, ``malformed``, ``endless`` or ``address``.
        message: One line without the path of the address, which may contain a secret.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def untrusted(host: str, why: str) -> NetworkFaultError:
    """The fault for a server whose certificate is not trusted, which waiting does not mend.

    Args:
        host: The server.
        why: As the library for TLS says it.
    """
    fix = "set SSL_CERT_FILE to the file of the authority that it is from, if you trust that"
    if _OTHER_NAME.search(why):
        fix = "give the address with the name that the certificate is of"
    elif _TIME.search(why):
        fix = "have it renewed, and see that the clock of this machine is right"
    return NetworkFaultError("certificate", f"cannot connect to {host} ({why}); {fix}")


def decompressed(body: bytes, encoding: str) -> bytes:
    """Decompress a body by its ``Content-Encoding``.

    Raises:
        NetworkFaultError: It is damaged, too large, or followed by other data, or its encoding was
            not requested.
    """
    name = encoding.strip().lower()
    if not body or name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        shown = re.sub(r"[^\w.,-]", "?", name[:20], flags=re.ASCII)
        why = f"the answer has a content encoding that was not asked for ({shown})"
        raise NetworkFaultError("malformed", why)
    unpacking = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
    try:
        whole = unpacking.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise NetworkFaultError("broken", "the compressed answer is damaged") from None
    if len(whole) > MAX_BODY:
        raise NetworkFaultError("endless", "the answer has no end")
    if not unpacking.eof:
        raise NetworkFaultError("broken", "the compressed answer ends before it should")
    if unpacking.unused_data:
        why = "the compressed answer is followed by something else"
        raise NetworkFaultError("malformed", why)
    return whole


class Transport(Protocol):
    """Pooled connections to one address. Redirects are not followed."""

    async def post(self, make: MakeBody) -> Answer:
        """Post once.

        Raises:
            NetworkFaultError: No complete response of at most `MAX_BODY` bytes arrived in time.
            Exception: Whatever building the body raised.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def host_of(url: str | SplitResult) -> str:
    """Host and port of a URL, without credentials."""
    try:
        netloc = urlsplit(url).netloc if isinstance(url, str) else url.netloc
    except ValueError:  # not a valid URL
        netloc = str(url).partition("://")[2].partition("/")[0]
    return netloc.rpartition("@")[2]
