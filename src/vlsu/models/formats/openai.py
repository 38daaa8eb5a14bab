"""The chat-completions format: OpenAI and every server compatible with it.

Requests after the schema ``CreateChatCompletionRequest`` of OpenAI's published OpenAPI description:
image parts as ``image_url`` with a data address, ``logprobs``, ``response_format``. Answers are
read in `vlsu.models.formats.completion_answers`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from urllib.parse import urlsplit

from vlsu.errors import ModelError
from vlsu.models.base import Encoded, ImageLimits, Message, Request, Response, Settings
from vlsu.models.bodies.error_bodies import read_error
from vlsu.models.formats import image_limits
from vlsu.models.formats.completion_answers import error_response, read_completion
from vlsu.models.formats.wire import (
    REASONING_ROOM,
    SLOT,
    TOP_LOGPROBS,
    Images,
    decoded,
    message_text,
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

#: Whose key is sent where; any other server of one's own gets `OPENAI_API_KEY`, if it is set.
_KEY_VARIABLES = {"azure": "AZURE_OPENAI_API_KEY", "openrouter": "OPENROUTER_API_KEY"}

#: Models that refuse a temperature and token probabilities, and reason within their token bound.
_REASONING = re.compile(r"^(?:ft:)?(?:o\d|gpt-(?:[5-9]|\d\d)|codex)(?!.*-chat)")
#: Models from before structured outputs, by OpenAI's guide of that name.
_NO_SCHEMA = re.compile(
    r"^(?:ft:)?(?:gpt-3|gpt-4(?:$|-\d|-turbo|-vision)|gpt-4o-2024-05-13|chatgpt-|o1-(?:mini|preview))"
)

#: Tasks whose frames are kept; a run has one or two.
FRAMES = 64


class ChatCompletions:
    """The wire format of chat completions, as pure functions.

    Args:
        key_header: Where the key goes; Azure takes it bare in ``api-key``.
    """

    #: Whether a choice holds its text itself, and no message.
    _plain = False

    def __init__(self, key_header: str = "Authorization") -> None:
        self._key_header = key_header
        self._frames: dict[tuple[object, ...], tuple[tuple[bytes, bytes], object]] = {}

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/chat/completions``; a base that already ends so is taken as it is."""
        base, question, query = (settings.base_url or DEFAULT_BASE_URL).partition("?")
        base = base.rstrip("/")
        if not base.endswith("/chat/completions"):
            base += "/chat/completions"
        return base + question + query

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, and the key: as a bearer token, or bare in the header that the server wants."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            bearer = self._key_header == "Authorization"
            headers[self._key_header] = f"Bearer {key}" if bearer else key
        return headers

    def image_limits(self, settings: Settings) -> ImageLimits:
        """OpenAI's own, and the same formats without its bound for any other server."""
        own = _server(settings.base_url) in ("openai", "azure")
        return image_limits.OPENAI if own else image_limits.ANY_SERVER

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """What the headers of an answer say; `now` is seconds since the epoch."""
        return rate_limits.openai_limits(header, now)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body. Images go as data addresses."""
        images = Images(image)
        *lead, last = request.messages
        if any(m.role != "system" for m in lead):
            messages = [_message(message, images) for message in request.messages]
            return images.pieces(self._body(model, messages, request, settings))
        before, after = self._frame(model, tuple(lead), request, settings)
        return images.framed(before, _message(last, images), after)

    def _frame(
        self, model: str, lead: tuple[Message, ...], request: Request, settings: Settings
    ) -> tuple[bytes, bytes]:
        """A body's JSON before and after its last message: the same for all requests of a task."""
        of = (lead, request.schema, settings)  # kept, so that no other can have their identity
        key = (model, *map(id, lead), id(request.schema), id(settings))
        found = self._frames.get(key)
        if found is None:
            words: list[object] = [_message(message, Images(_no_image)) for message in lead]
            body = self._body(model, [*words, SLOT], request, settings)
            frame = split_at_slot(body)
            if len(self._frames) >= FRAMES:
                self._frames.clear()
            found = self._frames[key] = (frame, of)
        return found[0]

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
        return body | dict(settings.params)

    def decode(self, status: int, body: bytes) -> Response:
        """Read status and body; anything that is not a completion is an error that says why."""
        if not is_answer(status):
            return error_response(status, read_error(body))
        return decoded(status, body, partial(read_completion, plain=self._plain))


