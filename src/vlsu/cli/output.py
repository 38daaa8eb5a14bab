"""What commands print: tables, JSON and progress."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import orjson
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from vlsu.cli.terminal import harmless, json_text, one_line, print_text, say
from vlsu.models.base import Outcome

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
#: Width of tables that do not go to a terminal, in characters.
WIDTH = 120


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, highlight=False, width=None if stream.isatty() else WIDTH, soft_wrap=False
    )


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


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = ""
) -> None:
    """A table on standard output; titles and cells are text, never markup."""
    table = Table(
        title=_shown(title),
        title_justify="left",
        caption=_shown(note) if note else None,
        caption_justify="left",
        header_style="bold",
        title_style="bold",
    )
    for n, column in enumerate(columns):
        numeric = n > 0 and all(_is_number(row[n]) for row in rows)
        table.add_column(_shown(column), overflow="fold", justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_shown("" if cell is None else str(cell)) for cell in row))
    _console().print(table)


def _shown(text: str) -> Text:
    return Text(harmless(text))


def _is_number(cell: object) -> bool:
    return cell is None or not str(cell).lstrip("+-").strip() or str(cell).lstrip("+-")[0].isdigit()


@contextmanager
def counter(things: str) -> Iterator[Callable[[int, int | None], None]]:
    """A count of things done, on a terminal's standard error; yields what to call with it.

    Elsewhere nothing is shown: of what is wiped away at the end, a blank line would be left.
    """
    columns = (TextColumn("{task.description}", markup=False), MofNCompleteColumn(), _Rate())
    console = _console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(one_line(things), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


class _Bar(Progress):
    """A bar that looks at the counts when it is drawn, so that counting costs next to nothing."""

    def __init__(self, counts: RunProgress, *columns: ProgressColumn, console: Console) -> None:
        self._counts: RunProgress | None = None
        super().__init__(*columns, console=console, refresh_per_second=4)
        self._shown = self.add_task("asking", total=None, outcomes="")
        self._counts = counts

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, up to date."""
        if self._counts is not None:
            self.update(
                self._shown,
                total=self._counts.total,
                completed=self._counts.completed,
                outcomes=self._counts.outcomes(),
            )
        return super().get_renderables()


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
        self._bar: Progress | None = None

    @property
    def total(self) -> int | None:
        """Requests the run needs, as far as that is known."""
        if self._planned is None or not self._at_most:
            return self._planned
        # Of what needs no request, as much was stored before as was found in the store.
        return max(self.completed, self._planned - max(0, self._spared - self._stored))

    def begin(self, total: int, *, at_most: bool = False) -> None:
        """Show how many requests the run needs; before that there is nothing to show."""
        self._planned, self._at_most = total, at_most
        if self._bar is not None:
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
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[outcomes]}", markup=False),
        )
        self._bar = _Bar(self, *columns, console=_console(stderr=True))
        try:
            yield self
        finally:
            if self._bar.live.is_started:
                self._bar.stop()
            self._bar = None
