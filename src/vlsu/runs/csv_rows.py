"""CSV files that people fill in."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vlsu._files import read_bytes
from vlsu.errors import DataError

__all__ = ["read_rows"]

#: Longest cell, in characters; Python's own bound is 131,072.
LONGEST_CELL = 10_000_000


def read_rows(source: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV with their numbers, as a spreadsheet counts them: the header is row 1.

    Column names are stripped and lower-cased; a cell that is not there is empty.

    Args:
        source: The file, in UTF-8.
        required: Columns that must be there.

    Raises:
        DataError: It cannot be read, a required column is absent, a name heads two columns, or a
            row has more cells than there are columns: its text is cut at a comma.
    """
    lines = _lines(source)
    header = [name.strip().lower() for name in (lines[0] if lines else [])]
    for column in required:
        if column not in header:
            raise DataError(f"{source}: no column {column!r}; found {', '.join(header) or 'none'}")
    named = Counter(name for name in header if name)
    if twice := [name for name, times in named.items() if times > 1]:
        raise DataError(f"{source}: two columns are called {twice[0]!r}; rename one")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if any(cell.strip() for cell in line[len(header) :]):
            raise DataError(
                f"{source}: row {number}: {len(line)} cells for {len(header)} columns; put text "
                "that holds commas between quotation marks"
            )
        rows.append((number, dict.fromkeys(header, "") | dict(zip(header, line, strict=False))))
    return rows


def _lines(source: Path) -> list[list[str]]:
    try:
        text = read_bytes(source).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{source}: line {line}: not UTF-8; save the file as such") from None
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    lines: list[list[str]] = []
    try:
        lines.extend(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        where = f"{source}: row {len(lines) + 1}"
        raise DataError(f"{where}: cannot be read as CSV ({error})") from None
    return lines
