"""The door to the network: a body is posted, an answer or a fault comes back.

Two clients stand behind it, and nothing else knows of them. A server of one's own, over plain HTTP
and without a proxy between, can answer faster than most clients ask: it is spoken to on the event
loop itself (`vlsu.models.plain`). All others, with TLS or through a proxy, are spoken to by
pyreqwest (`vlsu.models.secure`).
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from vlsu.models.base import Raw
from vlsu.models.proxies import Proxy, proxy_of

__all__ = [
    "CONNECT_S",
    "MAX_BODY",
    "MAX_HELD",
    "TOO_MUCH_HELD",
    "UNUSABLE",
    "Answer",
    "Body",
    "Header",
    "HttpClient",
    "MakeBody",
    "NetworkFaultError",
    "Transport",
    "host_of",
    "is_usable",
    "speaks_plainly",
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

#: Host and port as every reader of addresses takes them apart: no blank, no backslash, no quote.
_AUTHORITY = re.compile(r"[\w.~%!$&'()*+,;=:@\[\]-]+")
#: An address that any client reads alike; others are left to one that knows every rule of them.
_SIMPLE_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+")
_SIMPLE_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*")


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


class HttpClient:
    """Posts to one address, and never raises for what a network does.

    Args:
        url: Where to.
        headers: Of every request.
        timeout_s: Seconds for one attempt, connection included.
        only_local: Send nothing over plain HTTP but to this machine and private networks.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        only_local: bool = False,
    ) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._only_local = only_local
        self._transport: Transport | None = None

    @property
    def url(self) -> str:
        """Where to; it may hold credentials."""
        return self._url

    @property
    def proxy(self) -> Proxy | None:
        """The proxy between, if there is one."""
        return proxy_of(self._url)

    async def post(self, make: MakeBody) -> tuple[Raw, Header]:
        """Post once; a network fault comes back as status 0 with kind and account.

        Raises:
            Exception: Whatever the making of the body raised.
        """
        if self._transport is None:
            if (why := self._unusable()) is not None:
                return _no_answer("address", why)
            self._transport = self._open()
        started = time.perf_counter()

        def made() -> Body:
            nonlocal started
            body = make()
            started = time.perf_counter()
            return body

        try:
            status, answer, header = await self._transport.post(made)
        except NetworkFaultError as fault:
            return _no_answer(fault.kind, fault.said, time.perf_counter() - started)
        took = time.perf_counter() - started
        if not 200 <= status <= 599:
            return _no_answer("malformed", f"an answer of status {status}, not of 200 to 599", took)
        return Raw(status, answer, took), header

    def _unusable(self) -> str | None:
        """Why nothing can be sent, if so."""
        if not is_usable(self._url):
            return UNUSABLE
        proxy = self.proxy
        if proxy is None or proxy.usable:
            return None
        return f"{proxy.source}: not a usable proxy; write it as http://proxy.example:3128"

    def _open(self) -> Transport:
        """The client that this address needs."""
        if speaks_plainly(self._url):
            from vlsu.models.plain import PlainTransport

            return PlainTransport(
                self._url, self._headers, self._timeout_s, only_local=self._only_local
            )
        from vlsu.models.secure import SecureTransport

        return SecureTransport(self._url, self._headers, self._timeout_s, proxy=self.proxy)

    async def close(self) -> None:
        """Close every connection."""
        if self._transport is not None:
            await self._transport.close()
            self._transport = None


def speaks_plainly(url: str) -> bool:
    """Whether an address is one of plain HTTP, without a proxy between and without frills."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme != "http" or not parts.hostname or "@" in parts.netloc or port == 0:
        return False
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not (_SIMPLE_HOST.fullmatch(parts.hostname) and _SIMPLE_PATH.fullmatch(target)):
        return False
    return proxy_of(url) is None


def is_usable(url: str) -> bool:
    """Whether an address is one of HTTP in which all readers of addresses see the same host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return named and _AUTHORITY.fullmatch(parts.netloc) is not None


def host_of(url: str | SplitResult) -> str:
    """Host and port of an address, without the credentials it may hold."""
    try:
        netloc = urlsplit(url).netloc if isinstance(url, str) else url.netloc
    except ValueError:  # no address: what stands in a host's place
        netloc = str(url).partition("://")[2].partition("/")[0]
    return netloc.rpartition("@")[2]


def _no_answer(kind: str, said: str, took_s: float = 0.0) -> tuple[Raw, Header]:
    return Raw(0, f"{kind}: {said}".encode(), took_s), _no_header


def _no_header(_: str) -> None:
    """The headers of no answer."""
