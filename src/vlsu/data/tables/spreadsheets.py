"""What spreadsheets make of cells: formulas, and texts that look like numbers or dates."""

from __future__ import annotations

import re

import polars as pl

__all__ = ["escape_formula", "escaped_column", "unescape_formula"]

#: How a cell begins that a spreadsheet may take for a formula, full-width letters included.
_SIGNS = "[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
#: The same, or one that is guarded already, and has to come back as it is.
_FORMULA = re.compile(f"'*{_SIGNS}")
_GUARDED = re.compile(f"'+{_SIGNS}")
#: A number is no formula, and stays one.
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


def escape_formula(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before one that looks so.

    `unguard` gives the same text back, whatever it is.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def escaped_column(column: str) -> pl.Expr:
    """A column of texts, each as `guard` has it."""
    text = pl.col(column)
    formula = text.str.contains(f"^{_FORMULA.pattern}")
    number = text.str.contains(f"^{_NUMBER.pattern}$")
    return pl.when(formula & ~number).then("'" + text).otherwise(text).alias(column)


def unescape_formula(cell: str) -> str:
    """The text that was guarded."""
    return cell[1:] if _GUARDED.match(cell) else cell
