"""The Gemini ``generateContent`` format.

Shapes after the types of the official Python SDK (``GenerateContentResponse``, ``Candidate``,
``FinishReason``, ``BlockedReason``, ``GenerationConfig``, ``LogprobsResult``) and Google's guides
"Image understanding", "Structured output", "Gemini 3" and "Rate limits"; errors are ``google.rpc``
statuses with their details.

Safety settings are left at the provider's default, since they are part of what is measured. Others
may be set with ``--param safetySettings='[...]'`` and are then part of the run's identity.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import quote

from vlsu.errors import ModelError
from vlsu.models.base import ImageLimits, Message, Outcome, Request, Response, Settings
from vlsu.models.bodies.endings import Ending, finish_reason_text, parse_finish_reason
from vlsu.models.bodies.error_bodies import ErrorBody, parse_error, parse_error_body
from vlsu.models.formats import image_limits
from vlsu.models.formats.google_caches import CachingGoogleModel
from vlsu.models.formats.logprobs import locate_severity, unsafe_probability
from vlsu.models.formats.prompt_cache import google_least
from vlsu.models.formats.wire import (
    JSON_HEADERS,
    REASONING_ROOM,
    TOP_LOGPROBS,
    Images,
    Tree,
    as_array,
    as_object,
    as_text,
    completed_response,
    decode_body,
    failed_response,
    first_choice,
    malformed_response,
    message_text,
    parse_object,
    provider_identity,
    quota_response,
    status_within,
    token_count,
)
from vlsu.models.http import rate_limits
from vlsu.models.http.model import HttpModel, ReadImage, is_answer
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.transport import Body, Header

__all__ = ["GenerateContent", "google_model"]

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com/v1beta"
#: In the order in which the official SDK checks them.
KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")

#: From this version on the guide advises against any temperature but the default.
NO_TEMPERATURE = (3, 0)
#: From this version on models think, and accept a JSON schema unchanged.
THINKS = STRUCTURED = (2, 5)
#: From this version on what is read from a cache costs a tenth.
CACHES = (2, 5)

_VERSION = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
#: Parameters at the top level; all others belong to ``generationConfig``.
_TOP_LEVEL = frozenset(
    {"safetySettings", "tools", "toolConfig", "cachedContent", "labels", "serviceTier", "store"}
)


class GenerateContent:
    """The wire format of ``generateContent``, as pure functions."""

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/models/<model>:generateContent``; the key is never part of it."""
        base = (settings.base_url or DEFAULT_BASE_URL).rstrip("/")
        if not re.search(r"/v\d\w*(?:/|$)", base):
            base += "/v1beta"
        path = model if "/" in model else f"models/{model}"
        return f"{base}/{quote(path)}:generateContent"

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, and the key in ``x-goog-api-key``."""
        return JSON_HEADERS | ({"x-goog-api-key": key} if key else {})

    def image_limits(self, settings: Settings) -> ImageLimits:
        """The limits of Google's API, for any server."""
        return image_limits.GOOGLE

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """The wait that an error requests in ``RetryInfo``, or in ``Retry-After``.

        No headers state the remaining limits. `now` is seconds since the epoch.
        """
        asked = rate_limits.retry_after_s(header, now)
        for detail in _details(parse_object(body) or {}):
            if as_text(detail.get("@type")).endswith("google.rpc.RetryInfo"):
                asked = rate_limits.duration_s(as_text(detail.get("retryDelay"))) or asked
        return RateLimits(retry_after_s=asked)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body: a separate system instruction, images inline in base64."""
        images = Images(image)
        config = sampling(model, settings)
        if request.schema is not None and keeps_schema(model, settings):
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = request.schema
        for name, value in settings.params.items():
            if name == "generationConfig":
                config |= dict(as_object(value))
            elif name not in _TOP_LEVEL:
                config[name] = value
        system = [message_text(m) for m in request.messages if m.role == "system"]
        body: dict[str, object] = {
            "systemInstruction": {"parts": [{"text": text} for text in system]} if system else None,
            "contents": [_content(m, images) for m in request.messages if m.role != "system"],
            "generationConfig": {k: v for k, v in config.items() if v is not None},
        }
        top = {k: v for k, v in settings.params.items() if k in _TOP_LEVEL}
        return images.pieces(body | dict(request.params) | top)

    def decode(self, status: int, body: bytes) -> Response:
        """Parse status and body; a blocked prompt is reported with status 200.

        Output tokens are those of the answer and of the thoughts, which are billed alike.
        """
        if is_answer(status):
            return decode_body(status, body, _read_tree)
        return _error(
            status, parse_error_body(body), parse_object(body, replace_invalid=True) or {}
        )


def sampling(model: str, settings: Settings) -> dict[str, object]:
    """Decoding parameters: greedy, or the default temperature where the guide advises it.

    Thoughts count towards ``maxOutputTokens``, so a thinking model gets `REASONING_ROOM` on top.
    """
    version = _version(model)
    room = REASONING_ROOM if version >= THINKS else 0
    parameters: dict[str, object] = {"maxOutputTokens": settings.max_tokens + room}
    if version < NO_TEMPERATURE:
        parameters["temperature"] = 0
    if settings.seed is not None:
        parameters["seed"] = settings.seed
    if settings.logprobs:
        parameters |= {"responseLogprobs": True, "logprobs": TOP_LOGPROBS}
    return parameters


def keeps_schema(model: str, settings: Settings) -> bool:
    """Whether the request's schema is sent: with ``auto``, to Gemini 2.5 and later."""
    if settings.structured == "auto":
        return _version(model) >= STRUCTURED
    return settings.structured == "on"


