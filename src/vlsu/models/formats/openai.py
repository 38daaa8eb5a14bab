"""The chat-completions format: OpenAI and every server compatible with it.

Requests after the schema ``CreateChatCompletionRequest`` of OpenAI's published OpenAPI description:
image parts as ``image_url`` with a data address, ``logprobs``, ``response_format``; for the prompt
cache ``prompt_cache_key``, ``prompt_cache_options`` and ``prompt_cache_breakpoint``, as the guide
"Prompt caching" and the official Python SDK (3.57) have them. Answers are read in
`vlsu.models.formats.completion_answers`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from urllib.parse import urlsplit

from vlsu.errors import ModelError
from vlsu.models.base import Encoded, ImageLimits, Message, Request, Response, Settings
from vlsu.models.bodies.error_bodies import parse_error_body
from vlsu.models.formats import image_limits
from vlsu.models.formats.completion_answers import error_response, read_completion
from vlsu.models.formats.prompt_cache import OPENAI_LEAST, is_cacheable
from vlsu.models.formats.scoring import ScoredModel, decode_scored, scored_settings
from vlsu.models.formats.wire import (
    JSON_HEADERS,
    REASONING_ROOM,
    SLOT,
    TOP_LOGPROBS,
    Images,
    decode_body,
    message_text,
    provider_identity,
    split_at_slot,
)
from vlsu.models.http import rate_limits
from vlsu.models.http.address import address_hint
from vlsu.models.http.model import HttpModel, ReadImage, is_answer
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.transport import Body, Header, host_of

__all__ = [
    "ChatCompletions",
    "Completions",
    "key_of_server",
    "openai_model",
    "sampling",
]

DEFAULT_BASE_URL = "https://api.openai.com/v1"

#: Variables of the keys for these servers; any other server gets `OPENAI_API_KEY`, if it is set.
KEY_VARIABLES = {"azure": "AZURE_OPENAI_API_KEY", "openrouter": "OPENROUTER_API_KEY"}

#: Models that reject a temperature and log probabilities, and whose reasoning counts as output.
_REASONING = re.compile(r"^(?:ft:)?(?:o\d|gpt-(?:[5-9]|\d\d)|codex)(?!.*-chat)")
#: Models without structured outputs, according to OpenAI's guide of that name.
_NO_SCHEMA = re.compile(
    r"^(?:ft:)?(?:gpt-3|gpt-4(?:$|-\d|-turbo|-vision)|gpt-4o-2024-05-13|chatgpt-|o1-(?:mini|preview))"
)

#: Name and version of a GPT model; one that was fine-tuned is ``ft:`` and its name.
_GPT = re.compile(r"(?:ft:)?gpt-(\d{1,2})(?:\.(\d{1,2}))?(?!\d|o)")
#: Since this version a prompt is cached up to a mark, and what is written to the cache costs more.
MARKED_FROM = (5, 6)
_MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}

#: Maximum request templates that are cached; a run has one or two.
MAX_TEMPLATES = 64


class ChatCompletions:
    """The wire format of chat completions, as pure functions.

    Args:
        key_header: The header of the key; Azure expects it without a prefix in ``api-key``.
        scored: Whether an answer is the most probable severity (`vlsu.models.formats.scoring`).
    """

    #: Whether a choice has a text instead of a message.
    _plain = False

    def __init__(self, key_header: str = "Authorization", *, scored: bool = False) -> None:
        self._key_header = key_header
        self._scored = scored
        self._templates: dict[tuple[object, ...], tuple[tuple[bytes, bytes], object]] = {}

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/chat/completions``; a base URL that already ends so is unchanged."""
        base, question, query = (settings.base_url or DEFAULT_BASE_URL).partition("?")
        base = base.rstrip("/")
        if not base.endswith("/chat/completions"):
            base += "/chat/completions"
        return base + question + query

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, and the key: as a bearer token, or without a prefix in another header."""
        headers = dict(JSON_HEADERS)
        if key:
            bearer = self._key_header == "Authorization"
            headers[self._key_header] = f"Bearer {key}" if bearer else key
        return headers

    def image_limits(self, settings: Settings) -> ImageLimits:
        """OpenAI's limits, or the same formats without a size limit for any other server."""
        own = _server(settings.base_url) in ("openai", "azure")
        return image_limits.OPENAI if own else image_limits.ANY_SERVER

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """The limits in a response's headers; `now` is seconds since the epoch."""
        return rate_limits.openai_limits(header, now)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body, with images as data URLs."""
        images = Images(image)
        *lead, last = request.messages
        if any(m.role != "system" for m in lead):
            messages = [_message(message, images) for message in request.messages]
            return images.pieces(self._body(model, messages, request, settings))
        before, after = self._split_template(model, tuple(lead), request, settings)
        marked = request.shared_prefix and caches_marked(model, settings)
        return images.framed(before, _message(last, images, mark_image=marked), after)

    def _split_template(
        self, model: str, lead: tuple[Message, ...], request: Request, settings: Settings
    ) -> tuple[bytes, bytes]:
        """The JSON before and after a body's last message, shared by all requests of a task."""
        # Kept alive, so that ids are not reused.
        referents = (lead, request.schema, request.params, settings)
        key = (model, *map(id, lead), *map(id, referents[1:]))
        cached = self._templates.get(key)
        if cached is None:
            messages: list[object] = [_message(message, Images(_no_image)) for message in lead]
            prompt = "\n\n".join(message_text(message) for message in lead)
            options: dict[str, object] = {}
            if is_cacheable(len(prompt), OPENAI_LEAST):
                options = _cache_options(model, settings, prompt)
                if caches_marked(model, settings):
                    text = {"type": "text", "text": message_text(lead[-1]), **_MARK}
                    messages[-1] = {"role": lead[-1].role, "content": [text]}
            body = options | self._body(model, [*messages, SLOT], request, settings)
            frame = split_at_slot(body)
            if len(self._templates) >= MAX_TEMPLATES:
                self._templates.clear()
            cached = self._templates[key] = (frame, referents)
        return cached[0]

    def _body(
        self, model: str, messages: Sequence[object], request: Request, settings: Settings
    ) -> dict[str, object]:
        body: dict[str, object] = {
            "model": model,
            "messages": messages,
            **sampling(model, settings),
        }
        if request.schema is not None and keeps_schema(model, settings):
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": request.schema},
            }
        if caches_marked(model, settings):
            body["prompt_cache_options"] = {"mode": "explicit"}
        return body | dict(request.params) | dict(settings.params)

    def decode(self, status: int, body: bytes) -> Response:
        """Parse status and body; anything that is not a completion is an error with a message."""
        if self._scored:
            return decode_scored(status, body)
        if not is_answer(status):
            return error_response(status, parse_error_body(body))
        return decode_body(status, body, partial(read_completion, plain=self._plain))


