"""The client for servers behind TLS or a proxy: pyreqwest, chosen by CPU a request.

HTTP/1.1 and 2, proxies, gzip. See ``benchmarks/`` for what it was chosen from.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vlsu._machine import lacking_by_number, lacking_files
from vlsu._version import __version__
from vlsu.models.http.transport import (
    CONNECT_S,
    MAX_BODY,
    MAX_HELD,
    TOO_MUCH_HELD,
    UNUSABLE,
    Answer,
    Header,
    MakeBody,
    NetworkFaultError,
    host_of,
    unpacked,
)

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.response import Response

    from vlsu.models.http.proxies import Proxy

__all__ = ["SecureTransport"]

#: Bytes of an answer that are read at once.
PIECE = 2**18
#: Where the library repeats an address, which may hold a secret.
_OF_URL = re.compile(r" for url \(.*\)", re.DOTALL)
#: Seconds a closed client is given to let go of its buffers.
SETTLE_S = 0.1


class SecureTransport:
    """Connections by pyreqwest; arguments as `vlsu.models.http.client.HttpClient`.

    The proxy is chosen by `vlsu.models.http.proxies`: the library's own reading of ``NO_PROXY``
    differs from curl's.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        proxy: Proxy | None = None,
    ) -> None:
        from pyreqwest.client import ClientBuilder
        from pyreqwest.proxy import ProxyBuilder

        self._url = url
        self._timeout_s = timeout_s
        self._proxy = proxy
        self._held = 0
        builder = ClientBuilder().no_proxy()  # none but the one given
        if proxy is not None:
            builder = builder.proxy(ProxyBuilder.all(proxy.url))
        self._client: Client = (
            builder.default_headers({"Accept-Encoding": "gzip", **headers})
            .user_agent(f"vlsu/{__version__}")
            .timeout(timedelta(seconds=timeout_s))
            .connect_timeout(timedelta(seconds=min(CONNECT_S, timeout_s / 2)))
            .follow_redirects(False)
            # Unpacked by `unpacked`, which bounds it: what zstd unpacks with takes 128 MiB.
            .gzip(False)
            .deflate(False)
            .brotli(False)
            .zstd(False)
            .max_connections(None)
            .pool_max_idle_per_host(1024)
            .build()
        )

    async def post(self, make: MakeBody) -> Answer:
        """Post once.

        Raises:
            NetworkFaultError: No whole answer of at most `MAX_BODY` bytes came in time.
            Exception: Whatever the making of the body raised.
        """
        from pyreqwest.exceptions import PyreqwestError

        body = b"".join(make())
        try:
            request = self._client.post(self._url).body_bytes(body).build_streamed()
            async with request as answer:
                whole = await self._whole(answer)
                header = _header_of(answer)
                if (packed := header("content-encoding")) is not None:
                    whole = unpacked(whole, packed)
                return Answer(answer.status, whole, header)
        except (PyreqwestError, ValueError) as error:
            raise self._fault(error) from None

    async def _whole(self, answer: Response) -> bytes:
        """The body of an answer, as it came.

        Raises:
            NetworkFaultError: It is too large, by itself or with all that are under way.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            # Most come in one call: each goes to the client's thread and back.
            while (data := await answer.body_reader.read(PIECE)) is not None:
                pieces.append(data.to_bytes())
                size += len(data)
                self._held += len(data)
                if size > MAX_BODY:
                    raise NetworkFaultError("endless", "the answer has no end")
                if self._held > MAX_HELD:
                    raise NetworkFaultError("endless", TOO_MUCH_HELD)
                if len(data) < PIECE:
                    break
        finally:
            self._held -= size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fault(self, error: Exception) -> NetworkFaultError:
        from pyreqwest.exceptions import DecodeError, RequestTimeoutError

        causes = (getattr(error, "details", None) or {}).get("causes") or ()
        messages = [str(cause.get("message", "")) for cause in causes]
        last = _OF_URL.sub("", messages[-1]) if messages else type(error).__name__
        by = "" if self._proxy is None else f" through the proxy {self._proxy.shown}"
        unconnected = any("(Connect)" in message for message in messages)
        if lack := lacking_by_number(last) or (lacking_files() if unconnected else None):
            return NetworkFaultError("machine", f"{lack} ({last})")
        if unconnected:
            if self._proxy is not None:
                name = urlsplit(self._url).hostname
                return NetworkFaultError(
                    "proxy",
                    f"cannot reach {host_of(self._url)}{by} ({last}); {self._proxy.source} names "
                    f"it, NO_PROXY={name} goes round it",
                )
            return NetworkFaultError("connect", f"cannot connect to {host_of(self._url)} ({last})")
        if isinstance(error, RequestTimeoutError):
            said = f"no full answer within {self._timeout_s:g} s{by}"
            return NetworkFaultError("timeout", said)
        if isinstance(error, DecodeError):
            return NetworkFaultError("malformed", f"the answer is not HTTP as announced ({last})")
        if isinstance(error, ValueError):
            return NetworkFaultError("address", UNUSABLE)
        return NetworkFaultError("broken", f"the connection{by} broke ({last})")

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
        # Its threads still let go of buffers for a moment; an interpreter that ends meanwhile
        # is aborted (seen with pyreqwest 0.15 on Python 3.11: 12 of 40 ends, none after this).
        await asyncio.sleep(SETTLE_S)


def _header_of(answer: Response) -> Header:
    """Reads the headers of an answer; one that is no ASCII text counts as absent."""

    def header(name: str) -> str | None:
        try:
            return answer.get_header(name)
        except ValueError:
            return None

    return header
