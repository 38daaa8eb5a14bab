"""The files of a dataset, and whether it was written anew."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vlsu.data import Dataset

__all__ = ["File", "files_of"]


class File(NamedTuple):
    """A file as it was when it was last written."""

    path: Path
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def at(cls, path: Path) -> File:
        """A file as it is now."""
        status = path.stat()
        return cls(path, status.st_ino, status.st_size, status.st_mtime_ns)


def files_of(dataset: Dataset) -> tuple[File, ...]:
    """A dataset's files as they are now: others than before if it was written anew.

    Raises:
        DataError: One cannot be looked at.
    """
    with dataset.reading():
        return tuple(File.at(dataset.path / name) for name in dataset.info.files)
