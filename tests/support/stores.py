"""What a store of responses holds, read as a user of it would."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from vlsu.errors import RunError
from vlsu.runs import ResponseStore

__all__ = ["stored_bodies"]


def stored_bodies(file: Path) -> list[bytes]:
    """The bodies of all responses in a store; none where there is none yet."""
    if not file.exists():
        return []
    try:
        with closing(ResponseStore(file, read_only=True)) as store:
            found = [store.responses(keys) for keys in store.stored_keys()]
    except RunError as error:  # killed before its tables were made
        if "no such table" not in str(error):
            raise
        return []
    return [stored.raw.body for part in found for stored in part.values()]
