"""The door to the network: a body is posted, an answer or a fault comes back.

Two clients stand behind it, and nothing else knows of them. A server of one's own, over plain HTTP
and without a proxy between, can answer faster than most clients ask: it is spoken to on the event
loop itself (`vlsu.models.plain`). All others, with TLS or through a proxy, are spoken to by
pyreqwest (`vlsu.models.secure`).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from vlsu.models.base import Raw

__all__ = [
    "CONNECT_S",
    "MAX_BODY",
    "Answer",
    "Body",
    "Header",
    "HttpClient",
    "MakeBody",
    "NetworkFaultError",
    "Transport",
    "host_of",
    "speaks_plainly",
]

#: An answer longer than this is not an answer: bytes of body read before giving up.
MAX_BODY = 16 * 2**20
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

_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
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
        kind: ``connect``, ``timeout``, ``broken``, ``malformed``, ``endless`` or ``address``.
        said: One line without the address's path, which may hold a secret.
    """

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(said)
        self.kind = kind
        self.said = said


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
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._transport: Transport | None = None

    async def post(self, make: MakeBody) -> tuple[Raw, Header]:
        """Post once; a network fault comes back as status 0 with kind and account.

        Raises:
            Exception: Whatever the making of the body raised.
        """
        if self._transport is None:
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
            said = f"{fault.kind}: {fault.said}".encode()
            return Raw(0, said, time.perf_counter() - started), _no_header
        return Raw(status, answer, time.perf_counter() - started), header

    def _open(self) -> Transport:
        """The client that this address needs."""
        if speaks_plainly(self._url):
            from vlsu.models.plain import PlainTransport

            return PlainTransport(self._url, self._headers, self._timeout_s)
        from vlsu.models.secure import SecureTransport

        return SecureTransport(self._url, self._headers, self._timeout_s)

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
    return not _proxy()


def _proxy() -> bool:
    """Whether this machine reaches some addresses through a proxy."""
    if sys.platform in ("darwin", "win32"):  # where the system's settings count too
        from urllib.request import getproxies

        return any(scheme in getproxies() for scheme in ("http", "all", "socks"))
    return any(os.environ.get(variable) for variable in _PROXIES)


def host_of(url: str | SplitResult) -> str:
    """Host and port of an address, without the credentials it may hold."""
    parts = urlsplit(url) if isinstance(url, str) else url
    return parts.netloc.rpartition("@")[2]


def _no_header(_: str) -> None:
    """The headers of no answer."""
