"""The page of ``vlsu guards``, and its files by suffix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from vlsu._folders import make_folder, require_replaceable
from vlsu.errors import UsageError
from vlsu.report.guards.charts import guards_charts
from vlsu.report.guards.tables import guards_markdown, guards_tables
from vlsu.report.guards.words import THINGS, notes, percentage, sentences
from vlsu.report.page.render import render
from vlsu.report.written import document
from vlsu.runs.folder import write_atomically

__all__ = ["guards_page", "require_suffix", "write_guards"]

_SECTIONS = {
    "choice": "Choice",
    "curves": "Curves",
    "families": "Families",
    "pairs": "Differences",
    "patterns": "Patterns",
    "million": "A million requests",
    "missed": "Missed by all",
    "method": "How it was done",
}


def require_suffix(out: Path) -> None:
    """Refuse a file name of no known format, or a file that is not to be replaced.

    Raises:
        UsageError: It is one.
    """
    if out.suffix.lower() not in _FORMATS:
        raise UsageError(f"{out}: the name must end in {', '.join(_FORMATS)}")
    require_replaceable(out, "--out", document(out))


def write_guards(result: Mapping[str, Any], out: Path) -> None:
    """Write a choice among guards as a page, as Markdown or as JSON.

    Args:
        result: As `vlsu.runs.finished.guards.choose` makes it.
        out: The file; its folder is made if need be, a report there is replaced.

    Raises:
        UsageError: A suffix of no known format, or a folder that cannot be made.
        RunError: It cannot be written.
    """
    require_suffix(out)
    make_folder(out.parent)
    write_atomically(out, _FORMATS[out.suffix.lower()](result))


def guards_page(result: Mapping[str, Any]) -> str:
    """The page: one file, without texts or images of samples."""
    tables, charts = guards_tables(result), guards_charts(result)
    there = {
        "families": "families" in tables,
        "pairs": "pairs" in tables,
        "patterns": "patterns" in tables,
        "million": "million" in tables,
        "missed": result["missed_by_all"] is not None,
    }
    dataset = result["dataset"]
    things = THINGS[result["modality"]]
    return render(
        "guards.html.jinja",
        charts,
        title=f"Which guard for {things}",
        subject=f"{dataset['name']} {dataset['version']}",
        result=result,
        things=things,
        bound=percentage(result["max_false_flags"]),
        sentences=sentences(result),
        notes=notes(result),
        tables=tables,
        contents=[(id_, name) for id_, name in _SECTIONS.items() if there.get(id_, True)],
    )


_FORMATS = {
    ".html": lambda result: guards_page(result).encode(),
    ".md": lambda result: guards_markdown(result).encode(),
    ".json": lambda result: orjson.dumps(
        result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    ),
}
