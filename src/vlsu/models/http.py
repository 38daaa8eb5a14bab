"""The one HTTP engine under every wire format."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import pybase64

from vlsu.models.base import (
    Fault,
    ImageFile,
    ImageSource,
    Outcome,
    Raw,
    Request,
    Response,
    Settings,
)

__all__ = ["HttpClient", "HttpModel", "WireFormat", "data_uri", "http_fault"]

#: An answer longer than this is not an answer: bytes of body read before giving up.
MAX_BODY = 16 * 2**20

ReadImage = Callable[[str], ImageFile]


class WireFormat(Protocol):
    """Two pure functions, and where and how to post what the first one makes."""

    def url(self, model: str, settings: Settings) -> str:
        """The address to post to."""
        ...

    def headers(self, key: str | None) -> dict[str, str]:
        """Headers of every request; `key` is the credential, if there is one."""
        ...

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> bytes:
        """The body of a request."""
        ...

    def decode(self, status: int, body: bytes) -> Response:
        """A response, read from its status and body."""
        ...


def data_uri(image: ImageFile) -> str:
    """The image as a ``data:`` address, bytes unchanged."""
    return f"data:{image.media_type};base64,{pybase64.b64encode(image.data).decode('ascii')}"


def http_fault(status: int, message: str) -> Response:
    """The error a status stands for, where a wire format knows nothing more particular.

    Args:
        status: HTTP status, or 0 where no response came.
        message: One line of what the server said, or the network fault.
    """
    said = " ".join(message.split())[:200]
    if status == 0:
        return Response(Outcome.ERROR, fault=Fault("network", said, retry=True))
    line = f"HTTP {status}" + (f": {said}" if said else "")
    if status in (401, 403):
        return Response(Outcome.ERROR, fault=Fault("credentials", line, fatal=True))
    if status == 404:
        return Response(Outcome.ERROR, fault=Fault("not-found", line, fatal=True))
    if 300 <= status < 400:
        line += " (redirects are not followed: they would carry the key to another address)"
        return Response(Outcome.ERROR, fault=Fault("redirect", line, fatal=True))
    if status == 429:
        return Response(Outcome.ERROR, fault=Fault("rate-limit", line, retry=True))
    if status in (408, 409, 425) or status >= 500:
        return Response(Outcome.ERROR, fault=Fault("server", line, retry=True))
    return Response(Outcome.ERROR, fault=Fault("bad-request", line))


@dataclass(slots=True)
class HttpClient:
    """Pooled connections to one server.

    Redirects are not followed and at most `MAX_BODY` bytes of an answer are read. Proxies come
    from the usual environment variables.
    """

    connections: int = 0
    _session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> Raw:
        """Post once; a network fault comes back as status 0 with a short account."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.connections, ttl_dns_cache=300),
                trust_env=True,
            )
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                async with self._session.post(
                    url, data=body, headers=headers, allow_redirects=False, timeout=_NO_TIMEOUT
                ) as answer:
                    data = bytearray()
                    async for chunk in answer.content.iter_any():
                        data += chunk
                        if len(data) > MAX_BODY:
                            answer.close()
                            return Raw(0, b"the answer has no end", time.perf_counter() - started)
                    latency = time.perf_counter() - started
                    return Raw(
                        answer.status,
                        bytes(data),
                        latency,
                        _seconds(answer.headers.get("Retry-After")),
                    )
        except TimeoutError:
            fault = f"no full answer within {timeout_s:g} s"
        except aiohttp.ClientConnectorError as error:
            fault = f"cannot connect to {error.host}:{error.port}"
        except aiohttp.InvalidURL:
            fault = f"{url!r} is not an address"
        except (aiohttp.ClientError, OSError) as error:
            fault = f"connection broke ({type(error).__name__})"
        return Raw(0, fault.encode(), time.perf_counter() - started)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header in its numeric form; a date is not obeyed."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


class HttpModel:
    """A model behind a server, spoken to in one wire format."""

    takes_instructions = True
    modalities = frozenset({"image", "text", "joint"})

    def __init__(
        self,
        spec: str,
        name: str,
        wire: WireFormat,
        settings: Settings,
        key: str | None,
        identity: Mapping[str, object],
    ) -> None:
        self.spec = spec
        self._name = name
        self._wire = wire
        self._settings = settings
        self._url = wire.url(name, settings)
        self._headers = wire.headers(key)
        self._identity = {"spec": spec, **identity}
        self._client = HttpClient()

    def identity(self) -> Mapping[str, object]:
        """The spec and every setting that could change an answer; the address is not one."""
        return self._identity

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Post one request."""
        body = self._wire.encode(self._name, request, self._settings, images.read_image)
        return await self._client.post(self._url, self._headers, body, self._settings.timeout_s)

    def read(self, raw: Raw) -> Response:
        """Read a stored or fresh response."""
        if raw.status == 0:
            return http_fault(0, raw.body.decode(errors="replace"))
        return self._wire.decode(raw.status, raw.body)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
