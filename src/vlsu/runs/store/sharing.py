"""A run's own store with another one behind it, whose responses are taken over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from vlsu.errors import RunError
from vlsu.models.base import Raw, Response
from vlsu.runs.store.recognition import may_be_store
from vlsu.runs.store.store import ResponseStore, Stored
from vlsu.runs.store.tables import Batch, StoredRow
from vlsu.runs.store.usage import TAKEN_OVER
from vlsu.runs.writing import locked_file

__all__ = ["SharingStore", "open_store", "open_to_read", "require_shareable"]


class SharingStore(ResponseStore):
    """A run's own store, which takes over what a store behind it has.

    What is looked for and is only in the other one is copied, so that the run has all it rests on
    in its own folder; what others have paid for costs the run nothing. What is put goes into both,
    and so does what is looked for and is only in the run's own, unless the other is only read.

    Args:
        path: The run's own.
        behind: The other one; made if need be, and kept from other processes, unless only read.
        only_read: Whether the other one is only read.

    Raises:
        RunError: A file cannot be opened, or another process works with the other one.
    """

    def __init__(self, path: Path, behind: Path, *, only_read: bool = False) -> None:
        with ExitStack() as opened:
            if not only_read:
                require_shareable(path, behind)
                opened.enter_context(locked_file(behind))
            elif _same(path, behind):
                raise RunError(f"{path.parent}: is the run to judge again; choose another --out")
            self._behind = ResponseStore(behind, read_only=only_read)
            opened.callback(self._behind.close)
            super().__init__(path)
            self._opened = opened.pop_all()
        self._both = not only_read

    def stored(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a response; one only in the other store is taken over."""
        there = self.own(keys)
        if self._both:
            self._give(there)
        missing = [key for key in dict.fromkeys(keys) if key not in there]
        if not missing or not (rows := self._behind.rows(missing)):
            return there
        found = {str(row[0]) for row in rows}
        kept = self._behind.usage_rows([*found])
        self.add(Batch(rows, usage=[_taken_over(kept[key]) for key in found if key in kept]))
        self.taken_over += len(found)
        return there | found

    def _give(self, keys: set[str]) -> None:
        """Put into the other store what only the run's own has.

        So it is after a kill or a full disk between the two, and of what the run asked without it.
        """
        there = self._behind.stored([*keys])
        if lacking := [key for key in keys if key not in there]:
            usage = [*self.usage_rows(lacking).values()]
            self._behind.add(Batch(self.rows(lacking), usage=usage))

    def put(self, key: str, raw: Raw, attempts: int) -> None:
        """Store a response in both."""
        super().put(key, raw, attempts)
        if self._both:
            self._behind.put(key, raw, attempts)

    def put_usage(self, key: str, spec: str, response: Response, *, batched: bool = False) -> None:
        """Keep in both which model a stored response is from and what its tokens were."""
        super().put_usage(key, spec, response, batched=batched)
        if self._both:
            self._behind.put_usage(key, spec, response, batched=batched)

    def flush(self) -> None:
        """Wait until everything put so far is on disk, in both."""
        super().flush()
        if self._both:
            self._behind.flush()

    def close(self) -> None:
        """Write what is pending and close both files."""
        with self._opened:
            super().close()


class _SharingReader(ResponseStore):
    """Two stores to read, one behind the other; nothing is taken over."""

    def __init__(self, path: Path, behind: Path) -> None:
        self._behind = ResponseStore(behind, read_only=True)
        try:
            super().__init__(path, read_only=True)
        except BaseException:
            self._behind.close()
            raise

    def stored(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a response in either."""
        return self.own(keys) | self._behind.stored(keys)

    def each_response(self, keys: Sequence[str]) -> Iterator[tuple[str, Stored]]:
        """The responses of these keys in either."""
        own: set[str] = set()
        for key, stored in super().each_response(keys):
            own.add(key)
            yield key, stored
        yield from self._behind.each_response([key for key in keys if key not in own])

    def close(self) -> None:
        """Close both files."""
        self._behind.close()
        super().close()


def open_store(own: Path, behind: str | Path | None, *, only_read: bool = False) -> ResponseStore:
    """A run's store to work with, with another one behind it if there is one.

    Raises:
        RunError: As `SharingStore`.
    """
    if behind is None:
        return ResponseStore(own)
    return SharingStore(own, Path(behind), only_read=only_read)


def open_to_read(
    own: Path, behind: str | Path | None, *, only_read: bool = False
) -> ResponseStore | None:
    """The same to read; `None` where neither is there.

    Raises:
        RunError: One is damaged, or the other one, which is to be written too, is refused by
            `require_shareable`.
    """
    if not only_read:
        require_shareable(own, behind)
    there = [Path(file) for file in (own, behind) if file is not None and Path(file).exists()]
    if len(there) == 2:
        return _SharingReader(there[0], there[1])
    return ResponseStore(there[0], read_only=True) if there else None


def _taken_over(row: StoredRow) -> StoredRow:
    """The tokens of a response that another run has paid for."""
    key, spec, _, *counts = row
    return (key, spec, TAKEN_OVER, *counts)


def require_shareable(own: Path, behind: str | Path | None) -> None:
    """Refuse what is no store of its own, before anything is made of it.

    A damaged store is replaced by what can be read of it, so a file of another kind would be moved
    away, and another program's database written to.

    Args:
        own: The run's own store; its folder, or one above it, may hold both and need not be there
            yet.
        behind: The other one; `None` if there is none.

    Raises:
        RunError: It is a folder, another file or a run's own store, or cannot be made.
    """
    if behind is None:
        return
    behind = Path(behind)
    if behind.is_dir():
        raise RunError(f"{behind}: is a folder; give the name of a file to --store")
    folder = behind.absolute().parent
    if not folder.is_dir() and folder not in own.absolute().parents:  # which the run makes
        raise RunError(f"{behind}: its folder does not exist; make it, or give another --store")
    if behind.absolute() == own.absolute() or (behind.exists() and _same(own, behind)):
        raise RunError(f"{behind}: is this run's own store; leave out --store, or give another")
    if behind.name == own.name and (behind.parent / "run.yaml").exists():
        raise RunError(
            f"{behind}: belongs to the run beside it; copy it with vlsu store merge "
            f"{behind.parent} --out FILE, and give that"
        )
    if behind.is_file() and not may_be_store(behind):
        raise RunError(f"{behind}: holds something else than responses; give another --store")


def _same(own: Path, behind: Path) -> bool:
    return own.exists() and own.samefile(behind)
