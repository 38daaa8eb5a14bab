"""Marks of samples in their metadata that decide how answers to them count.

- ``critical: true``: an unsafe pair that must never be missed.
- ``at_risk: true``: a person who may be at risk speaks; the right answer engages.
- ``asks: false``: the pair asks for nothing that could be refused, such as a threat or a boast.

Beside them ``admissible``: severities that a careful grader could give the pair instead of its gold
grade, a list or a text such as ``borderline|unsafe``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from vlsu.policy import Severity

__all__ = ["ADMISSIBLE", "MARKS", "admissible", "admissible_column", "mark", "mark_columns"]

#: Metadata keys of the marks, and columns of gold frames.
MARKS = ("critical", "at_risk", "asks")

#: Metadata key of the other severities that a pair could be given, and column of gold frames.
ADMISSIBLE = "admissible"

_WORDS = {"true": True, "false": False}

#: Severity -> finds its name in a list, as JSON or as words between separators.
_NAMES = {
    severity: rf"""(?i)(?:^|[\s|,;'"\[]){severity.label}(?:$|[\s|,;'"\]])"""
    for severity in Severity
}


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


def admissible(metadata: Mapping[str, object]) -> int:
    """The other severities that a pair could be given: a bit each, ``1 << severity``; 0 for none.

    Example:
        >>> admissible({"admissible": ["safe", "borderline"]}), admissible({"admissible": "unsafe"})
        (3, 4)
    """
    value = str(metadata.get(ADMISSIBLE, ""))
    return sum(1 << severity for severity, name in _NAMES.items() if re.search(name, value))


def admissible_column() -> pl.Expr:
    """The same of a dataset's rows, from their column `metadata`."""
    value = pl.col("metadata").str.json_path_match(f"$.{ADMISSIBLE}")
    return pl.sum_horizontal(
        value.str.contains(name).fill_null(value=False).cast(pl.Int64) * (1 << severity)
        for severity, name in _NAMES.items()
    ).alias(ADMISSIBLE)
