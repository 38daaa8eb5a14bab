"""Parsing untrusted JSON: strictly and fast, and leniently if that fails.

RFC 8259 allows no ``NaN`` or ``Infinity``, no byte order mark and no lone surrogate, and servers
send them all. Such a body is parsed a second time, leniently; only a body that is truncated, is not
JSON, or is not Unicode is rejected.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

__all__ = ["parse_json"]

#: Maximum bytes of a body that is parsed leniently; an answer with log probabilities fits.
MAX_BYTES = 4 * 2**20
#: Maximum digits of an integer; longer ones become floats. No count and no code has more.
MAX_DIGITS = 18
#: Maximum nesting of arrays and objects; deeper values become null.
MAX_DEPTH = 100

_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    r"|u[dD][c-fC-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
_STRUCTURE = re.compile(r'["\\\[\]{}]')


def parse_json(body: bytes, *, replace_invalid: bool = False) -> Any:
    """The JSON value of a body, or `None`.

    Args:
        body: JSON in UTF-8, or with a byte order mark, in UTF-16 or UTF-32.
        replace_invalid: Whether invalid bytes are replaced by U+FFFD; otherwise the body is
            rejected.

    Returns:
        Numbers beyond a double are infinite, integers of more than `MAX_DIGITS` digits are floats,
        lone surrogates are U+FFFD, values nested deeper than `MAX_DEPTH` are `None`; of a repeated
        name the last value counts.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    if len(body) > MAX_BYTES:
        return None
    text = _decoded(body, replace_invalid=replace_invalid)
    if text is None:
        return None
    if "\\u" in text:
        text = _ESCAPE.sub(_paired, text)
    try:
        return _loads(text)
    except RecursionError:
        pass
    except ValueError:
        return None
    try:
        return _loads(_shallow(text))
    except (ValueError, RecursionError):
        return None


def _decoded(body: bytes, *, replace_invalid: bool) -> str | None:
    encoding = json.detect_encoding(body)
    for errors in ("strict", "surrogatepass", *(["replace"] if replace_invalid else [])):
        try:
            text = body.decode(encoding, errors)
        except UnicodeDecodeError:
            continue
        if errors == "surrogatepass":  # surrogate pairs are joined, lone surrogates replaced
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text.removeprefix("\ufeff")
    return None


def _paired(escape: re.Match[str]) -> str:
    """An escape unchanged, unless it is a lone surrogate, which becomes U+FFFD."""
    whole = escape[0]
    alone = whole[1:2] == "u" and escape[2] is None and (escape[1] or len(whole) == 6)
    return "\\ufffd" if alone else whole


def _integer(digits: str) -> int | float:
    if len(digits) <= MAX_DIGITS + digits.startswith("-"):
        return int(digits)
    return float(digits) if len(digits) < 400 else math.copysign(math.inf, float(digits[:2] + "0"))


_DECODER = json.JSONDecoder(parse_int=_integer, strict=False)


def _loads(text: str) -> Any:
    return _DECODER.decode(text)


def _shallow(text: str) -> str:
    """The text with null in place of every value that is nested deeper than `MAX_DEPTH`."""
    kept: list[str] = []
    begin = depth = 0
    in_string = skip = False
    at = -1
    for found in _STRUCTURE.finditer(text):
        start, mark = found.start(), found[0]
        if skip and start == at:
            skip = False
            continue
        skip = False
        if in_string:
            if mark == "\\":
                skip, at = True, start + 1
            in_string = mark != '"'
        elif mark == '"':
            in_string = True
        elif mark in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept += [text[begin:start], "null"]
        elif mark in "]}":
            if depth == MAX_DEPTH + 1:
                begin = start + 1
            depth -= 1
    return "".join([*kept, text[begin:]])
