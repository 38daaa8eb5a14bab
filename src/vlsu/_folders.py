"""Which files a command may replace: those of the kind it writes, and no part of anything else."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vlsu._files import open_binary, read_bytes
from vlsu.errors import UsageError

__all__ = [
    "Kind",
    "among_images",
    "foreign_names",
    "is_dataset",
    "make_folder",
    "require_folder_of",
    "require_new",
    "require_replaceable",
]

#: Files that operating systems and tools put into any folder.
_SYSTEM_FILES = frozenset(
    {".DS_Store", "Thumbs.db", "desktop.ini", ".gitkeep", ".directory", "lost+found", ".Trashes"}
)
_RUN_FILES = frozenset(
    {
        *("run.yaml", "responses.sqlite", "responses.sqlite-wal", "responses.sqlite-shm"),
        *("judgments.parquet", "verdicts.parquet", "swaps.parquet", "sampling.parquet"),
        *("reruns.parquet", "metrics.json", "tuning.json", "candidates.yaml", ".lock"),
    }
)
_DATASET_FILES = re.compile(
    r"dataset\.yaml|policy\.yaml|import\.json|README\.md|samples[^/]*\.parquet|fetch\.sqlite\S*"
)
_BUILD_FILES = re.compile(r"build\.yaml|policy\.yaml|(build|responses)\.sqlite\S*|\.lock")
_FORMAT = re.compile(rb"^format:\s*['\"]?vlsu-dataset/", re.MULTILINE)
#: Bytes in which it is seen what a file is.
_BEGINNING = 2**20
#: Bytes of a ``dataset.yaml``, at most.
_MAX_BYTES = 16 * 2**20


def foreign_names(folder: Path, own: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    """The sorted names of a folder's entries that `own` rejects, those of systems left out.

    Raises:
        OSError: It cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.name not in _SYSTEM_FILES and not own(e))


def is_dataset(folder: Path) -> bool:
    """Whether a folder's ``dataset.yaml`` is one that this package wrote."""
    try:
        text = read_bytes(folder / "dataset.yaml", limit=_MAX_BYTES)
    except OSError:
        return False
    return _FORMAT.search(text) is not None


def among_images(path: Path) -> str | None:
    """What is wrong with writing to this path, if it lies in a dataset's folder of images.

    Nothing else belongs there: whatever is not an image makes the dataset unsound.
    """
    whole = Path(os.path.realpath(path))  # of links in a circle `Path.resolve` makes an error
    for folder in (whole, *whole.parents):
        if folder.name == "images" and is_dataset(folder.parent):
            return f"lies among the images of the dataset {folder.parent}"
    return None


@dataclass(frozen=True)
class Kind:
    """A kind of file that this package writes, and that a command may therefore replace.

    Attributes:
        name: In messages, such as ``trace``.
        is_one: Whether an existing file is of the kind; may raise `OSError`.
    """

    name: str
    is_one: Callable[[Path], bool]

    @classmethod
    def beginning(cls, name: str, pattern: re.Pattern[bytes]) -> Kind:
        """The kind whose files begin like this."""

        def is_one(path: Path) -> bool:
            with open_binary(path) as file:
                return pattern.match(file.read(_BEGINNING)) is not None

        return cls(name, is_one)


def require_replaceable(path: Path, option: str, kind: Kind) -> None:
    """Refuse an output path at which a command would replace what is not its own.

    That is a part of a run, a dataset or a build, and any file that is neither empty nor of the
    kind that is written. Nothing is changed.

    Args:
        path: The file to be written.
        option: The command-line option that names it, for the message.
        kind: What is written.

    Raises:
        UsageError: It is a folder, a device or a pipe, a file of a run, a dataset or a build, lies
            among a dataset's images or under what is no folder, or is a file of another kind.
    """
    folder = path.parent
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        there = None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be written ({why}); choose another {option}") from None
    if there is not None and not stat.S_ISREG(there.st_mode):
        what = "a folder" if stat.S_ISDIR(there.st_mode) else "not a regular file"
        raise UsageError(f"{path}: is {what}; give {option} the name of a file")
    if wrong := among_images(path):
        raise UsageError(f"{path}: {wrong}; choose another {option}")
    _require_writable(path, option)
    owner = None
    if path.name in _RUN_FILES and (folder / "run.yaml").exists():
        owner = "run"
    elif _DATASET_FILES.fullmatch(path.name) and is_dataset(folder):
        owner = "dataset"
    elif _BUILD_FILES.fullmatch(path.name) and (folder / "build.yaml").exists():
        owner = "build"
    if owner is not None:
        raise UsageError(
            f"{path}: is part of the {owner} in that folder and would be replaced; choose another "
            f"{option}"
        )
    try:
        foreign = there is not None and there.st_size > 0 and not kind.is_one(path)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read to see whether it may be replaced ({error.strerror}); choose "
            f"another {option}"
        ) from None
    if foreign:
        raise UsageError(
            f"{path}: already exists and is no {kind.name} written by vlsu; choose another "
            f"{option}, or remove it"
        )


def require_new(path: Path, option: str) -> None:
    """Refuse an output path at which there is anything, or that lies among a dataset's images.

    Args:
        path: The file to be written.
        option: The command-line option that names it, for the message.

    Raises:
        UsageError: It is such.
    """
    if os.path.lexists(path):
        raise UsageError(f"{path}: already exists; choose another {option}")
    if wrong := among_images(path):
        raise UsageError(f"{path}: {wrong}; choose another {option}")
    _require_writable(path, option)


def _require_writable(path: Path, option: str) -> None:
    """Refuse a path below what is no folder, or in a folder in which nothing can be written."""
    above = next((each for each in path.absolute().parents if os.path.lexists(each)), None)
    if above is None or not above.is_dir():
        raise UsageError(
            f"{path}: cannot be written, for {above} is no folder; choose another {option}"
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(
            f"{path}: cannot be written, for nothing can be written in {above}; choose another "
            f"{option}"
        )


def require_folder_of(path: Path, option: str) -> None:
    """Refuse an output path in a folder that is not there.

    Raises:
        UsageError: It is such.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"{path}: cannot be written, for there is no folder {path.parent}; make it, or choose "
            f"another {option}"
        )


def make_folder(folder: Path) -> None:
    """Make the folder of an output, if need be.

    Raises:
        UsageError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made ({error.strerror})") from None
