"""Which files of a folder are a dataset's or a run's own, so that nothing else is written over."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from vlsu._files import read_bytes
from vlsu.errors import UsageError

__all__ = ["is_dataset", "names_beside", "require_replaceable"]

#: Put into any folder by systems and tools, and no one's work.
_OF_SYSTEMS = frozenset(
    {".DS_Store", "Thumbs.db", "desktop.ini", ".gitkeep", ".directory", "lost+found", ".Trashes"}
)
_OF_A_RUN = frozenset(
    {
        *("run.yaml", "responses.sqlite", "responses.sqlite-wal", "responses.sqlite-shm"),
        *("judgments.parquet", "verdicts.parquet", "metrics.json", "tuning.json"),
        *("candidates.yaml", ".lock"),
    }
)
_OF_A_DATASET = re.compile(r"dataset\.yaml|policy\.yaml|README\.md|samples[^/]*\.parquet")
_FORMAT = re.compile(rb"^format:\s*['\"]?vlsu-dataset/", re.MULTILINE)
#: Bytes of a ``dataset.yaml``, at most.
_MOST = 16 * 2**20


def names_beside(folder: Path, own: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    """The names of what lies in a folder and is neither its own nor a system's, sorted.

    Raises:
        OSError: It cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.name not in _OF_SYSTEMS and not own(e))


def is_dataset(folder: Path) -> bool:
    """Whether a folder's ``dataset.yaml`` is one that this package wrote."""
    try:
        text = read_bytes(folder / "dataset.yaml", limit=_MOST)
    except OSError:
        return False
    return _FORMAT.search(text) is not None


def require_replaceable(path: Path, option: str) -> None:
    """Keep what a command writes from replacing what is no file, or a part of a run or a dataset.

    Args:
        path: The file to be written.
        option: By which it was chosen, for the message.

    Raises:
        UsageError: It is a folder, a device or a pipe, or a file that a run or a dataset consists
            of.
    """
    folder = path.parent
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no file that can be replaced"
        raise UsageError(f"{path}: is {what}; give {option} the name of a file")
    run = path.name in _OF_A_RUN and (folder / "run.yaml").exists()
    if run or (_OF_A_DATASET.fullmatch(path.name) and is_dataset(folder)):
        what = "run" if run else "dataset"
        raise UsageError(
            f"{path}: is part of the {what} in that folder and would be replaced; choose another "
            f"{option}"
        )
