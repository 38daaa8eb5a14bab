"""Escaping cells that spreadsheets would take for formulas."""

from __future__ import annotations

import re

import polars as pl

__all__ = ["escape_formula", "escaped_column", "unescape_formula"]

#: First characters of formulas, including full-width ones.
_SIGNS = "[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
#: The same, or a cell that looks escaped already and must be restored exactly.
_FORMULA = re.compile(f"'*{_SIGNS}")
_GUARDED = re.compile(f"'+{_SIGNS}")
#: Numbers are not formulas.
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


def escape_formula(text: str) -> str:
    """Prefix an apostrophe to a cell that a spreadsheet may take for a formula.

    `unguard` restores the text exactly.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def escaped_column(column: str) -> pl.Expr:
    """An expression for a column of texts, each escaped by `guard`."""
    text = pl.col(column)
    formula = text.str.contains(f"^{_FORMULA.pattern}")
    number = text.str.contains(f"^{_NUMBER.pattern}$")
    return pl.when(formula & ~number).then("'" + text).otherwise(text).alias(column)


def unescape_formula(cell: str) -> str:
    """The text before it was escaped."""
    return cell[1:] if _GUARDED.match(cell) else cell
