"""What a model printed, before anybody reads a meaning into it: reasoning, objects, end marks.

Every function here is pure, takes any text, and needs time in proportion to its length.
"""

from __future__ import annotations

from vlsu.models.output.objects import LONGEST, Found, is_cut_off, is_denied, json_objects
from vlsu.models.output.reasoning import after_reasoning, reply_text

__all__ = [
    "LONGEST",
    "Found",
    "after_reasoning",
    "is_cut_off",
    "is_denied",
    "json_objects",
    "reply_text",
]
