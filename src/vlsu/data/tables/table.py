"""Reading delimited text of any dialect, record by record.

Supported are any of ``, ; tab |`` as delimiter, and the delimiter of a first line ``sep=``; UTF-8,
UTF-16 and UTF-32, with or without a byte order mark, and any stated encoding; LF, CRLF and CR;
quoted fields over several lines, in the header too; null bytes; blank lines. A record with
malformed quoting is skipped alone: reading resumes at its next line, so that one stray quote does
not consume the rest of the file. Time is linear in the file's length and memory is bounded.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TextIO

from vlsu._files import open_text
from vlsu.data.tables.dialect import Dialect, choose_delimiter, stated_delimiter
from vlsu.data.tables.lines import MAX_RECORD, LineError, Lines
from vlsu.data.tables.records import MAX_FIELD, Blank, Broken, Record, broken, read_records
from vlsu.data.tables.source import find_encoding
from vlsu.errors import DataError

__all__ = ["Table"]

#: Maximum lines and characters from which the delimiter is detected.
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 100, 256 * 1024
#: A line of only these characters before the header is blank.
_NOTHING = ' \t\r\n,;|"'


class Table:
    """A delimited text file with a header.

    Args:
        path: The file.
        known: Normalised names of expected columns, by which the delimiter is detected.
        encoding: Encoding of the file, if the user states it.
        option: The option that states it, for messages; empty if there is none.
        lenient: Accept records with fewer fields than the header, and with more if those are empty:
            spreadsheets omit and add empty cells at the end of rows. Otherwise such records are
            malformed.

    Raises:
        UsageError: The encoding does not exist.
        DataError: The file cannot be read, is empty, is not delimited text, is in another encoding,
            or its header is malformed.
    """

    def __init__(
        self,
        path: Path,
        known: Collection[str] = (),
        *,
        encoding: str | None = None,
        option: str = "--encoding",
        lenient: bool = False,
    ) -> None:
        self.path = path
        self._lenient = lenient
        csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
        self._encoding = find_encoding(path, encoding, option=option)
        before, blank, lines = self._first_lines()
        delimiter = self._delimiter_of(lines, known)
        #: Number of the header's first line.
        self.header_line = before + 1
        self._dialect = Dialect(delimiter)
        header, height = self._header(lines)
        # `a, b, "c"`: a space after each delimiter is layout, and would hide the quote after it.
        if len(header) > 1 and all(name.startswith(" ") for name in header[1:]):
            self._dialect = Dialect(delimiter, spaced=True)
            header, height = self._header(lines)
        self._body = before + height
        self._header_row = blank + 1
        #: Names of the columns, without outer space.
        self.header: list[str] = [name.strip() for name in header]

    @property
    def delimiter(self) -> str:
        """The delimiter of the fields."""
        return self._dialect.delimiter

    @property
    def body_line(self) -> int:
        """Number of the first line below the header."""
        return self._body + 1

    @property
    def plain_delimiter(self) -> str | None:
        """The delimiter, if records of UTF-8 text are split at it and nowhere else."""
        plain = self._encoding == "utf-8" and not (self._dialect.spaced or self._lenient)
        return self.delimiter if plain and self.delimiter.isascii() else None

    def records(self) -> Iterator[Record | Broken | Blank]:
        """Every record below the header, in order.

        Raises:
            DataError: The file cannot be read any more.
        """
        try:
            with self._open() as file:
                lines = Lines(file)
                while lines.number < self._body:
                    lines.begin()
                    next(lines)
                yield from read_records(
                    lines,
                    self._dialect,
                    self.header,
                    row=self._header_row,
                    lenient=self._lenient,
                )
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from None

    def _open(self) -> TextIO:
        # newline="" leaves line breaks inside quoted fields to the reader.
        return open_text(self.path, encoding=self._encoding, newline="")

    def _first_lines(self) -> tuple[int, int, list[str]]:
        """Number of lines before the header, of blank ones among them, and the lines from it."""
        before, blank, size = 0, 0, 0
        lines: list[str] = []
        self._stated: str | None = None
        with self._open() as file:
            source = Lines(file)
            try:
                for line in source:
                    source.begin()
                    if not lines and not line.strip(_NOTHING):
                        before += 1
                        blank += 1
                        continue
                    if not lines and self._stated is None:
                        self._stated = stated_delimiter(line)
                        if self._stated is not None:
                            before += 1
                            continue
                    lines.append(line)
                    size += len(line)
                    if len(lines) >= _SAMPLE_LINES or size >= _SAMPLE_CHARACTERS:
                        break
            except LineError:
                if not lines:
                    raise DataError(
                        f"{self.path}: line {before + 1}: the header is a line of over "
                        f"{MAX_RECORD} characters; give a file with a header and rows"
                    ) from None
        if not lines:
            raise DataError(f"{self.path}: the file is empty; give a file with a header and rows")
        return before, blank, lines

    def _delimiter_of(self, lines: list[str], known: Collection[str]) -> str:
        if self._stated is not None and self._stated in lines[0]:
            return self._stated
        return choose_delimiter(lines, known)

    def _header(self, lines: list[str]) -> tuple[list[str], int]:
        """The header's names and its number of lines."""
        reader = self._dialect.reader(iter(lines))
        try:
            header = next(reader)
        except csv.Error as error:
            fault = broken(self.header_line, 1, str(error))
            raise DataError(
                f"{self.path}: line {self.header_line}: the header has {fault.value}; "
                f"{fault.advice}"
            ) from None
        return header, reader.line_num
