"""The Anthropic Messages format.

Shapes after the request and response types of the official Python SDK (``MessageCreateParams``,
``Message``, ``StopReason``, ``OutputConfigParam``, ``ErrorObject``) and the guides they point to:
"Vision", "Structured outputs", "Extended thinking", "Errors", "Rate limits" and, for sampling
parameters, "Migration guide".
"""

from __future__ import annotations

import os
import re

from vlsu.errors import ModelError
from vlsu.models.base import ImageLimits, Message, Outcome, Request, Response, Settings
from vlsu.models.bodies.endings import Ending, parse_finish_reason
from vlsu.models.bodies.error_bodies import ErrorBody, parse_error, parse_error_body
from vlsu.models.formats import image_limits
from vlsu.models.formats.prompt_cache import anthropic_least, is_cacheable
from vlsu.models.formats.wire import (
    JSON_HEADERS,
    REASONING_ROOM,
    Images,
    Tree,
    as_object,
    as_text,
    completed_response,
    decode_body,
    failed_response,
    guardrail_intervened,
    malformed_response,
    message_text,
    provider_identity,
    quota_response,
    status_within,
    token_count,
)
from vlsu.models.http import rate_limits
from vlsu.models.http.model import HttpModel, ReadImage, is_answer
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.transport import Body, Header

__all__ = ["Messages", "anthropic_model"]

DEFAULT_BASE_URL = "https://api.anthropic.com"
KEY_VARIABLE = "ANTHROPIC_API_KEY"
API_VERSION = "2023-06-01"

#: From this version on a temperature is an error, according to the migration guide.
NO_TEMPERATURE = (4, 7)
#: From this version on structured outputs are generally available.
STRUCTURED = (4, 5)
#: From this version on models may think without being asked to.
MAY_THINK = (4, 7)

#: The mark up to which a prompt is cached, for five minutes after each use; at most four a request.
_MARK = {"cache_control": {"type": "ephemeral"}}

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?![\d])")
#: A billing error that the API reports as ``invalid_request_error``.
_NO_CREDIT = re.compile(r"credit balance is too low", re.IGNORECASE)


class Messages:
    """The wire format of the Messages API, as pure functions."""

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/v1/messages``; a base URL that already ends in part of it is completed."""
        base = (settings.base_url or DEFAULT_BASE_URL).rstrip("/")
        base = base.removesuffix("/messages").removesuffix("/v1")
        return f"{base}/v1/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, the version of the API, and the key in ``x-api-key``."""
        headers = JSON_HEADERS | {"anthropic-version": API_VERSION}
        return headers | ({"x-api-key": key} if key else {})

    def image_limits(self, settings: Settings) -> ImageLimits:
        """The limits of Anthropic's API, for any server."""
        return image_limits.ANTHROPIC

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """The limits in a response's headers; `now` is seconds since the epoch."""
        return rate_limits.anthropic_limits(header, now)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body: a top-level system prompt, marked to be cached if it is long; base64.

        The image that further requests begin with is marked too. Parameters are passed through at
        the top level; ``output_config`` is merged with the schema.
        """
        images, least = Images(image), anthropic_least(model)
        system = "\n\n".join(message_text(m) for m in request.messages if m.role == "system")
        marked = request.shared_prefix and is_cacheable(len(system), least, with_image=True)
        turns = [m for m in request.messages if m.role != "system"]
        body: dict[str, object] = {
            "model": model,
            "system": _system(system, least),
            "messages": [_message(m, images, marked=marked and not n) for n, m in enumerate(turns)],
            **sampling(model, settings),
            **settings.params,
        }
        if request.schema is not None and keeps_schema(model, settings):
            form = {"format": {"type": "json_schema", "schema": request.schema}}
            body["output_config"] = form | dict(as_object(settings.params.get("output_config")))
        return images.pieces(body)

    def decode(self, status: int, body: bytes) -> Response:
        """Parse status and body.

        The stop reason ``refusal``, by which the API reports that its classifiers intervened,
        counts as refused. Input tokens are the sum of uncached, cache-write and cache-read tokens.
        """
        if not is_answer(status):
            return _error(status, parse_error_body(body))
        return decode_body(status, body, _read_tree)


def sampling(model: str, settings: Settings) -> dict[str, object]:
    """Decoding parameters: greedy where the model accepts a temperature, with a token limit.

    The API has no seed. Thinking counts towards ``max_tokens``, so a model that may think gets
    `REASONING_ROOM`, or its stated budget, on top; thinking is incompatible with a temperature.
    """
    thinking = as_object(settings.params.get("thinking"))
    thinks = thinking.get("type") in ("enabled", "adaptive")
    room = 0
    if thinks or (_version(model) >= MAY_THINK and thinking.get("type") != "disabled"):
        room = token_count(thinking.get("budget_tokens")) or REASONING_ROOM
    parameters: dict[str, object] = {"max_tokens": settings.max_tokens + room}
    if _version(model) < NO_TEMPERATURE and not thinks:
        parameters["temperature"] = 0
    return parameters


def keeps_schema(model: str, settings: Settings) -> bool:
    """Whether the request's schema is sent: with ``auto``, if the guide lists the model."""
    if settings.structured == "auto":
        return _version(model) >= STRUCTURED
    return settings.structured == "on"


