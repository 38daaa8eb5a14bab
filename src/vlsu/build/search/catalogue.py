"""What the sources offer, in one SQLite file: the rows that an index points to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from pathlib import Path

from vlsu.build.sources.base import Candidate, LocalSource
from vlsu.errors import BuildError
from vlsu.runs.store.connections import connect

__all__ = ["Catalogue", "Row"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS candidates (
    position INTEGER PRIMARY KEY,
    source INTEGER NOT NULL,
    candidate BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS listed (source INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS unreadable (position INTEGER PRIMARY KEY);
"""
#: Rows of one transaction.
_BATCH = 5_000
_FIELDS = tuple(field.name for field in fields(Candidate))

#: Position, the source's number, and what is there.
Row = tuple[int, int, Candidate]


class Catalogue:
    """Candidates by position, from 0, in the order of the sources.

    Args:
        path: The SQLite file, made if need be.

    Raises:
        BuildError: It cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            self._connection = connect(path)
            self._connection.execute("PRAGMA synchronous=NORMAL")  # can be made anew
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(
        self, number: int, source: LocalSource, progress: Callable[[int, int | None], None]
    ) -> None:
        """Store a source's candidates; one that was interrupted goes on where it was.

        Args:
            number: The source's, from 0; sources are listed in this order.
            source: Lists the same candidates in the same order each time.
            progress: Called with the candidates stored in all; their number is not known.

        Raises:
            DataError: It cannot be read.
            BuildError: The file cannot be written.
        """
        if self._one("SELECT 1 FROM listed WHERE source = ?", number):
            return
        there = self._one("SELECT count(*) FROM candidates WHERE source = ?", number) or 0
        found = islice(source.candidates(), there, None)
        end = len(self)
        while batch := tuple(islice(found, _BATCH)):
            rows = [(end + i, number, _dumped(each)) for i, each in enumerate(batch)]
            with self._errors(), self._connection:
                self._connection.execute("BEGIN")
                self._connection.executemany("INSERT INTO candidates VALUES (?, ?, ?)", rows)
            end += len(rows)
            progress(end, None)
        with self._errors():
            self._connection.execute("INSERT INTO listed VALUES (?)", (number,))

    def __len__(self) -> int:
        return int(self._one("SELECT coalesce(max(position) + 1, 0) FROM candidates") or 0)

    def rows(self, start: int = 0) -> Iterator[Row]:
        """All candidates from a position on, read in batches."""
        while True:
            with self._errors():
                batch = self._connection.execute(
                    "SELECT position, source, candidate FROM candidates WHERE position >= ?"
                    " ORDER BY position LIMIT ?",
                    (start, _BATCH),
                ).fetchall()
            if not batch:
                return
            for position, source, dumped in batch:
                yield position, source, self._loaded(dumped)
            start = batch[-1][0] + 1

    def at(self, positions: Sequence[int]) -> list[Candidate]:
        """The candidates at these positions, in this order."""
        found = []
        with self._errors():
            for position in positions:
                (dumped,) = self._connection.execute(
                    "SELECT candidate FROM candidates WHERE position = ?", (int(position),)
                ).fetchone()
                found.append(self._loaded(dumped))
        return found

    def add_unreadable(self, position: int) -> None:
        """Note that an image could not be read."""
        with self._errors():
            self._connection.execute("INSERT OR IGNORE INTO unreadable VALUES (?)", (position,))

    def unreadable(self) -> int:
        """How many images could not be read."""
        return int(self._one("SELECT count(*) FROM unreadable") or 0)

    def _one(self, statement: str, *values: object) -> int | None:
        with self._errors():
            row = self._connection.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def _loaded(self, dumped: bytes) -> Candidate:
        try:
            return Candidate(**json.loads(dumped))
        except (ValueError, TypeError):
            raise self._damaged() from None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise BuildError(f"{self._path}: cannot be used ({error})") from None
        except (sqlite3.DatabaseError, TypeError):
            raise self._damaged() from None

    def _damaged(self) -> BuildError:
        return BuildError(
            f"{self._path}: is damaged; remove the folder {self._path.parent}, which is made anew"
        )


def _dumped(candidate: Candidate) -> bytes:
    values = {name: getattr(candidate, name) for name in _FIELDS} | {"about": dict(candidate.about)}
    said = {name: value for name, value in values.items() if value not in (None, "", {})}
    dumped = json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return dumped.encode("utf-8", "surrogatepass")
