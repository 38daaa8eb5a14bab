"""A comparison of large runs that is counted while the server answers already.

Who opens `vlsu view` on three runs of a million samples sees at once that the runs are there, can
open each of them, and is shown the comparison when it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread

import polars as pl

from vlsu.report.judgments import scan_judgments
from vlsu.report.page.render import render
from vlsu.report.tasks import report_of
from vlsu.runs import Run
from vlsu.runs.run_names import run_names

__all__ = ["LARGE", "Begun", "judged", "waiting_page"]

#: Judgments of all runs together from which on their comparison takes more than some seconds.
LARGE = 1_000_000


class Begun:
    """A page that is being made, in a thread of its own that ends with the program.

    Args:
        make: Makes the page.
    """

    def __init__(self, make: Callable[[], str]) -> None:
        self._page: Future[str] = Future()
        Thread(target=self._run, args=(make,), daemon=True, name="comparison").start()

    def _run(self, make: Callable[[], str]) -> None:
        try:
            self._page.set_result(make())
        except BaseException as error:  # it is raised where the page is asked for
            self._page.set_exception(error)

    @property
    def is_done(self) -> bool:
        """Whether the page, or why there is none, is known."""
        return self._page.done()

    def page(self) -> str:
        """The page; waits for it.

        Raises:
            Exception: Whatever making it raised.
        """
        return self._page.result()


def judged(runs: Sequence[Run]) -> int:
    """How many judgments some runs have together.

    Raises:
        RunError: A run is not finished, or its file of judgments is damaged.
    """
    return sum(scan_judgments(run).select(pl.len()).collect().item() for run in runs)


def waiting_page(runs: Sequence[Run], judgments: int) -> str:
    """What is shown until the runs are compared: that it goes on, and each run's own report.

    Args:
        runs: In the order of their numbers in addresses.
        judgments: Of all of them.
    """
    return render(
        "waiting.html.jinja",
        {},
        served=True,
        title=f"{len(runs)} runs side by side",
        task=report_of(runs[0]).name,
        judgments=judgments,
        names=run_names(runs),
    )
