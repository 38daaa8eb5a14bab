"""What every model speaks: a request in, a raw response out, and a pure reading of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, get_args, runtime_checkable

import pybase64

from vlsu.errors import UsageError
from vlsu.policy.outcome import Outcome

__all__ = [
    "HEAD",
    "Encoded",
    "EncodedImage",
    "Fault",
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
    "is_deep_grey",
]


class ImagePart(NamedTuple):
    """An image within a message, by the SHA-256 of its bytes."""

    sha256: str


Part = str | ImagePart

#: When a server is made to keep to a JSON schema.
Structured = Literal["auto", "on", "off"]


class Message(NamedTuple):
    """One turn: role ``"system"``, ``"user"`` or ``"assistant"`` and its parts in order."""

    role: str
    parts: tuple[Part, ...]


class Request(NamedTuple):
    """What is asked of a model, free of how any provider writes it.

    Attributes:
        messages: The conversation; the last turn is the user's.
        schema: JSON schema of the wanted answer, used where the server can enforce it.
        draw: Which of several answers to the same question this is, from 0. It is part of the
            request's key and never sent.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, object] | None = None
    draw: int = 0

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of each image, in order."""
        return tuple(
            part.sha256 for m in self.messages for part in m.parts if isinstance(part, ImagePart)
        )


@dataclass(frozen=True)
class ImageFile:
    """An image's bytes as they lie in the dataset, and their media type (``image/png``)."""

    data: bytes
    media_type: str

    @cached_property
    def base64(self) -> bytes:
        """The bytes in base64, encoded once."""
        return pybase64.b64encode(self.data)


class Encoded(Protocol):
    """An image in base64, as wire formats write it."""

    @property
    def media_type(self) -> str:
        """Such as ``image/png``."""
        ...

    @property
    def base64(self) -> bytes:
        """The bytes in base64."""
        ...


class EncodedImage(NamedTuple):
    """An image of which nothing but its base64 is kept."""

    media_type: str
    base64: bytes


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a provider takes.

    Attributes:
        media_types: What it decodes.
        max_base64: Bytes of the image in base64, as it is sent; `None` for no documented bound.
        max_side: Pixels of the longer side; `None` for no documented bound.
        animated_gif: Whether a GIF may hold more than one frame.
    """

    media_types: tuple[str, ...]
    max_base64: int | None = None
    max_side: int | None = None
    animated_gif: bool = False

    def identity(self) -> Mapping[str, object]:
        """JSON-ready, for the model's identity."""
        return {
            "media_types": list(self.media_types),
            "max_base64": self.max_base64,
            "max_side": self.max_side,
            "animated_gif": self.animated_gif,
        }

    def takes(self, media_type: str, size: int, head: bytes | bytearray = b"") -> bool:
        """Whether an image of that type and of so many bytes is taken, whatever it shows.

        Args:
            media_type: Its type.
            size: Its bytes.
            head: The first of them.
        """
        still = media_type != "image/gif" or self.animated_gif
        known = media_type in self.media_types and self.holds(size)
        return known and still and self.max_side is None and not is_deep_grey(head)

    def holds(self, size: int) -> bool:
        """Whether so many bytes of image, in base64, are within the bound."""
        return self.max_base64 is None or (size + 2) // 3 * 4 <= self.max_base64


#: Bytes of a file that `is_deep_grey` looks at.
HEAD = 26


def is_deep_grey(head: bytes | bytearray) -> bool:
    """Whether a file begins as a grey PNG of 16 bits, which many servers cut off to white.

    They read it with Pillow, whose values beyond 255 become 255 where it is turned to colour.
    """
    return head[24:HEAD] == b"\x10\0" and head[:8] == b"\x89PNG\r\n\x1a\n"


class ImageSource(Protocol):
    """Where a model finds the images of a request."""

    def read_image(self, sha256: str) -> ImageFile:
        """The image of that digest.

        Raises:
            DataError: There is no such image or it cannot be read.
        """
        ...

    def read_encoded(self, sha256: str) -> Encoded:
        """The same in base64.

        Raises:
            DataError: There is no such image or it cannot be read.
        """
        ...


