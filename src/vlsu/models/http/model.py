"""A model behind an HTTP server, for any wire format."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

from vlsu._proxies import proxy_of
from vlsu._text import collapsed_line
from vlsu.errors import ModelError, UsageError
from vlsu.models.base import (
    Encoded,
    Fault,
    ImageLimits,
    ImageSource,
    Outcome,
    Raw,
    Request,
    Response,
    Settings,
)
from vlsu.models.http.client import HttpClient, is_simple_http
from vlsu.models.http.exposure import exposure, holds_credentials
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.redaction import Redaction, secrets_of_url
from vlsu.models.http.transport import Body, Header, host_of

__all__ = [
    "CONTENT_PARAMS",
    "Endpoint",
    "HttpModel",
    "WireFormat",
    "http_fault",
    "is_answer",
]

#: Fields of a request's body that hold what is asked, in one format or another.
CONTENT_PARAMS = ("messages", "contents", "prompt", "input")

#: Of a server whose first responses have no rate-limit headers, one in this many is inspected.
INSPECT_EVERY = 32
#: Success statuses that never have a body.
NO_BODY = frozenset({204, 205})
#: Statuses that may come from a proxy instead of the server.
PROXY_STATUSES = frozenset({403, 407, 502, 503, 504})
NO_LIMITS = RateLimits()
#: In a 404, a sign that the address is right and the model is unknown.
_ABOUT_MODEL = re.compile(r"\bmodels?\b", re.IGNORECASE)

ReadImage = Callable[[str], Encoded]


class WireFormat(Protocol):
    """Encoding and decoding as pure functions, with the address and headers to post to."""

    def url(self, model: str, settings: Settings) -> str:
        """The address to post to."""
        ...

    def headers(self, key: str | None) -> dict[str, str]:
        """Headers of every request; `key` is the credential, if there is one."""
        ...

    def image_limits(self, settings: Settings) -> ImageLimits:
        """The images that the server accepts."""
        ...

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The body of a request, in pieces."""
        ...

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """The rate limits in a response; `now` is seconds since the epoch."""
        ...

    def decode(self, status: int, body: bytes) -> Response:
        """Parse a response from its status and body."""
        ...


class Endpoint(NamedTuple):
    """What is needed to call other addresses of a model's server, such as its batch interface.

    Attributes:
        name: The model's name on the server.
        wire: The wire format.
        settings: How requests are made.
        headers: Headers of every request, the credential among them.
        only_local: Over plain HTTP, send only to this machine and private networks.
        redaction: Redacts the credential in what the server sends.
    """

    name: str
    wire: WireFormat
    settings: Settings
    headers: Mapping[str, str]
    only_local: bool
    redaction: Redaction


def is_answer(status: int) -> bool:
    """Whether an HTTP status is a success whose body holds an answer."""
    return 200 <= status < 300 and status not in NO_BODY


def http_fault(status: int, message: str) -> Response:
    """The error for an HTTP status, unless a wire format knows better.

    Args:
        status: HTTP status, or 0 where no response came.
        message: One line of the server's message; for status 0, kind and description of the fault.
    """
    # What is said of no response is this package's, with what to do at its end.
    message = collapsed_line(message, 400 if status == 0 else 200)
    if status == 0:
        kind, _, message = message.partition(": ")
        fatal = kind in ("address", "certificate")
        return Response(Outcome.ERROR, fault=Fault(kind, message, retry=not fatal, fatal=fatal))
    line = f"HTTP {status}" + (f": {message}" if message else "")
    if 200 <= status < 300:  # such as 204: accepted, without an answer
        return Response(Outcome.ERROR, fault=Fault("malformed", line, retry=True))
    if status == 407:
        line += " (a proxy wants a user and a password: http://USER:PASSWORD@HOST in its variable)"
        return Response(Outcome.ERROR, fault=Fault("proxy", line, fatal=True))
    if status in (401, 403):
        return Response(Outcome.ERROR, fault=Fault("credentials", line, fatal=True))
    if status in (404, 405):
        return Response(Outcome.ERROR, fault=Fault("not-found", line, fatal=True))
    if 300 <= status < 400:
        line += " (redirects are not followed: they would carry the key to another address)"
        return Response(Outcome.ERROR, fault=Fault("redirect", line, fatal=True))
    if status == 429:
        return Response(Outcome.ERROR, fault=Fault("rate-limit", line, retry=True))
    if status in (408, 409, 425) or status >= 500:
        return Response(Outcome.ERROR, fault=Fault("server", line, retry=True))
    return Response(Outcome.ERROR, fault=Fault("bad-request", line))