def _version(model: str) -> tuple[int, int]:
    """Version of a Claude model from its name; a name without a number counts as new.

    >>> _version("claude-3-5-sonnet-20241022"), _version("claude-opus-4-20250514")
    ((3, 5), (4, 0))
    >>> _version("claude-opus-4-7"), _version("claude-sonnet-5"), _version("claude-mythos-preview")
    ((4, 7), (5, 0), (99, 0))
    """
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else (99, 0)


def _system(text: str, least: int) -> object:
    """The system prompt; one that is long enough with a mark up to which the API caches.

    The policy is the same in every request of a modality. What is read from the cache costs a
    tenth, what is written to it a quarter more, and a mark changes no answer.
    """
    if not is_cacheable(len(text), least):
        return text or None
    return [{"type": "text", "text": text, **_MARK}]


def _message(message: Message, images: Images, *, marked: bool = False) -> dict[str, object]:
    """A turn; if it is `marked` and begins with an image, that image is to be cached."""
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            media_type, data = images.base64(part.sha256)
            source = {"type": "base64", "media_type": media_type, "data": data}
            mark = _MARK if marked and not content else {}
            content.append({"type": "image", "source": source, **mark})
    return {"role": message.role, "content": content}


def _error(status: int, error: ErrorBody) -> Response:
    if status == 402 or "billingerror" in error.codes or _NO_CREDIT.search(error.message):
        return quota_response(status, "no credit is left")
    return failed_response(status, error)


def _read_tree(tree: Tree) -> Response:
    if tree.get("type") == "error" or (tree.get("error") and "content" not in tree):
        found = parse_error(tree)
        return _error(status_within(found), found)
    if guardrail_intervened(tree):
        return Response(Outcome.BLOCKED, finish_reason="guardrail_intervened")
    reason = tree.get("stop_reason")
    # Never null in a response that is not streamed, according to the API reference.
    ending = parse_finish_reason(reason, missing=Ending.UNKNOWN)
    content = tree.get("content")
    if not isinstance(content, list):
        if ending in (Ending.NORMAL, Ending.UNKNOWN):
            return malformed_response("the answer has no content")
        content = []
    blocks = [as_object(block) for block in content]
    usage = as_object(tree.get("usage"))
    new, written, cached = (
        token_count(usage.get(f"{kind}input_tokens"))
        for kind in ("", "cache_creation_", "cache_read_")
    )
    sums = [tokens for tokens in (new, written, cached) if tokens is not None]
    return completed_response(
        "".join(as_text(b.get("text")) for b in blocks if b.get("type") == "text"),
        ending,
        reason=reason,
        reasoning="\n\n".join(
            as_text(b.get("thinking")) for b in blocks if b.get("type") == "thinking"
        ),
        input_tokens=sum(sums) if sums else None,
        output_tokens=token_count(usage.get("output_tokens")),
        cached_tokens=cached,
        cache_write_tokens=written,
    )


def anthropic_model(name: str, settings: Settings) -> HttpModel:
    """The model behind ``anthropic/<name>``, by the Messages API; key: ANTHROPIC_API_KEY.

    Raises:
        ModelError: No key is set for the provider's own server, or token probabilities are
            requested, which the API does not provide.
    """
    key = os.environ.get(KEY_VARIABLE)
    if not key and settings.base_url is None:
        raise ModelError(f"anthropic/{name}: set {KEY_VARIABLE}")
    if settings.logprobs:
        raise ModelError(f"anthropic/{name}: the Messages API gives no token probabilities")
    wire = Messages()
    identity = provider_identity(
        "anthropic-messages",
        name,
        settings,
        sampling=sampling(name, settings),
        structured=keeps_schema(name, settings),
        images=wire.image_limits(settings),
    )
    spec = f"anthropic/{name}"
    least = anthropic_least(name)
    return HttpModel(spec, name, wire, settings, key, identity, caches_from=least)