def _version(model: str) -> tuple[int, int]:
    """Version of a Gemini model from its name; without a number the newest, else the oldest."""
    if found := _VERSION.search(model):
        return int(found[1]), int(found[2] or 0)
    return (99, 0) if "gemini" in model else (0, 0)


def _content(message: Message, images: Images) -> dict[str, object]:
    parts: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, str):
            parts.append({"text": part})
        else:
            media_type, data = images.base64(part.sha256)
            parts.append({"inlineData": {"mimeType": media_type, "data": data}})
    return {"role": "model" if message.role == "assistant" else "user", "parts": parts}


def _details(tree: Tree) -> Iterator[Tree]:
    """The details of a ``google.rpc`` status."""
    return map(as_object, as_array(as_object(tree.get("error")).get("details")))


def _error(status: int, error: ErrorBody, tree: Tree) -> Response:
    """The response for an error; `tree` is its body, for details that `ErrorBody` does not hold."""
    if status == 429 and any(_per_day(detail) for detail in _details(tree)):
        return quota_response(status, "the quota of the day is used up")
    return failed_response(status, error)


def _per_day(detail: Tree) -> bool:
    """Whether a ``QuotaFailure`` names a daily limit, for which a retry is useless."""
    return any(
        "PerDay" in as_text(as_object(violation).get("quotaId"))
        for violation in as_array(detail.get("violations"))
    )


def _read_tree(tree: Tree) -> Response:
    if tree.get("error"):
        found = parse_error(tree)
        return _error(status_within(found), found, tree)
    usage = as_object(tree.get("usageMetadata"))
    input_tokens = token_count(usage.get("promptTokenCount"))
    candidates = as_array(tree.get("candidates"))
    candidate = first_choice(candidates)
    feedback = as_object(tree.get("promptFeedback"))
    reason = as_text(feedback.get("blockReason"))
    ratings = map(as_object, as_array(feedback.get("safetyRatings")))
    if not candidate.get("finishReason") and (
        reason or any(rating.get("blocked") is True for rating in ratings)
    ):
        named = finish_reason_text(reason) or "SAFETY"
        return Response(Outcome.BLOCKED, finish_reason=named, input_tokens=input_tokens)
    return (
        _answer(candidate, usage)
        if candidates
        else malformed_response("the answer has no candidates")
    )


def _answer(candidate: Tree, usage: Tree) -> Response:
    reason = candidate.get("finishReason")
    parts = [as_object(part) for part in as_array(as_object(candidate.get("content")).get("parts"))]
    text = "".join(as_text(part.get("text")) for part in parts if not part.get("thought"))
    spent = [token_count(usage.get(f"{kind}TokenCount")) for kind in ("candidates", "thoughts")]
    return completed_response(
        text,
        # "If empty, the model has not stopped generating tokens", according to the reference.
        parse_finish_reason(reason, missing=Ending.UNKNOWN),
        reason=reason,
        reasoning="".join(as_text(part.get("text")) for part in parts if part.get("thought")),
        input_tokens=token_count(usage.get("promptTokenCount")),
        output_tokens=None if spent == [None, None] else sum(n or 0 for n in spent),
        cached_tokens=token_count(usage.get("cachedContentTokenCount")),
        reasoning_tokens=spent[1],
        p_unsafe=lambda: _p_unsafe(as_object(candidate.get("logprobsResult")), text),
    )


def _p_unsafe(result: Tree, text: str) -> float | None:
    chosen = [as_object(token) for token in as_array(result.get("chosenCandidates"))]
    tokens = [as_text(token.get("token")).encode() for token in chosen]
    place = locate_severity(tokens, text) if tokens else None
    if place is None:
        return None
    steps = as_array(result.get("topCandidates"))
    likeliest = as_object(steps[place.token]) if place.token < len(steps) else {}
    entries = [chosen[place.token], *map(as_object, as_array(likeliest.get("candidates")))]
    return unsafe_probability(_scored(entries), place.lead)


def _scored(entries: list[Tree]) -> Iterator[tuple[bytes, float]]:
    for entry in entries:
        logprob = entry.get("logProbability")
        if isinstance(logprob, float | int) and logprob is not True:
            yield as_text(entry.get("token")).encode(), float(logprob)


def google_model(name: str, settings: Settings) -> HttpModel:
    """The model behind ``google/<name>``, by the Gemini API; key: GOOGLE_API_KEY or GEMINI_API_KEY.

    Raises:
        ModelError: No key is set for the provider's own server.
    """
    key = next((value for v in KEY_VARIABLES if (value := os.environ.get(v))), None)
    if not key and settings.base_url is None:
        raise ModelError(f"google/{name}: set {KEY_VARIABLES[1]}")
    wire = GenerateContent()
    identity = provider_identity(
        "gemini",
        name,
        settings,
        sampling=sampling(name, settings),
        structured=keeps_schema(name, settings),
        images=wire.image_limits(settings),
    )
    spec, own = f"google/{name}", settings.base_url is None
    least = google_least(name) if own else None
    if least is not None and _version(name) >= CACHES and "/" not in name:
        return CachingGoogleModel(spec, name, wire, settings, key, identity, caches_from=least)
    return HttpModel(spec, name, wire, settings, key, identity, caches_from=least)
