"""Reading what a server says has gone wrong, in whatever shape it says it.

There is no one shape: OpenAI's ``error`` object, Google's list that holds one, FastAPI's ``detail``
(a text, or a list of what is invalid), xAI's text under ``error``, AWS's ``Message``, MiniMax's
``base_resp`` in an answer of status 200, JSON within a text (``metadata.raw`` of OpenRouter), plain
text, a page of HTML. What is looked for is one message and every short code, wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vlsu.models.bodies.json_bodies import read_json

__all__ = ["ErrorBody", "as_code", "error_in", "read_error"]

#: Bytes of an error's body, and characters of a message, that are looked at.
MOST = 64 * 2**10
#: Objects and arrays of a body that are looked at, and levels of them.
NODES, DEPTH = 400, 12
#: Characters of a code; anything longer is prose.
LONGEST_CODE = 100

#: Where messages stand, the likeliest name first.
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
#: What repeats the request: nothing of it is shown or taken for a code.
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
    """What an error's body says.

    Attributes:
        message: As the server wrote it, up to where it begins to quote the request, or empty;
            foreign text, not fit to be shown as it is.
        code: The first code that is no number, as the server wrote it.
        codes: Every code, type, status and reason, as `as_code` writes them.
        status: The HTTP status it names itself, 300 to 599.
        filtered: Whether a content filter says in it what it filtered.
        flagged: Whether it gives reasons for which an input was flagged (OpenRouter's metadata).
    """

    message: str = ""
    code: str = ""
    codes: frozenset[str] = frozenset()
    status: int | None = None
    filtered: bool = False
    flagged: bool = False


def as_code(code: str) -> str:
    """A code without letter case and punctuation: `DataInspectionFailed` is one with underscores.

    >>> as_code("data_inspection_failed") == as_code("DataInspectionFailed")
    True
    """
    return _NO_LETTER.sub("", code.lower())


def read_error(body: bytes) -> ErrorBody:
    """What the body of an error says; anything at all may be its body."""
    body = body[:MOST]
    tree = read_json(body, any_bytes=True)
    if tree is None:
        return ErrorBody(_unquoted(_plain(body.decode(errors="replace").strip())))
    return error_in(tree)


def error_in(tree: object) -> ErrorBody:
    """What a JSON value says of an error."""
    codes: list[str] = []
    filtered = flagged = False
    for fields in _objects(tree):
        flagged = flagged or bool(fields.get("reasons")) or "flagged_input" in fields
        filtered = filtered or fields.get("filtered") is True or bool(fields.get("contentFilter"))
        for name, value in fields.items():
            if name.lower() in _CODES and isinstance(value, int | str) and value is not True:
                code = str(value).strip()
                if 0 < len(code) <= LONGEST_CODE:
                    codes.append(code)
    numbers = (int(code) for code in codes if re.fullmatch(r"[3-5]\d\d", code, re.ASCII))
    return ErrorBody(
        message=_unquoted(_message(tree, DEPTH)),
        code=next((code for code in codes if not code.lstrip("-").isdigit()), ""),
        codes=frozenset(map(as_code, codes)),
        status=next(numbers, None),
        filtered=filtered,
        flagged=flagged,
    )


def _objects(tree: object) -> Iterator[Mapping[str, object]]:
    """Objects of a tree, the outer ones first; JSON within a text is one of its objects."""
    level = [tree]
    left = NODES
    for _ in range(DEPTH):
        below: list[object] = []
        for value in level:
            if left <= 0:
                return
            left -= 1
            if isinstance(value, str):
                value = _unwrapped(value)
            if isinstance(value, Mapping):
                yield value
                below += [v for k, v in value.items() if k.lower() not in _ECHOES]
            elif isinstance(value, list):
                below += value[:NODES]
        level = below


def _unwrapped(text: str) -> object:
    """The JSON that a text holds, if it is that."""
    opening = text[:200].lstrip()[:1]
    if opening not in ("{", "[") or len(text) > MOST:
        return None
    return read_json(text.encode(errors="replace"))


def _message(value: object, depth: int) -> str:
    """The message in a value: the first that is found where messages stand."""
    if depth == 0:
        return ""
    if isinstance(value, str):
        inner = _unwrapped(value)
        return _message(inner, depth - 1) if inner is not None else value.strip()
    if isinstance(value, list):
        return "; ".join(filter(None, (_message(each, depth - 1) for each in value[:5])))
    if not isinstance(value, Mapping):
        return ""
    fields = {name.lower(): each for name, each in value.items() if name.lower() not in _ECHOES}
    for name in _MESSAGES:
        if name in fields and (said := _message(fields[name], depth - 1)):
            return _with_source(said, fields, depth)
    return ""


def _with_source(said: str, fields: Mapping[str, object], depth: int) -> str:
    """A message, and what it is about: the field that is invalid, the words of a server behind."""
    where = fields.get("loc")
    if isinstance(where, list):
        path = ".".join(str(part)[:40] for part in where[:8] if isinstance(part, str | int))
        return f"{path}: {said}" if path else said
    behind = fields.get("metadata")
    if isinstance(behind, Mapping) and (raw := _message(behind.get("raw"), depth - 1)):
        return f"{said}: {raw}"
    return said


def _unquoted(said: str) -> str:
    quoted = _QUOTED.search(said, 0, MOST)
    return said[: quoted.start()] if quoted else said[:MOST]


def _plain(text: str) -> str:
    """A text that is no JSON: the title of a page, a line, or nothing where it is a broken body."""
    if text[:1] in ("{", "["):
        return ""
    if text[:1] != "<":
        return text
    for tag in ("<title", "<h1", "<body"):
        begin = text.lower().find(tag)
        if begin >= 0:
            inner = text[text.find(">", begin) + 1 :][:1000]
            end = inner.lower().find(f"</{tag[1:]}")
            if said := _TAG.sub(" ", inner[:end] if end >= 0 else inner).strip():
                return said
    return ""