class HttpModel:
    """A model behind an HTTP server, in one wire format.

    Args:
        spec: ``provider/name``.
        name: The model's name on the server.
        wire: The wire format.
        settings: How requests are made.
        key: The credential, if there is one.
        identity: Everything that could change an answer, besides the spec.
        not_found_hint: A hint about the address, appended to the message of a 404.
        caches_from: Tokens from which on the server caches the beginning of a prompt, and takes
            less for what it reads from that cache; `None` where that is not known.

    Raises:
        ModelError: The key contains characters that an HTTP header cannot carry.
        UsageError: A parameter would replace the messages or stream the answer, or a key would be
            sent over plain HTTP to a host that is not private.
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
        *,
        not_found_hint: str = "",
        caches_from: int | None = None,
    ) -> None:
        if key and not (key.isascii() and key.isprintable()):
            raise ModelError(
                f"{spec}: the API key holds a line end or another character that no header can "
                "carry; set it without"
            )
        asked = [name for name in CONTENT_PARAMS if name in settings.params]
        if asked:
            raise UsageError(f"param {asked[0]}: that is what a run asks; leave it out")
        if settings.params.get("stream"):
            raise UsageError("param stream: answers are read whole; leave it out")
        self.spec = spec
        url = wire.url(name, settings)
        proxy = proxy_of(url)
        secrets = [*secrets_of_url(settings.base_url), *secrets_of_url(proxy and proxy.url)]
        self._redaction = Redaction([*([key] if key else []), *secrets])
        self._has_key = bool(key)
        self._name = name
        self._wire = wire
        self._settings = settings
        self._identity = {"spec": spec, **identity}
        self._not_found_hint = not_found_hint
        self._answers = 0
        self._without_limits = True
        self.image_limits = wire.image_limits(settings)
        self.caches_from = caches_from
        only_local = bool(key or holds_credentials(url)) and not settings.insecure_http
        if only_local and (why := exposure(url, guarded=is_simple_http(url))) is not None:
            raise UsageError(
                f"{spec}: the key would go over plain HTTP, readable on the way: {why}; use an "
                "https address, or --insecure-http"
            )
        headers = wire.headers(key)
        self._client = HttpClient(url, headers, settings.timeout_s, only_local=only_local)
        self.endpoint = Endpoint(name, wire, settings, headers, only_local, self._redaction)

    @property
    def destination(self) -> str:
        """Description of where requests go, and whether with a key."""
        scheme, _, _ = self._client.url.partition(":")
        key = "the API key" if self._has_key else "no API key"
        line = f"{scheme}://{host_of(self._client.url)}, with {key}"
        proxy = self._client.proxy
        return line if proxy is None else f"{line}, through the proxy {proxy.shown}"

    def identity(self) -> Mapping[str, object]:
        """The spec and every setting that could change an answer; the address is not part of it."""
        return self._identity

    def encode(self, request: Request, images: ImageSource) -> Body:
        """The body of a request, in pieces.

        Raises:
            DataError: An image is missing or cannot be read.
        """
        return self._wire.encode(self._name, request, self._settings, images.read_encoded)

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Post one request. A credential that the server repeats is redacted, in any encoding."""
        raw, header = await self._client.post(lambda: self.encode(request, images))
        body = self._redaction.bytes(raw.body, answer=is_answer(raw.status))
        if body is not raw.body:
            raw = raw._replace(body=body)
        if raw.status == 0:
            return raw
        self._answers += 1
        if (
            raw.status == 200
            and self._answers > INSPECT_EVERY
            and self._answers % INSPECT_EVERY
            and self._without_limits
        ):
            return raw
        limits = self._wire.rate_limits(header, raw.body, time.time())
        self._without_limits = self._without_limits and limits == NO_LIMITS
        if limits == NO_LIMITS:
            return raw
        pause_s = limits.wait_s() or None
        return raw._replace(retry_after=limits.retry_after_s, pause_s=pause_s)

    def read(self, raw: Raw) -> Response:
        """Parse a stored or fresh response."""
        if raw.status == 0:
            return http_fault(0, raw.body.decode(errors="replace"))
        response = self._with_hints(raw.status, self._wire.decode(raw.status, raw.body))
        # Again: a text may be joined from parts, none of which was the whole credential.
        text = self._redaction.text(response.text, answer=True)
        reasoning = self._redaction.text(response.reasoning, answer=True)
        if text is response.text and reasoning is response.reasoning:
            return response
        return response._replace(text=text, reasoning=reasoning)

    def _with_hints(self, status: int, response: Response) -> Response:
        """Adds hints to a fault: about the address, and about a proxy that may have answered."""
        fault = response.fault
        if fault is None:  # the common case, kept fast
            return response
        proxy, line = self._client.proxy, fault.message
        if fault.kind == "not-found" and self._not_found_hint and not _ABOUT_MODEL.search(line):
            line += f" ({self._not_found_hint})"
        if proxy is not None and status in PROXY_STATUSES:
            line += f" (through the proxy {proxy.shown}; perhaps its own answer)"
        return response._replace(fault=replace(fault, message=line))

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        await self._client.close()
