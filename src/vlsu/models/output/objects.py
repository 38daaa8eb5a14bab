"""Finding JSON objects in a text, including those that are only almost JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import NamedTuple

from vlsu.models.output.loose import MalformedObjectError, lenient_object

__all__ = [
    "MAX_CHARACTERS",
    "JsonObject",
    "answer_tail",
    "is_negated",
    "is_truncated",
    "json_objects",
]

#: Characters at the end of an answer that are parsed; an answer that is JSON may be longer.
MAX_CHARACTERS = 65_536

#: Limit on scanning without success: a multiple of the text's length, and a minimum.
_SCAN_FACTOR, _MIN_SCAN = 16, 131_072
#: Cost of an attempt, in addition to the characters that it scans.
_ATTEMPT_COST = 256
_MAX_LENIENT_ATTEMPTS = 50

#: Phrases that negate the object after them, and the characters before it that are searched.
_NEGATION = re.compile(
    r"(?:\bnot|n['’]t|\b(?:never|instead of|rather than))"
    r"(?: (?:an?|the|be|say|answer|output|give|return|grade|call|it|as|with|simply|just)){0,4}"
    r"[\s:`\"'*]{0,8}\Z",
    re.IGNORECASE,
)
_NEGATION_LENGTH = 80

_STRICT_START = re.compile(r"\{(?=\s*[\"}])")
_LENIENT_START = re.compile(r"\{(?=\s*[\"'“‘`\w#/])")


class JsonObject(NamedTuple):
    """An object within a text.

    Attributes:
        start: Index of its opening brace.
        end: Index after its closing brace.
        fields: Lower-cased names -> values, strings stripped and lower-cased; `None` for a field
            that occurs twice with different values.
    """

    start: int
    end: int
    fields: dict[str, object]


def json_objects(text: str) -> list[JsonObject]:
    """The top-level objects in a text, in order.

    Python dictionaries count too, and so do trailing commas, comments, names without quotes and
    typographic quotes. Objects inside a malformed or unclosed one do not count. A text that would
    take disproportionate time to parse has none.

    Args:
        text: Its last `MAX_CHARACTERS` characters are parsed.
    """
    offset = max(0, len(text) - MAX_CHARACTERS)
    text = text[offset:]
    if "{" not in text:
        return []
    strict = _search(text, _STRICT_START, _strict, math.inf)
    if strict is None:
        return []
    found: list[JsonObject] = []
    before = 0
    for start, end in [(s.start, s.end) for s in strict] + [(len(text), len(text))]:
        gap = text[before:start]
        loose = (
            _search(gap, _LENIENT_START, lenient_object, _MAX_LENIENT_ATTEMPTS)
            if "{" in gap
            else []
        )
        found += [JsonObject(before + s, before + e, fields) for s, e, fields in loose or ()]
        before = end
    return [JsonObject(offset + s, offset + e, fields) for s, e, fields in sorted(found + strict)]


def is_truncated(text: str, end: int, field: str) -> bool:
    """Whether an object with a field begins after `end` and is truncated.

    Args:
        text: The text.
        end: End of the last complete object, 0 if there is none.
        field: The field's name, in lower case.
    """
    rest = text[end:]
    if rest.count("{") <= rest.count("}"):
        return False
    return field in rest[rest.index("{") :].lower()


def is_negated(text: str, start: int) -> bool:
    """Whether the words right before an object negate it.

    >>> text = 'I would not answer {"severity": "safe"}'
    >>> is_negated(text, text.index("{"))
    True
    """
    return _NEGATION.search(text[max(0, start - _NEGATION_LENGTH) : start]) is not None


def answer_tail(text: str) -> str:
    """The last `MAX_CHARACTERS` of a text, from the beginning of a line if there is one."""
    if len(text) <= MAX_CHARACTERS:
        return text
    part = text[-MAX_CHARACTERS:]
    return part[part.find("\n") + 1 :]


def _search(
    text: str,
    candidate: re.Pattern[str],
    parse: Callable[[str, int], tuple[dict[str, object], int]],
    attempts: float,
) -> list[JsonObject] | None:
    """The objects that `parse` finds; `None` if too much was scanned without success."""
    found = []
    effort = max(_SCAN_FACTOR * len(text), _MIN_SCAN)
    broken = start = 0  # end of the malformed objects so far
    while match := candidate.search(text, start):
        try:
            fields, end = parse(text, match.start())
        except MalformedObjectError as error:
            broken = max(broken, error.position)
            effort -= error.position - match.start() + _ATTEMPT_COST
            attempts -= 1
            if effort < 0 or attempts < 0:
                return None
            start = match.end()
        else:
            if end > broken:
                found.append(JsonObject(match.start(), end, fields))
            start = end
    return found


def _strict(text: str, start: int) -> tuple[dict[str, object], int]:
    try:
        fields, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        # For an unterminated string, the error gives its beginning.
        unended = error.msg.startswith("Unterminated")
        raise MalformedObjectError(len(text) if unended else error.pos) from None
    except (RecursionError, ValueError):
        raise MalformedObjectError(len(text)) from None
    return fields, end


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for raw_name, raw in pairs:
        name = raw_name.strip().lower()
        value = raw.strip().lower() if isinstance(raw, str) else raw
        if name in fields and fields[name] != value:
            value = None
        fields[name] = value
    return fields


def _whole_number(digits: str) -> float:
    """A number of any length; Python refuses to parse 5,000 digits as an `int`."""
    return int(digits) if len(digits) < 19 else math.inf


_DECODER = json.JSONDecoder(object_pairs_hook=_fields, parse_int=_whole_number, strict=False)
