"""What the wire formats share: reading JSON nobody vouches for, and putting an image into it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import orjson

from vlsu.models.base import Encoded, Fault, Message, Outcome, Response
from vlsu.models.bodies.endings import Ending, name_of_ending
from vlsu.models.bodies.error_bodies import ErrorBody, as_code, read_error
from vlsu.models.bodies.json_bodies import read_json
from vlsu.models.bodies.moderation import moderated, wrong_key
from vlsu.models.contract import MOST_TOKENS
from vlsu.models.http.model import ReadImage, http_fault, one_line
from vlsu.models.http.transport import Body

__all__ = [
    "REASONING_ROOM",
    "SLOT",
    "STATUS_OF_CODE",
    "TOP_LOGPROBS",
    "Images",
    "Tree",
    "answered",
    "count",
    "decoded",
    "error_message",
    "failed",
    "first_choice",
    "guardrail_intervened",
    "items",
    "malformed",
    "message_text",
    "quota_fault",
    "read_object",
    "split_at_slot",
    "status_within",
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
_KEY_LIKE = re.compile(r"\b(?:sk-|xai-|gsk_|AIza|Bearer\s+)[\w.*-]+", re.IGNORECASE)
#: What stands for bytes that are no Unicode.
_REPLACED = "\ufffd"
#: Codes of errors that come in an answer of status 200 -> the status they stand for.
STATUS_OF_CODE = {
    as_code(code): status
    for status, codes in {
        400: ("invalid_request_error", "invalid_request", "BadRequestError", "bad_request"),
        401: ("authentication_error", "invalid_api_key", "unauthorized"),
        402: ("billing_error", "insufficient_quota", "payment_required"),
        403: ("permission_error", "permission_denied"),
        404: ("not_found_error", "model_not_found", "not_found"),
        413: ("request_too_large",),
        429: ("rate_limit_error", "rate_limit_exceeded", "RateLimitError"),
        500: ("api_error", "server_error", "internal_server_error"),
        504: ("timeout_error",),
        529: ("overloaded_error",),
    }.items()
    for code in codes
}


def read_object(body: bytes, *, any_bytes: bool = False) -> dict[str, object] | None:
    """The JSON object a body holds, bare or as all there is of a list, or `None`.

    Args:
        body: See `vlsu.models.bodies.json_bodies.read_json`.
        any_bytes: Whether bytes that are no Unicode are replaced.
    """
    tree = read_json(body, any_bytes=any_bytes)
    if isinstance(tree, list) and len(tree) == 1:
        tree = tree[0]
    return tree if isinstance(tree, dict) else None


def decoded(status: int, body: bytes, read: Callable[[Tree], Response]) -> Response:
    """An answer, read from the object it holds.

    Bytes that are no UTF-8 are an end of it only where they lie in the answer itself.

    Args:
        status: HTTP status, one of success. Some gateways say with their own that a check failed
            and the answer stands all the same, as Portkey does with 246.
        body: Of the answer.
        read: Reads the object.
    """
    response = _decoded(body, read)
    fault = response.fault
    if status == 200 or fault is None:
        return response
    if fault.kind == "malformed" or fault.message.startswith("HTTP 500"):
        # As 202, "accepted": what the status says is of more use than that no answer was there.
        said = error_message(read_error(body).message) if body.strip() else ""
        return http_fault(status, said or (fault.message if body.strip() else ""))
    return response


def _decoded(body: bytes, read: Callable[[Tree], Response]) -> Response:
    tree = read_object(body)
    if tree is not None:
        return read(tree)
    tree = read_object(body, any_bytes=True)
    if tree is None:
        return malformed("the answer is no JSON object")
    response = read(tree)
    return malformed("the answer is no UTF-8") if _REPLACED in response.text else response


def first_choice(choices: Sequence[object]) -> Tree:
    """The alternative with the lowest ``index``; one without stands for its place in the list.

    Servers that finish alternatives side by side may list them in the order of their ends.
    """
    numbered = [
        (place if (index := count(choice.get("index"))) is None else index, choice)
        for place, choice in enumerate(choices)
        if isinstance(choice, dict)
    ]
    return min(numbered, key=lambda entry: entry[0])[1] if numbered else _EMPTY


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
    """The value if it is a number of tokens; a whole number may be written as any number is."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return count(int(value))
    if isinstance(value, float) and value.is_integer():
        return count(int(value))
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


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
    ending: Ending,
    *,
    reason: object = None,
    refused: bool = False,
    reasoning: str = "",
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    p_unsafe: Callable[[], float | None] | None = None,
) -> Response:
    """What came back from a model: `Outcome.OK` only with a text, and only if it came to an end.

    Args:
        text: The answer.
        ending: How it ended, by the provider's reason. One that the server broke off is an error,
            asked again; one that ended in no listed way is unparsed, whatever it says.
        reason: The finish reason as the body has it.
        refused: Whether the server marks it as a refusal.
        reasoning: Apart from the answer.
        input_tokens: Tokens read.
        output_tokens: Tokens written, reasoning included.
        p_unsafe: Makes the probability of unsafe; called only for an answer that is read.
    """
    name = name_of_ending(reason)
    if ending is Ending.FAILED:
        why = f"the server broke the answer off (finish reason {one_line(name)})"
        return Response(Outcome.ERROR, finish_reason=name, fault=Fault("server", why, retry=True))
    if ending is Ending.BLOCKED:
        outcome = Outcome.BLOCKED
    elif refused or ending is Ending.REFUSED:
        outcome = Outcome.REFUSED
    elif ending is Ending.UNKNOWN or not text.strip():
        outcome = Outcome.UNPARSED
    else:
        outcome = Outcome.OK
    whole = outcome is Outcome.OK and ending is Ending.NORMAL
    return Response(
        outcome,
        text=text,
        reasoning=reasoning,
        finish_reason=name,
        cut_off=ending in (Ending.TOKEN_LIMIT, Ending.UNKNOWN),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        p_unsafe=p_unsafe() if whole and p_unsafe is not None else None,
    )


