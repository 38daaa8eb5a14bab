"""Parquet files by literal paths.

Polars interprets ``[ ] * ?`` in a path as a pattern, ``~`` as a home folder, ``x=1`` in a folder's
name as a column and ``scheme:`` as a URL. Every scan, read and write of this package goes through
these functions, which take paths literally.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from vlsu._files import open_regular
from vlsu._text import one_line
from vlsu.errors import DataError

__all__ = ["DAMAGED", "literal", "read_parquet", "reading", "scan_parquet"]

#: What Polars raises where the pages or the metadata of a file are damaged.
DAMAGED = (pl.exceptions.ComputeError, pl.exceptions.PanicException)


def scan_parquet(files: Path | Iterable[Path]) -> pl.LazyFrame:
    """A lazy frame of the rows of one or several files, in order.

    Raises:
        OSError: A file is missing (`FileNotFoundError`) or is not a regular file.
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


@contextmanager
def reading(place: Path, remedy: str) -> Iterator[None]:
    """Context in which errors of reading Parquet files become a `DataError` of one line.

    A file with valid metadata may still have damaged pages, which shows only when they are read.

    Args:
        place: The file or folder, for the message.
        remedy: The fix, for the message.

    Raises:
        DataError: A file cannot be read, or is damaged.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({error.strerror or error}); {remedy}") from None
    except DAMAGED as error:
        reason = one_line(str(error).partition("\n")[0], 120)
        raise DataError(f"{place}: damaged ({reason}); {remedy}") from None


def literal(path: Path) -> str:
    """A path in a form that Polars takes literally.

    Raises:
        OSError: It is not UTF-8, which Polars needs.
    """
    text = str(path.absolute())
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "its path is not UTF-8; rename the folder or the file"
        raise OSError(errno.EILSEQ, message, text) from None
    return text
