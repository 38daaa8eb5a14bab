"""The HTTP client for an address: one on the event loop, one for proxies and odd addresses.

A server can answer faster than most clients send: with and without TLS it is handled on the event
loop itself (`vlsu.models.http.direct`, `vlsu.models.http.tls`). What that does not support is
handled by pyreqwest (`vlsu.models.http.secure`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from vlsu._proxies import Proxy, proxy_of
from vlsu.models.base import Raw
from vlsu.models.http.transport import (
    UNUSABLE,
    Body,
    Header,
    MakeBody,
    NetworkFaultError,
    Transport,
)

__all__ = ["HttpClient", "is_simple_http", "is_simple_https", "is_usable"]


#: Host and port that every URL parser splits alike: no blank, no backslash, no quote.
_AUTHORITY = re.compile(r"[\w.~%!$&'()*+,;=:@\[\]-]+")


#: Hosts that every URL parser reads alike; others are left to pyreqwest.
_SIMPLE_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+")


_SIMPLE_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*")


class HttpClient:
    """Posts to one address, and reports network faults as responses instead of raising.

    Args:
        url: The address.
        headers: Headers of every request.
        timeout_s: Seconds for one attempt, connection included.
        only_local: Over plain HTTP, send only to this machine and private networks.
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
        """The address; it may contain credentials."""
        return self._url

    @property
    def proxy(self) -> Proxy | None:
        """The proxy in use, if any."""
        return proxy_of(self._url)

    async def post(self, make: MakeBody) -> tuple[Raw, Header]:
        """Post once; a network fault is returned as status 0 with its kind and description.

        Raises:
            Exception: Whatever building the body raised.
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
            return _no_answer(fault.kind, fault.message, time.perf_counter() - started)
        took = time.perf_counter() - started
        if not 200 <= status <= 599:
            return _no_answer("malformed", f"an answer of status {status}, not of 200 to 599", took)
        return Raw(status, answer, took), header

    def _unusable(self) -> str | None:
        """Why nothing can be sent; `None` if it can."""
        if not is_usable(self._url):
            return UNUSABLE
        proxy = self.proxy
        if proxy is None or proxy.usable:
            return None
        return f"{proxy.source}: not a usable proxy; write it as http://proxy.example:3128"

    def _open(self) -> Transport:
        """The transport for this address."""
        if is_simple_http(self._url):
            from vlsu.models.http.direct import DirectTransport

            return DirectTransport(
                self._url, self._headers, self._timeout_s, only_local=self._only_local
            )
        if is_simple_https(self._url):
            from vlsu.models.http.direct import DirectTransport
            from vlsu.models.http.tls import trusted_context

            if (context := trusted_context()) is not None:
                return DirectTransport(self._url, self._headers, self._timeout_s, context=context)
        from vlsu.models.http.secure import SecureTransport

        return SecureTransport(self._url, self._headers, self._timeout_s, proxy=self.proxy)

    async def close(self) -> None:
        """Close every connection."""
        if self._transport is not None:
            await self._transport.close()
            self._transport = None


def is_simple_http(url: str) -> bool:
    """Whether an address is plain HTTP without a proxy, credentials or unusual characters."""
    return _is_simple(url, "http")


def is_simple_https(url: str) -> bool:
    """The same of HTTP over TLS."""
    return _is_simple(url, "https")


def _is_simple(url: str, scheme: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme != scheme or not parts.hostname or "@" in parts.netloc or port == 0:
        return False
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not (_SIMPLE_HOST.fullmatch(parts.hostname) and _SIMPLE_PATH.fullmatch(target)):
        return False
    return proxy_of(url) is None


def is_usable(url: str) -> bool:
    """Whether an address is an HTTP URL in which every URL parser sees the same host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return named and _AUTHORITY.fullmatch(parts.netloc) is not None


def _no_answer(kind: str, message: str, took_s: float = 0.0) -> tuple[Raw, Header]:
    return Raw(0, f"{kind}: {message}".encode(), took_s), _no_header


def _no_header(_: str) -> None:
    """The headers of a missing response."""
