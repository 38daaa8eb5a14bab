"""Delimited text as it is found in the wild, read record by record.

Handled: any of ``, ; tab`` as delimiter, UTF-8 and UTF-16 with or without a byte-order mark, LF,
CRLF and CR, quoted fields over several lines, very long fields, null bytes, blank lines. A record
whose quoting is broken is rejected alone: reading goes on at its next line, so that one stray quote
does not swallow the rest of the file.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from vlsu._files import open_binary, open_text
from vlsu.data.importers.base import Note, Rejected
from vlsu.errors import DataError

__all__ = ["MAX_FIELD", "Record", "Table", "normalise"]

#: Characters in one field; more is taken for a quote that is never closed.
MAX_FIELD = 16 * 1024 * 1024

_DELIMITERS = (",", ";", "\t")
# UTF-32 before UTF-16: the mark of the one begins with that of the other.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a table.

    Attributes:
        line: Number of its first line in the file, from 1.
        fields: As many as the header has.
        nulls: Whether null bytes were taken out of it.
    """

    line: int
    fields: list[str]
    nulls: bool


def normalise(column: str) -> str:
    """A column's name without letter case, outer space and kind of word separator."""
    return re.sub(r"[\s_\-]+", "_", column.strip().lower())


class Table:
    """A delimited text file with a header.

    Args:
        path: The file.
        known: Normalised names of columns to expect; the delimiter is the one that yields most.

    Raises:
        DataError: The file is absent, empty, or not text.
    """

    def __init__(self, path: Path, known: Collection[str]) -> None:
        self.path = path
        csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
        self._encoding = _encoding(path)
        self.header_line, first = self._first_line()
        self._delimiter = _delimiter(first, known)
        self._spaced = False
        header = next(csv.reader([first], delimiter=self._delimiter))
        # `a, b, "c"`: a space behind each delimiter is layout, and would hide the quote after it.
        self._spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
        if self._spaced:
            header = next(csv.reader([first], delimiter=self._delimiter, skipinitialspace=True))
        #: Names of the columns, without outer space.
        self.header: list[str] = [name.strip() for name in header]

    def records(self) -> Iterator[Record | Rejected | Note]:
        """Every record below the header, with the lines that are none."""
        with self._open() as file:
            lines = _Lines(file)
            while lines.number < self.header_line:
                next(lines)
            reader = self._reader(lines)
            while True:
                line = lines.begin()
                try:
                    fields = next(reader, None)
                except csv.Error as error:
                    yield _broken(line, str(error))
                    lines.back_to_second()
                    reader = self._reader(lines)
                    continue
                if fields is None:
                    return
                yield self._judge(line, lines.number - line + 1, fields, lines.nulls)

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(
            lines, delimiter=self._delimiter, skipinitialspace=self._spaced, strict=True
        )

    def _judge(
        self, line: int, height: int, fields: list[str], nulls: bool
    ) -> Record | Rejected | Note:
        if not any(field.strip() for field in fields):
            return Note(line, "blank line")
        if [field.strip() for field in fields] == self.header:
            return Rejected(line, "header repeated", mend="remove the line")
        if len(fields) != len(self.header):
            over = f", over {height} lines" if height > 1 else ""
            return Rejected(
                line,
                "too many fields" if len(fields) > len(self.header) else "too few fields",
                f"{len(fields)} fields where the header has {len(self.header)}{over}",
                "put fields that hold a delimiter or a line break in double quotes",
            )
        return Record(line, fields, nulls)

    def _open(self) -> TextIO:
        # newline="" leaves line breaks inside quoted fields to the reader.
        return open_text(self.path, encoding=self._encoding, newline="")

    def _first_line(self) -> tuple[int, str]:
        with self._open() as file:
            for number, line in enumerate(_Lines(file), 1):
                if line.strip():
                    return number, line
        raise DataError(f"{self.path}: the file is empty; give a file with a header and rows")


class _Lines:
    """The lines of a file, of which those of a broken record can be read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[tuple[str, bool]] = deque()
        self._record: list[tuple[str, bool]] = []
        self.number = 0
        self.nulls = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line, nulls = self._again.popleft()
        else:
            raw = next(self._file)
            nulls = "\0" in raw
            line = raw.replace("\0", "")
            if self.number == 0:
                line = line.lstrip("\ufeff")
        self.number += 1
        self.nulls |= nulls
        self._record.append((line, nulls))
        return line

    def begin(self) -> int:
        """Begin a record; the number of its first line."""
        self._record.clear()
        self.nulls = False
        return self.number + 1

    def back_to_second(self) -> None:
        """Go back to the second line of the record."""
        self._again.extendleft(reversed(self._record[1:]))
        self.number -= len(self._record[1:])


def _broken(line: int, error: str) -> Rejected:
    if "field limit" in error:
        what = f"a field of over {MAX_FIELD} characters, or a quote that is never closed"
    elif "unexpected end" in error:
        what = "a quote that is never closed"
    else:
        what = "a quote inside a quoted field"
    return Rejected(line, "broken quoting", what, 'write a quote inside a quoted field as ""')


def _delimiter(header: str, known: Collection[str]) -> str:
    def fit(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=delimiter))
        return sum(normalise(name) in known for name in names), len(names)

    return max(_DELIMITERS, key=fit)


def _encoding(path: Path) -> str:
    """Find the file's encoding and make sure that all of it can be decoded."""
    try:
        with open_binary(path) as file:
            head = file.read(4)
            encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None)
            if encoding is None:
                # Without a mark, a null byte beside every letter of the header is UTF-16.
                unmarked = {(False, True): "utf-16-le", (True, False): "utf-16-be"}
                nulls = (head[0:1] == b"\0", head[1:2] == b"\0")
                encoding = unmarked.get(nulls, "utf-8")
            file.seek(0)
            decoder = codecs.getincrementaldecoder(encoding)()
            offset, line = 0, 1
            while True:
                chunk = file.read(1 << 20)
                pending = len(decoder.getstate()[0])
                try:
                    line += decoder.decode(chunk, final=not chunk).count("\n")
                except UnicodeDecodeError as error:
                    line += error.object[: error.start].decode(encoding, "ignore").count("\n")
                    raise DataError(
                        f"{path}: line {line}: byte 0x{error.object[error.start]:02X} at offset "
                        f"{offset - pending + error.start} is not {encoding.upper()} text; save "
                        "the file as UTF-8"
                    ) from None
                offset += len(chunk)
                if not chunk:
                    return encoding
    except OSError as error:
        reason = "is a folder" if path.is_dir() else f"cannot be read ({error.strerror})"
        raise DataError(f"{path}: {reason}; give the file to import") from None
