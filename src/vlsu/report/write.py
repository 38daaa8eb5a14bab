"""From runs to a file, by its suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vlsu.errors import UsageError
from vlsu.report.alignment_page import alignment_page
from vlsu.report.comparison_page import comparison_page
from vlsu.report.formats import json_report, latex_report, markdown_report
from vlsu.report.samples_file import write_samples
from vlsu.report.understanding_page import understanding_page
from vlsu.runs import Run
from vlsu.runs.folder import write_atomically

__all__ = ["FORMATS", "write_report"]


def _html(runs: Sequence[Run], out: Path) -> str:
    """The page; samples that it cannot hold go to a file beside it."""
    if len(runs) > 1:
        return comparison_page(runs)
    (run,) = runs
    beside = out.with_suffix(".samples.parquet")
    page = alignment_page if run.record["task"] == "alignment" else understanding_page
    text, overflows = page(run, beside.name)
    if overflows:
        write_samples(run, beside)
    return text


def _alone(make: Callable[[Sequence[Run]], str]) -> Callable[[Sequence[Run], Path], str]:
    """A format whose text is all there is, wherever it goes."""
    return lambda runs, _: make(runs)


#: Suffix -> how a report of that format is made, and what stands beside it.
FORMATS: Mapping[str, Callable[[Sequence[Run], Path], str]] = {
    ".html": _html,
    ".md": _alone(markdown_report),
    ".tex": _alone(latex_report),
    ".json": _alone(json_report),
}


def write_report(runs: Sequence[Run], out: Path) -> Path:
    """Write a report of one run in full, or of several side by side.

    Args:
        runs: Finished runs, at least one.
        out: A file of one of `FORMATS`; its folder is made if need be, a file there is replaced.

    Returns:
        `out`.

    Raises:
        UsageError: No run, runs of different tasks, a suffix of no known format, or a folder that
            cannot be made.
        RunError: A run is not finished, or the file cannot be written.
    """
    make = FORMATS.get(out.suffix.lower())
    if make is None:
        raise UsageError(f"{out}: the name must end in {', '.join(FORMATS)}")
    if not runs:
        raise UsageError(f"{out}: a report needs at least one run")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out.parent}: cannot be made ({error.strerror})") from None
    text = make(runs, out)
    write_atomically(out, text.encode())
    return out
