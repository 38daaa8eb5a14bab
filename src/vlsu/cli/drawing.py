"""What is drawn on a terminal: tables, counts and bars."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

from vlsu.cli.terminal import harmless, one_line

if TYPE_CHECKING:
    from vlsu.cli.output import RunProgress

__all__ = ["RunBar", "counter", "print_table"]

#: Least width of tables that do not go to a terminal, in characters; ``COLUMNS`` can make it more.
#: Not less, as a program that uses readline sets it to 80 for all that it starts.
WIDTH = 120


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    told = os.environ.get("COLUMNS", "")
    width = max(WIDTH, int(told) if told.isdecimal() else 0)
    return Console(
        stderr=stderr, highlight=False, width=None if stream.isatty() else width, soft_wrap=False
    )


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


class RunBar(Progress):
    """A bar that looks at the counts when it is drawn, so that counting costs next to nothing.

    Args:
        counts: What it shows.
        since: When what it shows began, `time.monotonic`.
    """

    def __init__(self, counts: RunProgress, since: float) -> None:
        self._counts: RunProgress | None = None
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[outcomes]}", markup=False),
            console=_console(stderr=True),
            refresh_per_second=4,
            get_time=time.monotonic,
        )
        self._shown = self.add_task("asking", total=None, outcomes="")
        self.tasks[0].start_time = since
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
