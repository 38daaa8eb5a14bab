"""The interface of every model: a request in, a raw response out, and a pure parsing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, get_args, runtime_checkable

import orjson

from vlsu._arguments import require_kinds
from vlsu._text import collapsed_line
from vlsu.errors import UsageError
from vlsu.models.images import (
    HEAD,
    Encoded,
    EncodedImage,
    ImageFile,
    ImageLimits,
    ImageSource,
    is_deep_grey,
)
from vlsu.policy.outcome import Outcome
from vlsu.policy.severity import SEVERITY_CODES, Severity

__all__ = [
    "HEAD",
    "TOKEN_COUNTS",
    "Encoded",
    "EncodedImage",
    "Fault",
    "GuardPolicy",
    "ImageFile",
    "ImageLimits",
    "ImagePart",
    "ImageSource",
    "Message",
    "Model",
    "Outcome",
    "Part",
    "Raw",
    "Request",
    "Response",
    "Settings",
    "Structured",
    "answerable_severities",
    "is_deep_grey",
    "is_scored",
    "levels_of",
    "question_bytes_of",
    "require_answers",
    "score_schema",
]


class ImagePart(NamedTuple):
    """An image within a message, by the SHA-256 of its bytes."""

    sha256: str


Part = str | ImagePart

#: When to have the server enforce a JSON schema (structured output).
Structured = Literal["auto", "on", "off"]

#: Whose question a guard is asked: that of its publisher, or one of the run's policy.
GuardPolicy = Literal["own", "ours"]

#: Title of the schema of requests that are scored.
_SCORED = "scored severities"


#: One object, so that what is cached by identity is found again.
_NO_PARAMS: Mapping[str, object] = MappingProxyType({})


class Message(NamedTuple):
    """One turn: role ``"system"``, ``"user"`` or ``"assistant"`` and its parts in order."""

    role: str
    parts: tuple[Part, ...]


class Request(NamedTuple):
    """A request to a model, independent of any provider's format.

    Attributes:
        messages: The conversation; the last turn is usually the user's.
        schema: JSON schema of the answer, sent where the server can enforce it. A classifier,
            which reads no instructions, gets one only under a policy of two severities.
        draw: Index of this answer among several to the same prompt, from 0. Part of the request
            key, never sent.
        params: Further fields of the request body, such as ``chat_template_kwargs``; those of
            `Settings` go before them. Set by a guard for its own questions, whose templates are
            part of its identity: no part of the request key.
        shared_prefix: Whether further requests begin with the same system prompt and image, so that
            a provider that caches what is marked is to cache the image too. It changes no answer:
            no part of the request key.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, object] | None = None
    draw: int = 0
    params: Mapping[str, object] = _NO_PARAMS
    shared_prefix: bool = False

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of each image, in order."""
        return tuple(
            part.sha256 for m in self.messages for part in m.parts if isinstance(part, ImagePart)
        )


def answerable_severities(request: Request) -> tuple[str, ...]:
    """The severities that an answer may have: all three, unless the request's schema has fewer.

    A classifier reads no policy. Of one with two severities it is told so by the schema.
    """
    properties = (request.schema or {}).get("properties")
    field_ = properties.get("severity") if isinstance(properties, Mapping) else None
    listed = field_.get("enum") if isinstance(field_, Mapping) else None
    return tuple(listed) if isinstance(listed, list) else tuple(SEVERITY_CODES)


def score_schema(severities: Sequence[str]) -> Mapping[str, object]:
    """The schema of a request whose severities are scored; it lists them, and is never sent."""
    listed = {"type": "string", "enum": list(severities)}
    return {"title": _SCORED, "type": "object", "properties": {"severity": listed}}


def is_scored(request: Request) -> bool:
    """Whether a request's severities are scored in place of an answer that is generated."""
    return request.schema is not None and request.schema.get("title") == _SCORED


class Raw(NamedTuple):
    """A response exactly as received.

    Attributes:
        status: HTTP status; 200 for an in-process model; 0 if no response arrived, and `body` then
            describes the fault as ``kind: message``.
        latency_s: Seconds from sending to the last byte of the last attempt; 0 where nothing is
            known of them, as of an answer that came in a batch.
        retry_after: Seconds to wait before a retry, if the server asked for it.
        pause_s: Seconds until the server accepts more requests, by its rate-limit headers.
    """

    status: int
    body: bytes
    latency_s: float = 0.0
    retry_after: float | None = None
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer.

    Attributes:
        kind: A short, stable name such as ``"rate-limit"``; runs count faults by it.
        message: One line without any content of the request.
        retry: Whether a retry may succeed.
        fatal: Whether every other request would fail too (wrong key, no such model).
    """

    kind: str
    message: str
    retry: bool = False
    fatal: bool = False


#: The counts of tokens of a response.
TOKEN_COUNTS = (
    *("input_tokens", "output_tokens"),
    *("cached_tokens", "cache_write_tokens", "reasoning_tokens"),
)


class Response(NamedTuple):
    """A raw response, parsed.

    Attributes:
        outcome: `OK` with a text, `UNPARSED` if the answer is empty or its finish reason is not a
            known normal one, `REFUSED`, `BLOCKED`, or `ERROR` with a fault.
        text: The answer; a reasoning model's reasoning is in `reasoning`.
        cut_off: Whether the answer is truncated: it ended at the token limit or with an unknown
            finish reason (`vlsu.models.bodies.endings`). What it states may be a draft.
        input_tokens: Tokens of the prompt, those read from or written to a cache included.
        output_tokens: Tokens generated, reasoning included.
        p_unsafe: Probability of unsafe in [0, 1], from models that provide one.
        cached_tokens: Of the input, tokens that the provider read from its cache.
        cache_write_tokens: Of the input, tokens that it wrote to its cache and bills as such.
        reasoning_tokens: Of the output, tokens of reasoning.
    """

    outcome: Outcome
    text: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    cut_off: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    p_unsafe: float | None = None
    fault: Fault | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


@runtime_checkable
class Model(Protocol):
    """A model under test, a guard or a judge."""

    @property
    def spec(self) -> str:
        """``provider/name``, as the user wrote it."""
        ...

    @property
    def takes_instructions(self) -> bool:
        """False for classifiers, which are given only the image and the text."""
        ...

    @property
    def modalities(self) -> frozenset[str]:
        """What it can judge, of ``image``, ``text`` and ``joint``."""
        ...

    @property
    def image_limits(self) -> ImageLimits | None:
        """The images it accepts; `None` if it accepts every image of a dataset."""
        ...

    def identity(self) -> Mapping[str, object]:
        """Everything that could change an answer, as JSON values: part of every request key."""
        ...

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Send one request. Network faults are a `Raw` of status 0, not exceptions."""
        ...

    def read(self, raw: Raw) -> Response:
        """Parse a raw response. Pure, so that stored responses can be parsed again at any time."""
        ...

    async def close(self) -> None:
        """Free connections and threads."""
        ...


