"""Parsing the errors of servers, in whatever structure they come.

There is no common structure: OpenAI's ``error`` object, Google's list that holds one, FastAPI's
``detail`` (a string, or a list of invalid fields), xAI's text under ``error``, AWS's ``Message``,
MiniMax's ``base_resp`` in an answer of status 200, JSON within a string (``metadata.raw`` of
OpenRouter), plain text, an HTML page. One message and every short code are extracted, wherever they
are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vlsu.models.bodies.json_bodies import parse_json

__all__ = ["ErrorBody", "normalise_code", "parse_error", "parse_error_body"]

#: Maximum bytes of an error body, and characters of a message, that are inspected.
MAX_BYTES = 64 * 2**10
#: Maximum objects and arrays of a body that are inspected, and their nesting.
MAX_NODES, MAX_DEPTH = 400, 12
#: Maximum characters of a code; anything longer is prose.
MAX_CODE_LENGTH = 100

#: Fields that contain messages, the likeliest first.
_MESSAGES = (
    *("message", "msg", "error_message", "error_msg", "error_description", "errormessage"),
    *("errormsg", "status_msg", "statusmessage", "faultstring", "detail", "error", "details"),
    *("description", "fault", "errors", "base_resp", "reason", "title", "exception", "response"),
    *("result", "data", "body"),
)
_CODES = frozenset(
    {
        *("code", "type", "status", "reason", "error", "error_code", "errorcode", "error_type"),
        *("errortype", "status_code", "statuscode", "http_code", "http_status", "blockreason"),
        *("block_reason", "action", "__type", "finishreason", "finish_reason"),
    }
)
#: Fields that repeat the request: they are neither shown nor taken for a code.
_ECHOES = frozenset(
    {
        *("input", "inputs", "flagged_input", "request", "messages", "prompt", "contents"),
        *("ctx", "url", "stack", "traceback", "trace", "headers"),
    }
)
#: Where a message begins to quote the request.
_QUOTED = re.compile(r"['\"](?:input|messages|content|prompt|text|body)['\"]\s*:")
_NO_LETTER = re.compile(r"[^a-z0-9]+")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The content of an error body.

    Attributes:
        message: As the server wrote it, up to where it begins to quote the request, or empty;
            untrusted text that must be cleaned before it is shown.
        code: The first code that is not a number, as the server wrote it.
        codes: Every code, type, status and reason, normalised by `normalise_code`.
        status: The HTTP status that the body itself names, 300 to 599.
        filtered: Whether it has results of a content filter.
        flagged: Whether it has reasons for which the input was flagged (OpenRouter's metadata).
    """

    message: str = ""
    code: str = ""
    codes: frozenset[str] = frozenset()
    status: int | None = None
    filtered: bool = False
    flagged: bool = False


def normalise_code(code: str) -> str:
    """A code without letter case and punctuation, so that spellings of one code are equal.

    >>> normalise_code("data_inspection_failed") == normalise_code("DataInspectionFailed")
    True
    """
    return _NO_LETTER.sub("", code.lower())


def parse_error_body(body: bytes) -> ErrorBody:
    """Parse the body of an error, which may be JSON, text, HTML or anything else."""
    body = body[:MAX_BYTES]
    tree = parse_json(body, replace_invalid=True)
    if tree is None:
        return ErrorBody(_without_echo(_plain(body.decode(errors="replace").strip())))
    return parse_error(tree)


def parse_error(tree: object) -> ErrorBody:
    """Parse an error from a JSON value."""
    codes: list[str] = []
    filtered = flagged = False
    for fields in _objects(tree):
        flagged = flagged or bool(fields.get("reasons")) or "flagged_input" in fields
        filtered = filtered or fields.get("filtered") is True or bool(fields.get("contentFilter"))
        for name, value in fields.items():
            if name.lower() in _CODES and isinstance(value, int | str) and value is not True:
                code = str(value).strip()
                if 0 < len(code) <= MAX_CODE_LENGTH:
                    codes.append(code)
    numbers = (int(code) for code in codes if re.fullmatch(r"[3-5]\d\d", code, re.ASCII))
    return ErrorBody(
        message=_without_echo(_message(tree, MAX_DEPTH)),
        code=next((code for code in codes if not code.lstrip("-").isdigit()), ""),
        codes=frozenset(map(normalise_code, codes)),
        status=next(numbers, None),
        filtered=filtered,
        flagged=flagged,
    )


def _objects(tree: object) -> Iterator[Mapping[str, object]]:
    """The objects of a tree, breadth first; JSON embedded in strings included."""
    level = [tree]
    left = MAX_NODES
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for value in level:
            if left <= 0:
                return
            left -= 1
            if isinstance(value, str):
                value = _embedded_json(value)
            if isinstance(value, Mapping):
                yield value
                below += [v for k, v in value.items() if k.lower() not in _ECHOES]
            elif isinstance(value, list):
                below += value[:MAX_NODES]
        level = below


def _embedded_json(text: str) -> object:
    """The JSON value embedded in a string, or `None`."""
    opening = text[:200].lstrip()[:1]
    if opening not in ("{", "[") or len(text) > MAX_BYTES:
        return None
    return parse_json(text.encode(errors="replace"))


def _message(value: object, depth: int) -> str:
    """The message in a value: that of the first field of `_MESSAGES` that has one."""
    if depth == 0:
        return ""
    if isinstance(value, str):
        inner = _embedded_json(value)
        return _message(inner, depth - 1) if inner is not None else value.strip()
    if isinstance(value, list):
        return "; ".join(filter(None, (_message(each, depth - 1) for each in value[:5])))
    if not isinstance(value, Mapping):
        return ""
    fields = {name.lower(): each for name, each in value.items() if name.lower() not in _ECHOES}
    for name in _MESSAGES:
        if name in fields and (message := _message(fields[name], depth - 1)):
            return _with_source(message, fields, depth)
    return ""


def _with_source(message: str, fields: Mapping[str, object], depth: int) -> str:
    """A message with its context: the invalid field, or the upstream server's own message."""
    where = fields.get("loc")
    if isinstance(where, list):
        path = ".".join(str(part)[:40] for part in where[:8] if isinstance(part, str | int))
        return f"{path}: {message}" if path else message
    metadata = fields.get("metadata")
    if isinstance(metadata, Mapping) and (raw := _message(metadata.get("raw"), depth - 1)):
        return f"{message}: {raw}"
    return message


def _without_echo(message: str) -> str:
    quoted = _QUOTED.search(message, 0, MAX_BYTES)
    return message[: quoted.start()] if quoted else message[:MAX_BYTES]


def _plain(text: str) -> str:
    """The message in a body that is not JSON: a page's title or the text; empty for broken JSON."""
    if text[:1] in ("{", "["):
        return ""
    if text[:1] != "<":
        return text
    for tag in ("<title", "<h1", "<body"):
        begin = text.lower().find(tag)
        if begin >= 0:
            inner = text[text.find(">", begin) + 1 :][:1000]
            end = inner.lower().find(f"</{tag[1:]}")
            if message := _TAG.sub(" ", inner[:end] if end >= 0 else inner).strip():
                return message
    return ""
