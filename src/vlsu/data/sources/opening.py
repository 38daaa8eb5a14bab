"""Finding out what a file is, and opening it with the reader of its kind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from vlsu.data.sources.base import Source
from vlsu.data.sources.columnar import arrow_source, parquet_source
from vlsu.data.sources.delimited import delimited_source
from vlsu.data.sources.documents import json_source
from vlsu.data.sources.shards import shard_source
from vlsu.data.sources.workbook import workbook_source
from vlsu.data.tables.source import other_format
from vlsu.errors import DataError

__all__ = ["READABLE", "file_kind", "open_source"]

#: What `other_format` calls a file -> its reader, for files that are not delimited text.
READABLE: dict[str, Callable[[Path], Source]] = {
    "JSON lines": json_source,
    "JSON": json_source,
    "a Parquet file": parquet_source,
    "an Arrow file": partial(arrow_source, stream=False),
    "an Arrow stream": partial(arrow_source, stream=True),
    "an Excel workbook (xlsx)": workbook_source,
    "a tar archive": shard_source,
}


def file_kind(path: Path) -> str | None:
    """What a file is, such as ``"a Parquet file"``; `None` for text that may be delimited.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return other_format(path)
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; give a file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def open_source(path: Path, known: Collection[str] = (), *, encoding: str | None = None) -> Source:
    """Open a file by its content.

    Args:
        path: The file.
        known: Normalised names of expected columns, by which a delimiter is detected.
        encoding: Encoding of a text, if the user states it.

    Raises:
        UsageError: The encoding does not exist.
        DataError: The file cannot be read, is empty, damaged, or of a kind that holds no rows.
    """
    kind = file_kind(path)
    if kind in ("JSON lines", "JSON"):
        return json_source(path, encoding)
    if kind in READABLE:
        return READABLE[kind](path)
    return delimited_source(path, known, encoding)
