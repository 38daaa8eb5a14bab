"""What has become of each address of a dataset, in a file beside it: ``fetch.sqlite``.

A start that is killed at any point loses the results of the last moment; all others are found
again by the next. An image is stored before it is recorded here. Memory does not grow with the
number of addresses.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlsu.data.fetching.addresses import parse_address
from vlsu.data.fetching.entries import SEE, STORE, TABLE, Result, Stated, Wanted
from vlsu.data.fetching.faults import FetchFaultError
from vlsu.data.images.store import ImageStore
from vlsu.errors import DataError, MachineError

__all__ = ["JOURNAL_FILE", "Journal"]

JOURNAL_FILE = "fetch.sqlite"
#: Written into the file, so that another layout is not misread.
_LAYOUT = 1

_BATCH = 5000


class Journal:
    """The journal of a dataset folder; one process at a time may have it open.

    Raises:
        DataError: Another process has it open, or it is not a journal of this version.
        MachineError: The disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / JOURNAL_FILE
        if self._file.is_symlink():  # of an untrusted dataset, it may lead anywhere
            raise DataError(f"{self._file}: is a symbolic link; remove it")
        with self._errors():
            self._db = sqlite3.connect(
                self._file, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            try:
                # Held until this process ends, however it ends.
                self._db.execute("PRAGMA trusted_schema = OFF")
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute("BEGIN EXCLUSIVE")
                layout = self._db.execute("PRAGMA user_version").fetchone()[0]
                if layout not in (0, _LAYOUT):
                    raise DataError(f"{self._file}: of another version of vlsu; delete it")
                for statement in TABLE.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {_LAYOUT}")
                self._db.execute("COMMIT")
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file; another process may open it."""
        self._db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "locked" in text:
                raise DataError(
                    f"{self._file}: another vlsu data fetch is at work on this dataset; wait for it"
                ) from None
            if "full" in text or "disk I/O" in text:
                raise MachineError(
                    f"{self._file}: cannot be written ({text}); free some space and run the same "
                    "command again"
                ) from None
            if "unable to open" in text or "readonly" in text:
                raise DataError(
                    f"{self._file}: cannot be written ({text}); check the folder's permissions"
                ) from None
            raise DataError(
                f"{self._file}: cannot be used ({text}); delete it, and images that are stored "
                "already are fetched once more"
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._errors():
            cursor = self._db.cursor()
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                if self._db.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    # What is to be asked

    def begin(self, rows: Iterable[Stated], images: ImageStore, *, again: bool) -> None:
        """Compare with the dataset, and queue what is to be asked in this start.

        Args:
            rows: The rows that have an address.
            images: The images that are there.
            again: Whether what failed for good, and what was fetched, is asked again.
        """
        with self._transaction() as cursor:
            cursor.execute("UPDATE addresses SET seen = 0, fresh = 0, queue = NULL")
            cursor.executemany(SEE, rows)
        self._read_new_addresses()
        self._find_lost_images(images)
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE addresses SET queue = host WHERE seen = 1 AND host <> '' "
                "AND (state IN (0, 2) OR (?1 AND (state = 3 OR (state = 1 AND own = 1))))",
                (again,),
            )

    def _read_new_addresses(self) -> None:
        after = 0
        while True:
            with self._transaction() as cursor:
                found = cursor.execute(
                    "SELECT id, url FROM addresses WHERE id > ? AND host IS NULL ORDER BY id "
                    "LIMIT ?",
                    (after, _BATCH),
                ).fetchall()
                if not found:
                    return
                after = found[-1][0]
                cursor.executemany(
                    "UPDATE addresses SET host = ?, reason = coalesce(?, reason), "
                    "state = CASE WHEN ? AND state <> 1 THEN 3 ELSE state END "
                    "WHERE id = ?",
                    [(*_host(url), id_) for id_, url in found],
                )

    def _find_lost_images(self, images: ImageStore) -> None:
        """Queue the addresses of images that are not, or no longer, in the store."""
        after = 0
        while True:
            with self._transaction() as cursor:
                found = cursor.execute(
                    "SELECT id, sha256 FROM addresses WHERE id > ? AND seen = 1 "
                    "AND state = 1 ORDER BY id LIMIT ?",
                    (after, _BATCH),
                ).fetchall()
                if not found:
                    return
                after = found[-1][0]
                lost = [(id_,) for id_, sha256 in found if sha256 not in images]
                cursor.executemany(
                    "UPDATE addresses SET state = 0, required = sha256, sha256 = NULL, "
                    "etag = NULL, modified = NULL WHERE id = ?",
                    lost,
                )

    def queue(self, hosts: Iterable[tuple[str, int]]) -> None:
        """Queue addresses to be asked for elsewhere, given as whom to ask and the number."""
        with self._transaction() as cursor:
            cursor.executemany("UPDATE addresses SET queue = ? WHERE id = ?", hosts)

    def failed(self) -> Iterator[tuple[int, str, str, str]]:
        """Number, first sample, address and reason of all that failed, in the dataset's order."""
        after = 0
        while True:
            with self._errors():
                found = self._db.execute(
                    "SELECT id, sample, url, reason FROM addresses WHERE id > ? AND seen = 1 "
                    "AND state IN (2, 3) ORDER BY id LIMIT ?",
                    (after, _BATCH),
                ).fetchall()
            if not found:
                return
            yield from found
            after = found[-1][0]

    def queued(self) -> dict[str, int]:
        """Host -> number of addresses to ask it for."""
        with self._errors():
            return dict(
                self._db.execute(
                    "SELECT queue, count(*) FROM addresses WHERE queue IS NOT NULL "
                    "GROUP BY queue ORDER BY min(id)"
                )
            )

    def next_of(self, host: str, after: int, count: int) -> list[Wanted]:
        """The next addresses to ask a host for, behind the one with that number."""
        with self._errors():
            found = self._db.execute(
                "SELECT id, url, sample, required, etag, modified FROM addresses "
                "WHERE queue = ? AND id > ? ORDER BY id LIMIT ?",
                (host, after, count),
            )
            return [Wanted(*row) for row in found]

    # What came of it

    def record(self, results: Iterable[Result]) -> None:
        """Record results; an image that is stored is not given up for a later failure."""
        stored, unchanged, failed = [], [], []
        for each in results:
            if each.sha256 is not None:
                stored.append((each.sha256, each.sha256, each.etag, each.modified, each.id))
            elif each.reason is None:
                unchanged.append((each.id,))
            else:
                failed.append((2 if each.transient else 3, each.reason, each.id))
        with self._transaction() as cursor:
            cursor.executemany(STORE, stored)
            cursor.executemany("UPDATE addresses SET queue = NULL WHERE id = ?", unchanged)
            cursor.executemany(
                "UPDATE addresses SET queue = NULL, "
                "reason = CASE WHEN state = 1 THEN reason ELSE ?2 END, "
                "state = CASE WHEN state = 1 THEN state ELSE ?1 END WHERE id = ?3",
                failed,
            )

    def give_up(self, host: str, after: int, reason: str, *, keep: bool = False) -> int:
        """Record that the rest of a host's addresses was not asked; returns how many.

        Args:
            host: Who was to be asked.
            after: The number behind which nothing was.
            reason: Why not.
            keep: Keep the reasons that are recorded.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE addresses SET queue = NULL, "
                "reason = CASE WHEN state IN (0, 2) AND NOT ?4 THEN ?1 ELSE reason END, "
                "state = CASE WHEN state = 0 THEN 2 ELSE state END "
                "WHERE queue = ?2 AND id > ?3",
                (reason, host, after, keep),
            )
            return cursor.rowcount

    def image_of(self, url: str) -> tuple[str, str | None] | None:
        """The hash of the image of an address, and the one it replaces."""
        found = self._db.execute(
            "SELECT sha256, before FROM addresses WHERE url = ? AND state = 1", (url,)
        ).fetchone()
        return None if found is None else (found[0], found[1])

    @property
    def changing(self) -> bool:
        """Whether a start was stopped while it changed the rows of the dataset."""
        with self._errors():
            return self._db.execute("SELECT 1 FROM changing").fetchone() is not None

    @contextmanager
    def change(self) -> Iterator[None]:
        """Context in which the rows of the dataset are changed."""
        with self._transaction() as cursor:
            cursor.execute("INSERT OR IGNORE INTO changing VALUES (1)")
        yield
        with self._transaction() as cursor:
            cursor.execute("DELETE FROM changing")

    # Counts

    def counts(self) -> tuple[int, int, int]:
        """Addresses of the dataset, those whose image was there before, those fetched now."""
        with self._errors():
            row = self._db.execute(
                "SELECT count(*), count(*) FILTER (WHERE state = 1 AND fresh = 0), "
                "count(*) FILTER (WHERE state = 1 AND fresh = 1) "
                "FROM addresses WHERE seen = 1"
            ).fetchone()
        return row[0], row[1], row[2]

    def reasons(self) -> dict[str, int]:
        """Reason -> addresses that failed, the most frequent first; those not asked likewise."""
        with self._errors():
            return dict(
                self._db.execute(
                    "SELECT coalesce(reason, 'not-asked') AS why, count(*) AS n FROM addresses "
                    "WHERE seen = 1 AND state <> 1 GROUP BY why ORDER BY n DESC, why"
                )
            )

    def hosts(self) -> dict[str, dict[str, int]]:
        """Host -> its ``wanted``, ``had``, ``fetched`` and ``failed``, the largest first."""
        with self._errors():
            found = self._db.execute(
                "SELECT host, count(*) AS n, sum(state = 1 AND fresh = 0), "
                "sum(state = 1 AND fresh = 1), sum(state <> 1) "
                "FROM addresses WHERE seen = 1 GROUP BY host ORDER BY n DESC, host"
            )
            names = ("wanted", "had", "fetched", "failed")
            return {
                host or "(no host)": dict(zip(names, counts, strict=True))
                for host, *counts in found
            }

    def repeated_images(self, least: int) -> list[tuple[str, str, int]]:
        """Host, hash and number of addresses of a host that gave one and the same image.

        Args:
            least: Addresses at least.
        """
        with self._errors():
            return self._db.execute(
                "SELECT host, sha256, count(*) AS n FROM addresses "
                "WHERE seen = 1 AND own = 1 AND state = 1 GROUP BY host, sha256 "
                "HAVING n >= ? ORDER BY n DESC LIMIT 10",
                (least,),
            ).fetchall()


def _host(url: str) -> tuple[str, str | None, bool]:
    """The host of an address; where it has none the reason, and whether that is so."""
    try:
        return parse_address(url).host, None, False
    except FetchFaultError as fault:
        return "", fault.reason, True
