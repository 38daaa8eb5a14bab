"""The client for proxies and odd addresses: pyreqwest, chosen for its low CPU time per request.

It also has TLS where the system's authorities are in no file that OpenSSL reads. See
``benchmarks/`` for the alternatives.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vlsu._machine import exhausted_file_descriptors, exhausted_resource_in_text
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
    decompressed,
    host_of,
    untrusted,
)

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.response import Response

    from vlsu._proxies import Proxy

__all__ = ["SecureTransport", "distrust", "header_of", "messages_of"]

#: Bytes that are read at once.
PIECE = 2**18
#: Where the library's messages repeat the URL, which may contain a secret.
_URL_IN_MESSAGE = re.compile(r" for url \(.*\)", re.DOTALL)
#: Seconds that a closed client is given to release its buffers.
RELEASE_S = 0.1


class SecureTransport:
    """Connections through pyreqwest; arguments as `vlsu.models.http.client.HttpClient`.

    The proxy is chosen by `vlsu._proxies`: the library interprets ``NO_PROXY``
    differently from curl.
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
            # Decompressed by `decompressed`, which bounds it: a zstd window takes 128 MiB.
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
            NetworkFaultError: No complete response of at most `MAX_BODY` bytes arrived in time.
            Exception: Whatever building the body raised.
        """
        from pyreqwest.exceptions import PyreqwestError

        body = b"".join(make())
        try:
            request = self._client.post(self._url).body_bytes(body).build_streamed()
            async with request as answer:
                whole = await self._read_body(answer)
                header = header_of(answer)
                if (encoding := header("content-encoding")) is not None:
                    whole = decompressed(whole, encoding)
                return Answer(answer.status, whole, header)
        except (PyreqwestError, ValueError) as error:
            raise self._fault(error) from None

    async def _read_body(self, answer: Response) -> bytes:
        """The body of a response, as received.

        Raises:
            NetworkFaultError: It is too large, alone or with all others in flight.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            # Most arrive in one call: each call goes to the client's thread and back.
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

        messages, last = messages_of(error)
        by = "" if self._proxy is None else f" through the proxy {self._proxy.shown}"
        unconnected = any("(Connect)" in message for message in messages)
        if exhausted := exhausted_resource_in_text(last) or (
            exhausted_file_descriptors() if unconnected else None
        ):
            return NetworkFaultError("machine", f"{exhausted} ({last})")
        if unconnected and (why := distrust(last)):
            return untrusted(f"{host_of(self._url)}{by}", why)
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
            message = f"no full answer within {self._timeout_s:g} s{by}"
            return NetworkFaultError("timeout", message)
        if isinstance(error, DecodeError):
            return NetworkFaultError("malformed", f"the answer is not HTTP as announced ({last})")
        if isinstance(error, ValueError):
            return NetworkFaultError("address", UNUSABLE)
        return NetworkFaultError("broken", f"the connection{by} broke ({last})")

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
        # Its threads still release buffers for a moment; an interpreter that exits meanwhile is
        # aborted (seen with pyreqwest 0.15 on Python 3.11: 12 of 40 ends, none after this).
        await asyncio.sleep(RELEASE_S)


def header_of(answer: Response) -> Header:
    """Access to the headers of a response; one that is not ASCII counts as absent."""

    def header(name: str) -> str | None:
        try:
            return answer.get_header(name)
        except ValueError:
            return None

    return header


def distrust(message: str) -> str:
    """What a message of the library says of a certificate that is not trusted; else nothing."""
    _, about, why = message.partition("invalid peer certificate: ")
    return about and f"its certificate is not trusted: {why}"


def messages_of(error: Exception) -> tuple[list[str], str]:
    """What an error of the library gives as its causes, and the last of it without an address."""
    causes = (getattr(error, "details", None) or {}).get("causes") or ()
    messages = [str(cause.get("message", "")) for cause in causes]
    return messages, _URL_IN_MESSAGE.sub("", messages[-1]) if messages else type(error).__name__
