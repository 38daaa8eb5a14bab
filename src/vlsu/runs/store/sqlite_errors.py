"""SQLite's errors as errors of this package: what went wrong and the fix, in one line."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from vlsu._machine import exhausted_file_descriptors
from vlsu.errors import RunError

__all__ = ["DamagedStoreError", "damaged_store_error", "rescue", "store_error"]

#: SQLite's codes for a file, or a value in it, that it did not write.
_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_FORMAT,
)
#: A disk with less free space than this is full, in bytes.
_NO_ROOM = 2**20


class DamagedStoreError(RunError):
    """The file's content is not what was written."""


def store_error(path: Path, error: sqlite3.Error, *, read_only: bool) -> RunError:
    """What an error of SQLite means for the user of a store.

    Args:
        path: The store.
        error: As SQLite gave it.
        read_only: Whether it was opened to be read only.
    """
    text = str(error)
    primary = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if primary in _DAMAGE or any(word in text for word in ("malformed", "decode")):
        return damaged_store_error(path, text, read_only=read_only)
    if read_only and text.startswith("no such table"):
        return RunError(f"{path}: is no store of responses, or one without any")
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _no_room(path)):
        return RunError(f"{path}: the disk is full; free some and run the command again")
    if primary == sqlite3.SQLITE_IOERR:
        return RunError(
            f"{path}: {text}; see that the disk is sound, has room and allows files of this size, "
            "and run the command again"
        )
    if primary == sqlite3.SQLITE_CANTOPEN and (lack := exhausted_file_descriptors()):
        return RunError(f"{path}: {lack}; then run the command again")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RunError(
            f"{path}: {text}: another program has it open; close it and run the command again"
        )
    return RunError(f"{path}: {text}; is the folder writable?")


def damaged_store_error(path: Path, what: str, *, read_only: bool) -> DamagedStoreError:
    """That a store is damaged, and what to do about it."""
    if read_only and not (path.parent / "run.yaml").exists():
        return DamagedStoreError(
            f"{path}: no store of responses, or damaged ({what}); {rescue(path)} of a damaged one"
        )
    if read_only:
        return DamagedStoreError(f"{path}: damaged ({what}); {rescue(path)}")
    return DamagedStoreError(
        f"{path}: damaged ({what}); run the same command again to ask for what is lost"
    )


def rescue(path: Path) -> str:
    """What saves the readable part of a damaged store."""
    if not (path.parent / "run.yaml").exists():
        return f"a run with --store {path.name} saves what can be read"
    return (
        "delete the judgments.parquet beside it and run the same vlsu run command: it saves what "
        "can be read and asks for the rest"
    )


def _no_room(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < _NO_ROOM
