"""Whole reports as Markdown, LaTeX and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from vlsu.analysis.table.answered import ENOUGH
from vlsu.report.bibtex import references
from vlsu.report.comparison.compared import report_tables
from vlsu.report.run_notes import date_of
from vlsu.report.run_policy import with_not_covered
from vlsu.report.table import Table
from vlsu.report.table_formats import NEEDED_BY_LATEX, escape_markdown, json_table, latex, markdown
from vlsu.report.tasks import notes, notice, one_task, report_of, run_tables
from vlsu.runs import Run

__all__ = ["json_report", "latex_report", "markdown_report"]

#: Keys of the record that describe what was asked.
_ASKED = ("task", "prompt", "policy", "framings", "draws", "judges", "calibrated")


def markdown_report(runs: Sequence[Run], *, redact: bool = False, enough: float = ENOUGH) -> str:
    """One run in full, or the headlines of several."""
    one_task(runs)
    parts = []
    for run in runs:
        dataset = run.record["dataset"]
        title = f"{run.record['model']['spec']} on {dataset['name']} {dataset['version']}"
        parts.append(f"{'#' if len(runs) == 1 else '##'} {escape_markdown(title)}, {date_of(run)}")
        if warned := notice(run, enough):
            parts.append(f"**{escape_markdown(warned.what)}**")
            parts.append("\n".join(f"- {escape_markdown(cause)}" for cause in warned.causes))
        parts.append(escape_markdown(report_of(run).headline(run.metrics, enough)))
        parts.extend(f"*{escape_markdown(note)}*" for note in notes(run))
    tables = report_tables(runs, redact=redact, enough=enough)
    parts.extend(markdown(table) for table in tables)
    if entries := references(runs):
        parts += ["## To cite the dataset", f"```bibtex\n{entries}\n```"]
    return "\n\n".join(parts) + "\n"


def latex_report(runs: Sequence[Run], *, redact: bool = False, enough: float = ENOUGH) -> str:
    r"""Floats to ``\input`` into a document that loads booktabs; the settings stay out."""
    shown = report_tables(runs, redact=redact, enough=enough)
    tables = with_not_covered((t for t in shown if t.name != "settings"), runs)
    warned = [warning.text for run in runs if (warning := notice(run, enough))]
    floats = [latex(_warned(t, warned) if t is tables[0] else t) for t in tables]
    cited = "".join(f"% {line}\n" for line in references(runs).splitlines())
    return f"{NEEDED_BY_LATEX}{cited}\n" + "\n\n".join(floats) + "\n"


def _warned(table: Table, warnings: Sequence[str]) -> Table:
    """The table with what is to be known first in front of its note."""
    return replace(table, note=" ".join(filter(None, (*warnings, table.note))))


def json_report(runs: Sequence[Run], *, redact: bool = False, enough: float = ENOUGH) -> str:
    """Settings, metrics and tables of every run."""
    one_task(runs)
    tree = {
        "runs": [
            {
                "model": run.record["model"]["spec"],
                "dataset": {k: v for k, v in run.record["dataset"].items() if k != "path"},
                **{key: run.record[key] for key in _ASKED if key in run.record},
                "notice": None if (warning := notice(run, enough)) is None else warning.text,
                "answered": {
                    part.name: {
                        **part.share.as_dict(),
                        "n": part.n,
                        **{outcome: share.as_dict() for outcome, share in part.others.items()},
                        **({} if part.judged is None else {"judged": part.judged.as_dict()}),
                    }
                    for part in report_of(run).answered_parts(run.metrics)
                },
                "headline": report_of(run).headline(run.metrics, enough),
                "notes": notes(run),
                "metrics": run.metrics,
                "tables": [json_table(table) for table in run_tables(run, redact=redact)],
                "bibtex": references([run]),
            }
            for run in runs
        ]
    }
    return json.dumps(tree, indent=2, allow_nan=False) + "\n"
