"""Records of delimited text: valid, malformed and blank ones."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlsu.data.tables.dialect import Dialect
from vlsu.data.tables.lines import LineError, Lines

__all__ = ["MAX_FIELD", "Blank", "Broken", "Record", "broken", "read_records"]

#: Maximum characters of a field; more indicates an unclosed quote.
MAX_FIELD = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a table.

    Attributes:
        line: Number of its first line in the file, from 1.
        row: Its number as a spreadsheet counts rows, from 1.
        fields: As many as the header has.
        nulls: Whether null bytes were removed from it.
    """

    line: int
    row: int
    fields: list[str]
    nulls: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be read.

    Attributes:
        line: Number of its first line in the file, from 1.
        row: As in `Record`.
        reason: Short and constant for its kind.
        value: The value found, without text of the file.
        advice: How the user can fix it.
    """

    line: int
    row: int
    reason: str
    value: str
    advice: str


@dataclass(frozen=True, slots=True)
class Blank:
    """A record without a value, or a line without a character."""

    line: int
    row: int


def read_records(
    lines: Lines, dialect: Dialect, header: Sequence[str], *, row: int = 1, lenient: bool = False
) -> Iterator[Record | Broken | Blank]:
    """The records of all remaining lines.

    Args:
        lines: At the line below the header.
        dialect: How fields are separated.
        header: The columns' names, without outer space.
        row: Number of the header's row.
        lenient: See `vlsu.data.tables.table.Table`.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
    reader = dialect.reader(lines)
    width = len(header)
    # What the first field of a blank record or of a repeated header is.
    unusual = ("", *header[:1])
    while True:
        line = lines.begin()
        row += 1
        try:
            fields = next(reader, None)
        except (csv.Error, LineError) as error:
            yield broken(line, row, str(error))
            lines.give_up()
            reader = dialect.reader(lines)
            continue
        if fields is None:
            return
        if len(fields) == width and fields[0].strip() not in unusual:
            yield Record(line, row, fields, lines.nulls)
            continue
        if lenient and not any(field.strip() for field in fields[len(header) :]):
            fields = fields[: len(header)] + [""] * (len(header) - len(fields))
        if not any(field.strip() for field in fields):
            yield Blank(line, row)
        elif [field.strip() for field in fields] == header:
            yield Broken(line, row, "header repeated", "", "remove the line")
        elif len(fields) != len(header):
            yield _uneven(line, row, lines.number - line + 1, len(fields), len(header))
        else:
            yield Record(line, row, fields, lines.nulls)


def _uneven(line: int, row: int, height: int, count: int, wanted: int) -> Broken:
    over = f", over {height} lines" if height > 1 else ""
    return Broken(
        line,
        row,
        "too many fields" if count > wanted else "too few fields",
        f"{count} fields where the header has {wanted}{over}",
        "put fields that hold a delimiter or a line break in double quotes",
    )


def broken(line: int, row: int, error: str) -> Broken:
    """The malformed record for a parser's error."""
    advice = 'write a quote inside a quoted field as ""'
    if "characters" in error:
        if "record" in error:
            error += ", or a quote that is never closed"
        return Broken(line, row, "too long", error, f"split it, or close its quote; {advice}")
    if "field limit" in error:
        what = f"a field of over {MAX_FIELD} characters, or a quote that is never closed"
    elif "unexpected end" in error or "never closed" in error:
        what = "a quote that is never closed"
    else:
        what = "a quote inside a quoted field"
    return Broken(line, row, "broken quoting", what, advice)
