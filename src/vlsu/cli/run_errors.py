"""Errors of reading runs, with the names of the runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Runs named in the line.
_NAMED = 3


@contextmanager
def naming_runs(runs: Sequence[Path]) -> Iterator[None]:
    """While finished runs are read, prefix errors that name none of them with their names.

    Other exceptions are left to `vlsu.runs.damage`.

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
