"""Whose fault it is that a run cannot be read: the run is named, whatever went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Runs named in the line.
_NAMED = 3


@contextmanager
def reading(runs: Sequence[Path]) -> Iterator[None]:
    """Read finished runs: an error that names none of them gets their names before it.

    What is no error of ours is for `vlsu.runs.damage` to tell from a defect.

    Args:
        runs: The run folders.

    Raises:
        RunError: As raised within; so the others.
    """
    from vlsu.errors import DataError, PolicyError, RunError

    names = ", ".join(str(run) for run in runs[:_NAMED])
    names += f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
    try:
        yield
    except (RunError, DataError, PolicyError) as error:
        if any(re.search(rf"(?<!\S){re.escape(str(run))}(?!\w)", str(error)) for run in runs):
            raise
        raise type(error)(f"{names}: {error}") from None
