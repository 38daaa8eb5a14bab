"""Answers that are to be one JSON object and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from vlsu.models.base import Outcome, Response
from vlsu.models.output import after_reasoning
from vlsu.tasks.answers.reading import looks_like_refusal

__all__ = ["json_object", "read_object"]

_T = TypeVar("_T")


def json_object(text: str) -> dict[str, Any] | None:
    r"""The JSON object that a text is, a code fence around it aside; `None` of anything else.

    Example:
        >>> json_object('```json\n{"a": 1}\n```'), json_object('Here: {"a": 1}')
        ({'a': 1}, None)
    """
    text = text.strip()
    fence, _, fenced = text.partition("\n")
    if fence.rstrip() in {"```", "```json"} and fenced.endswith("```"):
        text = fenced.removesuffix("```")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def read_object(
    response: Response, read: Callable[[Mapping[str, Any]], _T | None]
) -> tuple[Outcome, _T | None]:
    """What a JSON object says, or the outcome of an answer that is none.

    Args:
        response: The answer; marked reasoning before the object is passed over.
        read: What an object says; `None` of one that is not as it was asked for.

    Returns:
        `OK` and what was read; else the response's own outcome, `REFUSED` or `UNPARSED`, and
        `None`. What was cut off is never read.
    """
    if response.outcome is not Outcome.OK:
        return response.outcome, None
    if response.cut_off:
        return Outcome.UNPARSED, None
    visible = after_reasoning(response.text)
    for text in (response.text, visible):
        tree = json_object(text)
        if tree is not None and (found := read(tree)) is not None:
            return Outcome.OK, found
    return Outcome.REFUSED if looks_like_refusal(visible) else Outcome.UNPARSED, None