def malformed(what: str) -> Response:
    """An answer of status 200 that is none; asking again may help."""
    return Response(Outcome.ERROR, fault=Fault("malformed", what, retry=True))


def quota_fault(status: int, why: str) -> Response:
    """No credit is left: every further request would fail alike."""
    return Response(Outcome.ERROR, fault=Fault("quota", f"HTTP {status}: {why}", fatal=True))


def status_within(error: ErrorBody) -> int:
    """The status that an error in an answer of status 200 stands for; 500 where it does not say."""
    named = (STATUS_OF_CODE[code] for code in sorted(error.codes & STATUS_OF_CODE.keys()))
    return error.status or next(named, 500)


def failed(status: int, error: ErrorBody) -> Response:
    """What an error stands for, where a format knows nothing more particular of it.

    A filter that stopped this prompt is the outcome `BLOCKED`; a key that is refused ends the run,
    whatever the status; for all else see `http_fault`.
    """
    if named := moderated(status, error):
        return Response(Outcome.BLOCKED, finish_reason=named)
    said = error_message(error.message) or error.code
    if status not in (401, 403) and wrong_key(status, error):
        line = f"HTTP {status}: {one_line(said) or 'the key is not valid'}"
        return Response(Outcome.ERROR, fault=Fault("credentials", line, fatal=True))
    if status == 400 and "failedprecondition" in error.codes:  # as a place that is not served
        line = f"HTTP {status}: {one_line(said)}"
        return Response(Outcome.ERROR, fault=Fault("precondition", line, fatal=True))
    return http_fault(status, said)


def guardrail_intervened(tree: Tree) -> bool:
    """Whether Amazon Bedrock says that its guardrail put words of its own in the answer's place."""
    action = text_of(tree.get("amazon-bedrock-guardrailAction"))
    return action.upper().endswith("INTERVENED")


def error_message(message: str) -> str:
    """A server's message with what looks like a key blotted out."""
    return _KEY_LIKE.sub("***", message)
