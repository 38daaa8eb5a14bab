"""What commands print: tables, JSON and progress.

Of the library that draws, a start imports nothing until there is something to draw.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson

from vlsu._lazy import lazily
from vlsu.cli.terminal import json_text, one_line, print_text, say
from vlsu.models.base import Outcome

if TYPE_CHECKING:
    from vlsu.cli.drawing import RunBar, counter, print_table

__all__ = [
    "RunProgress",
    "counter",
    "print_json",
    "print_table",
    "print_text",
    "say",
]

#: Seconds of a wait from which it is shown, between two lines about waits, and between two with the
#: same reason.
SHOWN_S, LINES_APART_S, REPEATED_AFTER_S = 2.0, 10.0, 60.0
#: Seconds after which the bar is drawn: the first requests do not wait for that.
DRAWN_AFTER_S = 0.25


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    try:
        document = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except TypeError:  # half a character in a string, out of a file name or an answer
        document = orjson.dumps(_whole_characters(value), option=orjson.OPT_INDENT_2)
    encoding = getattr(sys.stdout, "encoding", None)
    sys.stdout.write(json_text(document.decode(), encoding) + "\n")


def _whole_characters(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_whole_characters(key): _whole_characters(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_characters(each) for each in value]
    return value


class RunProgress:
    """A bar with rate, outcomes and time left, on standard error.

    Attributes:
        completed: Requests that are stored or have failed.
    """

    def __init__(self) -> None:
        self.completed = 0
        self._planned: int | None = None
        self._at_most = False
        self._stored = 0
        self._spared = 0
        self._counts: Counter[str] = Counter()
        self._waits_until, self._waits_for = 0.0, ""
        #: The reason that a line was last written for, and when.
        self._last_line = ("", float("-inf"))
        self._since = 0.0
        self._shown = False
        self._bar: RunBar | None = None
        self._timer: threading.Timer | None = None
        self._drawing = threading.Lock()

    @property
    def total(self) -> int | None:
        """Requests the run needs, as far as that is known."""
        if self._planned is None:
            return None
        if not self._at_most:  # the store may hold what the run does not need
            return max(self.completed, self._planned)
        # Of what needs no request, as much was stored before as was found in the store.
        return max(self.completed, self._planned - max(0, self._spared - self._stored))

    def begin(self, total: int, *, at_most: bool = False) -> None:
        """Show how many requests the run needs; before that there is nothing to show."""
        self._planned, self._at_most = total, at_most
        if self._shown and self._timer is None:
            self._timer = threading.Timer(DRAWN_AFTER_S, self._draw)
            self._timer.daemon = True
            self._timer.start()

    def _draw(self) -> None:
        """Draw the bar, unless there is one or the block that shows it is over."""
        from vlsu.cli.drawing import RunBar

        with self._drawing:
            if self._shown and self._bar is None:
                self._bar = RunBar(self, self._since)
                self._bar.start()

    def stored(self, count: int) -> None:
        """Count what was found in the store."""
        self._counts["stored before"] += count
        self._stored += count
        self.completed += count

    def answered(self, outcome: Outcome) -> None:
        """Count one more completed request."""
        self._counts[outcome.value] += 1
        self.completed += 1

    def spared(self, count: int) -> None:
        """Count what needs no request."""
        self._spared += count

    def retried(self, kind: str) -> None:
        """Count an attempt that is made again."""
        self._counts[f"{kind} retries"] += 1

    def waiting(self, seconds: float, why: str) -> None:
        """Show how long is waited, and for what; of waits at the same time the longest."""
        now = time.monotonic()
        if now + seconds <= self._waits_until:
            return
        self._waits_until, self._waits_for = now + seconds, why
        # Where nobody watches no bar is drawn: a line, and for the same reason once a minute.
        last_why, last_at = self._last_line
        apart_s = REPEATED_AFTER_S if why == last_why else LINES_APART_S
        if seconds >= SHOWN_S and now - last_at >= apart_s:
            if not sys.stderr.isatty():
                say(f"waiting {seconds:.0f} s {why}")
            self._last_line = (why, now)

    def finished(self) -> None:
        """Nothing more is needed: the bar is full."""
        self._planned, self._at_most = self.completed, False

    def outcomes(self) -> str:
        """What is waited for and the counts so far, as a line."""
        counts = [f"{n} {name}" for name, n in list(self._counts.items()) if n]
        left_s = self._waits_until - time.monotonic()
        if left_s >= SHOWN_S:
            counts.insert(0, f"waiting {left_s:.0f} s {self._waits_for}")
        return one_line(", ".join(counts))

    @contextmanager
    def shown(self) -> Iterator[RunProgress]:
        """Show the bar from `begin` on, while the block runs: a command refused draws none."""
        self._since, self._shown = time.monotonic(), True
        try:
            yield self
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._draw()  # one that was over before shows what it came to
            with self._drawing:
                self._shown = False
                if self._bar is not None:
                    self._bar.stop()
            self._bar = self._timer = None


if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object
    __getattr__, __dir__ = lazily(
        __name__,
        {"counter": "vlsu.cli.drawing", "print_table": "vlsu.cli.drawing"},
    )
