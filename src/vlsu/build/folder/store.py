"""The records of a build in SQLite: every call is one transaction, on disk before it returns."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import (
    PROMPT,
    Decision,
    Record,
    Try,
    dumped,
    require_fits,
)
from vlsu.build.folder.tables import SCHEMA
from vlsu.errors import BuildError
from vlsu.runs.store.connections import connect, connect_read_only

__all__ = ["Store", "prompt_hash"]

#: How long a transaction waits for that of another process, in milliseconds.
_BUSY_MS = 10_000
_DECIDE = "INSERT OR IGNORE INTO decisions (key, kept, reason, about, made) VALUES (?, ?, ?, ?, ?)"
_BELOW = (
    "WITH RECURSIVE below (key) AS (SELECT key FROM records WHERE parent = ? UNION ALL"
    " SELECT records.key FROM records JOIN below ON records.parent = below.key)"
    " SELECT key FROM below"
)
_SQL_OF_TABLES = "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL"
#: The reason of what is given up with what it was made out of.
_WITH_PARENT = "what it was made out of was given up"

#: Runs one statement within a transaction.
Execute = Callable[..., sqlite3.Cursor]


def prompt_hash(text: str) -> str:
    """SHA-256 of a prompt's text, by which records name it."""
    return hashlib.sha256(text.encode()).hexdigest()


class Store(Reader):
    """Records, decisions, prompts and calls of a build.

    Whatever is added again is there once, so that a stage that was killed begins again where it
    likes. Several processes may add at a time.

    Args:
        path: The SQLite file, made if need be.
        read_only: Only read, and all of it as it is at the first look: what another process adds
            meanwhile is not seen, so that records and the decisions on them fit together.

    Raises:
        VlsuError: The file cannot be opened, or is none of this package's.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        try:
            self._connection = connect_read_only(path) if read_only else connect(path)
            try:
                self._connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
                self._connection.execute("PRAGMA foreign_keys=ON")
                _require_ours(self._connection)
                if read_only:
                    _stand_in(self._connection)
                    self._connection.execute("BEGIN")  # one snapshot until it is closed
                else:
                    self._connection.executescript(SCHEMA)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise self._as_build_error(error) from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Adding

    def add_prompt(self, name: str, text: str) -> str:
        """Keep a prompt that records will name; its hash."""
        key = prompt_hash(text)
        with self._writing() as execute:
            execute("INSERT OR IGNORE INTO prompts VALUES (?, ?, ?)", (key, name, text))
        return key

    def add(self, records: Iterable[Record]) -> list[str]:
        """Add records, all or none; their keys, those that were there before too.

        Raises:
            BuildError: One says too little of where it is from, names a prompt that is not kept, or
                was made out of what is unknown, not decided or given up; see `require_fits`.
        """
        with self._writing() as execute:
            return self._add(execute, records)

    def decide(self, decisions: Iterable[Decision]) -> None:
        """Add decisions, all or none. What is kept may be given up later, never the reverse.

        What was made out of a record that is given up, an image that was taken down for instance,
        is given up with it.

        Raises:
            BuildError: A record is unknown, was given up and is to be kept, or is given up without
                a reason.
        """
        with self._writing() as execute:
            self._decide(execute, decisions)

    def plan(self, tries: Iterable[Try]) -> None:
        """Plan tries, all or none; those planned before are the same ones."""
        with self._writing() as execute:
            for each in tries:
                cell = each.cell
                row = (each.key, each.stage, str(cell.pattern), cell.category, cell.language)
                execute(
                    "INSERT OR IGNORE INTO tries (key, stage, pattern, category, language,"
                    " subject, number, made) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*row, each.subject, each.number, time.time()),
                )

    def conclude(
        self,
        done: Try,
        records: Iterable[Record] = (),
        decisions: Iterable[Decision] = (),
        about: Mapping[str, Any] | None = None,
    ) -> bool:
        """Add what came of a try, all of it or none: its records, decisions, and its outcome.

        Args:
            done: A planned try.
            records: What it made.
            decisions: On these records, or on others.
            about: What is worth knowing of it, such as how often a model refused.

        Returns:
            Whether it had no outcome yet; if it had, nothing is added.

        Raises:
            BuildError: It is not planned; as `add` and `decide`.
        """
        with self._writing() as execute:
            if not execute("SELECT 1 FROM tries WHERE key = ?", (done.key,)).fetchone():
                raise BuildError(f"{done.stage}: a try is concluded that was not planned")
            if execute("SELECT 1 FROM outcomes WHERE key = ?", (done.key,)).fetchone():
                return False
            self._add(execute, records)
            self._decide(execute, decisions)
            row = (done.key, dumped(about or {}), time.time())
            execute("INSERT INTO outcomes VALUES (?, ?, ?)", row)
            return True

    def add_call(self, key: str, stage: str, model: str, cost: float | None) -> None:
        """Count a call by its request key, once.

        Args:
            key: Of the request.
            stage: One of `STAGES`.
            model: Its SPEC.
            cost: `None` if no price is known.
        """
        self.add_calls([(key, stage, model, cost)])

    def add_calls(self, calls: Iterable[tuple[str, str, str, float | None]]) -> None:
        """Count calls, each as `add_call`, in one transaction."""
        with self._writing() as execute:
            for call in calls:
                execute("INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?)", (*call, time.time()))

    def add_work(self, stage: str, began: float, seconds: float) -> None:
        """Record that a start of a stage took so long.

        Args:
            stage: One of `STAGES`.
            began: Seconds since 1970.
            seconds: Until it ended.
        """
        with self._writing() as execute:
            execute(
                "INSERT INTO work (stage, began, seconds) VALUES (?, ?, ?)", (stage, began, seconds)
            )

    # Inside

    def _add(self, execute: Execute, records: Iterable[Record]) -> list[str]:
        keys = []
        for record in records:
            key = record.key
            keys.append(key)
            if execute("SELECT 1 FROM records WHERE key = ?", (key,)).fetchone():
                continue
            require_fits(record, self._parent(record))
            self._require_prompt(record)
            execute(
                "INSERT INTO records (key, stage, pattern, category, language, content,"
                " provenance, parent, made) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    record.stage,
                    str(record.cell.pattern),
                    record.cell.category,
                    record.cell.language,
                    dumped(record.content),
                    dumped(record.provenance),
                    record.parent,
                    time.time(),
                ),
            )
        return keys

    def _decide(self, execute: Execute, decisions: Iterable[Decision]) -> None:
        for each in decisions:
            if not each.kept and not each.reason.strip():
                raise BuildError("a record is given up without a reason")
            if not execute("SELECT 1 FROM records WHERE key = ?", (each.key,)).fetchone():
                raise BuildError(f"no record has the key {each.key[:12]}")
            if each.kept and self.kept(each.key) is False:
                raise BuildError(f"record {each.key[:12]} was given up, which is final")
            about = dumped(each.about)
            execute(_DECIDE, (each.key, each.kept, each.reason, about, time.time()))
            if not each.kept:
                for (below,) in execute(_BELOW, (each.key,)).fetchall():
                    execute(_DECIDE, (below, False, _WITH_PARENT, b"{}", time.time()))

    def _parent(self, record: Record) -> Record | None:
        if record.parent is None:
            return None
        if self.kept(record.parent) is not True:
            raise BuildError(f"{record.stage}: made out of {record.parent[:12]}, which is not kept")
        return self.record(record.parent)

    def _require_prompt(self, record: Record) -> None:
        named = record.provenance.get(PROMPT)
        if named and not self._read("SELECT 1 FROM prompts WHERE hash = ?", (named,)):
            raise BuildError(f"{record.stage}: the prompt {str(named)[:12]} is not kept; add it")

    @contextmanager
    def _writing(self) -> Iterator[Execute]:
        """One transaction: on disk at the end, or not at all."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._as_build_error(error) from None


