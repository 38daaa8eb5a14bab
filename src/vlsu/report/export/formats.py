"""Tables as Markdown, LaTeX, CSV and JSON: those of the page, to publish and to compute with."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vlsu._text import harmless
from vlsu.analysis.table.answered import ENOUGH
from vlsu.data.tables import escape_formula
from vlsu.errors import VlsuError
from vlsu.report.answered import answered_parts
from vlsu.report.bibtex import bibtex
from vlsu.report.comparison.compared import report_tables
from vlsu.report.notice import notice
from vlsu.report.table import ABSENT, RateCell, Table, numeric
from vlsu.report.tables import one_task, run_tables
from vlsu.report.words import date_of, headline_sentence, notes
from vlsu.runs import Run

__all__ = [
    "NEEDED_BY_LATEX",
    "csv_table",
    "json_report",
    "json_table",
    "latex",
    "latex_report",
    "markdown",
    "markdown_report",
    "references",
]

#: What a LaTeX document loads for these tables.
NEEDED_BY_LATEX = (
    "% Needs \\usepackage{booktabs,graphicx} and, for names beyond ASCII, a UTF-8 engine.\n"
)
#: A table wider than the text is made as narrow as that; others keep their size.
_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "\ufffd": "?",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
#: What of the record says what was asked.
_ASKED = ("task", "prompt", "policy", "framings", "draws", "judges", "calibrated")
_COUNT = re.compile(r"0|[1-9]\d{0,2}(?:,\d{3}){1,4}|[1-9]\d{0,14}")
_INTERVAL_HEAD = re.compile(r" ?\[95%[^\]]*\]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+")
_BREAKS_IN_BLOCKS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\ud800-\udfff`]+")


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
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{table.name.replace('_', '-')}}}",
            rf"{_FITTED}\begin{{tabular}}{{{_alignment(table)}}}",
            r"\toprule",
            " & ".join(_cell(column) for column in table.columns) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        )
    )


def csv_table(table: Table) -> str:
    """Comma-separated values, a line a row; a rate takes three columns: value, low, high.

    Rates are in full precision, what was not measured is empty. Words that a spreadsheet would take
    for a formula stand after an apostrophe.
    """
    rated = [
        any(isinstance(row[n], RateCell) for row in table.rows) for n in range(len(table.columns))
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads: list[str] = []
    for name, is_rate in zip(table.columns, rated, strict=True):
        plain = _INTERVAL_HEAD.sub("", name)
        heads += [plain, f"{plain} low", f"{plain} high"] if is_rate else [plain]
    writer.writerow(map(_inert, heads))
    for row in table.rows:
        cells: list[object] = []
        for cell, is_rate in zip(row, rated, strict=True):
            if isinstance(cell, RateCell):
                cells += [cell.rate.value, cell.rate.low, cell.rate.high]
            else:
                plain = "" if cell == ABSENT else _plain(cell)
                cells += [plain, "", ""] if is_rate else [plain]
        writer.writerow(cells)
    return out.getvalue()


def json_table(table: Table) -> dict[str, Any]:
    """The table as a tree: a rate is ``{"value", "low", "high"}``, what is absent is null."""
    return {
        "name": table.name,
        "title": table.title,
        "columns": table.columns,
        "rows": [[_value(cell) for cell in row] for row in table.rows],
        "note": table.note,
    }


def markdown_report(runs: Sequence[Run], *, redact: bool = False, enough: float = ENOUGH) -> str:
    """One run in full, or the headlines of several."""
    one_task(runs)
    parts = []
    for run in runs:
        dataset = run.record["dataset"]
        title = f"{run.record['model']['spec']} on {dataset['name']} {dataset['version']}"
        parts.append(f"{'#' if len(runs) == 1 else '##'} {_md(title)}, {date_of(run)}")
        if warned := notice(run, enough):
            parts.append(f"**{_md(warned.what)}**")
            parts.append("\n".join(f"- {_md(cause)}" for cause in warned.causes))
        parts.append(_md(headline_sentence(run.metrics, enough)))
        parts.extend(f"*{_md(note)}*" for note in notes(run))
    tables = report_tables(runs, redact=redact, enough=enough)
    parts.extend(markdown(table) for table in tables)
    if entries := references(runs):
        parts += ["## To cite the dataset", f"```bibtex\n{entries}\n```"]
    return "\n\n".join(parts) + "\n"


def latex_report(runs: Sequence[Run], *, redact: bool = False, enough: float = ENOUGH) -> str:
    r"""Floats to ``\input`` into a document that loads booktabs; the settings stay out."""
    tables = [t for t in report_tables(runs, redact=redact, enough=enough) if t.name != "settings"]
    warned = [found.text for run in runs if (found := notice(run, enough))]
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
                "notice": None if (found := notice(run, enough)) is None else found.text,
                "answered": {
                    part.name: {
                        **part.share.as_dict(),
                        "n": part.n,
                        **{outcome: share.as_dict() for outcome, share in part.others.items()},
                        **({} if part.judged is None else {"judged": part.judged.as_dict()}),
                    }
                    for part in answered_parts(run.metrics)
                },
                "headline": headline_sentence(run.metrics, enough),
                "notes": notes(run),
                "metrics": run.metrics,
                "tables": [json_table(table) for table in run_tables(run, redact=redact)],
                "bibtex": references([run]),
            }
            for run in runs
        ]
    }
    return json.dumps(tree, indent=2, allow_nan=False) + "\n"


def references(runs: Sequence[Run]) -> str:
    """BibTeX of the datasets of these runs, as far as they are at hand, each once."""
    entries = []
    for run in runs:
        try:
            entries.append(bibtex(run.dataset.info))
        except VlsuError:
            continue
    return _BREAKS_IN_BLOCKS.sub(" ", "\n".join(dict.fromkeys(entries)))


def _alignment(table: Table) -> str:
    """``r`` for each column of numbers, ``l`` for each of words."""
    return "".join("r" if right else "l" for right in numeric(table))


def _value(cell: str) -> object:
    if isinstance(cell, RateCell):
        return cell.rate.as_dict()
    if cell == ABSENT:
        return None
    return int(cell.replace(",", "")) if _COUNT.fullmatch(cell) else cell


def _plain(cell: str) -> str:
    """A count without separators; words that no spreadsheet or terminal acts on."""
    return cell.replace(",", "") if _COUNT.fullmatch(cell) else _inert(cell)


def _inert(text: str) -> str:
    return escape_formula(harmless(text))


def _pipes(cells: Sequence[str], *, escaped: bool = False) -> str:
    return f"| {' | '.join(cells if escaped else map(_md, cells))} |"


def _md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _BREAKS.sub(" ", harmless(text)))


def _tex(text: str) -> str:
    return "".join(
        _LATEX.get(character, character) for character in _BREAKS.sub(" ", harmless(text))
    )


def _cell(text: str) -> str:
    r"""A cell; one that begins with a bracket would be read as an option of the ``\\`` before."""
    escaped = _tex(text)
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped
