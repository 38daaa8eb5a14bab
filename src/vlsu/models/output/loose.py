"""Lenient parsing of objects that are almost JSON: single quotes, trailing commas, bare names."""

from __future__ import annotations

import re

__all__ = ["MalformedObjectError", "lenient_object"]

_MAX_DEPTH = 20
_SPACE = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*[^*]*\*/)*")
_NAME = re.compile(r"\w[\w -]{0,60}")
_COLON = re.compile(r"\s*(?:=>|[:=])")
#: A number, or words without quotes; the next character decides whether it is a value.
_BARE = re.compile(r"[\w+.-][\w+. -]{0,60}")
_AFTER_BARE = re.compile(r"\s*(?=[,}\]\n])")
_CLOSING = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
#: Opening quote -> an escape, or the closing quote: one after which the object continues.
_END = {
    opening: re.compile(rf"\\.|{closing}(?=\s*(?:[,}}\]:=]|\Z))", re.DOTALL)
    for opening, closing in _CLOSING.items()
}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None, "none": None}


class MalformedObjectError(Exception):
    """The text is not an object, even leniently.

    Attributes:
        position: Index up to which it was scanned.
    """

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def lenient_object(text: str, start: int) -> tuple[dict[str, object], int]:
    """The object that begins at an opening brace, and its end; fields as in `json_objects`.

    Raises:
        MalformedObjectError: It is not an object, even leniently.
    """
    return _object(text, start, 0)


def _object(text: str, start: int, depth: int) -> tuple[dict[str, object], int]:
    fields: dict[str, object] = {}
    at = _skip(text, start + 1)
    while not text.startswith("}", at):
        name, at = _name(text, at)
        colon = _COLON.match(text, at)
        if colon is None:
            raise MalformedObjectError(at)
        value, at = _value(text, _skip(text, colon.end()), depth)
        value = value.strip().lower() if isinstance(value, str) else value
        fields[name] = None if name in fields and fields[name] != value else value
        at = _next(text, at, "}")
    return fields, at + 1


def _array(text: str, start: int, depth: int) -> tuple[list[object], int]:
    values: list[object] = []
    at = _skip(text, start + 1)
    while not text.startswith("]", at):
        value, at = _value(text, at, depth)
        values.append(value)
        at = _next(text, at, "]")
    return values, at + 1


def _next(text: str, at: int, end: str) -> int:
    """The position after a comma, or of the closing bracket."""
    at = _skip(text, at)
    if text.startswith(",", at):
        return _skip(text, at + 1)
    if not text.startswith(end, at):
        raise MalformedObjectError(at)
    return at


def _name(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] in _END:
        name, at = _string(text, at)
        return name.strip().lower(), at
    bare = _NAME.match(text, at)
    if bare is None:
        raise MalformedObjectError(at)
    return bare[0].strip().lower(), bare.end()


def _value(text: str, at: int, depth: int) -> tuple[object, int]:
    opening = text[at : at + 1]
    if opening in _END:
        return _string(text, at)
    if opening in ("{", "["):
        if depth == _MAX_DEPTH:
            raise MalformedObjectError(at)
        return (_object if opening == "{" else _array)(text, at, depth + 1)
    bare = _BARE.match(text, at)
    if bare is None or not _AFTER_BARE.match(text, bare.end()):
        raise MalformedObjectError(at)
    word = bare[0].strip()
    if word.lower() in _CONSTANTS:
        return _CONSTANTS[word.lower()], bare.end()
    try:
        return float(word), bare.end()
    except ValueError:
        return word, bare.end()


def _string(text: str, at: int) -> tuple[str, int]:
    pattern = _END[text[at]]
    for mark in pattern.finditer(text, at + 1):
        if not mark[0].startswith("\\"):
            return _ESCAPE.sub(r"\1", text[at + 1 : mark.start()]), mark.end()
    raise MalformedObjectError(len(text))


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()
