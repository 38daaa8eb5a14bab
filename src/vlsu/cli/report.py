"""``vlsu report``: from runs to a page, a paper's tables and figures, or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlsu.cli.options import MinAnswered, MovedDatasets


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path | None, typer.Option(help="FILE.html, .md, .tex or .json.")] = None,
    tables: Annotated[
        Path | None,
        typer.Option(
            help="A folder: each table as NAME.csv (a rate in three columns: value, low, high), "
            ".json, .md and .tex (booktabs), and references.bib."
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            help="A folder: each chart of a run as NAME.svg and NAME.png; needs the extra "
            "'figures'."
        ),
    ] = None,
    oracle: Annotated[
        Path | None,
        typer.Option(
            help="Output of vlsu agreement FILE --json: its human grader stands beside the runs."
        ),
    ] = None,
    dataset: MovedDatasets = None,
    min_answered: MinAnswered = "95%",
    redact: Annotated[
        bool,
        typer.Option(
            "--redact",
            help="To share: without images, texts, answers, the dataset's description and the "
            "server's name; samples go by a hash.",
        ),
    ] = False,
) -> None:
    """Write a report of one or several runs.

    A page opens from disk and asks no host for anything; samples beyond what it can hold (about ten
    thousand, or ten megabytes) go to FILE.samples.parquet beside it.
    """
    from vlsu.analysis.table.answered import parse_share
    from vlsu.cli.output import say
    from vlsu.cli.run_errors import naming_runs
    from vlsu.errors import UsageError
    from vlsu.report import publish_figures, publish_tables, write_report
    from vlsu.report.comparison.oracle import load_oracle
    from vlsu.runs import load_runs
    from vlsu.runs.finished.tasks import task_of

    if out is None and tables is None and figures is None:
        raise UsageError("nothing to write; give --out FILE, --tables DIR or --figures DIR")
    enough = parse_share(min_answered, "--min-answered")
    with naming_runs(runs):
        loaded = load_runs(runs, dataset or ())
        for run in loaded:
            task_of(run)
        human = load_oracle(oracle) if oracle else None
        if out is not None:
            say(f"report: {write_report(loaded, out, redact=redact, oracle=human, enough=enough)}")
        if tables is not None:
            files = publish_tables(loaded, tables, redact=redact, oracle=human, enough=enough)
            say(f"tables: {len(files)} files in {tables}")
        if figures is not None:
            files = publish_figures(loaded, figures, oracle=human, enough=enough)
            say(f"figures: {len(files)} files in {figures}")
