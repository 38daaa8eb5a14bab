"""A table as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu._text import harmless
from vlsu.data.tables import escape_formula
from vlsu.report.table import ABSENT, RateCell, Table, numeric

__all__ = [
    "NEEDED_BY_LATEX",
    "csv_table",
    "escape_markdown",
    "json_table",
    "latex",
    "markdown",
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
_COUNT = re.compile(r"0|[1-9]\d{0,2}(?:,\d{3}){1,4}|[1-9]\d{0,14}")
_INTERVAL_HEAD = re.compile(r" ?\[95%[^\]]*\]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+")


def markdown(table: Table) -> str:
    """A pipe table under its title."""
    lines = [f"## {escape_markdown(table.title)}", ""]
    lines.append(_pipes(table.columns))
    rules = {"l": "---", "r": "---:"}
    lines.append(_pipes([rules[side] for side in _alignment(table)], escaped=True))
    lines.extend(_pipes(row) for row in table.rows)
    if table.note:
        lines.extend(("", escape_markdown(table.note)))
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
    return f"| {' | '.join(cells if escaped else map(escape_markdown, cells))} |"


def escape_markdown(text: str) -> str:
    """Text of one line without what Markdown would act on."""
    return _MARKDOWN.sub(r"\\\1", _BREAKS.sub(" ", harmless(text)))


def _tex(text: str) -> str:
    return "".join(
        _LATEX.get(character, character) for character in _BREAKS.sub(" ", harmless(text))
    )


def _cell(text: str) -> str:
    r"""A cell; one that begins with a bracket would be read as an option of the ``\\`` before."""
    escaped = _tex(text)
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped
