"""Looking after stores: what is in one, whether it is sound, several made one, one made smaller."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vlsu._folders import require_new
from vlsu.errors import RunError
from vlsu.models.base import TOKEN_COUNTS
from vlsu.runs.store.connections import beside, connect_read_only
from vlsu.runs.store.recognition import may_be_store
from vlsu.runs.store.salvage import readable_rows
from vlsu.runs.store.sqlite_errors import DamagedStoreError, rescue, store_error
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.store.tables import Batch, StoredRow
from vlsu.runs.writing import sync_folder

__all__ = [
    "Contents",
    "Verified",
    "contents",
    "merged_into",
    "prunable",
    "pruned",
    "store_file",
    "verified",
]

#: Rows of failed attempts copied at a time.
_ROWS = 500


def store_file(path: Path) -> Path:
    """The SQLite file that a path names: itself, or that of a run folder.

    Raises:
        RunError: There is none.
    """
    file = path / "responses.sqlite" if path.is_dir() else path
    if not file.is_file():
        raise RunError(f"{path}: no store of responses; give a run folder or its responses.sqlite")
    return file


def prunable(path: Path) -> Path:
    """The SQLite file of a store that is to be written to; see `store_file`.

    Raises:
        RunError: There is none, or another file, which would be moved away as damaged.
    """
    file = store_file(path)
    if not may_be_store(file):
        raise RunError(f"{file}: no store of responses; give a run folder or its responses.sqlite")
    return file


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a store.

    Attributes:
        file: The SQLite file.
        size: Its bytes, with the log that may stand beside it.
        responses: Responses in it.
        models: SPEC -> responses of known tokens, and sums of the tokens by kind.
        errors: Failed attempts by kind of fault.
        without_tokens: Responses whose tokens, and so whose models, are not kept.
    """

    file: Path
    size: int
    responses: int
    models: dict[str, dict[str, int]]
    errors: dict[str, int]
    without_tokens: int

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "file": str(self.file),
            "bytes": self.size,
            "responses": self.responses,
            "models": self.models,
            "errors": self.errors,
            "without_tokens": self.without_tokens,
        }


def contents(path: Path) -> Contents:
    """What is in the store of a file or run folder.

    Raises:
        RunError: There is none, or it is damaged.
    """
    file = store_file(path)
    with closing(ResponseStore(file, read_only=True)) as store:
        return Contents(
            file=file,
            size=sum(each.stat().st_size for each in (file, beside(file, "-wal")) if each.exists()),
            responses=store.count(),
            models=store.models(),
            errors=dict(sorted(store.error_counts().items())),
            without_tokens=store.without_usage(),
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found when every response of a store was read.

    Attributes:
        file: The SQLite file.
        sound: Responses that are as they were stored.
        damaged: Responses that are not, or cannot be read.
        problems: What else is wrong, a line each.
    """

    file: Path
    sound: int
    damaged: int
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all is as it was stored."""
        return not self.damaged and not self.problems

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "file": str(self.file),
            "sound": self.sound,
            "damaged": self.damaged,
            "problems": list(self.problems),
            "ok": self.ok,
        }


def verified(path: Path) -> Verified:
    """Read every response of a store, and have SQLite check the file; nothing is changed.

    Raises:
        RunError: There is no store.
    """
    file = store_file(path)
    tally = _Tally()
    try:
        with closing(connect_read_only(file)) as connection:
            if connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                tally.problems.append(
                    f"{file}: its pages do not fit together, as after a fault of a disk or a copy"
                )
        with closing(ResponseStore(file, read_only=True)) as store:
            for keys in store.stored_keys():
                tally.read(store, keys)
    except (sqlite3.Error, DamagedStoreError) as error:
        if isinstance(error, sqlite3.Error):
            tally.unreadable(file, store_error(file, error, read_only=True))
        else:
            tally.unreadable(file, error)
    return Verified(file, tally.sound, tally.damaged, tuple(tally.problems))


@dataclass(slots=True)
class _Tally:
    sound: int = 0
    damaged: int = 0
    problems: list[str] = field(default_factory=list)

    def unreadable(self, file: Path, error: Exception) -> None:
        """SQLite does not get through the file: what can be read out of it page by page."""
        readable = len({key for key, *_ in readable_rows(file)})
        self.sound, self.damaged = readable, 0
        if isinstance(error, DamagedStoreError) and readable:
            responses = "1 response" if readable == 1 else f"{readable:,} responses"
            self.problems.append(
                f"{file}: damaged, so that only {responses} can be read out of it, past what is "
                f"broken; {rescue(file)}"
            )
        else:
            self.problems.append(str(error))

    def read(self, store: ResponseStore, keys: Sequence[str]) -> None:
        """Read these responses together, or one by one where that fails."""
        try:
            found = len(store.responses(keys))
        except DamagedStoreError:
            if len(keys) > 1:
                middle = len(keys) // 2
                self.read(store, keys[:middle])
                self.read(store, keys[middle:])
            else:
                self.damaged += 1
            return
        self.sound += found
        self.damaged += len(keys) - found


