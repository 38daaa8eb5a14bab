"""A damaged store is replaced by what can be read of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vlsu.errors import RunError
from vlsu.runs.store.connections import beside
from vlsu.runs.store.salvage import numbered_rows, readable_errors, readable_usage
from vlsu.runs.store.tables import Batch

if TYPE_CHECKING:
    from vlsu.runs.store.store import ResponseStore

__all__ = ["replace_damaged"]

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
    fresh.unlink(missing_ok=True)
    number = 1
    while (kept := beside(path, f".damaged-{number}")).exists():
        number += 1
    try:
        with closing(open_store(fresh)) as saved:
            keys: dict[int, str] = {}
            for number_of, row in numbered_rows(path):
                saved.add(Batch([row]))
                if keys.setdefault(number_of, row[0]) != row[0]:
                    keys[number_of] = ""  # a start was killed before it was that of the other one
            for usage in readable_usage(path, keys):
                saved.add(Batch(usage=[usage]))
            saved.flush()
            rows, unknown = saved.count(), saved.without_usage()
            seen: set[int] = set()
            for error in readable_errors(path):
                if hash(error) not in seen:
                    seen.add(hash(error))
                    saved.add(Batch(errors=[error]))
        for suffix in ("-wal", "-shm", ""):
            if beside(path, suffix).exists():
                beside(path, suffix).replace(kept.with_name(kept.name + suffix))
        fresh.replace(path)
    except OSError as error:
        raise RunError(
            f"{path}: damaged, and cannot be replaced ({error.strerror}); fix that and "
            "run the command again"
        ) from None
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
