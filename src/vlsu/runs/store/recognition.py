"""Whether a file that a user names is a store, or what is left of one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from vlsu.runs.store.connections import beside, connect_read_only
from vlsu.runs.store.salvage import readable_rows
from vlsu.runs.store.tables import FORMER

__all__ = ["may_be_store"]


def may_be_store(file: Path) -> bool:
    """Whether a file is a store, an empty one, or a damaged one with a response left in it.

    Nothing is changed.

    Raises:
        RunError: It is no regular file.
    """
    if not file.stat().st_size or beside(file, "-wal").exists():
        return True  # the latter was made by SQLite, and is looked into when it is opened
    try:
        with closing(connect_read_only(file)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            names = {name for (name,) in tables}
    except sqlite3.Error:
        return next(readable_rows(file), None) is not None
    return not names or not names.isdisjoint(("responses", FORMER))
