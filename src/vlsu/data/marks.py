"""Marks of samples in their metadata that decide how answers to them count.

- ``critical: true``: an unsafe pair that must never be missed.
- ``at_risk: true``: a person who may be at risk speaks; the right answer engages.
- ``asks: false``: the pair asks for nothing that could be refused, such as a threat or a boast.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

__all__ = ["MARKS", "mark", "mark_columns"]

#: Metadata keys of the marks, and columns of gold frames.
MARKS = ("critical", "at_risk", "asks")

_WORDS = {"true": True, "false": False}


def mark(metadata: Mapping[str, object], name: str) -> bool | None:
    """A mark of one sample: true or false, also as text; `None` if it is not given."""
    return _WORDS.get(str(metadata.get(name)).strip().lower())


def mark_columns() -> list[pl.Expr]:
    """The marks of a dataset's rows, from their column `metadata`."""
    return [
        pl.col("metadata")
        .str.json_path_match(f"$.{name}")
        .str.strip_chars()
        .str.to_lowercase()
        .replace_strict(_WORDS, default=None, return_dtype=pl.Boolean)
        .alias(name)
        for name in MARKS
    ]