def merged_into(out: Path, sources: Sequence[Path]) -> tuple[int, int]:
    """Write the responses, tokens and failed attempts of several stores into a new one.

    Of several responses to a request that of the first source stays. The file appears whole or
    not at all.

    Args:
        out: The new file.
        sources: Files or run folders.

    Returns:
        How many responses it has, and how many the sources have together.

    Raises:
        UsageError: `out` exists, or lies among the images of a dataset.
        RunError: A source is none or damaged, or `out` cannot be written.
    """
    require_new(out, "--out")
    files = [store_file(source) for source in sources]
    with _written_anew(out) as target:
        together = sum(_copy(file, target) for file in files)
        target.flush()
        return target.count(), together


def pruned(
    path: Path,
    needed: Callable[[Sequence[str]], set[str]] | None,
    *,
    errors: bool,
    agreed: Callable[[int, int], bool],
) -> tuple[int, int] | None:
    """Write a store anew without what is not needed, and put it in the old one's place.

    The caller keeps others from writing to it. It is replaced whole or not at all.

    Args:
        path: A file or run folder.
        needed: Of some keys, those to keep; `None` for all.
        errors: Whether failed attempts go.
        agreed: Given how many responses and failed attempts would go: whether they are to.

    Returns:
        How many responses and failed attempts went; `None` if it was not agreed to.

    Raises:
        RunError: It is damaged, or cannot be written.
    """
    file = prunable(path)
    with closing(ResponseStore(file)) as store:  # which takes up a log that a kill has left
        gone = 0
        if needed is not None:
            gone = sum(len(keys) - len(needed(keys)) for keys in store.stored_keys())
        failed = sum(store.error_counts().values()) if errors else 0
    if beside(file, "-wal").exists():
        raise RunError(f"{file}: another program has it open; close it and run the command again")
    if not agreed(gone, failed):
        return None
    if gone or failed:
        with _written_anew(file) as target:
            _copy(file, target, needed, errors=not errors)
    return gone, failed


@contextmanager
def _written_anew(file: Path) -> Iterator[ResponseStore]:
    """A new store that takes a file's place when all is written."""
    fresh = file.with_name(f".{file.name}.new")
    whole = fresh, beside(fresh, "-wal"), beside(fresh, "-shm")
    try:
        for left in whole:  # by one that was killed
            left.unlink(missing_ok=True)
        fresh.touch()  # what cannot be made is said of the file itself
        with closing(ResponseStore(fresh)) as store:
            yield store
        for left in (beside(file, "-wal"), beside(file, "-shm")):  # of reading the old file
            if left.exists() and left.name.endswith("-wal") and left.stat().st_size:
                raise RunError(f"{file}: another program writes to it; close it and try again")
            left.unlink(missing_ok=True)
        fresh.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        raise RunError(f"{file}: cannot be written ({error.strerror})") from None
    finally:
        for left in whole:
            with suppress(OSError):
                left.unlink(missing_ok=True)


class _Removed:
    """Sums the tokens of responses that are left out: what they cost is paid."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)

    def add(self, rows: Iterable[StoredRow]) -> None:
        """Count responses in.

        Args:
            rows: key, SPEC, origin and counts of tokens of each.
        """
        for _, spec, origin, *counts in rows:
            known = [count if isinstance(count, int) else 0 for count in counts]
            self._sums[str(spec), int(origin or 0)].update(
                dict(zip(("responses", *TOKEN_COUNTS), [1, *known], strict=True))
            )

    def rows(self) -> list[StoredRow]:
        """As a `Batch` has them."""
        return [
            (*of, *(sums[name] for name in ("responses", *TOKEN_COUNTS)))
            for of, sums in self._sums.items()
        ]


def _copy(
    source: Path,
    target: ResponseStore,
    needed: Callable[[Sequence[str]], set[str]] | None = None,
    *,
    errors: bool = True,
) -> int:
    """Copy what is needed of a file; how many responses it has."""
    count, removed = 0, _Removed()
    with closing(ResponseStore(source, read_only=True)) as store:
        for keys in store.stored_keys():
            count += len(keys)
            wanted = keys if needed is None else sorted(needed(keys))
            usage = store.usage_rows(wanted)
            if len(wanted) < len(keys):
                removed.add(store.usage_rows(sorted({*keys} - {*wanted})).values())
            there = target.stored(wanted)
            fresh = [key for key in wanted if key not in there]
            target.add(Batch(store.rows(fresh), usage=[usage[k] for k in fresh if k in usage]))
            target.flush()
    target.add(Batch(removed_tokens=removed.rows()))
    try:
        with closing(connect_read_only(source)) as connection:
            for table in ("errors", "images", "removed_tokens"):
                if table == "errors" and not errors:
                    continue
                rows = connection.execute(f"SELECT * FROM {table}")  # noqa: S608
                while part := rows.fetchmany(_ROWS):
                    target.add(Batch(**{table: part}))
    except sqlite3.Error as error:
        if "no such table" not in str(error):  # earlier versions had none of the last ones
            raise store_error(source, error, read_only=True) from None
    return count
