"""Finding the JSON objects in a text, those included that were only meant to be JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import NamedTuple

from vlsu.models.output.loose import BrokenError, loose_object

__all__ = ["LONGEST", "Found", "is_cut_off", "is_denied", "json_objects", "last_part"]

#: Characters of an answer that are read, its last; a whole answer that is JSON may be longer.
LONGEST = 65_536

#: Characters that may be scanned in vain, as a multiple of the text's length and at least.
_EFFORT, _LEAST_EFFORT = 16, 131_072
#: What an attempt costs besides the characters it scans.
_ATTEMPT = 256
_LOOSE_ATTEMPTS = 50

#: Words that deny the object after them, and how far before it they are looked for.
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\b(?:never|instead of|rather than))"
    r"(?: (?:an?|the|be|say|answer|output|give|return|grade|call|it|as|with|simply|just)){0,4}"
    r"[\s:`\"'*]{0,8}\Z",
    re.IGNORECASE,
)
_DENIAL = 80

_STRICT_START = re.compile(r"\{(?=\s*[\"}])")
_LOOSE_START = re.compile(r"\{(?=\s*[\"'“‘`\w#/])")


class Found(NamedTuple):
    """An object within a text.

    Attributes:
        start: Index of its opening brace.
        end: Index after its closing brace.
        fields: Names lower-cased; texts among the values stripped and lower-cased; `None` for a
            field that is given twice with different values.
    """

    start: int
    end: int
    fields: dict[str, object]


def json_objects(text: str) -> list[Found]:
    """The objects in a text that are not inside another, in their order.

    Python's way of writing one counts too, and so do trailing commas, comments, names without
    quotes and typographic quotes. What lies in an object that is broken or never closed is not an
    object of its own. A text on which the work would grow beyond proportion has none.

    Args:
        text: Its last `LONGEST` characters are looked at.
    """
    offset = max(0, len(text) - LONGEST)
    text = text[offset:]
    if "{" not in text:
        return []
    strict = _search(text, _STRICT_START, _strict, math.inf)
    if strict is None:
        return []
    found: list[Found] = []
    before = 0
    for start, end in [(s.start, s.end) for s in strict] + [(len(text), len(text))]:
        gap = text[before:start]
        loose = _search(gap, _LOOSE_START, loose_object, _LOOSE_ATTEMPTS) if "{" in gap else []
        found += [Found(before + s, before + e, fields) for s, e, fields in loose or ()]
        before = end
    return [Found(offset + s, offset + e, fields) for s, e, fields in sorted(found + strict)]


def is_cut_off(text: str, end: int, field: str) -> bool:
    """Whether an object with a field begins after `end` and never ends.

    Args:
        text: Any.
        end: Where the last object that is whole ends, 0 if there is none.
        field: The field's name, in small letters.
    """
    rest = text[end:]
    if rest.count("{") <= rest.count("}"):
        return False
    return field in rest[rest.index("{") :].lower()


def is_denied(text: str, start: int) -> bool:
    """Whether the words right before an object say that it is not the answer.

    >>> text = 'I would not answer {"severity": "safe"}'
    >>> is_denied(text, text.index("{"))
    True
    """
    return _DENIED.search(text[max(0, start - _DENIAL) : start]) is not None


def last_part(text: str) -> str:
    """The last `LONGEST` characters of a text, from the beginning of a line where there is one."""
    if len(text) <= LONGEST:
        return text
    part = text[-LONGEST:]
    return part[part.find("\n") + 1 :]


def _search(
    text: str,
    candidate: re.Pattern[str],
    parse: Callable[[str, int], tuple[dict[str, object], int]],
    attempts: float,
) -> list[Found] | None:
    """The objects that `parse` makes out; `None` where too much was scanned in vain."""
    found = []
    effort = max(_EFFORT * len(text), _LEAST_EFFORT)
    broken = start = 0  # up to `broken` lies what belongs to objects that are broken
    while match := candidate.search(text, start):
        try:
            fields, end = parse(text, match.start())
        except BrokenError as error:
            broken = max(broken, error.position)
            effort -= error.position - match.start() + _ATTEMPT
            attempts -= 1
            if effort < 0 or attempts < 0:
                return None
            start = match.end()
        else:
            if end > broken:
                found.append(Found(match.start(), end, fields))
            start = end
    return found


def _strict(text: str, start: int) -> tuple[dict[str, object], int]:
    try:
        fields, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        # Of a text that never ends, the error gives the beginning.
        unended = error.msg.startswith("Unterminated")
        raise BrokenError(len(text) if unended else error.pos) from None
    except (RecursionError, ValueError):
        raise BrokenError(len(text)) from None
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
    """A number whatever its length; Python refuses to read 5,000 digits as an `int`."""
    return int(digits) if len(digits) < 19 else math.inf


_DECODER = json.JSONDecoder(object_pairs_hook=_fields, parse_int=_whole_number, strict=False)
