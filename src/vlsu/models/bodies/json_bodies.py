"""Reading JSON nobody vouches for: strictly and fast, else whatever of it is sound.

RFC 8259 knows no ``NaN`` and no ``Infinity``, no byte order mark and no lone surrogate, and servers
send them all. Such a body is read a second time, by rules that lose nothing else of it; only what
is cut off, is no JSON at all, or is no Unicode stays unread.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

__all__ = ["read_json"]

#: Bytes of a body that are read a second time, at most; a whole answer with probabilities fits in.
MOST = 4 * 2**20
#: Digits of an integer that is kept as one; no count and no code has more.
DIGITS = 18
#: Levels of arrays and objects that are kept; deeper ones are read as null.
DEPTH = 100

_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    r"|u[dD][c-fC-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
_STRUCTURE = re.compile(r'["\\\[\]{}]')


def read_json(body: bytes, *, any_bytes: bool = False) -> Any:
    """The value a body holds, or `None`.

    Args:
        body: JSON in UTF-8, or with a byte order mark, in UTF-16 or UTF-32.
        any_bytes: Whether bytes that are no Unicode are replaced (U+FFFD), not an end of it.

    Returns:
        Numbers beyond a double are infinite, integers of more than `DIGITS` digits are floats, lone
        surrogates are U+FFFD, what lies deeper than `DEPTH` is `None`; of a name given twice the
        last value counts.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    if len(body) > MOST:
        return None
    text = _decoded(body, any_bytes=any_bytes)
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


def _decoded(body: bytes, *, any_bytes: bool) -> str | None:
    encoding = json.detect_encoding(body)
    for errors in ("strict", "surrogatepass", *(["replace"] if any_bytes else [])):
        try:
            text = body.decode(encoding, errors)
        except UnicodeDecodeError:
            continue
        if errors == "surrogatepass":  # halves that make a character are joined, others replaced
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text.removeprefix("\ufeff")
    return None


def _paired(escape: re.Match[str]) -> str:
    """An escape as it is, unless it is one half of a surrogate pair alone."""
    whole = escape[0]
    alone = whole[1:2] == "u" and escape[2] is None and (escape[1] or len(whole) == 6)
    return "\\ufffd" if alone else whole


def _integer(digits: str) -> int | float:
    if len(digits) <= DIGITS + digits.startswith("-"):
        return int(digits)
    return float(digits) if len(digits) < 400 else math.copysign(math.inf, float(digits[:2] + "0"))


_DECODER = json.JSONDecoder(parse_int=_integer, strict=False)


def _loads(text: str) -> Any:
    return _DECODER.decode(text)


def _shallow(text: str) -> str:
    """The text with null in place of every array and object that lies deeper than `DEPTH`."""
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
            if depth == DEPTH + 1:
                kept += [text[begin:start], "null"]
        elif mark in "]}":
            if depth == DEPTH + 1:
                begin = start + 1
            depth -= 1
    return "".join([*kept, text[begin:]])
