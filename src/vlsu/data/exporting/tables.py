"""CSV and JSONL files of the samples, without images."""

from __future__ import annotations

from pathlib import Path

import orjson
import polars as pl

from vlsu._files import open_binary
from vlsu._text import one_line
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.exporting.parquet import EMBEDDED_COLUMNS
from vlsu.data.parquet import literal, scan_parquet
from vlsu.data.rows import COLUMNS, Row
from vlsu.data.tables.spreadsheets import escaped_column
from vlsu.errors import DataError

__all__ = ["is_table", "write_csv", "write_jsonl"]

#: Maximum bytes of the first line of a JSONL export.
_MAX_LINE_BYTES = 64 * 2**20


def write_csv(dataset: Dataset, path: Path) -> None:
    """Write the columns of the dataset; what a spreadsheet would take for a formula is escaped.

    Raises:
        DataError: A file of samples is damaged.
        OSError: The file cannot be written.
    """
    frame = dataset.frame().select(COLUMNS)
    try:
        frame.select(map(escaped_column, COLUMNS)).sink_csv(literal(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        with dataset.reading():
            frame.select(pl.all().null_count()).collect(engine="streaming")  # a damaged file
        raise


def write_jsonl(dataset: Dataset, path: Path) -> None:
    """Write an object of the columns a line, with metadata as a nested object.

    Raises:
        DataError: A file of samples is damaged, or metadata is not JSON.
        OSError: The file cannot be written.
    """
    with path.open("wb") as file:
        file.writelines(map(_json_line, dataset.rows()))


def _json_line(row: Row) -> bytes:
    tree: dict[str, object] = dict(zip(COLUMNS, row, strict=True))
    try:
        tree["metadata"] = orjson.loads(row[-1] or "{}")
        return orjson.dumps(tree, option=orjson.OPT_APPEND_NEWLINE)
    except (orjson.JSONDecodeError, TypeError):
        raise DataError(
            f"sample {one_line(row[0])!r}: metadata is not JSON that can be written; "
            "write the dataset again"
        ) from None


def is_table(path: Path) -> bool:
    """Whether a file is what this package exports as one file: CSV, JSONL or Parquet."""
    try:
        with open_binary(path) as file:
            first = file.readline(_MAX_LINE_BYTES)
    except OSError:
        return False
    if first.rstrip(b"\r\n") == ",".join(COLUMNS).encode():
        return True
    try:
        if first.startswith(b"PAR1"):
            return tuple(scan_parquet(path).collect_schema()) in (COLUMNS, EMBEDDED_COLUMNS)
        return tuple(orjson.loads(first)) == COLUMNS
    except (OSError, ValueError, TypeError, pl.exceptions.PolarsError):
        return False