def question_bytes_of(model: Model, modality: str) -> tuple[int, ...] | None:
    """UTF-8 bytes of each call that a request comes to, without the content; `None`: one, as it is.

    A guard asks questions of its own in place of what a task sends it.
    """
    of = getattr(model, "question_bytes", None)
    return None if of is None else tuple(of(modality))


def levels_of(model: Model) -> tuple[Severity, ...] | None:
    """The severities that a model can give at all, mildest first; `None` for every one.

    A guard that only tells safe from unsafe has the attribute ``levels``. Metrics of three
    severities say nothing of it.
    """
    levels = getattr(model, "levels", None)
    return None if levels is None else tuple(sorted(levels))


def require_answers(model: Model, settings: Settings | None = None) -> None:
    """Check that a model writes answers, as all tasks but one need.

    Args:
        model: The model.
        settings: How it is asked.

    Raises:
        UsageError: It only scores severities.
    """
    if model.identity().get("score") or (settings is not None and settings.score):
        raise UsageError(
            f"{model.spec} scores severities and writes no answer: that is for vlsu run "
            "understanding alone"
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """How requests to a model are made.

    Attributes:
        base_url: Base URL of an OpenAI-compatible or other server; `None` for the provider's own.
        system: A system prompt of the user's, put before the task's.
        max_tokens: Maximum tokens of the answer; a budget for reasoning is added where needed.
        seed: Sent to providers that accept one.
        timeout_s: Seconds for one attempt, connection included.
        params: Other fields of the request body, passed through unchanged.
        structured: Whether the server enforces the request's JSON schema: ``"auto"`` where the
            provider documents it for the model, ``"on"``, or ``"off"``.
        logprobs: Whether to request token log probabilities, from which `Response.p_unsafe` is
            computed; `None` asks for them where a guard's format is known to give it one.
        insecure_http: Whether a key may be sent over plain HTTP to a host that is neither this
            machine nor in a private network.
        score: Whether the severity is the most probable of the policy's words in place of an
            answer that is generated: one forward pass, and `Response.p_unsafe` with it.
        guard_policy: Of a guard that takes a policy at run time, whose question it is asked.
        device: Of a model in this process, where it runs: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: Of its weights: ``float32``, ``bfloat16``, ``float16``.
        max_batch: Requests that it answers at once, at most.
        quantize: How its weights are quantized when they are loaded: ``8bit`` or ``4bit``.
        adapter: A LoRA adapter on top of it: a folder, or a name on the hub.

    Raises:
        UsageError: A value is of the wrong kind or out of range.
    """

    base_url: str | None = None
    system: str | None = None
    max_tokens: int = 1024
    seed: int | None = None
    timeout_s: float = 120.0
    params: Mapping[str, object] = field(default_factory=dict)
    structured: Structured = "auto"
    logprobs: bool | None = None
    insecure_http: bool = False
    score: bool = False
    guard_policy: GuardPolicy = "own"
    device: str | None = None
    dtype: str | None = None
    max_batch: int | None = None
    quantize: str | None = None
    adapter: str | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.structured not in get_args(Structured):
            raise UsageError(f"structured {self.structured!r}: use auto, on or off")
        if self.guard_policy not in get_args(GuardPolicy):
            raise UsageError(f"guard-policy {self.guard_policy!r}: use own or ours")
        if self.max_batch is not None and self.max_batch < 1:
            raise UsageError(f"max-batch {self.max_batch}: a batch has at least 1 request")
        if self.max_tokens < 1:
            raise UsageError(f"max-tokens {self.max_tokens}: an answer needs at least 1")
        if not 0 < self.timeout_s < float("inf"):
            raise UsageError(f"timeout {self.timeout_s:g}: give seconds, more than 0")
        for name, value in self.params.items():
            try:
                orjson.dumps({name: value})
            except TypeError as error:
                why = collapsed_line(str(error), 100)
                raise UsageError(
                    f"params {collapsed_line(repr(name), 60)}: not a name with a JSON value ({why})"
                ) from None