class Completions(ChatCompletions):
    """The completions format, without a chat template: one prompt, to ``<base>/completions``.

    Shapes after ``CreateCompletionRequest`` and ``CreateCompletionResponse``, which vLLM, SGLang
    and llama.cpp serve as well. A request is one message of text.
    """

    _plain = True

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/completions``."""
        base, question, query = super().url(model, settings).partition("?")
        return base.removesuffix("/chat/completions") + "/completions" + question + query

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body, with the message as its prompt."""
        (message,) = request.messages
        body = {"model": model, "prompt": message_text(message), **sampling(model, settings)}
        if body.pop("logprobs", None):
            body["logprobs"] = body.pop("top_logprobs")  # here the number of alternatives
        return Images(image).pieces(body | dict(request.params) | dict(settings.params))


def sampling(model: str, settings: Settings) -> dict[str, object]:
    """Decoding parameters: greedy where possible, under the names that the server accepts.

    OpenAI deprecated ``max_tokens`` for ``max_completion_tokens``; other servers use the former.
    The limit of a reasoning model gets `REASONING_ROOM` on top.
    """
    server = _server(settings.base_url)
    parameters: dict[str, object] = {"seed": settings.seed}
    if server in ("openai", "azure") and _REASONING.match(model):
        return parameters | {"max_completion_tokens": settings.max_tokens + REASONING_ROOM}
    limit = "max_completion_tokens" if server == "openai" else "max_tokens"
    parameters |= {"temperature": 0, limit: settings.max_tokens}
    if settings.logprobs:
        parameters |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    return parameters


