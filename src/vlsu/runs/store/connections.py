"""Connections to the SQLite file of a store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from vlsu._files import is_regular
from vlsu.errors import RunError
from vlsu.runs.store.salvage import PAGE
from vlsu.runs.store.schema import check_schema, make_harmless
from vlsu.runs.writing import create_file

__all__ = ["REPLACING", "beside", "connect", "connect_read_only"]

#: Of the complete file that takes the place of a damaged one; see `vlsu.runs.store.replacement`.
REPLACING = ".replacing"


def connect(path: Path, most_pages: int | None = None) -> sqlite3.Connection:
    """Open a store for reading and writing; the file is made if need be.

    Args:
        path: The SQLite file.
        most_pages: Bound on its size in SQLite pages.

    Raises:
        RunError: It cannot be made, or is no regular file.
        sqlite3.Error: It cannot be opened.
    """
    create_file(path)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        make_harmless(connection)
        connection.execute(f"PRAGMA page_size={PAGE}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        if most_pages is not None:
            connection.execute(f"PRAGMA max_page_count={int(most_pages)}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a store only to read it; nothing is made or changed, and its schema is checked.

    Where a replacement of a damaged file was interrupted, what replaces it is read.

    Raises:
        RunError: It is no regular file.
        sqlite3.Error: It cannot be opened, or has other tables than a store.
    """
    if beside(path, REPLACING).exists():
        path = beside(path, REPLACING)
    if path.exists() and not is_regular(path):
        raise RunError(f"{path}: is not a regular file; remove it")
    mode = "ro" if _has_log(path) else "rw"
    connection = _connected(path, f"mode={mode}")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError:
        # SQLite shares a log's index through a file, which a read-only folder forbids; with
        # no log there is nothing to share.
        connection.close()
        if beside(path, "-wal").exists() or not path.exists():
            raise
        connection = _connected(path, "mode=ro&immutable=1")
    try:
        make_harmless(connection)
        check_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    """Whether a log lies beside a store: somebody has it open, or was killed.

    Without one it is opened as if it were to be changed, and nothing in it is: a connection that
    could change nothing would leave the log behind that SQLite makes, empty, beside it.
    """
    return beside(path, "-wal").exists() or beside(path, "-journal").exists()


def _connected(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    connection.execute("PRAGMA query_only=ON")
    return connection


def beside(path: Path, suffix: str) -> Path:
    """The file of that name and this suffix, such as the log ``-wal``."""
    return path.with_name(path.name + suffix)
