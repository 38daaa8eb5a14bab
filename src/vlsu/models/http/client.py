"""The client that an address needs, chosen by what lies between.

A server of one's own, over plain HTTP and without a proxy between, can answer faster than most
clients ask: it is spoken to on the event loop itself (`vlsu.models.http.plain`). All others, with
TLS or through a proxy, are spoken to by pyreqwest (`vlsu.models.http.secure`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from vlsu.models.base import Raw
from vlsu.models.http.proxies import Proxy, proxy_of
from vlsu.models.http.transport import (
    UNUSABLE,
    Body,
    Header,
    MakeBody,
    NetworkFaultError,
    Transport,
)

__all__ = ["HttpClient", "is_simple_http", "is_usable"]


#: Host and port as every reader of addresses takes them apart: no blank, no backslash, no quote.
_AUTHORITY = re.compile(r"[\w.~%!$&'()*+,;=:@\[\]-]+")


#: An address that any client reads alike; others are left to one that knows every rule of them.
_SIMPLE_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+")


_SIMPLE_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*")


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
        if is_simple_http(self._url):
            from vlsu.models.http.plain import PlainTransport

            return PlainTransport(
                self._url, self._headers, self._timeout_s, only_local=self._only_local
            )
        from vlsu.models.http.secure import SecureTransport

        return SecureTransport(self._url, self._headers, self._timeout_s, proxy=self.proxy)

    async def close(self) -> None:
        """Close every connection."""
        if self._transport is not None:
            await self._transport.close()
            self._transport = None


def is_simple_http(url: str) -> bool:
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


def _no_answer(kind: str, said: str, took_s: float = 0.0) -> tuple[Raw, Header]:
    return Raw(0, f"{kind}: {said}".encode(), took_s), _no_header


def _no_header(_: str) -> None:
    """The headers of no answer."""
