"""A model behind a server, whichever wire format it speaks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from vlsu._text import without_sequences
from vlsu.errors import ModelError, UsageError
from vlsu.models.base import (
    Encoded,
    Fault,
    ImageSource,
    Outcome,
    Raw,
    Request,
    Response,
    Settings,
)
from vlsu.models.error_bodies import MOST
from vlsu.models.exposure import exposure, holds_credentials
from vlsu.models.image_limits import ImageLimits
from vlsu.models.proxies import proxy_of
from vlsu.models.rate_limits import RateLimits
from vlsu.models.redaction import Redaction, secrets_of_url
from vlsu.models.transport import Body, Header, HttpClient, host_of, speaks_plainly

__all__ = ["HttpModel", "WireFormat", "http_fault", "is_answer", "one_line"]

#: A server that says nothing of its limits in so many answers is looked at once in as many.
LOOKS = 32
#: Statuses of success that promise that there is no body.
NO_BODY = frozenset({204, 205})
#: Statuses that a proxy answers with for reasons of its own.
OF_PROXIES = frozenset({403, 407, 502, 503, 504})
NO_LIMITS = RateLimits()
#: A server that knows the address and not the model says so.
_OF_A_MODEL = re.compile(r"\bmodels?\b", re.IGNORECASE)

ReadImage = Callable[[str], Encoded]


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

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The body of a request, in pieces."""
        ...

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """What an answer says of the server's limits; `now` is seconds since the epoch."""
        ...

    def decode(self, status: int, body: bytes) -> Response:
        """A response, read from its status and body."""
        ...


def one_line(text: str, most: int = 200) -> str:
    """Foreign text fit to be shown: one line, without control sequences, at most so long."""
    text = without_sequences(text[:MOST])[: 8 * most]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]


def is_answer(status: int) -> bool:
    """Whether an HTTP status is one of success, whose body is read for an answer."""
    return 200 <= status < 300 and status not in NO_BODY


def http_fault(status: int, message: str) -> Response:
    """The error a status stands for, where a wire format knows nothing more particular.

    Args:
        status: HTTP status, or 0 where no response came.
        message: One line of what the server said; for status 0, kind and account of the fault.
    """
    said = one_line(message)
    if status == 0:
        kind, _, said = said.partition(": ")
        fatal = kind == "address"
        return Response(Outcome.ERROR, fault=Fault(kind, said, retry=not fatal, fatal=fatal))
    line = f"HTTP {status}" + (f": {said}" if said else "")
    if 200 <= status < 300:  # 204 and the like: taken, and not answered
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
    """A model behind a server, spoken to in one wire format.

    Args:
        spec: ``provider/name``.
        name: What the server calls it.
        wire: The format.
        settings: How it is asked.
        key: The credential, if there is one.
        identity: All that could change an answer, beside the spec.
        not_found_hint: What may be wrong with the address, for the line that ends a run in which
            nothing is found there.

    Raises:
        ModelError: The key holds characters that no header can carry.
        UsageError: A parameter would take the place of what is asked, or have it answered in parts;
            or a key would go over plain HTTP to a host that is not private.
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
    ) -> None:
        if key and not (key.isascii() and key.isprintable()):
            raise ModelError(
                f"{spec}: the API key holds a line end or another character that no header can "
                "carry; set it without"
            )
        asked = [name for name in ("messages", "contents", "prompt") if name in settings.params]
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
        self._silent = True
        self.image_limits = wire.image_limits(settings)
        only_local = bool(key or holds_credentials(url)) and not settings.insecure_http
        if only_local and (why := exposure(url, guarded=speaks_plainly(url))) is not None:
            raise UsageError(
                f"{spec}: the key would go over plain HTTP, readable on the way: {why}; use an "
                "https address, or --insecure-http"
            )
        self._client = HttpClient(url, wire.headers(key), settings.timeout_s, only_local=only_local)

    @property
    def destination(self) -> str:
        """Where requests go and whether a key goes along, in words."""
        scheme, _, _ = self._client.url.partition(":")
        key = "the API key" if self._has_key else "no API key"
        line = f"{scheme}://{host_of(self._client.url)}, with {key}"
        proxy = self._client.proxy
        return line if proxy is None else f"{line}, through the proxy {proxy.shown}"

    def identity(self) -> Mapping[str, object]:
        """The spec and every setting that could change an answer; the address is not one."""
        return self._identity

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Post one request. A credential that the server repeats is not kept, in no form."""
        encode, read = self._wire.encode, images.read_encoded
        raw, header = await self._client.post(
            lambda: encode(self._name, request, self._settings, read)
        )
        body = self._redaction.bytes(raw.body, answer=is_answer(raw.status))
        if body is not raw.body:
            raw = raw._replace(body=body)
        if raw.status == 0:
            return raw
        self._answers += 1
        if raw.status == 200 and self._answers > LOOKS and self._answers % LOOKS and self._silent:
            return raw
        limits = self._wire.rate_limits(header, raw.body, time.time())
        self._silent = self._silent and limits == NO_LIMITS
        if limits == NO_LIMITS:
            return raw
        pause_s = limits.wait_s() or None
        return raw._replace(retry_after=limits.retry_after_s, pause_s=pause_s)

    def read(self, raw: Raw) -> Response:
        """Read a stored or fresh response."""
        if raw.status == 0:
            return http_fault(0, raw.body.decode(errors="replace"))
        response = self._explained(raw.status, self._wire.decode(raw.status, raw.body))
        # Once more: a text may be put together from parts, none of which was the whole credential.
        text = self._redaction.text(response.text, answer=True)
        reasoning = self._redaction.text(response.reasoning, answer=True)
        if text is response.text and reasoning is response.reasoning:
            return response
        return response._replace(text=text, reasoning=reasoning)

    def _explained(self, status: int, response: Response) -> Response:
        """What may be wrong with the address, and whether a proxy may have answered itself."""
        fault = response.fault
        if fault is None:  # of every answer: nothing more is looked up for it
            return response
        proxy, line = self._client.proxy, fault.message
        if fault.kind == "not-found" and self._not_found_hint and not _OF_A_MODEL.search(line):
            line += f" ({self._not_found_hint})"
        if proxy is not None and status in OF_PROXIES:
            line += f" (through the proxy {proxy.shown}; perhaps its own answer)"
        return response._replace(fault=replace(fault, message=line))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
