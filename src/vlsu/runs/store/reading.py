"""Reading what a store holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vlsu.errors import RunError
from vlsu.models.base import Raw
from vlsu.runs.store.lookup import Lookup
from vlsu.runs.store.sqlite_errors import DamagedStoreError, store_error
from vlsu.runs.store.tables import StoredRow
from vlsu.runs.store.tallies import Tallies
from vlsu.runs.store.usage import KeptTokens, kept_tokens

__all__ = ["StoreReader", "Stored"]


class Stored(NamedTuple):
    """A response as stored, and how many attempts it took."""

    raw: Raw
    attempts: int


class StoreReader:
    """What is read of a store once it is open; a base of `ResponseStore`.

    Args:
        path: The SQLite file.
        read_only: Whether it is only read.
    """

    _lookup: Lookup
    _tallies: Tallies

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._read_only = read_only
        self._damaged = False

    def stored(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a response on disk.

        Raises:
            RunError: The file is damaged.
        """
        return self.own(keys)

    def own(self, keys: Sequence[str]) -> set[str]:
        """The same of this file alone, whatever other one is behind it."""
        with self._explained():
            return self._lookup.stored(keys)

    def responses(self, keys: Sequence[str]) -> dict[str, Stored]:
        """The responses on disk of these keys.

        Raises:
            RunError: The file is damaged.
        """
        return dict(self.each_response(keys))

    def each_response(self, keys: Sequence[str]) -> Iterator[tuple[str, Stored]]:
        """The same one after the other, in any order, so that one body is held at a time.

        Raises:
            RunError: The file is damaged.
        """
        with self._explained():
            for key, status, body, latency_s, attempts, *_ in self._lookup.rows(keys):
                yield key, Stored(Raw(status, body, latency_s), attempts)

    def stored_keys(self) -> Iterator[list[str]]:
        """The keys of all responses on disk, some at a time, in the order they were stored.

        Raises:
            RunError: The file is damaged.
        """
        with self._explained():
            yield from self._lookup.keys()

    def responses_without_usage(self, keys: Sequence[str]) -> dict[str, Stored]:
        """Of these keys, the responses on disk whose tokens are not kept.

        Raises:
            RunError: The file is damaged.
        """
        with self._explained():
            numbers = self._lookup.numbers(keys)
            known = self._tallies.usage_rows(numbers)
        return self.responses([key for key in numbers if key not in known])

    def error_counts(self) -> dict[str, int]:
        """Failed attempts by kind of fault."""
        with self._explained():
            return self._tallies.error_counts()

    def unanswered(self, most: int = 5) -> dict[str, int]:
        """The commonest faults of requests that have no response: message -> requests.

        Of each request its last one, so that the counts add up to requests.
        """
        with self._explained():
            return self._tallies.unanswered(self._lookup, most)

    def image_changes(self, spec: str) -> dict[str, int]:
        """How many different images were changed to what a model takes, by change."""
        with self._explained():
            return self._tallies.image_changes(spec)

    def count(self) -> int:
        """How many responses are on disk."""
        with self._explained():
            return self._tallies.count()

    def usage(self, *, batched: bool | None = None) -> dict[str, tuple[int, ...]]:
        """Sums of tokens over all responses that this store's runs asked for, by the model's SPEC.

        Those that were removed since are among them: they are paid for.

        Args:
            batched: Only of those that came by a batch interface, or only of the others.

        Returns:
            SPEC -> sums in the order of `vlsu.models.base.TOKEN_COUNTS`.
        """
        with self._explained():
            return self._tallies.usage(batched)

    def usage_taken_over(self) -> dict[str, tuple[int, ...]]:
        """The same of the responses that came out of another store."""
        with self._explained():
            return self._tallies.usage("taken over")

    def tokens(self, keys: Sequence[str]) -> dict[str, KeptTokens]:
        """The tokens that are kept of the responses of these keys."""
        return {key: kept_tokens(row) for key, row in self.usage_rows(keys).items()}

    def rows(self, keys: Sequence[str]) -> list[StoredRow]:
        """The responses on disk of these keys, as a `Batch` has them.

        Raises:
            RunError: The file is damaged.
        """
        with self._explained():
            return [*self._lookup.rows(keys)]

    def usage_rows(self, keys: Sequence[str]) -> dict[str, StoredRow]:
        """What is kept of their tokens, likewise, by key."""
        with self._explained():
            return self._tallies.usage_rows(self._lookup.numbers(keys))

    def asked(self) -> dict[str, int]:
        """SPEC -> responses that this store's runs asked for, of those whose tokens are kept."""
        with self._explained():
            return self._tallies.asked()

    def removed(self) -> dict[str, int]:
        """SPEC -> how many of them were removed, which are in `usage` and no longer in `asked`."""
        with self._explained():
            return self._tallies.removed()

    def models(self) -> dict[str, dict[str, int]]:
        """SPEC -> ``responses`` whose tokens are kept, and sums of each kind of tokens."""
        with self._explained():
            return self._tallies.models()

    def without_usage(self) -> int:
        """How many responses were stored before their tokens were kept, or were salvaged."""
        with self._explained():
            return max(0, self._tallies.count() - self._tallies.count_with_usage())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise SQLite's errors as those of this package."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._as_run_error(error) from None

    def _as_run_error(self, error: sqlite3.Error) -> RunError:
        """What went wrong, in one line; damage is remembered."""
        found = store_error(self.path, error, read_only=self._read_only)
        self._damaged = self._damaged or isinstance(found, DamagedStoreError)
        return found
