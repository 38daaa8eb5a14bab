"""How the files of reports look, so that a report replaces a report and no file of somebody else.

A file is told by its beginning, whatever its line ends and its white space; what an earlier version
wrote, and what another task's report holds under the same name, is recognised too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from vlsu._files import open_binary
from vlsu._folders import Kind
from vlsu.data.parquet import scan_parquet
from vlsu.errors import UsageError

__all__ = ["PAGE", "SAMPLES", "chart", "document", "require_html", "table"]

PAGE = Kind.beginning(
    "page",
    re.compile(rb"<!doctype html>\r?\n<html[^>]*>\r?\n<head>.*\xc2\xb7 VLSU</title>", re.DOTALL),
)
_LATEX = Kind.beginning("LaTeX file", re.compile(rb"% Needs \\usepackage\{"))

_DATE = rb"\d{1,2} [A-Z][a-z]+ \d{4}"
_MARKDOWN = Kind.beginning(
    "report",
    re.compile(
        # a run's report, one of several runs, one of guards
        rb"##? [^\r\n]+ on [^\r\n]+, " + _DATE + rb"\r?\n\r?\n.*?\n"
        rb"## (?:Settings|Runs side by side)\r?\n\r?\n\||"
        rb"# Guards on (?:pairs|images|texts) of [^\r\n]+\r?\n\r?\n- ",
        re.DOTALL,
    ),
)
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_JSON = Kind.beginning(
    "report",
    re.compile(
        # as in Markdown
        rb'\s*\{\s*"runs"\s*:\s*\[\s*\{\s*"model"\s*:\s*' + _STRING + rb'\s*,\s*"dataset"\s*:|'
        rb'\s*\{\s*"dataset"\s*:\s*\{.*?"content_hash"\s*:\s*"[^"]*"\s*\}\s*,\s*"modality"\s*:',
        re.DOTALL,
    ),
)
_JSON_TABLE = Kind.beginning(
    "table",
    re.compile(
        rb'\s*\{\s*"name"\s*:\s*' + _STRING + rb'\s*,\s*"title"\s*:\s*' + _STRING + rb"\s*,\s*"
        rb'"columns"\s*:\s*\[.*?\]\s*,\s*"rows"\s*:',
        re.DOTALL,
    ),
)
_SVG = Kind.beginning(
    "chart", re.compile(rb'<svg [^>]*\bclass="marks"[^>]*>\s*<rect [^>]*\bfill="white"')
)
#: Eight bits of red, green, blue and alpha, 72 dots an inch, and at once the picture.
_PNG = Kind.beginning(
    "chart",
    re.compile(
        rb"\x89PNG\r\n\x1a\n.{4}IHDR.{8}\x08\x06\0\0\0.{4}\0\0\0\x09pHYs\0\0\x0b\x13\0\0\x0b\x13"
        rb"\x01.{8}IDAT",
        re.DOTALL,
    ),
)

_ENTRY = re.compile(rb"^[ \t]*@\s*\w+\s*[{(]\s*([^\s,]*)", re.MULTILINE)
_OWN_ENTRY = re.compile(
    rb"^@misc\{([a-z0-9-]+),\r?\n  (?:author|key) = \{.*\},\r?\n  title = \{\{.*\}\},\r?\n",
    re.MULTILINE,
)
#: Bytes of a list of references that are looked at.
_MOST = 2**22


def require_html(out: Path, example: str) -> None:
    """Refuse a page whose name does not say that it is one.

    Raises:
        UsageError: It ends otherwise than in ``.html``; the message has the example.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {out}: the page is HTML; name it {example}")


def document(out: Path) -> Kind:
    """A report of runs or of guards, by the end of its name."""
    kinds = {".tex": _LATEX, ".md": _MARKDOWN, ".json": _JSON}
    return kinds.get(out.suffix.lower(), PAGE)


def table(file: Path, text: str) -> Kind:
    """One of the files that a report's tables go to, by the end of its name.

    Args:
        file: Where it goes.
        text: What will be in it. A list of references is told by the entries of datasets, which
            may be in both; a table in Markdown by its title and its head, one of values by its
            head, each also by another form of it beside it.
    """
    if file.suffix == ".bib":
        return Kind("list of references", lambda path: _only_datasets(path, text.encode()))
    if file.suffix == ".csv":
        return Kind("table", lambda path: _same_head(path, text) or _beside(path, _TABLES))
    if file.suffix == ".md":
        return Kind("table", lambda path: _same_beginning(path, text) or _beside(path, _TABLES))
    return _TABLES[file.suffix]


def chart(file: Path) -> Kind:
    """A chart as a picture, by the end of its name."""
    if file.suffix == ".png":
        return Kind("chart", lambda path: _PNG.is_one(path) or _beside(path, {".svg": _SVG}))
    return _SVG


def _is_samples(path: Path) -> bool:
    try:
        columns = scan_parquet(path).collect_schema().names()
    except pl.exceptions.PolarsError:
        return False
    return "id" in columns and any(name.endswith("outcome") for name in columns)


#: The samples that a page cannot hold, beside it.
SAMPLES = Kind("file of samples", _is_samples)
_TABLES = {".json": _JSON_TABLE, ".tex": _LATEX}


def _beside(path: Path, kinds: dict[str, Kind]) -> bool:
    """Whether the same stands beside it in another form."""
    others = ((path.with_suffix(suffix), kind) for suffix, kind in kinds.items())
    return any(other.is_file() and kind.is_one(other) for other, kind in others)


def _same_beginning(path: Path, text: str) -> bool:
    """Whether a table in Markdown has the title and the columns of this one."""
    with open_binary(path) as file:
        there = [file.readline(_MOST).decode(errors="replace").rstrip("\r\n") for _ in range(3)]
    return there == text.split("\n")[:3]


def _same_head(path: Path, text: str) -> bool:
    """Whether a table begins as this one, or has a rate as this package writes it."""
    with open_binary(path) as file:
        head = file.readline(_MOST).decode(errors="replace").rstrip("\r\n")
    try:
        names = next(csv.reader([head]), [])
    except csv.Error:
        return False
    rates = zip(names, names[1:], names[2:], strict=False)
    return head == text.partition("\n")[0] or any(
        (low, high) == (f"{name} low", f"{name} high") for name, low, high in rates
    )


def _only_datasets(path: Path, text: bytes) -> bool:
    with open_binary(path) as file:
        there = file.read(_MOST)
    keys = set(_keys(_ENTRY, there))
    return bool(keys) and keys <= {*_keys(_ENTRY, text), *_keys(_OWN_ENTRY, there)}


def _keys(pattern: re.Pattern[bytes], text: bytes) -> Iterable[bytes]:
    return (match[1] for match in pattern.finditer(text))
