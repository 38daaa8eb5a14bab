"""The records of a build in SQLite: every call is one transaction, on disk before it returns."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from vlsu.build.folder.records import PROMPT, STAGES, Decision, Record, dumped, require_fits
from vlsu.build.folder.tables import SCHEMA
from vlsu.build.plan.cells import Cell
from vlsu.build.plan.progress import Count
from vlsu.errors import BuildError
from vlsu.policy import Pattern
from vlsu.runs.store.connections import connect, connect_read_only

__all__ = ["Calls", "Store", "prompt_hash"]

#: How long a transaction waits for that of another process, in milliseconds.
_BUSY_MS = 10_000
#: Of each record the decision that holds: giving up is final, so the lower of the two.
_STATE = "(SELECT min(kept) FROM decisions WHERE decisions.key = records.key)"
_DECIDE = "INSERT OR IGNORE INTO decisions (key, kept, reason, about, made) VALUES (?, ?, ?, ?, ?)"
_BELOW = (
    "WITH RECURSIVE below (key) AS (SELECT key FROM records WHERE parent = ? UNION ALL"
    " SELECT records.key FROM records JOIN below ON records.parent = below.key)"
    " SELECT key FROM below"
)
#: The reason of what is given up with what it was made out of.
_WITH_PARENT = "what it was made out of was given up"
_COLUMNS = "stage, pattern, category, language, content, provenance, parent"


class Calls(NamedTuple):
    """Calls of models over all stages.

    Attributes:
        number: Each request once, however often it was looked up.
        cost: Of those with a known price.
        unpriced: Calls without one.
    """

    number: int
    cost: float
    unpriced: int


def prompt_hash(text: str) -> str:
    """SHA-256 of a prompt's text, by which records name it."""
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """Records, decisions, prompts and calls of a build.

    Whatever is added again is there once, so that a stage that was killed begins again where it
    likes. Several processes may add at a time.

    Args:
        path: The SQLite file, made if need be.
        read_only: Only read; nothing is made or changed.

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
                if not read_only:
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
        keys = []
        with self._writing() as execute:
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

    def decide(self, decisions: Iterable[Decision]) -> None:
        """Add decisions, all or none. What is kept may be given up later, never the reverse.

        What was made out of a record that is given up, an image that was taken down for instance,
        is given up with it.

        Raises:
            BuildError: A record is unknown, was given up and is to be kept, or is given up without
                a reason.
        """
        with self._writing() as execute:
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

    def add_call(self, key: str, stage: str, model: str, cost: float | None) -> None:
        """Count a call by its request key, once.

        Args:
            key: Of the request.
            stage: One of `STAGES`.
            model: Its SPEC.
            cost: `None` if no price is known.
        """
        with self._writing() as execute:
            row = (key, stage, model, cost, time.time())
            execute("INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?)", row)

    # Reading

    def kept(self, key: str) -> bool | None:
        """Whether a record is kept or given up; `None` while that is not decided."""
        query = "SELECT min(kept) FROM decisions WHERE key = ?"
        (state,) = self._read(query, (key,))[0]
        return None if state is None else bool(state)

    def record(self, key: str) -> Record:
        """The record of a key.

        Raises:
            BuildError: There is none.
        """
        rows = self._read(f"SELECT {_COLUMNS} FROM records WHERE key = ?", (key,))  # noqa: S608
        if not rows:
            raise BuildError(f"{self.path}: no record has the key {key[:12]}")
        return _record(rows[0])

    def records(self, stage: str, *, kept: bool | None) -> list[Record]:
        """The records of a stage that are kept, given up, or (`None`) not decided yet, in order."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM records WHERE stage = ? AND {_STATE} IS ? ORDER BY id",  # noqa: S608
            (stage, kept if kept is None else int(kept)),
        )
        return [_record(row) for row in rows]

    def chain(self, key: str) -> dict[str, Record]:
        """Stage -> record, from the concept to the record of a key."""
        found: list[Record] = []
        following: str | None = key
        while following is not None:
            found.append(self.record(following))
            following = found[-1].parent
        return {record.stage: record for record in reversed(found)}

    def counts(self) -> dict[Cell, Count]:
        """What each cell has; nothing is wanted of it here."""
        rows = self._read(
            "SELECT pattern, category, language, stage,"  # noqa: S608
            f" {_STATE} AS state,"
            " (SELECT reason FROM decisions WHERE decisions.key = records.key AND kept = 0),"
            " count(*) FROM records GROUP BY 1, 2, 3, 4, 5, 6"
        )
        have: dict[Cell, int] = {}
        waiting: dict[Cell, int] = {}
        lost: dict[Cell, dict[str, int]] = {}
        reasons: dict[Cell, dict[str, int]] = {}
        for pattern, category, language, stage, state, reason, number in rows:
            cell = Cell(Pattern.parse(pattern), category, language)
            have.setdefault(cell, 0)
            if state == 0:
                _count(lost.setdefault(cell, {}), stage, number)
                _count(reasons.setdefault(cell, {}), reason, number)
            elif state is None:
                _count(waiting, cell, number)
            elif stage == STAGES[-1]:
                have[cell] += number
        return {
            cell: Count(
                have=number,
                lost={s: n for s in STAGES if (n := lost.get(cell, {}).get(s))},
                open=waiting.get(cell, 0),
                reasons=reasons.get(cell, {}),
            )
            for cell, number in have.items()
        }

    def calls(self) -> Calls:
        """Calls of models so far."""
        query = "SELECT count(*), total(cost), count(*) - count(cost) FROM calls"
        return Calls(*self._read(query)[0])

    def prompts(self) -> dict[str, tuple[str, str]]:
        """Hash -> name and text."""
        rows = self._read("SELECT hash, name, text FROM prompts ORDER BY name, hash")
        return {key: (name, text) for key, name, text in rows}

    # Inside

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

    def _read(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._as_build_error(error) from None

    @contextmanager
    def _writing(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
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

    def _as_build_error(self, error: sqlite3.Error) -> BuildError:
        return BuildError(f"{self.path}: {error}; is it a build's database, and the disk sound?")


def _count(counts: dict[Any, int], name: object, number: int) -> None:
    counts[name] = counts.get(name, 0) + number


def _record(row: tuple[Any, ...]) -> Record:
    stage, pattern, category, language, content, provenance, parent = row
    return Record(
        stage=stage,
        cell=Cell(Pattern.parse(pattern), category, language),
        content=orjson.loads(content),
        provenance=orjson.loads(provenance),
        parent=parent,
    )


def _require_ours(connection: sqlite3.Connection) -> None:
    """Refuse a file with other tables than these, or with programs in it.

    Raises:
        sqlite3.DatabaseError: It holds something else.
    """
    query = "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL"
    fresh = sqlite3.connect(":memory:")
    try:
        fresh.executescript(SCHEMA)
        ours = dict(fresh.execute(query))
    finally:
        fresh.close()
    for name, sql in connection.execute(query):
        if ours.get(name) != sql:
            raise sqlite3.DatabaseError(f"{name} is not as vlsu makes it")
