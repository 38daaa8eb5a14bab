"""Delimited text as it is found in the wild, read record by record.

Read are: any of ``, ; tab |`` as delimiter, and what a first line ``sep=`` states; UTF-8, UTF-16
and UTF-32, with or without a byte-order mark, and any encoding that is stated; LF, CRLF and CR;
quoted fields over several lines, in the header too; null bytes; blank lines. A record whose quoting
is broken is given up alone: reading goes on at its next line, so that one stray quote does not
swallow the rest of the file. Time is linear in the file's length and memory bounded, whatever it
holds.
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

#: Lines and characters of a file that its delimiter is found by.
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 100, 256 * 1024
#: A line of these before the header is a row of empty cells.
_NOTHING = ' \t\r\n,;|"'


class Table:
    """A delimited text file with a header.

    Args:
        path: The file.
        known: Normalised names of columns to expect, by which the delimiter is found.
        encoding: Of the file, where the user states it.
        option: By which the user states it, for messages; empty where there is none.
        lenient: Take records with fewer fields than the header, the others being empty, and with
            more where those are empty: spreadsheets leave out, and put in, empty cells at a row's
            end. Otherwise such records are broken.

    Raises:
        UsageError: There is no such encoding.
        DataError: The file cannot be read, is empty, is no delimited text, is in another encoding,
            or its header cannot be read.
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
        # `a, b, "c"`: a space behind each delimiter is layout, and would hide the quote after it.
        if len(header) > 1 and all(name.startswith(" ") for name in header[1:]):
            self._dialect = Dialect(delimiter, spaced=True)
            header, height = self._header(lines)
        self._body = before + height
        self._header_row = blank + 1
        #: Names of the columns, without outer space.
        self.header: list[str] = [name.strip() for name in header]

    @property
    def delimiter(self) -> str:
        """What separates the fields."""
        return self._dialect.delimiter

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
        """How many lines precede the header, how many of them are blank, and those from it on."""
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
        """The header's names and how many lines it takes."""
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
