"""Shared by the wire formats: parsing responses, and inserting images into request bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import orjson

from vlsu._text import collapsed_line
from vlsu.models.base import (
    Encoded,
    Fault,
    ImageLimits,
    Message,
    Outcome,
    Response,
    Settings,
)
from vlsu.models.bodies.endings import Ending, finish_reason_text
from vlsu.models.bodies.error_bodies import ErrorBody, normalise_code, parse_error_body
from vlsu.models.bodies.json_bodies import parse_json
from vlsu.models.contract import MAX_TOKENS
from vlsu.models.http.model import ReadImage, http_fault
from vlsu.models.http.transport import Body

__all__ = [
    "JSON_HEADERS",
    "REASONING_ROOM",
    "SLOT",
    "STATUS_OF_CODE",
    "TOP_LOGPROBS",
    "Images",
    "Tree",
    "as_array",
    "as_object",
    "as_text",
    "completed_response",
    "decode_body",
    "error_message",
    "failed_response",
    "first_choice",
    "guardrail_intervened",
    "malformed_response",
    "message_text",
    "parse_object",
    "provider_identity",
    "quota_response",
    "split_at_slot",
    "status_within",
    "token_count",
]

#: Token budget for reasoning, on top of the answer's limit: what OpenAI's guide "Reasoning models"
#: recommends to reserve. Only used tokens are billed.
REASONING_ROOM = 25_000

#: Alternatives requested per token with log probabilities; servers allow up to 20.
TOP_LOGPROBS = 10

Tree = Mapping[str, object]

#: Headers of every request, in every format.
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}

_EMPTY: Tree = {}
_SLOT = b"\x00"
#: Placeholder in a tree for a value that is inserted later.
SLOT = orjson.Fragment(_SLOT)
_KEY_LIKE = re.compile(r"\b(?:sk-|xai-|gsk_|AIza|Bearer\s+)[\w.*-]+", re.IGNORECASE)
#: Replaces invalid bytes.
_REPLACED = "\ufffd"
#: Codes of errors within responses of status 200 -> the HTTP status that they imply.
STATUS_OF_CODE = {
    normalise_code(code): status
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


def parse_object(body: bytes, *, replace_invalid: bool = False) -> dict[str, object] | None:
    """The JSON object of a body, also if it is the only element of a list; else `None`.

    Args:
        body: See `vlsu.models.bodies.json_bodies.parse_json`.
        replace_invalid: Whether invalid bytes are replaced.
    """
    tree = parse_json(body, replace_invalid=replace_invalid)
    if isinstance(tree, list) and len(tree) == 1:
        tree = tree[0]
    return tree if isinstance(tree, dict) else None


def decode_body(status: int, body: bytes, read: Callable[[Tree], Response]) -> Response:
    """Parse a successful response from the JSON object in its body.

    Invalid UTF-8 is an error only if it lies in the answer itself.

    Args:
        status: HTTP status, a successful one. Some gateways use their own, such as Portkey 246: a
            check failed, and the answer is valid nevertheless.
        body: The response body.
        read: Parses the object.
    """
    response = _decoded(body, read)
    fault = response.fault
    if status == 200 or fault is None:
        return response
    if fault.kind == "malformed" or fault.message.startswith("HTTP 500"):
        # Such as 202 "accepted": the status is more informative than that there is no answer.
        message = error_message(parse_error_body(body).message) if body.strip() else ""
        return http_fault(status, message or (fault.message if body.strip() else ""))
    return response


def _decoded(body: bytes, read: Callable[[Tree], Response]) -> Response:
    tree = parse_object(body)
    if tree is not None:
        return read(tree)
    tree = parse_object(body, replace_invalid=True)
    if tree is None:
        return malformed_response("the answer is not a JSON object")
    response = read(tree)
    return malformed_response("the answer is not UTF-8") if _REPLACED in response.text else response


def provider_identity(
    format: str,
    name: str,
    settings: Settings,
    *,
    sampling: Mapping[str, object],
    structured: bool,
    images: ImageLimits,
) -> dict[str, object]:
    """All that could change an answer of a provider's model, beside its spec: part of every key.

    Args:
        format: The wire format.
        name: What the provider calls the model.
        settings: Its parameters and system prompt.
        sampling: The decoding parameters that are sent.
        structured: Whether the request's schema is sent.
        images: Limits by which images are converted.
    """
    return {
        "format": format,
        "model": name,
        "sampling": sampling,
        "structured": structured,
        "params": dict(settings.params),
        "system": settings.system,
        "images": images.identity(),
    }


def first_choice(choices: Sequence[object]) -> Tree:
    """The choice with the lowest ``index``; one without counts by its position.

    Servers may list choices in the order in which they finished.
    """
    if len(choices) == 1:
        return as_object(choices[0])
    numbered = [
        (place if (index := token_count(choice.get("index"))) is None else index, choice)
        for place, choice in enumerate(choices)
        if isinstance(choice, dict)
    ]
    return min(numbered, key=lambda entry: entry[0])[1] if numbered else _EMPTY


def as_object(value: object) -> Tree:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def as_array(value: object) -> Sequence[object]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else ()


def as_text(value: object) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def token_count(value: object) -> int | None:
    """The value if it is a token count, also as a float or a string of digits; else `None`."""
    if value is None or type(value) is int:
        return value if value is not None and 0 <= value <= MAX_TOKENS else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return token_count(int(value))
    if isinstance(value, float) and value.is_integer():
        return token_count(int(value))
    return None


def message_text(message: Message) -> str:
    """The text of a message, its parts separated by an empty line."""
    return "\n\n".join(part for part in message.parts if isinstance(part, str))


class Images:
    """The images of one body, inserted after the rest is serialised.

    An image's base64 is many times larger than the rest of a body. In the tree it is a null byte,
    which JSON never contains; in the body it is a separate piece, so that it is never copied or
    scanned. Base64 and media types need no escaping.
    """

    def __init__(self, read: ReadImage) -> None:
        self._read = read
        #: The opening of the JSON string of each image, and its base64.
        self._strings: list[tuple[bytes, bytes]] = []

    def base64(self, sha256: str) -> tuple[str, orjson.Fragment]:
        """Media type of an image, and the placeholder of its base64."""
        image = self._read(sha256)
        return image.media_type, self._add(b'"', image)

    def data_uri(self, sha256: str) -> orjson.Fragment:
        """The placeholder of an image as a ``data:`` URL."""
        image = self._read(sha256)
        return self._add(b'"data:%b;base64,' % image.media_type.encode(), image)

    def _add(self, opening: bytes, image: Encoded) -> orjson.Fragment:
        self._strings.append((opening, image.base64))
        return SLOT

    def pieces(self, body: Mapping[str, object]) -> Body:
        """The JSON of a body without fields that are `None`: ``--param name=null`` removes a field.

        The images must have been requested in their order in the body.
        """
        return self._filled(b"", _dumps(body), b"")

    def framed(self, before: bytes, part: object, after: bytes) -> Body:
        """The same for a body whose JSON before and after a part is already serialised."""
        return self._filled(before, orjson.dumps(part), after)

    def _filled(self, before: bytes, text: bytes, after: bytes) -> Body:
        if not self._strings:
            return [before + text + after]
        pieces = []
        first, *rest = text.split(_SLOT)
        before += first
        for (opening, data), text_after in zip(self._strings, rest, strict=True):
            pieces += [before + opening, data]
            before = b'"' + text_after
        return [*pieces, before + after]


def split_at_slot(body: Mapping[str, object]) -> tuple[bytes, bytes]:
    """The JSON of a body before and after the one `SLOT` in it."""
    before, after = _dumps(body).split(_SLOT)
    return before, after


def _dumps(body: Mapping[str, object]) -> bytes:
    return orjson.dumps({name: value for name, value in body.items() if value is not None})


def completed_response(
    text: str,
    ending: Ending,
    *,
    reason: object = None,
    refused: bool = False,
    reasoning: str = "",
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cached_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    reasoning_tokens: int | None = None,
    p_unsafe: Callable[[], float | None] | None = None,
) -> Response:
    """The response for a completion: `Outcome.OK` only with a text and a normal ending.

    Args:
        text: The answer.
        ending: How it ended, by the finish reason. An answer that the server aborted is an error
            and retried; one with an unknown ending is unparsed, whatever it says.
        reason: The finish reason as in the body.
        refused: Whether the server marks it as a refusal.
        reasoning: The reasoning, separate from the answer.
        input_tokens: Tokens of the prompt, those read from or written to a cache included.
        output_tokens: Tokens generated, reasoning included.
        cached_tokens: Of the input, tokens read from the provider's cache.
        cache_write_tokens: Of the input, tokens written to it and billed as such.
        reasoning_tokens: Of the output, tokens of reasoning.
        p_unsafe: Computes the probability of unsafe; called only if the answer counts.
    """
    name = finish_reason_text(reason)
    if ending is Ending.FAILED:
        why = f"the server aborted the answer (finish reason {collapsed_line(name)})"
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
        text,
        reasoning,
        name,
        ending is Ending.TOKEN_LIMIT or ending is Ending.UNKNOWN,
        input_tokens,
        output_tokens,
        p_unsafe() if whole and p_unsafe is not None else None,
        None,
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens,
    )


def malformed_response(what: str) -> Response:
    """An error for an invalid response of status 200; a retry may succeed."""
    return Response(Outcome.ERROR, fault=Fault("malformed", what, retry=True))


def quota_response(status: int, why: str) -> Response:
    """An error for exhausted credit: every other request would fail too."""
    return Response(Outcome.ERROR, fault=Fault("quota", f"HTTP {status}: {why}", fatal=True))


def status_within(error: ErrorBody) -> int:
    """The HTTP status that an error within a response of status 200 implies; 500 by default."""
    named = (STATUS_OF_CODE[code] for code in sorted(error.codes & STATUS_OF_CODE.keys()))
    return error.status or next(named, 500)


def failed_response(status: int, error: ErrorBody) -> Response:
    """The response for an error, unless a wire format knows better.

    A content filter's intervention is the outcome `BLOCKED`; a refused key is fatal, whatever the
    status; for all else see `http_fault`.
    """
    from vlsu.models.bodies.moderation import is_credential_error, moderation_reason

    if named := moderation_reason(status, error):
        return Response(Outcome.BLOCKED, finish_reason=named)
    message = error_message(error.message) or error.code
    if status not in (401, 403) and is_credential_error(status, error):
        line = f"HTTP {status}: {collapsed_line(message) or 'the key is not valid'}"
        return Response(Outcome.ERROR, fault=Fault("credentials", line, fatal=True))
    if status == 400 and "failedprecondition" in error.codes:  # such as an unsupported region
        line = f"HTTP {status}: {collapsed_line(message)}"
        return Response(Outcome.ERROR, fault=Fault("precondition", line, fatal=True))
    return http_fault(status, message)


def guardrail_intervened(tree: Tree) -> bool:
    """Whether Amazon Bedrock reports that its guardrail replaced the answer."""
    action = tree.get("amazon-bedrock-guardrailAction")
    return isinstance(action, str) and action.upper().endswith("INTERVENED")


def error_message(message: str) -> str:
    """A server's message with everything that looks like a key masked."""
    return _KEY_LIKE.sub("***", message)
