"""Parquet files by their paths, whatever characters those hold.

Polars takes ``[ ] * ?`` in a path for a pattern, ``~`` for a home, ``x=1`` in a folder's name for a
column and ``scheme:`` for an address. Here a path is a path: every scan, read and write of this
package goes through these functions.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from vlsu._files import open_regular

__all__ = ["literal", "read_parquet", "scan_parquet"]


def scan_parquet(files: Path | Iterable[Path]) -> pl.LazyFrame:
    """The rows of one file or of several, in order, unread.

    Raises:
        OSError: A file is not there, or is not a regular file (`FileNotFoundError` in the first
            case).
    """
    paths = [files] if isinstance(files, Path) else list(files)
    for path in paths:
        os.close(open_regular(path))
    return pl.scan_parquet(list(map(literal, paths)), glob=False, hive_partitioning=False)


def read_parquet(file: Path) -> pl.DataFrame:
    """All rows of a file.

    Raises:
        OSError: As `scan_parquet`.
        polars.exceptions.PolarsError: It is damaged.
    """
    os.close(open_regular(file))
    return pl.read_parquet(literal(file), glob=False, hive_partitioning=False)


def literal(path: Path) -> str:
    """A path as Polars reads and writes it without taking any of it for something else.

    Raises:
        OSError: It is no UTF-8, which Polars needs.
    """
    text = str(path.absolute())
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "its path is not UTF-8; rename the folder or the file"
        raise OSError(errno.EILSEQ, message, text) from None
    return text
