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
from vlsu.models.bodies.endings import Ending, read_ending
from vlsu.models.bodies.error_bodies import ErrorBody, error_in, read_error
from vlsu.models.formats import image_limits
from vlsu.models.formats.wire import (
    REASONING_ROOM,
    Images,
    Tree,
    answered,
    count,
    decoded,
    failed,
    guardrail_intervened,
    malformed,
    message_text,
    quota_fault,
    status_within,
    text_of,
    tree_of,
)
from vlsu.models.http import rate_limits
from vlsu.models.http.model import HttpModel, ReadImage, is_answer
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.transport import Body, Header

__all__ = ["Messages", "anthropic_model"]

DEFAULT_BASE_URL = "https://api.anthropic.com"
KEY_VARIABLE = "ANTHROPIC_API_KEY"
API_VERSION = "2023-06-01"

#: Since this version a temperature is an error, by the migration guide.
NO_TEMPERATURE = (4, 7)
#: Since this version structured outputs are generally available, by their guide.
STRUCTURED = (4, 5)
#: Since this version a model may think without being told to.
MAY_THINK = (4, 7)

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?![\d])")
#: How the API words, under ``invalid_request_error``, what is no fault of the request's form.
_NO_CREDIT = re.compile(r"credit balance is too low", re.IGNORECASE)


class Messages:
    """The wire format of the Messages API, as pure functions."""

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/v1/messages``; a base that already ends in a part of it is completed."""
        base = (settings.base_url or DEFAULT_BASE_URL).rstrip("/")
        base = base.removesuffix("/messages").removesuffix("/v1")
        return f"{base}/v1/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, the version of the API, and the key in ``x-api-key``."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "anthropic-version": API_VERSION,
        }
        return headers | ({"x-api-key": key} if key else {})

    def image_limits(self, settings: Settings) -> ImageLimits:
        """The API's, whichever server is asked."""
        return image_limits.ANTHROPIC

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """What the headers of an answer say; `now` is seconds since the epoch."""
        return rate_limits.anthropic_limits(header, now)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body: the system prompt on top, images in base64 as they are.

        Parameters are passed on at the top, ``output_config`` joined with the schema's.
        """
        images = Images(image)
        system = [message_text(m) for m in request.messages if m.role == "system"]
        body: dict[str, object] = {
            "model": model,
            "system": "\n\n".join(system) or None,
            "messages": [_message(m, images) for m in request.messages if m.role != "system"],
            **sampling(model, settings),
            **settings.params,
        }
        if request.schema is not None and keeps_schema(model, settings):
            form = {"format": {"type": "json_schema", "schema": request.schema}}
            body["output_config"] = form | dict(tree_of(settings.params.get("output_config")))
        return images.pieces(body)

    def decode(self, status: int, body: bytes) -> Response:
        """Read status and body.

        The stop reason ``refusal`` is the API's word for its classifiers stepping in, and counts
        as refused. Input tokens are the sum of uncached, cache-written and cache-read ones.
        """
        if not is_answer(status):
            return _error(status, read_error(body))
        return decoded(status, body, _of_tree)


def sampling(model: str, settings: Settings) -> dict[str, object]:
    """Greedy, bounded decoding where the model takes a temperature.

    The API has no seed. Thinking counts within ``max_tokens``, so that a model which may think gets
    `REASONING_ROOM`, or the budget it is given, on top; it is incompatible with a temperature.
    """
    thinking = tree_of(settings.params.get("thinking"))
    thinks = thinking.get("type") in ("enabled", "adaptive")
    room = 0
    if thinks or (_version(model) >= MAY_THINK and thinking.get("type") != "disabled"):
        room = count(thinking.get("budget_tokens")) or REASONING_ROOM
    words: dict[str, object] = {"max_tokens": settings.max_tokens + room}
    if _version(model) < NO_TEMPERATURE and not thinks:
        words["temperature"] = 0
    return words


def keeps_schema(model: str, settings: Settings) -> bool:
    """Whether the request's schema is sent: with ``auto``, if the guide lists the model."""
    if settings.structured == "auto":
        return _version(model) >= STRUCTURED
    return settings.structured == "on"


def _version(model: str) -> tuple[int, int]:
    """Version of a Claude model by its name; one without a number is taken to be new.

    >>> _version("claude-3-5-sonnet-20241022"), _version("claude-opus-4-20250514")
    ((3, 5), (4, 0))
    >>> _version("claude-opus-4-7"), _version("claude-sonnet-5"), _version("claude-mythos-preview")
    ((4, 7), (5, 0), (99, 0))
    """
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else (99, 0)


def _message(message: Message, images: Images) -> dict[str, object]:
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            media_type, data = images.base64(part.sha256)
            source = {"type": "base64", "media_type": media_type, "data": data}
            content.append({"type": "image", "source": source})
    return {"role": message.role, "content": content}


def _error(status: int, error: ErrorBody) -> Response:
    if status == 402 or "billingerror" in error.codes or _NO_CREDIT.search(error.message):
        return quota_fault(status, "no credit is left")
    return failed(status, error)


def _of_tree(tree: Tree) -> Response:
    if tree.get("type") == "error" or (tree.get("error") and "content" not in tree):
        found = error_in(tree)
        return _error(status_within(found), found)
    if guardrail_intervened(tree):
        return Response(Outcome.BLOCKED, finish_reason="guardrail_intervened")
    reason = tree.get("stop_reason")
    # Unstreamed, it is never null, by the API reference.
    ending = read_ending(reason, missing=Ending.UNKNOWN)
    content = tree.get("content")
    if not isinstance(content, list):
        if ending in (Ending.NORMAL, Ending.UNKNOWN):
            return malformed("the answer has no content")
        content = []
    blocks = [tree_of(block) for block in content]
    usage = tree_of(tree.get("usage"))
    read = (
        count(usage.get(f"{kind}input_tokens")) for kind in ("", "cache_creation_", "cache_read_")
    )
    sums = [tokens for tokens in read if tokens is not None]
    return answered(
        "".join(text_of(b.get("text")) for b in blocks if b.get("type") == "text"),
        ending,
        reason=reason,
        reasoning="\n\n".join(
            text_of(b.get("thinking")) for b in blocks if b.get("type") == "thinking"
        ),
        input_tokens=sum(sums) if sums else None,
        output_tokens=count(usage.get("output_tokens")),
    )


def anthropic_model(name: str, settings: Settings) -> HttpModel:
    """The model behind ``anthropic/<name>``, by the Messages API; key: ANTHROPIC_API_KEY.

    Raises:
        ModelError: No key is set and the provider's own server is asked, or token probabilities
            are wanted, which the API does not give.
    """
    key = os.environ.get(KEY_VARIABLE)
    if not key and settings.base_url is None:
        raise ModelError(f"anthropic/{name}: set {KEY_VARIABLE}")
    if settings.logprobs:
        raise ModelError(f"anthropic/{name}: the Messages API gives no token probabilities")
    wire = Messages()
    identity = {
        "format": "anthropic-messages",
        "model": name,
        "sampling": sampling(name, settings),
        "structured": keeps_schema(name, settings),
        "params": dict(settings.params),
        "system": settings.system,
        "images": wire.image_limits(settings).identity(),
    }
    return HttpModel(f"anthropic/{name}", name, wire, settings, key, identity)