class Completions(ChatCompletions):
    """The same without a chat template: one prompt, sent as it is to ``<base>/completions``.

    Shapes after ``CreateCompletionRequest`` and ``CreateCompletionResponse``, which vLLM, SGLang
    and llama.cpp serve as well. A request is one message of words.
    """

    _plain = True

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/completions``."""
        base, question, query = super().url(model, settings).partition("?")
        return base.removesuffix("/chat/completions") + "/completions" + question + query

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body, with the words as its prompt."""
        (message,) = request.messages
        body = {"model": model, "prompt": message_text(message), **sampling(model, settings)}
        return Images(image).pieces(body | dict(settings.params))


def sampling(model: str, settings: Settings) -> dict[str, object]:
    """Greedy, bounded decoding in the words the model accepts.

    OpenAI documents ``max_tokens`` as deprecated for ``max_completion_tokens``; other servers know
    the former. A reasoning model's bound gets `REASONING_ROOM` on top.
    """
    server = _server(settings.base_url)
    words: dict[str, object] = {"seed": settings.seed}
    if server in ("openai", "azure") and _REASONING.match(model):
        return words | {"max_completion_tokens": settings.max_tokens + REASONING_ROOM}
    bound = "max_completion_tokens" if server == "openai" else "max_tokens"
    words |= {"temperature": 0, bound: settings.max_tokens}
    if settings.logprobs:
        words |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    return words


def keeps_schema(model: str, settings: Settings) -> bool:
    """Whether the request's schema is sent along.

    ``auto`` sends it to OpenAI and Azure for models with structured outputs, and to no other
    server: not all know ``response_format``, and some fail on it.
    """
    if settings.structured == "auto":
        own = _server(settings.base_url) in ("openai", "azure")
        return own and not _NO_SCHEMA.match(model)
    return settings.structured == "on"


@lru_cache(maxsize=64)
def _server(base_url: str | None) -> str:
    """Whose server an address is: ``openai``, ``azure``, ``openrouter`` or ``other``."""
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


def _message(message: Message, images: Images) -> dict[str, object]:
    if all(isinstance(part, str) for part in message.parts):
        return {"role": message.role, "content": message_text(message)}
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            address = images.data_uri(part.sha256)
            content.append({"type": "image_url", "image_url": {"url": address}})
    return {"role": message.role, "content": content}


def key_of_server(spec: str, base_url: str | None) -> str | None:
    """The key that the environment holds for a server, or `None` where none is needed.

    Raises:
        ModelError: The server needs one, and none is set.
    """
    server = _server(base_url)
    variable = _KEY_VARIABLES.get(server, "OPENAI_API_KEY")
    key = os.environ.get(variable)
    if not key and server == "openai":
        raise ModelError(f"{spec}: set {variable}, or name a server with --base-url")
    if not key and server != "other":
        raise ModelError(f"{spec}: set {variable}, the key for {host_of(base_url or '')}")
    return key


def openai_model(name: str, settings: Settings) -> HttpModel:
    """The model behind ``openai/<name>``: OpenAI, or a compatible server named by --base-url.

    The key comes from ``OPENAI_API_KEY``, for Azure from ``AZURE_OPENAI_API_KEY``, for OpenRouter
    from ``OPENROUTER_API_KEY``; a server of one's own may need none.

    Raises:
        ModelError: No key is set for a provider that needs one, or token probabilities are wanted
            of a model that gives none.
    """
    key = key_of_server(f"openai/{name}", settings.base_url)
    words = sampling(name, settings)
    if settings.logprobs and "logprobs" not in words:
        raise ModelError(f"openai/{name}: a reasoning model gives no token probabilities")
    azure = _server(settings.base_url) == "azure"
    wire = ChatCompletions("api-key") if azure else ChatCompletions()
    identity = {
        "format": "chat-completions",
        "model": name,
        "sampling": words,
        "structured": keeps_schema(name, settings),
        "params": dict(settings.params),
        "system": settings.system,
        "images": wire.image_limits(settings).identity(),
    }
    spec, hint = f"openai/{name}", address_hint(settings.base_url)
    return HttpModel(spec, name, wire, settings, key, identity, not_found_hint=hint)
