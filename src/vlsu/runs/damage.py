"""Whether an error while reading runs comes from a damaged run folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vlsu.errors import RunError, UsageError
from vlsu.runs.folder import RunFolder

__all__ = ["damage"]


def damage(folders: Iterable[str | Path], error: BaseException) -> RunError | None:
    """The error to report, if one of these runs is not as this package wrote it.

    What a run's files hold is trusted to be what was written: their kinds are checked where they
    are opened, not every value where it is used. Where a file was changed since, any error
    may follow, and this finds which file it was. `None` where all is as it was written: then
    the error is a defect.

    Args:
        folders: What was read; folders that hold no run do not matter.
        error: What went wrong.
    """
    for path in folders:
        try:
            folder = RunFolder(path)
            changed = folder.changed_file() if folder.record_file.is_file() else None
        except (OSError, ValueError, UsageError):  # a text that is no path
            continue
        if changed is not None:
            return RunError(
                f"{changed}: not as vlsu wrote it, and cannot be read ({type(error).__name__}); "
                "delete it and run the same vlsu run command again: it is made again from the "
                "stored responses"
            )
    return None
