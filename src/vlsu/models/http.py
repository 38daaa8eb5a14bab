"""The one HTTP engine under every wire format."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from vlsu._version import __version__
from vlsu.errors import ModelError
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
from vlsu.models.image_limits import ImageLimits
from vlsu.models.rate_limits import Header, RateLimits

if TYPE_CHECKING:
    from pyreqwest.client import Client

__all__ = ["HttpClient", "HttpModel", "WireFormat", "http_fault"]

#: An answer longer than this is not an answer: bytes of body read before giving up.
MAX_BODY = 16 * 2**20
#: Seconds to connect in at most: a host that drops packets shows before an answer would be late.
CONNECT_S = 10.0
#: A key of so many characters is no common word, and is blotted out even of answers.
SECRET = 16
#: A server that says nothing of its limits in so many answers is looked at once in as many.
LOOKS = 32
NO_LIMITS = RateLimits()
#: Seconds a closed client is given to let go of its buffers.
SETTLE_S = 0.1

ReadImage = Callable[[str], ImageFile]


class WireFormat(Protocol):
    """Two pure functions, and where and how to post what the first one makes."""

    def url(self, model: str, settings: Settings) -> str:
        """The address to post to."""
        ...

    def headers(self, key: str | None) -> dict[str, str]:
        """Headers of every request; `key` is the credential, if there is one."""
        ...

    def image_limits(self, settings: Settings) -> ImageLimits:
        """What the server takes as an image."""
        ...

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> bytes:
        """The body of a request."""
        ...

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """What an answer says of the server's limits; `now` is seconds since the epoch."""
        ...

    def decode(self, status: int, body: bytes) -> Response:
        """A response, read from its status and body."""
        ...


def http_fault(status: int, message: str) -> Response:
    """The error a status stands for, where a wire format knows nothing more particular.

    Args:
        status: HTTP status, or 0 where no response came.
        message: One line of what the server said; for status 0, kind and account of the fault.
    """
    said = " ".join(message.split())[:200]
    if status == 0:
        kind, _, said = said.partition(": ")
        fatal = kind == "address"
        return Response(Outcome.ERROR, fault=Fault(kind, said, retry=not fatal, fatal=fatal))
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


class HttpClient:
    """Pooled connections to one server: TLS, proxies from the environment, gzip.

    Redirects are not followed and at most `MAX_BODY` bytes of an answer are read. The client is
    pyreqwest, chosen by CPU a request (see ``benchmarks/``); nothing else knows of it.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._client: Client | None = None

    async def post(self, body: bytes) -> tuple[Raw, Header]:
        """Post once; a network fault comes back as status 0 with kind and account."""
        from pyreqwest.exceptions import PyreqwestError

        if self._client is None:
            self._client = self._connect()
        started = time.perf_counter()
        try:
            request = self._client.post(self._url).body_bytes(body).build_streamed()
            async with request as answer:
                # One call for the whole body: each goes to the client's thread and back.
                data = await answer.body_reader.read(MAX_BODY + 1)
                body = b"" if data is None else data.to_bytes()
                if len(body) > MAX_BODY:
                    return _no_answer("endless", "the answer has no end", started), _no_header
                raw = Raw(answer.status, body, time.perf_counter() - started)
                return raw, answer.get_header
        except (PyreqwestError, ValueError) as error:
            kind, said = _network_fault(self._url, self._timeout_s, error)
            return _no_answer(kind, said, started), _no_header

    def _connect(self) -> Client:
        from pyreqwest.client import ClientBuilder

        return (
            ClientBuilder()
            .default_headers(self._headers)
            .user_agent(f"vlsu/{__version__}")
            .timeout(timedelta(seconds=self._timeout_s))
            .connect_timeout(timedelta(seconds=min(CONNECT_S, self._timeout_s / 2)))
            .follow_redirects(False)
            .max_connections(None)
            .pool_max_idle_per_host(1024)
            .build()
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()
            self._client = None
            # Its threads still let go of buffers for a moment; an interpreter that ends meanwhile
            # is aborted (seen with pyreqwest 0.15 on Python 3.11: 12 of 40 ends, none after this).
            await asyncio.sleep(SETTLE_S)


def _no_header(_: str) -> None:
    """The headers of no answer."""


def _no_answer(kind: str, said: str, started: float) -> Raw:
    return Raw(0, f"{kind}: {said}".encode(), time.perf_counter() - started)


def _network_fault(url: str, timeout_s: float, error: Exception) -> tuple[str, str]:
    """Kind and account of a network fault; never the address's path, which may hold a secret."""
    from pyreqwest.exceptions import DecodeError, RequestTimeoutError

    causes = (getattr(error, "details", None) or {}).get("causes") or ()
    messages = [str(cause.get("message", "")) for cause in causes]
    last = messages[-1] if messages else type(error).__name__
    if any("(Connect)" in message for message in messages):
        return "connect", f"cannot connect to {_host(url)} ({last})"
    if isinstance(error, RequestTimeoutError):
        return "timeout", f"no full answer within {timeout_s:g} s"
    if isinstance(error, DecodeError):
        return "malformed", f"the answer is not HTTP as announced ({last})"
    if isinstance(error, ValueError):
        return "address", "not a usable address; give one such as http://127.0.0.1:8000/v1"
    return "broken", f"the connection broke ({last})"


def _host(url: str) -> str:
    """Host and port, without the credentials an address may hold."""
    return urlsplit(url).netloc.rpartition("@")[2]


class HttpModel:
    """A model behind a server, spoken to in one wire format.

    Raises:
        ModelError: The key holds characters that no header can carry.
    """

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
        if key and not key.isprintable():
            raise ModelError(f"{spec}: the API key holds a line end or the like; set it without")
        self.spec = spec
        self._key = (key or "").encode()
        self._name = name
        self._wire = wire
        self._settings = settings
        self._identity = {"spec": spec, **identity}
        self._answers = 0
        self._silent = True
        self.image_limits = wire.image_limits(settings)
        self._client = HttpClient(wire.url(name, settings), wire.headers(key), settings.timeout_s)

    def identity(self) -> Mapping[str, object]:
        """The spec and every setting that could change an answer; the address is not one."""
        return self._identity

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Post one request. A key that the server repeats is not kept."""
        body = self._wire.encode(self._name, request, self._settings, images.read_image)
        raw, header = await self._client.post(body)
        if raw.status == 0:
            return raw
        if self._key and self._key in raw.body and (raw.status != 200 or len(self._key) >= SECRET):
            raw = replace(raw, body=raw.body.replace(self._key, b"***"))
        self._answers += 1
        if raw.status == 200 and self._answers > LOOKS and self._answers % LOOKS and self._silent:
            return raw
        limits = self._wire.rate_limits(header, raw.body, time.time())
        self._silent = self._silent and limits == NO_LIMITS
        if limits == NO_LIMITS:
            return raw
        pause_s = limits.wait_s() or None
        return replace(raw, retry_after=limits.retry_after_s, pause_s=pause_s)

    def read(self, raw: Raw) -> Response:
        """Read a stored or fresh response."""
        if raw.status == 0:
            return http_fault(0, raw.body.decode(errors="replace"))
        return self._wire.decode(raw.status, raw.body)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
