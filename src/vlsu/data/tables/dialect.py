"""Detecting the delimiter of a table from its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlsu.data.tables.columns import normalise

if TYPE_CHECKING:
    from _csv import Reader

__all__ = ["DELIMITERS", "Dialect", "choose_delimiter", "stated_delimiter"]

#: Delimiters, the most common first.
DELIMITERS = (",", ";", "\t", "|")

_STATED = re.compile(r'"?sep=([^\w\s"]|\t)"?[,;\t| ]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the fields of a table are separated.

    Attributes:
        delimiter: The delimiter.
        spaced: Whether a space after each delimiter is layout, not content.
    """

    delimiter: str
    spaced: bool = False

    def reader(self, lines: Iterator[str]) -> Reader:
        """A strict parser of records, which rejects malformed quoting."""
        return csv.reader(
            lines, delimiter=self.delimiter, skipinitialspace=self.spaced, strict=True
        )


def stated_delimiter(line: str) -> str | None:
    """The delimiter that a line ``sep=;`` states, as spreadsheets write and read it."""
    found = _STATED.fullmatch(line.strip("\r\n "))
    return found[1] if found else None


def choose_delimiter(lines: Sequence[str], known: Collection[str]) -> str:
    """The most plausible delimiter of a table's first lines.

    The one that gives most columns a known name; then one that gives several columns; then the one
    by which most rows have as many fields as the header.

    Args:
        lines: The header and the lines below it; the last may be truncated.
        known: Normalised names of expected columns.
    """

    def fit(delimiter: str) -> tuple[int, bool, float, int]:
        try:
            header, *rows = csv.reader(lines, delimiter=delimiter)
        except csv.Error:
            return 0, False, 0.0, 0
        named = sum(normalise(name) in known for name in header)
        filled = [row for row in rows[:-1] or rows if any(cell.strip() for cell in row)]
        even = sum(len(row) == len(header) for row in filled) / len(filled) if filled else 1.0
        return named, len(header) > 1, even, len(header)

    return max(DELIMITERS, key=fit)
