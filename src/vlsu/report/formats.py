"""Reports as Markdown, LaTeX and JSON: the tables of the page, to publish and to compute with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.report.table import Table
from vlsu.report.tables import comparison_table, one_task, run_tables
from vlsu.report.words import date_of, headline_sentence, notes
from vlsu.runs import Run

__all__ = ["json_report", "latex", "latex_report", "markdown", "markdown_report"]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$])")
_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
#: What of the record says what was asked.
_ASKED = ("task", "prompt", "policy", "framings", "draws", "judges", "calibrated")
_NUMBER = re.compile(r"[-+–\d]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+")


def markdown(table: Table) -> str:
    """A pipe table under its title."""
    lines = [f"## {_md(table.title)}", ""]
    lines.append(_pipes(table.columns))
    rules = {"l": "---", "r": "---:"}
    lines.append(_pipes([rules[side] for side in _alignment(table)], escaped=True))
    lines.extend(_pipes(row) for row in table.rows)
    if table.note:
        lines.extend(("", _md(table.note)))
    return "\n".join(lines)


def latex(table: Table) -> str:
    """A ``table`` float in the style of booktabs; the note follows the title in its caption."""
    caption = f"{_tex(table.title)}." + (f" {_tex(table.note)}" if table.note else "")
    rows = [" & ".join(_cell(cell) for cell in row) + r" \\" for row in table.rows]
    return "\n".join(
        (
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{table.name.replace('_', '-')}}}",
            rf"\begin{{tabular}}{{{_alignment(table)}}}",
            r"\toprule",
            " & ".join(_cell(column) for column in table.columns) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        )
    )


def markdown_report(runs: Sequence[Run]) -> str:
    """One run in full, or the headlines of several."""
    one_task(runs)
    parts = []
    for run in runs:
        dataset = run.record["dataset"]
        title = f"{run.record['model']['spec']} on {dataset['name']} {dataset['version']}"
        parts.append(f"{'#' if len(runs) == 1 else '##'} {_md(title)}, {date_of(run)}")
        parts.append(_md(headline_sentence(run.metrics)))
        parts.extend(f"*{_md(note)}*" for note in notes(run))
    parts.extend(markdown(table) for table in _tables(runs))
    return "\n\n".join(parts) + "\n"


def latex_report(runs: Sequence[Run]) -> str:
    r"""Floats to ``\input`` into a document that loads booktabs; the settings stay out."""
    floats = [latex(table) for table in _tables(runs) if table.name != "settings"]
    return "\n\n".join(["% Needs \\usepackage{booktabs}.", *floats]) + "\n"


def json_report(runs: Sequence[Run]) -> str:
    """Settings, metrics and tables of every run."""
    one_task(runs)
    tree = {
        "runs": [
            {
                "model": run.record["model"]["spec"],
                "dataset": {k: v for k, v in run.record["dataset"].items() if k != "path"},
                **{key: run.record[key] for key in _ASKED if key in run.record},
                "headline": headline_sentence(run.metrics),
                "notes": notes(run),
                "metrics": run.metrics,
                "tables": [_tree(table) for table in run_tables(run)],
            }
            for run in runs
        ]
    }
    return json.dumps(tree, indent=2, allow_nan=False) + "\n"


def _tables(runs: Sequence[Run]) -> tuple[Table, ...]:
    if len(runs) > 1:
        return (comparison_table(runs),)
    return tuple(table for table in run_tables(runs[0]) if table.rows)


def _alignment(table: Table) -> str:
    """``r`` for each column of numbers, ``l`` for each of words."""
    numbers = (all(_NUMBER.match(row[n]) for row in table.rows) for n in range(len(table.columns)))
    return "".join("r" if right else "l" for right in numbers)


def _tree(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "columns": table.columns,
        "rows": table.rows,
        "note": table.note,
    }


def _pipes(cells: Sequence[str], *, escaped: bool = False) -> str:
    return f"| {' | '.join(cells if escaped else map(_md, cells))} |"


def _md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _BREAKS.sub(" ", text))


def _tex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _BREAKS.sub(" ", text))


def _cell(text: str) -> str:
    r"""A cell; one that begins with a bracket would be read as an option of the ``\\`` before."""
    escaped = _tex(text)
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped
