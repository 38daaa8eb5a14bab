"""Marks of samples in their metadata that decide how answers to them count.

- ``critical: true``: an unsafe pair that must never be missed.
- ``at_risk: true``: a person who may be at risk speaks; the right answer engages.
- ``asks: false``: the pair asks for nothing that could be refused, such as a threat or a boast.

Beside them ``admissible``: severities that a careful grader could give the pair instead of its gold
grade, a list or a text such as ``borderline|unsafe``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import polars as pl

from vlsu._text import quoted
from vlsu.policy import Severity

__all__ = [
    "ADMISSIBLE",
    "MARKS",
    "admissible",
    "admissible_column",
    "mark",
    "mark_columns",
    "unread",
    "unread_marks",
]

#: Metadata keys of the marks, and columns of gold frames.
MARKS = ("critical", "at_risk", "asks")

#: Metadata key of the other severities that a pair could be given, and column of gold frames.
ADMISSIBLE = "admissible"

#: What a mark may be, as tables write it.
_WORDS = {
    **dict.fromkeys(("true", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "no", "n", "0", "0.0"), False),
}

#: Metadata keys -> what their values may be, for messages.
_VALUES = {
    **dict.fromkeys(MARKS, "true or false"),
    ADMISSIBLE: "safe, borderline or unsafe, or several of them",
}

#: What lies between the severities of a list, as JSON or as words.
_BETWEEN = r"""[\s|,;'"\[\]]+"""

#: Severities with a space between, or none.
_LIST = "(?:(?:{0})(?: (?:{0}))*|none|)".format("|".join(each.label for each in Severity))

#: Characters of a value that is shown in messages.
_WORD = 12

#: Severity -> finds its name in a list, as JSON or as words between separators.
_NAMES = {
    severity: rf"""(?i)(?:^|[\s|,;'"\[]){severity.label}(?:$|[\s|,;'"\]])"""
    for severity in Severity
}


def mark(metadata: Mapping[str, object], name: str) -> bool | None:
    """A mark of one sample: true or false, also as yes or no, as 1 or 0, and as text.

    `None` if it is not given, or is none of these (see `unread_marks`).
    """
    return _WORDS.get(str(metadata[name]).strip().lower()) if name in metadata else None


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
    if ADMISSIBLE not in metadata:
        return 0
    value = str(metadata[ADMISSIBLE])
    return sum(1 << severity for severity, name in _NAMES.items() if re.search(name, value))


def admissible_column() -> pl.Expr:
    """The same of a dataset's rows, from their column `metadata`."""
    value = pl.col("metadata").str.json_path_match(f"$.{ADMISSIBLE}")
    return pl.sum_horizontal(
        value.str.contains(name).fill_null(value=False).cast(pl.Int64) * (1 << severity)
        for severity, name in _NAMES.items()
    ).alias(ADMISSIBLE)


def unread(metadata: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Marks and `admissible` of one sample that cannot be read, and so count as not given.

    Yields:
        Metadata key, value (its length if it is longer than a word), and what it may be.
    """
    for name in _VALUES.keys() & metadata.keys():
        value = metadata[name]
        if value is None or (name != ADMISSIBLE and mark(metadata, name) is not None):
            continue
        words = str(value).strip().lower()
        if name == ADMISSIBLE:
            words = re.sub(_BETWEEN, " ", words).strip()
            if re.fullmatch(_LIST, words):
                continue
        if words:
            yield name, _shown(str(value).strip()), _VALUES[name]


def unread_marks(frame: pl.LazyFrame) -> Iterator[tuple[str, str, str, int, str]]:
    """The same of a dataset's rows.

    Args:
        frame: Rows with the columns ``id`` and ``metadata``.

    Yields:
        Metadata key, value, what it may be, number of samples with it, and the id of the first.
    """
    # Most datasets have none of them, which one look at the file tells.
    holding = {name: pl.col("metadata").str.contains(f'"{name}"', literal=True) for name in _VALUES}
    counts = frame.select(**{name: rows.sum() for name, rows in holding.items()})
    present = counts.collect(engine="streaming").row(0, named=True)
    for name in filter(present.get, _VALUES):
        there = frame.filter(holding[name])
        value = pl.col("metadata").str.json_path_match(f"$.{name}").str.strip_chars()
        words = value.str.to_lowercase()
        if name == ADMISSIBLE:
            read = (
                words.str.replace_all(_BETWEEN, " ").str.strip_chars().str.contains(rf"^{_LIST}$")
            )
        else:
            read = words.is_in(["", *_WORDS])
        odd = there.select("id", read=read, value=value).filter(
            pl.col("value").is_not_null() & ~pl.col("read")
        )
        found = odd.group_by("value").agg(pl.len(), pl.col("id").first()).sort("value").collect()
        for text, count, sample in found.iter_rows():
            yield name, _shown(text), _VALUES[name], count, sample


def _shown(value: str) -> str:
    """A value for messages. What is longer than a word may be a sample's text, and is not shown."""
    return quoted(value) if len(value) <= _WORD else f"a text of {len(value)} characters"
