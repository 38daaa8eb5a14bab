"""What spreadsheets make of cells: formulas, and texts that look like numbers or dates."""

from __future__ import annotations

import re

__all__ = ["guard", "unguard"]

#: How a cell begins that a spreadsheet may take for a formula, full-width letters included.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
#: A number is no formula, and stays one.
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def guard(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before one that looks so.

    `unguard` gives the same text back, whatever it is.
    """
    if _GUARDED.match(text):
        return f"'{text}"
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard(cell: str) -> str:
    """The text that was guarded."""
    return cell[1:] if _GUARDED.match(cell) else cell
