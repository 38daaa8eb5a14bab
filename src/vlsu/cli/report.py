"""``vlsu report``: from runs to a page, a paper's table, or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path, typer.Option(help="FILE.html, .md, .tex or .json.")],
) -> None:
    """Write a report of one or several runs."""
    from vlsu.cli.output import say
    from vlsu.report import write_report
    from vlsu.runs import load_run

    say(f"report: {write_report([load_run(path) for path in runs], out)}")
