"""The tables and charts of a report as files, one each, to put into a paper or a notebook."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from vlsu._arguments import require_path
from vlsu._folders import make_folder, require_replaceable
from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.bibtex import references
from vlsu.report.charts.figures import write_figures
from vlsu.report.comparison.compared import compared, in_order, report_tables
from vlsu.report.comparison.oracle import Oracle
from vlsu.report.run_policy import with_not_covered
from vlsu.report.table_formats import NEEDED_BY_LATEX, csv_table, json_table, latex, markdown
from vlsu.report.tasks import contents
from vlsu.report.written import table as table_file
from vlsu.runs import Run
from vlsu.runs.folder import write_atomically
from vlsu.runs.run import as_runs

__all__ = ["publish_figures", "publish_tables"]


def publish_tables(
    runs: Sequence[Run | str | Path] | Run | str | Path,
    folder: str | Path,
    *,
    redact: bool = False,
    oracle: Oracle | None = None,
    enough: float = ENOUGH,
) -> list[Path]:
    """Write each table of a report as NAME.csv, .json, .md and .tex, and the dataset's BibTeX.

    The note of the first table says what the policy does not cover.

    Args:
        runs: Finished runs, or their folders; the tables of one, or those of several side by side.
        folder: Made if need be; tables of these names are replaced.
        redact: As in `vlsu.report.write_report`.
        oracle: A human grader's scores, to stand beside several runs.
        enough: As in `vlsu.report.write_report`.

    Returns:
        The files.

    Raises:
        UsageError: The folder cannot be made, another file has the name of one, or the runs are of
            different tasks.
        RunError: A run is not finished, or a file cannot be written.
    """
    folder = require_path("folder", folder)
    runs = as_runs(runs)
    texts = {}
    tables = report_tables(runs, redact=redact, oracle=oracle, enough=enough)
    for table in with_not_covered(tables, runs):
        texts[f"{table.name}.csv"] = csv_table(table)
        texts[f"{table.name}.json"] = json.dumps(json_table(table), indent=2) + "\n"
        texts[f"{table.name}.md"] = markdown(table) + "\n"
        texts[f"{table.name}.tex"] = NEEDED_BY_LATEX + latex(table) + "\n"
    if entries := references(runs):
        texts["references.bib"] = entries + "\n"
    for name, text in texts.items():
        require_replaceable(folder / name, "--tables", table_file(folder / name, text))
    make_folder(folder)
    for name, text in texts.items():
        write_atomically(folder / name, text.encode("utf-8", "replace"))
    return [folder / name for name in texts]


def publish_figures(
    runs: Sequence[Run | str | Path] | Run | str | Path,
    folder: str | Path,
    *,
    oracle: Oracle | None = None,
    enough: float = ENOUGH,
) -> list[Path]:
    """Draw each chart of a report as NAME.svg and NAME.png; they hold no text of dataset or model.

    Raises:
        UsageError: Runs of different tasks, no package that draws, or a folder that cannot be made.
        RunError: A run is not finished, or a file cannot be written.
    """
    folder = require_path("folder", folder)
    runs = as_runs(runs)
    shown = compared(in_order(runs), oracle, enough) if len(runs) > 1 else contents(runs[0])
    return write_figures(shown.charts, folder)
