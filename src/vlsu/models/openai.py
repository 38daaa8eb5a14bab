"""The chat-completions format: OpenAI and every server compatible with it.

Shapes after the API reference of ``POST /chat/completions``: image parts as ``image_url`` with a
data address, ``finish_reason``, ``refusal``, ``usage``; ``reasoning_content`` and ``reasoning`` as
vLLM, SGLang, DeepSeek and OpenRouter write them; ``content_filter`` errors as Azure writes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import orjson

from vlsu.errors import ModelError
from vlsu.models.base import Fault, Message, Outcome, Request, Response, Settings
from vlsu.models.http import HttpModel, ReadImage, data_uri, http_fault

__all__ = ["ChatCompletions", "openai_model"]

DEFAULT_BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"

#: OpenAI's reasoning models refuse a temperature and count the answer's bound otherwise.
_REASONING = re.compile(r"^(o\d|gpt-5)")
_BLOCKED_CODES = {"content_filter", "content_policy_violation", "invalid_prompt"}
_FATAL_CODES = {"insufficient_quota", "billing_not_active", "account_deactivated"}


class ChatCompletions:
    """The wire format of chat completions, as two pure functions."""

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/chat/completions``; a base that already ends so is taken as it is."""
        base = (settings.base_url or DEFAULT_BASE_URL).rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, and the key as a bearer token."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return headers | ({"Authorization": f"Bearer {key}"} if key else {})

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> bytes:
        """The JSON body. Images go as data addresses, unchanged."""
        body: dict[str, object] = {
            "model": model,
            "messages": [_message(message, image) for message in request.messages],
            **_sampling(model, settings),
            **settings.params,
        }
        return orjson.dumps({name: value for name, value in body.items() if value is not None})

    def decode(self, status: int, body: bytes) -> Response:
        """Read status and body; anything that is not a completion is an error that says why."""
        try:
            tree = orjson.loads(body)
        except orjson.JSONDecodeError:
            if status != 200:
                return http_fault(status, "")
            return _malformed("the answer is not JSON")
        if not isinstance(tree, dict):
            return (
                _malformed("the answer is not an object")
                if status == 200
                else http_fault(status, "")
            )
        if status != 200 or (tree.get("error") and not tree.get("choices")):
            return _error(status, tree.get("error", tree))
        return _completion(tree)


def _message(message: Message, image: ReadImage) -> dict[str, object]:
    if all(isinstance(part, str) for part in message.parts):
        return {"role": message.role, "content": "\n\n".join(map(str, message.parts))}
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            content.append(
                {"type": "image_url", "image_url": {"url": data_uri(image(part.sha256))}}
            )
    return {"role": message.role, "content": content}


def _sampling(model: str, settings: Settings) -> dict[str, object]:
    """Greedy, bounded decoding, in the words the model accepts."""
    own_server = settings.base_url is not None
    if _REASONING.match(model) and not own_server:
        return {"max_completion_tokens": settings.max_tokens, "seed": settings.seed}
    return {"temperature": 0, "max_tokens": settings.max_tokens, "seed": settings.seed}


def _malformed(what: str) -> Response:
    return Response(Outcome.ERROR, fault=Fault("malformed", what, retry=True))


def _error(status: int, error: object) -> Response:
    """An error body; also one that came with status 200, as some routers send it."""
    tree: Mapping[str, Any] = error if isinstance(error, dict) else {"message": error}
    code, message = str(tree.get("code") or ""), str(tree.get("message") or "")
    if status == 200:
        status = int(code) if code.isdigit() else 500
    inner = tree.get("innererror")
    inner_code = str(inner.get("code") or "") if isinstance(inner, dict) else ""
    if code in _BLOCKED_CODES or inner_code == "ResponsibleAIPolicyViolation":
        return Response(Outcome.BLOCKED, finish_reason=code)
    if code in _FATAL_CODES:
        return Response(Outcome.ERROR, fault=Fault("quota", f"HTTP {status}: {code}", fatal=True))
    return http_fault(status, message)


def _completion(tree: Mapping[str, Any]) -> Response:
    choices = tree.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return _malformed("the answer has no choices")
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        return _malformed("the first choice has no message")
    finish = str(choice.get("finish_reason") or "")
    usage = tree.get("usage")
    tokens = usage if isinstance(usage, dict) else {}
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    refusal = message.get("refusal")
    text = _text(message.get("content"))
    outcome = Outcome.OK
    if finish == "content_filter":
        outcome = Outcome.BLOCKED
    elif refusal:
        outcome, text = Outcome.REFUSED, text or str(refusal)
    return Response(
        outcome,
        text=text,
        reasoning=reasoning if isinstance(reasoning, str) else "",
        finish_reason=finish,
        cut_off=finish == "length",
        input_tokens=_count(tokens.get("prompt_tokens")),
        output_tokens=_count(tokens.get("completion_tokens")),
    )


def _text(content: object) -> str:
    """The answer's text: a string, a list of text parts, or null."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def openai_model(name: str, settings: Settings) -> HttpModel:
    """The model behind ``openai/<name>``.

    The key comes from ``OPENAI_API_KEY``; with `settings.base_url` set it may be absent.

    Raises:
        ModelError: No key is set and the provider's own server is asked.
    """
    key = os.environ.get(KEY_VARIABLE)
    if key is None and settings.base_url is None:
        raise ModelError(f"openai/{name}: set {KEY_VARIABLE}, or name a server with --base-url")
    wire = ChatCompletions()
    identity = {
        "format": "chat-completions",
        "model": name,
        "sampling": _sampling(name, settings),
        "params": dict(settings.params),
        "system": settings.system,
    }
    return HttpModel(f"openai/{name}", name, wire, settings, key, identity)