def _require_ours(connection: sqlite3.Connection) -> None:
    """Refuse a file with other tables than these, or with programs in it.

    Raises:
        sqlite3.DatabaseError: It holds something else.
    """
    ours = _tables()
    for name, sql in connection.execute(_SQL_OF_TABLES):
        if ours.get(name) != sql:
            raise sqlite3.DatabaseError(f"{name} is not as vlsu makes it")


def _stand_in(connection: sqlite3.Connection) -> None:
    """Give empty tables, outside the file, for those that a file of an older vlsu lacks.

    Raises:
        sqlite3.DatabaseError: It lacks the records, which every build has.
    """
    there = {name for name, _ in connection.execute(_SQL_OF_TABLES)}
    if "records" not in there:
        raise sqlite3.DatabaseError("it holds no records")
    lacking = [sql for name, sql in _tables().items() if name not in there]
    connection.execute("PRAGMA query_only=OFF")  # it forbids temporary tables too
    for sql in lacking:
        connection.execute(sql.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
    connection.execute("PRAGMA query_only=ON")


def _tables() -> dict[str, str]:
    """Name -> how SQLite writes down each table of `SCHEMA`."""
    fresh = sqlite3.connect(":memory:")
    try:
        fresh.executescript(SCHEMA)
        return dict(fresh.execute(_SQL_OF_TABLES))
    finally:
        fresh.close()
