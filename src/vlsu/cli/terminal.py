"""The two output streams of a command: whatever they are, writing to them never ends the command.

Standard output may be no UTF-8, closed, a pipe whose reader has left, or a full disk; standard
error too. A run of hours must not be lost for the table at its end. And what is printed is partly
other people's text (model names, answers, messages of servers, names of files), which must not
steer the reader's terminal.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import logging
import os
import re
import select
import sys
from collections.abc import Iterator
from typing import TextIO

from vlsu._text import harmless

__all__ = [
    "StreamError",
    "harmless",
    "json_text",
    "one_line",
    "open_streams",
    "print_text",
    "say",
    "say_logged",
]

#: Characters of a line at most; messages of servers may be long.
LONGEST_LINE = 4000

#: What JSON leaves unescaped and a terminal may act on; all that is not ASCII.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_NOT_ASCII = re.compile("[^\x00-\x7e]")

#: What stands for a character that the encoding lacks. A minus that became "?" would lose a sign.
_PLAIN = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "…": "...",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
    "×": "x",
    "·": "-",
    "•": "*",
    "\N{NO-BREAK SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
}
_SUBSTITUTE = "vlsu-substitute"


def one_line(text: str) -> str:
    """A text as one harmless line, cut where it is very long."""
    line = " ".join(harmless(text[: 2 * LONGEST_LINE]).split("\n"))
    if len(line) > LONGEST_LINE or len(text) > 2 * LONGEST_LINE:
        return line[:LONGEST_LINE] + " ..."
    return line


def json_text(document: str, encoding: str | None) -> str:
    """A JSON document in characters that a terminal only shows and the encoding has.

    The value it stands for is the same: characters are replaced by their escapes.

    Args:
        document: Valid JSON; what is not ASCII stands within its strings.
        encoding: Of the stream it is written to.
    """
    try:
        unicode_ = codecs.lookup(encoding or "utf-8").name.startswith("utf")
    except LookupError:
        unicode_ = False
    unsafe = _UNSAFE_IN_JSON if unicode_ else _NOT_ASCII
    return unsafe.sub(_escaped, document)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _substitute(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: plain characters in place of those that the encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, "?") for each in characters), error.end


codecs.register_error(_SUBSTITUTE, _substitute)


class StreamError(Exception):
    """Standard output could not be written; the message says why."""


class _Lenient(io.RawIOBase):
    """A descriptor to write to; after the first failure everything is dropped.

    Attributes:
        failure: The first failure.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        try:
            return os.isatty(self._descriptor)
        except OSError:
            return False

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        while self.failure is None:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:  # whoever holds the other end has made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.failure = error
        return len(view)


@contextlib.contextmanager
def open_streams() -> Iterator[None]:
    """While open, ``sys.stdout`` and ``sys.stderr`` take any text and never fail.

    A descriptor that was closed becomes the null device, so that no file of a run is opened under
    its number. A reader that has left (``| head``) is no failure.

    Raises:
        StreamError: At the end, if standard output could not be written: a full disk, say.
    """
    before = sys.stdout, sys.stderr
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is what is given out: this one.
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
    output, errors = _Lenient(1), _Lenient(2)
    sys.stdout, sys.stderr = (
        _text(raw, stream, line_buffering=raw is errors or raw.isatty())
        for raw, stream in ((output, before[0]), (errors, before[1]))
    )
    ours = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for stream in ours:
            stream.flush()
        sys.stdout, sys.stderr = before
    if output.failure is not None and output.failure.errno not in (errno.EPIPE, errno.ESHUTDOWN):
        why = output.failure.strerror
        raise StreamError(f"standard output cannot be written ({why}); what was printed is lost")


def _text(raw: _Lenient, like: TextIO | None, *, line_buffering: bool) -> TextIO:
    if like is not None:
        with contextlib.suppress(OSError, ValueError):
            like.flush()
    encoding = getattr(like, "encoding", None) or "utf-8"
    buffered = io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffered, encoding=encoding, errors=_SUBSTITUTE, line_buffering=line_buffering
    )


def say(line: str) -> None:
    """Print one line on standard error, so that standard output stays data."""
    print(one_line(line), file=sys.stderr)


class _LogHandler(logging.Handler):
    """Prints what the package logs on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


def say_logged() -> None:
    """From now on, print warnings and errors of the log."""
    root = logging.getLogger()
    if not any(isinstance(handler, _LogHandler) for handler in root.handlers):
        root.addHandler(_LogHandler(logging.WARNING))


def print_text(text: str, *, end: str = "\n") -> None:
    """Text on standard output, without anything in it that would steer a terminal."""
    print(harmless(text), end=end)
