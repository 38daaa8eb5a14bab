"""The Gemini ``generateContent`` format.

Shapes after the types of the official Python SDK (``GenerateContentResponse``, ``Candidate``,
``FinishReason``, ``BlockedReason``, ``GenerationConfig``, ``LogprobsResult``) and Google's guides
"Image understanding", "Structured output", "Gemini 3" and "Rate limits"; errors are ``google.rpc``
statuses with their details.

Safety settings are left at the provider's default, since they are part of what is measured; pass
others with ``--param safetySettings='[...]'``, and they become part of the run's identity.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import quote

from vlsu.errors import ModelError
from vlsu.models.base import ImageLimits, Message, Outcome, Request, Response, Settings
from vlsu.models.bodies.endings import Ending, name_of_ending, read_ending
from vlsu.models.bodies.error_bodies import ErrorBody, error_in, read_error
from vlsu.models.formats import image_limits
from vlsu.models.formats.logprobs import locate_severity, unsafe_share
from vlsu.models.formats.wire import (
    REASONING_ROOM,
    TOP_LOGPROBS,
    Images,
    Tree,
    answered,
    count,
    decoded,
    failed,
    first_choice,
    items,
    malformed,
    message_text,
    quota_fault,
    read_object,
    status_within,
    text_of,
    tree_of,
)
from vlsu.models.http import rate_limits
from vlsu.models.http.model import HttpModel, ReadImage, is_answer
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.transport import Body, Header

__all__ = ["GenerateContent", "google_model"]

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com/v1beta"
#: The official SDK looks for them in this order.
KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")

#: Since this version the guide advises against any temperature but the default.
NO_TEMPERATURE = (3, 0)
#: Since this version models think, and take a JSON schema as it is.
THINKS = STRUCTURED = (2, 5)

_VERSION = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
#: Parameters that stand beside ``generationConfig``; any other belongs into it.
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
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return headers | ({"x-goog-api-key": key} if key else {})

    def image_limits(self, settings: Settings) -> ImageLimits:
        """The API's, whichever server is asked."""
        return image_limits.GOOGLE

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """The wait an error asks for in ``RetryInfo``, or in ``Retry-After``.

        There are no headers that say what is left. `now` is seconds since the epoch.
        """
        asked = rate_limits.retry_after_s(header, now)
        for detail in _details(read_object(body) or {}):
            if text_of(detail.get("@type")).endswith("google.rpc.RetryInfo"):
                asked = rate_limits.duration_s(text_of(detail.get("retryDelay"))) or asked
        return RateLimits(retry_after_s=asked)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body: the system prompt apart, images inline in base64."""
        images = Images(image)
        config = sampling(model, settings)
        if request.schema is not None and keeps_schema(model, settings):
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = request.schema
        for name, value in settings.params.items():
            if name == "generationConfig":
                config |= dict(tree_of(value))
            elif name not in _TOP_LEVEL:
                config[name] = value
        system = [message_text(m) for m in request.messages if m.role == "system"]
        body: dict[str, object] = {
            "systemInstruction": {"parts": [{"text": words} for words in system]}
            if system
            else None,
            "contents": [_content(m, images) for m in request.messages if m.role != "system"],
            "generationConfig": {k: v for k, v in config.items() if v is not None},
        }
        return images.pieces(body | {k: v for k, v in settings.params.items() if k in _TOP_LEVEL})

    def decode(self, status: int, body: bytes) -> Response:
        """Read status and body; a blocked prompt is told in an answer of status 200.

        Output tokens are those of the answer and of the thoughts, which are paid alike.
        """
        if is_answer(status):
            return decoded(status, body, _of_tree)
        return _error(status, read_error(body), read_object(body, any_bytes=True) or {})


def sampling(model: str, settings: Settings) -> dict[str, object]:
    """Greedy, bounded decoding; the default temperature where the guide advises it.

    Thoughts count within ``maxOutputTokens``, so a thinking model gets `REASONING_ROOM` on top.
    """
    version = _version(model)
    room = REASONING_ROOM if version >= THINKS else 0
    words: dict[str, object] = {"maxOutputTokens": settings.max_tokens + room}
    if version < NO_TEMPERATURE:
        words["temperature"] = 0
    if settings.seed is not None:
        words["seed"] = settings.seed
    if settings.logprobs:
        words |= {"responseLogprobs": True, "logprobs": TOP_LOGPROBS}
    return words


def keeps_schema(model: str, settings: Settings) -> bool:
    """Whether the request's schema is sent: with ``auto``, to Gemini 2.5 and later."""
    if settings.structured == "auto":
        return _version(model) >= STRUCTURED
    return settings.structured == "on"


