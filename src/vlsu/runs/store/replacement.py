"""A damaged store is replaced by what can be read of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vlsu.errors import RunError
from vlsu.runs.store.connections import beside
from vlsu.runs.store.salvage import readable_errors, readable_rows
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
            for row in readable_rows(path):
                saved.add(Batch([row]))
            saved.flush()
            rows = saved.count()
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
    _log.warning(
        "%s: damaged; %d responses were read out of it, what is lost is asked again; the "
        "damaged file is kept as %s",
        path,
        rows,
        kept.name,
    )