class Raw(NamedTuple):
    """What came back, as it came.

    Attributes:
        status: HTTP status; 200 for an in-process model; 0 when no response came, and then `body`
            is a short account of the fault.
        latency_s: Seconds from sending to the last byte, of the last attempt.
        retry_after: Seconds the server asked to wait before trying this again, if it did.
        pause_s: Seconds in which the server takes nothing more, by its rate-limit headers.
    """

    status: int
    body: bytes
    latency_s: float = 0.0
    retry_after: float | None = None
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no answer came.

    Attributes:
        kind: A short, stable name such as ``"rate-limit"``; counted in the run.
        message: One line without any content of the request.
        retry: Whether asking again may help.
        fatal: Whether every further request would fail alike (wrong key, no such model).
    """

    kind: str
    message: str
    retry: bool = False
    fatal: bool = False


class Response(NamedTuple):
    """A raw response, read.

    Attributes:
        outcome: `OK` with a text, `UNPARSED` where the answer is empty or came to no listed end,
            `REFUSED`, `BLOCKED`, or `ERROR` with a fault.
        text: The answer; a reasoning model's reasoning is apart, in `reasoning`.
        cut_off: Whether the answer ended otherwise than it should: at the token limit, or in a way
            that is not listed (`vlsu.models.bodies.endings`). What it states may be a draft.
        p_unsafe: Probability of unsafe in [0, 1], from models that give one.
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


@runtime_checkable
class Model(Protocol):
    """A model under test, a guard or a judge."""

    @property
    def spec(self) -> str:
        """``provider/name``, as the user wrote it."""
        ...

    @property
    def takes_instructions(self) -> bool:
        """False for classifiers, which are shown the bare image and text."""
        ...

    @property
    def modalities(self) -> frozenset[str]:
        """What it can judge, of ``image``, ``text`` and ``joint``."""
        ...

    @property
    def image_limits(self) -> ImageLimits | None:
        """What it takes as an image; `None` for whatever a dataset holds."""
        ...

    def identity(self) -> Mapping[str, object]:
        """All that could change an answer, JSON-ready: it enters every request's key."""
        ...

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Ask once. Network faults are a `Raw` of status 0, not exceptions."""
        ...

    def read(self, raw: Raw) -> Response:
        """Read what came back. Pure: stored responses are read again at any time."""
        ...

    async def close(self) -> None:
        """Free connections and threads."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is asked.

    Attributes:
        base_url: Root of an OpenAI-compatible or other server; `None` for the provider's own.
        system: A system prompt of the user's, put before the task's.
        max_tokens: Bound on the answer, in tokens; room to reason is added where a model needs it.
        seed: Sent to the provider where it takes one.
        timeout_s: Seconds for one attempt, connection included.
        params: Anything else, passed on as it is.
        structured: Whether the server is made to keep to the request's JSON schema: ``"auto"``
            where the provider documents it for the model, ``"on"``, or ``"off"``.
        logprobs: Whether to ask for token probabilities, from which `Response.p_unsafe` follows.
        insecure_http: Whether a key may go over plain HTTP to a host that is neither this machine
            nor of a private network.

    Raises:
        UsageError: A value is out of range.
    """

    base_url: str | None = None
    system: str | None = None
    max_tokens: int = 1024
    seed: int | None = None
    timeout_s: float = 120.0
    params: Mapping[str, object] = field(default_factory=dict)
    structured: Structured = "auto"
    logprobs: bool = False
    insecure_http: bool = False

    def __post_init__(self) -> None:
        if self.structured not in get_args(Structured):
            raise UsageError(f"structured {self.structured!r}: use auto, on or off")
        if self.max_tokens < 1:
            raise UsageError(f"max-tokens {self.max_tokens}: an answer needs at least 1")
        if not 0 < self.timeout_s < float("inf"):
            raise UsageError(f"timeout {self.timeout_s:g}: give seconds, more than 0")