def _version(model: str) -> tuple[int, int]:
    """Version of a Gemini model by its name; one without a number is new, another family old."""
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
    """Details of a ``google.rpc`` status."""
    return map(tree_of, items(tree_of(tree.get("error")).get("details")))


def _error(status: int, error: ErrorBody, tree: Tree) -> Response:
    """An error; `tree` is the body it was read from, for what only its details say."""
    if status == 429 and any(_per_day(detail) for detail in _details(tree)):
        return quota_fault(status, "the quota of the day is used up")
    return failed(status, error)


def _per_day(detail: Tree) -> bool:
    """Whether a ``QuotaFailure`` names a limit a day, which no retry outlasts."""
    return any(
        "PerDay" in text_of(tree_of(violation).get("quotaId"))
        for violation in items(detail.get("violations"))
    )


def _of_tree(tree: Tree) -> Response:
    if tree.get("error"):
        found = error_in(tree)
        return _error(status_within(found), found, tree)
    usage = tree_of(tree.get("usageMetadata"))
    input_tokens = count(usage.get("promptTokenCount"))
    candidates = items(tree.get("candidates"))
    candidate = first_choice(candidates)
    feedback = tree_of(tree.get("promptFeedback"))
    reason = text_of(feedback.get("blockReason"))
    ratings = map(tree_of, items(feedback.get("safetyRatings")))
    if not candidate.get("finishReason") and (
        reason or any(rating.get("blocked") is True for rating in ratings)
    ):
        named = name_of_ending(reason) or "SAFETY"
        return Response(Outcome.BLOCKED, finish_reason=named, input_tokens=input_tokens)
    return _answer(candidate, usage) if candidates else malformed("the answer has no candidates")


def _answer(candidate: Tree, usage: Tree) -> Response:
    reason = candidate.get("finishReason")
    parts = [tree_of(part) for part in items(tree_of(candidate.get("content")).get("parts"))]
    text = "".join(text_of(part.get("text")) for part in parts if not part.get("thought"))
    spent = [count(usage.get(f"{what}TokenCount")) for what in ("candidates", "thoughts")]
    return answered(
        text,
        # "If empty, the model has not stopped generating tokens", by the reference.
        read_ending(reason, missing=Ending.UNKNOWN),
        reason=reason,
        reasoning="".join(text_of(part.get("text")) for part in parts if part.get("thought")),
        input_tokens=count(usage.get("promptTokenCount")),
        output_tokens=None if spent == [None, None] else sum(n or 0 for n in spent),
        p_unsafe=lambda: _p_unsafe(tree_of(candidate.get("logprobsResult")), text),
    )


def _p_unsafe(result: Tree, text: str) -> float | None:
    chosen = [tree_of(token) for token in items(result.get("chosenCandidates"))]
    tokens = [text_of(token.get("token")).encode() for token in chosen]
    place = locate_severity(tokens, text) if tokens else None
    if place is None:
        return None
    steps = items(result.get("topCandidates"))
    likeliest = tree_of(steps[place.token]) if place.token < len(steps) else {}
    entries = [chosen[place.token], *map(tree_of, items(likeliest.get("candidates")))]
    return unsafe_share(_scored(entries), place.lead)


def _scored(entries: list[Tree]) -> Iterator[tuple[bytes, float]]:
    for entry in entries:
        logprob = entry.get("logProbability")
        if isinstance(logprob, float | int) and logprob is not True:
            yield text_of(entry.get("token")).encode(), float(logprob)


def google_model(name: str, settings: Settings) -> HttpModel:
    """The model behind ``google/<name>``, by the Gemini API; key: GOOGLE_API_KEY or GEMINI_API_KEY.

    Raises:
        ModelError: No key is set and the provider's own server is asked.
    """
    key = next((value for v in KEY_VARIABLES if (value := os.environ.get(v))), None)
    if not key and settings.base_url is None:
        raise ModelError(f"google/{name}: set {KEY_VARIABLES[1]}")
    wire = GenerateContent()
    identity = {
        "format": "gemini",
        "model": name,
        "sampling": sampling(name, settings),
        "structured": keeps_schema(name, settings),
        "params": dict(settings.params),
        "system": settings.system,
        "images": wire.image_limits(settings).identity(),
    }
    return HttpModel(f"google/{name}", name, wire, settings, key, identity)
