"""Processing of a model's output before it is interpreted: reasoning, JSON objects, special tokens.

Every function here is pure, takes any text, and needs time in proportion to its length.
"""

from __future__ import annotations

from vlsu.models.output.objects import (
    MAX_CHARACTERS,
    JsonObject,
    is_negated,
    is_truncated,
    json_objects,
)
from vlsu.models.output.reasoning import after_reasoning, reply_text

__all__ = [
    "MAX_CHARACTERS",
    "JsonObject",
    "after_reasoning",
    "is_negated",
    "is_truncated",
    "json_objects",
    "reply_text",
]