def caches_marked(model: str, settings: Settings) -> bool:
    """Whether a model caches a prompt exactly up to where it is marked: OpenAI's since GPT-5.6.

    Left to themselves these mark the end of the last message, which no other request has in common,
    and take a quarter more for the whole prompt that they write to their cache.
    """
    if _server(settings.base_url) != "openai":
        return False
    found = _GPT.match(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= MARKED_FROM


def _cache_options(model: str, settings: Settings, prompt: str) -> dict[str, object]:
    """The key by which OpenAI's own server sends requests of one prompt to one place."""
    if _server(settings.base_url) != "openai":
        return {}
    digest = hashlib.blake2b(prompt.encode(errors="replace"), digest_size=16).hexdigest()
    return {"prompt_cache_key": digest}


def keeps_schema(model: str, settings: Settings) -> bool:
    """Whether the request's schema is sent along.

    ``auto`` sends it to OpenAI and Azure for models with structured outputs, and to no other
    server: some do not know ``response_format``, or fail on it.
    """
    if settings.structured == "auto":
        own = _server(settings.base_url) in ("openai", "azure")
        return own and not _NO_SCHEMA.match(model)
    return settings.structured == "on"


@lru_cache(maxsize=64)
def _server(base_url: str | None) -> str:
    """The provider of a server: ``openai``, ``azure``, ``openrouter`` or ``other``."""
    if base_url is None:
        return "openai"
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return "other"
    if host == "api.openai.com" or host.endswith(".api.openai.com"):
        return "openai"
    if host.endswith((".openai.azure.com", ".services.ai.azure.com")):
        return "azure"
    return "openrouter" if host == "openrouter.ai" else "other"


def _no_image(sha256: str) -> Encoded:
    raise AssertionError(f"a system message with an image: {sha256}")


def _message(message: Message, images: Images, *, mark_image: bool = False) -> dict[str, object]:
    if all(isinstance(part, str) for part in message.parts):
        return {"role": message.role, "content": message_text(message)}
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            address = images.data_uri(part.sha256)
            mark = _MARK if mark_image and not content else {}
            content.append({"type": "image_url", "image_url": {"url": address}, **mark})
    return {"role": message.role, "content": content}


def key_of_server(spec: str, base_url: str | None) -> str | None:
    """The key for a server from the environment, or `None` if none is needed.

    Raises:
        ModelError: The server needs a key, and none is set.
    """
    server = _server(base_url)
    variable = KEY_VARIABLES.get(server, "OPENAI_API_KEY")
    key = os.environ.get(variable)
    if not key and server == "openai":
        raise ModelError(f"{spec}: set {variable}, or name a server with --base-url")
    if not key and server != "other":
        raise ModelError(f"{spec}: set {variable}, the key for {host_of(base_url or '')}")
    return key


def openai_model(name: str, settings: Settings) -> HttpModel:
    """The model behind ``openai/<name>``: OpenAI, or a compatible server named by --base-url.

    The key comes from ``OPENAI_API_KEY``, for Azure from ``AZURE_OPENAI_API_KEY``, for OpenRouter
    from ``OPENROUTER_API_KEY``; self-hosted servers may need none.

    Raises:
        ModelError: No key is set for a provider that needs one, or token probabilities are
            requested of a model that provides none.
    """
    key = key_of_server(f"openai/{name}", settings.base_url)
    if settings.score:
        settings = _scored_settings(name, settings)
    parameters = sampling(name, settings)
    if settings.logprobs and "logprobs" not in parameters:
        raise ModelError(f"openai/{name}: a reasoning model gives no token probabilities")
    azure = _server(settings.base_url) == "azure"
    wire = ChatCompletions("api-key" if azure else "Authorization", scored=settings.score)
    identity = provider_identity(
        "chat-completions",
        name,
        settings,
        sampling=parameters,
        structured=keeps_schema(name, settings),
        images=wire.image_limits(settings),
    )
    spec, hint = f"openai/{name}", address_hint(settings.base_url)
    if settings.score:
        identity["score"] = True
        return ScoredModel(spec, name, wire, settings, key, identity, not_found_hint=hint)
    return HttpModel(
        spec,
        name,
        wire,
        settings,
        key,
        identity,
        not_found_hint=hint,
        caches_from=OPENAI_LEAST if _server(settings.base_url) in ("openai", "azure") else None,
    )


def _scored_settings(name: str, settings: Settings) -> Settings:
    """The settings of a model that is scored.

    Raises:
        ModelError: It is a reasoning model that is not told not to reason: OpenAI's guide to its
            latest models allows log probabilities with the reasoning effort ``none`` alone.
    """
    reasons = _server(settings.base_url) in ("openai", "azure") and bool(_REASONING.match(name))
    if reasons and settings.params.get("reasoning_effort") != "none":
        raise ModelError(
            f"openai/{name}: a reasoning model gives no token probabilities, which --score needs; "
            "one that can do without may be asked so: --param reasoning_effort=none"
        )
    return scored_settings(settings, reasoning=reasons)
