"""What the wire formats share: reading JSON nobody vouches for, and putting an image into it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import orjson

from vlsu.models.base import Encoded, Fault, Message, Outcome, Response
from vlsu.models.http import ReadImage, http_fault
from vlsu.models.transport import Body

__all__ = [
    "REASONING_ROOM",
    "SLOT",
    "TOP_LOGPROBS",
    "Images",
    "Tree",
    "answered",
    "count",
    "error_message",
    "items",
    "malformed",
    "message_text",
    "quota_fault",
    "read_object",
    "refused_by_status",
    "split_at_slot",
    "text_of",
    "tree_of",
]

#: Tokens a reasoning model may spend before its answer begins, on top of the answer's own bound:
#: what OpenAI's guide "Reasoning models" recommends to reserve. They are paid for only if used.
REASONING_ROOM = 25_000

#: Alternatives asked for at each token, where probabilities are asked for; servers allow up to 20.
TOP_LOGPROBS = 10

Tree = Mapping[str, object]

_EMPTY: Tree = {}
_SLOT = b"\x00"
#: Stands in a tree for what is put in later.
SLOT = orjson.Fragment(_SLOT)
_KEY_LIKE = re.compile(r"\b(?:sk-|AIza|Bearer\s+)[\w.*-]+", re.IGNORECASE)
#: Where validation messages begin to quote the request.
_QUOTED_INPUT = re.compile(r"['\"]input['\"]\s*:")


def read_object(body: bytes) -> dict[str, object] | None:
    """The JSON object a body holds, or `None`."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return tree if isinstance(tree, dict) else None


def tree_of(value: object) -> Tree:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def items(value: object) -> Sequence[object]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else ()


def text_of(value: object) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """The value if it is a number of tokens."""
    return value if type(value) is int and value >= 0 else None


def message_text(message: Message) -> str:
    """The words of a message, parts apart by an empty line."""
    return "\n\n".join(part for part in message.parts if isinstance(part, str))


class Images:
    """The images of one body, put in when all else is written.

    An image's base64 is many times the rest of a body. It stands in the tree as a null byte, which
    JSON text never holds, and becomes a piece of its own at the end: it is never copied nor looked
    through. Base64 and media types need no escapes.
    """

    def __init__(self, read: ReadImage) -> None:
        self._read = read
        #: What opens the string that an image becomes, and its base64.
        self._strings: list[tuple[bytes, bytes]] = []

    def base64(self, sha256: str) -> tuple[str, orjson.Fragment]:
        """Media type of an image, and what stands for its base64."""
        image = self._read(sha256)
        return image.media_type, self._add(b'"', image)

    def data_uri(self, sha256: str) -> orjson.Fragment:
        """What stands for an image as a ``data:`` address."""
        image = self._read(sha256)
        return self._add(b'"data:%b;base64,' % image.media_type.encode(), image)

    def _add(self, opening: bytes, image: Encoded) -> orjson.Fragment:
        self._strings.append((opening, image.base64))
        return SLOT

    def pieces(self, body: Mapping[str, object]) -> Body:
        """The JSON of a body, fields that are `None` left out: how ``--param name=null`` drops one.

        The images must have been asked for in the order in which they stand in the body.
        """
        return self._filled(b"", _dumps(body), b"")

    def framed(self, before: bytes, part: object, after: bytes) -> Body:
        """The same for a body of which the JSON before and after a part is known."""
        return self._filled(before, orjson.dumps(part), after)

    def _filled(self, before: bytes, text: bytes, after: bytes) -> Body:
        if not self._strings:
            return [before + text + after]
        pieces = []
        first, *rest = text.split(_SLOT)
        before += first
        for (opening, data), words in zip(self._strings, rest, strict=True):
            pieces += [before + opening, data]
            before = b'"' + words
        return [*pieces, before + after]


def split_at_slot(body: Mapping[str, object]) -> tuple[bytes, bytes]:
    """The JSON of a body before and after the one `SLOT` in it."""
    before, after = _dumps(body).split(_SLOT)
    return before, after


def _dumps(body: Mapping[str, object]) -> bytes:
    return orjson.dumps({name: value for name, value in body.items() if value is not None})


def answered(
    text: str,
    *,
    reasoning: str = "",
    finish_reason: str = "",
    cut_off: bool = False,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    p_unsafe: float | None = None,
    outcome: Outcome = Outcome.OK,
) -> Response:
    """A response that came to its end; `Outcome.OK` only with a text, else unparsed."""
    if outcome is Outcome.OK and not text.strip():
        outcome = Outcome.UNPARSED
    return Response(
        outcome,
        text=text,
        reasoning=reasoning,
        finish_reason=finish_reason,
        cut_off=cut_off,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        p_unsafe=p_unsafe if outcome is Outcome.OK and not cut_off else None,
    )


def malformed(what: str) -> Response:
    """An answer of status 200 that is none; asking again may help."""
    return Response(Outcome.ERROR, fault=Fault("malformed", what, retry=True))


def quota_fault(status: int, why: str) -> Response:
    """No credit is left: every further request would fail alike."""
    return Response(Outcome.ERROR, fault=Fault("quota", f"HTTP {status}: {why}", fatal=True))


def refused_by_status(status: int, message: str) -> Response:
    """`http_fault` for what a server said, without keys or pieces of the request it may quote."""
    return http_fault(status, error_message(message))


def error_message(message: str) -> str:
    """A server's message, cut where it begins to quote the request, with keys blotted out."""
    quoted = _QUOTED_INPUT.search(message)
    return _KEY_LIKE.sub("***", message[: quoted.start()] if quoted else message)
