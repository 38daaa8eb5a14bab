"""What any reading of a model's words begins with: reasoning left out, JSON objects found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

__all__ = ["after_reasoning", "json_objects"]

#: Objects are looked for from this many opening braces before the end: a bound on hostile answers.
MOST_BRACES = 500

_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THINKING_END = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
_THINKING_OPEN = re.compile(r"<(?:think|thinking|reasoning)>", re.IGNORECASE)


def after_reasoning(text: str) -> str:
    """The text without marked reasoning; empty where the reasoning never ends."""
    text = _THINKING.sub("", text)
    *_, text = _THINKING_END.split(text)  # some templates swallow the opening mark
    return "" if _THINKING_OPEN.search(text) else text.strip()


def json_objects(text: str) -> Iterator[tuple[int, int, dict[str, object]]]:
    """Every JSON object in a text that is not inside another: start, end, fields.

    Field names are lower-cased, and texts among the values stripped and lower-cased; a field that
    is given twice with different values is `None`.
    """
    start = _brace_from_end(text, MOST_BRACES)
    while start >= 0:
        try:
            fields, end = _DECODER.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            end = start + 1
        else:
            yield start, end, fields
        start = text.find("{", end)


def _brace_from_end(text: str, count: int) -> int:
    """Where the `count`-th last opening brace stands, or the first; -1 if there is none."""
    start = len(text)
    for _ in range(count):
        before = text.rfind("{", 0, start)
        if before < 0:
            break
        start = before
    return start if start < len(text) else -1


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for raw_name, raw in pairs:
        name = raw_name.strip().lower()
        value = raw.strip().lower() if isinstance(raw, str) else raw
        if name in fields and fields[name] != value:
            value = None
        fields[name] = value
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_fields, strict=False)
