"""Parquet files by their paths, whatever characters those hold.

Polars takes ``[ ] * ?`` in a path for a pattern, ``~`` for a home, ``x=1`` in a folder's name for a
column and ``scheme:`` for an address. Here a path is a path: every scan, read and write of this
package goes through these functions.
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

__all__ = ["literal", "read_parquet", "reading", "scan_parquet"]


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


@contextmanager
def reading(place: Path, remedy: str) -> Iterator[None]:
    """Make one line of what goes wrong where Parquet files are read.

    A file whose description is sound may be damaged further in, which shows as it is read.

    Args:
        place: The file or folder.
        remedy: What to do about it.

    Raises:
        DataError: A file cannot be read, or is damaged.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({error.strerror or error}); {remedy}") from None
    except (pl.exceptions.ComputeError, pl.exceptions.PanicException) as error:
        reason = one_line(str(error).partition("\n")[0], 120)
        raise DataError(f"{place}: damaged ({reason}); {remedy}") from None


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
