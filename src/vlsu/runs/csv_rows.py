"""CSV files that people fill in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from vlsu.errors import DataError

__all__ = ["read_rows"]


def read_rows(source: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV with their numbers, as a spreadsheet counts them: the header is row 1.

    Column names are stripped and lower-cased; a cell that is not there is empty.

    Args:
        source: The file, in UTF-8.
        required: Columns that must be there.

    Raises:
        DataError: It cannot be read, or a required column is absent.
    """
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{source}: cannot be read as CSV ({type(error).__name__})") from None
    header = [name.strip().lower() for name in (lines[0] if lines else [])]
    for column in required:
        if column not in header:
            raise DataError(f"{source}: no column {column!r}; found {', '.join(header) or 'none'}")
    return [
        (number, dict.fromkeys(header, "") | dict(zip(header, line, strict=False)))
        for number, line in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in line)
    ]
