"""A damaged store is replaced by what can be read of it, and kept beside it.

What can be read is written to ``<name>.salvaged``, which takes the name ``<name>.replacing`` once
it is complete and on disk. From then on the damaged file and its log are moved away one after
another, and the complete one takes their place; whoever opens the store after a kill in between
goes on with that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vlsu.errors import RunError
from vlsu.runs.store.connections import REPLACING, beside
from vlsu.runs.store.salvage import (
    numbered_rows,
    readable_errors,
    readable_removed,
    readable_usage,
)
from vlsu.runs.store.tables import Batch
from vlsu.runs.writing import sync_folder

if TYPE_CHECKING:
    from vlsu.runs.store.store import ResponseStore

__all__ = ["end_replacement", "replace_damaged"]

_log = logging.getLogger(__name__)


def replace_damaged(path: Path, open_store: Callable[[Path], ResponseStore]) -> None:
    """Put a file of the readable responses in the place of the damaged one, and keep that.

    Args:
        path: The damaged file.
        open_store: Makes a store.

    Raises:
        RunError: The new file cannot be written.
    """
    fresh = beside(path, ".salvaged")
    try:
        for suffix in ("", "-wal", "-shm"):  # of a start that was killed while it wrote them
            beside(fresh, suffix).unlink(missing_ok=True)
        with closing(open_store(fresh)) as saved:
            keys: dict[int, str] = {}
            for number_of, row in numbered_rows(path):
                saved.add(Batch([row]))
                if keys.setdefault(number_of, row[0]) != row[0]:
                    keys[number_of] = ""  # a start was killed before it was that of the other one
            for usage in readable_usage(path, keys):
                saved.add(Batch(usage=[usage]))
            saved.add(Batch(removed_tokens=[*readable_removed(path)]))
            saved.flush()
            rows, unknown = saved.count(), saved.without_usage()
            seen: set[int] = set()
            for error in readable_errors(path):
                if hash(error) not in seen:
                    seen.add(hash(error))
                    saved.add(Batch(errors=[error]))
        fresh.replace(beside(path, REPLACING))
        sync_folder(path.parent)
        kept = _moved(path)
    except OSError as error:
        raise _not_replaced(path, error) from None
    lost = ""
    if unknown:
        lost = (
            f"; of {unknown} of the responses it cannot be read whether they came in a batch or "
            "out of another store, so they count at the full price"
        )
    _log.warning(
        "%s: damaged; %d responses were read out of it, what is lost is asked again; the "
        "damaged file is kept as %s%s",
        path,
        rows,
        kept.name,
        lost,
    )


def end_replacement(path: Path) -> None:
    """Go on with a replacement that a kill has interrupted, if there is one.

    Raises:
        RunError: A file cannot be moved.
    """
    if beside(path, REPLACING).exists():
        try:
            kept = _moved(path)
        except OSError as error:
            raise _not_replaced(path, error) from None
        _log.warning("%s: was damaged; the damaged file is kept as %s", path, kept.name)


def _moved(path: Path) -> Path:
    """Move the damaged file away and the complete one to its place; what the former is named."""
    number = 1
    while (kept := beside(path, f".damaged-{number}")).exists():
        number += 1
    if not path.exists():  # it was moved already, as the last of its parts
        kept = beside(path, f".damaged-{max(1, number - 1)}")
    for suffix in ("-wal", "-shm", ""):
        if (part := beside(path, suffix)).exists():
            part.replace(beside(kept, suffix))
    complete = beside(path, REPLACING)
    for suffix in ("-wal", "-shm"):  # of those who have read it meanwhile
        beside(complete, suffix).unlink(missing_ok=True)
    complete.replace(path)
    sync_folder(path.parent)
    return kept


def _not_replaced(path: Path, error: OSError) -> RunError:
    return RunError(
        f"{path}: damaged, and cannot be replaced ({error.strerror}); fix that and run the "
        "command again"
    )
