"""From runs to a file, by its suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vlsu._arguments import require_kind, require_path
from vlsu._folders import make_folder, require_replaceable
from vlsu.analysis.table.answered import ENOUGH, require_share
from vlsu.errors import UsageError
from vlsu.report.comparison.compared import in_order
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.comparison.page import comparison_page
from vlsu.report.export.documents import json_report, latex_report, markdown_report
from vlsu.report.export.samples_file import write_samples
from vlsu.report.page.run_page import run_page
from vlsu.report.tasks import report_of
from vlsu.report.written import SAMPLES, document
from vlsu.runs import Run
from vlsu.runs.folder import write_atomically
from vlsu.runs.run import as_runs

__all__ = ["FORMATS", "write_report"]


def _html(
    runs: Sequence[Run], out: Path, oracle: Oracle | None, *, redact: bool, enough: float
) -> bytes:
    """The page; samples that it cannot hold go to a file beside it."""
    beside = _beside(out)
    if len(runs) > 1:
        runs = in_order(runs)
        text, ids = comparison_page(runs, beside.name, oracle, redact=redact, enough=enough)
    else:
        (run,) = runs
        text, ids = run_page(report_of(run), run, beside.name, redact=redact, enough=enough)
    page = text.encode()
    del text  # of a page with some characters beyond Latin-1, twice as large
    if ids is not None:
        write_samples(runs, ids, beside)
    return page


def _beside(page: Path) -> Path:
    """Where the samples go that a page cannot hold."""
    return page.with_suffix(".samples.parquet")


class _Format(Protocol):
    """How a report of a format is made; what stands beside it is written at once."""

    def __call__(
        self,
        runs: Sequence[Run],
        out: Path,
        oracle: Oracle | None,
        *,
        redact: bool,
        enough: float,
    ) -> bytes: ...


def _alone(make: Callable[..., str]) -> _Format:
    """A format whose text is all there is, wherever it goes."""

    def text(
        runs: Sequence[Run], out: Path, oracle: Oracle | None, *, redact: bool, enough: float
    ) -> bytes:
        return make(runs, redact=redact, enough=enough).encode()

    return text


#: Suffix -> how a report of that format is made.
FORMATS: Mapping[str, _Format] = {
    ".html": _html,
    ".md": _alone(markdown_report),
    ".tex": _alone(latex_report),
    ".json": _alone(json_report),
}


def write_report(
    runs: Sequence[Run | str | Path] | Run | str | Path,
    out: str | Path,
    *,
    redact: bool = False,
    oracle: Oracle | None = None,
    enough: float = ENOUGH,
) -> Path:
    """Write a report of one run in full, or of several side by side.

    A page that cannot hold all samples has them in ``NAME.samples.parquet`` beside it.

    Args:
        runs: A finished run or several, or their folders.
        out: A file of one of `FORMATS`; its folder is made if need be, a report there is replaced.
        redact: Leave out images, texts, answers, the dataset's description and the server's name,
            and call samples by a hash, so that the report can be shared.
        oracle: A human grader's scores, to stand beside several runs on their page.
        enough: The share answered below which the report opens with it, and claims nothing of two
            runs by one way of counting missing answers alone; in [0, 1].

    Returns:
        `out`.

    Raises:
        UsageError: No run, runs of different tasks, a suffix of no known format, a folder that
            cannot be made, a file that is no report, or `enough` is no share.
        RunError: A run is not finished, or the file cannot be written.
    """
    require_share(enough, "enough")
    out = require_path("out", out)
    runs = as_runs(runs)
    if oracle is not None:
        require_kind("oracle", oracle, Oracle)
    make = FORMATS.get(out.suffix.lower())
    if make is None:
        raise UsageError(f"{out}: the name must end in {', '.join(FORMATS)}")
    require_replaceable(out, "--out", document(out))
    if make is _html:
        require_replaceable(_beside(out), "--out", SAMPLES)
    if not runs:
        raise UsageError(f"{out}: a report needs at least one run")
    make_folder(out.parent)
    if oracle is not None and (make is not _html or len(runs) < 2):
        raise UsageError(
            f"{out}: the human oracle stands on the page of several runs; give FILE.html"
        )
    write_atomically(out, make(runs, out, oracle, redact=redact, enough=enough))
    return out
