"""The lines of a file in bounded memory; lines of a malformed record are read at most twice."""

from __future__ import annotations

from collections import deque
from typing import TextIO

__all__ = ["MAX_RECORD", "LineError", "Lines"]

#: Maximum characters of a record; more indicates an unclosed quote.
MAX_RECORD = 32 * 1024 * 1024

#: Cost of a line in addition to its characters, so that many short lines are bounded too.
_OVERHEAD = 64
_SKIPPED_AT_ONCE = 1 << 20


class LineError(Exception):
    """A record cannot continue with the next line; the message says why."""


class Lines:
    """Iterator of lines for `csv.reader`.

    A record with malformed quoting is skipped, and reading resumes at its second line. Until the
    line where that record failed, an open quote at the end of a line is known to fail again, so
    such records are skipped at once, and no line is read more than twice.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._reread: deque[tuple[str | None, bool]] = deque()
        self._record: list[tuple[str | None, bool]] = []
        self._size = 0
        self._unusable_until = 0
        #: Lines read so far, without those to be read again.
        self.number = 0
        #: Whether null bytes were removed from the record.
        self.nulls = False

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        if self._record and self.number < self._unusable_until:
            raise LineError("a quote that is never closed")
        line, nulls = self._reread.popleft() if self._reread else self._read()
        self.number += 1
        self.nulls |= nulls
        self._record.append((line, nulls))
        if line is None:
            raise LineError(f"a line of over {MAX_RECORD} characters")
        self._size += len(line) + _OVERHEAD
        if self._size > MAX_RECORD + _OVERHEAD:
            raise LineError(f"a record of over {MAX_RECORD} characters")
        return line

    def begin(self) -> int:
        """Begin a record; returns the number of its first line."""
        self._record.clear()
        self._size = 0
        self.nulls = False
        return self.number + 1

    def give_up(self) -> None:
        """Skip the record, and resume at its second line."""
        self._unusable_until = max(self._unusable_until, self.number)
        self._reread.extendleft(reversed(self._record[1:]))
        self.number -= len(self._record[1:])

    def _read(self) -> tuple[str | None, bool]:
        raw = self._file.readline(MAX_RECORD + 1)
        if not raw:
            raise StopIteration
        if len(raw) > MAX_RECORD and not raw.endswith(("\n", "\r")):
            while raw and not raw.endswith(("\n", "\r")):
                raw = self._file.readline(_SKIPPED_AT_ONCE)
            return None, False
        nulls = "\0" in raw
        if nulls:
            raw = raw.replace("\0", "")
        if raw.startswith("\ufeff") and not self._record:  # also within concatenated files
            raw = raw.lstrip("\ufeff")
        return raw, nulls
