"""Which files a command may replace: what belongs to a dataset, a run or a build is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from vlsu._files import open_binary, read_bytes
from vlsu.errors import UsageError

__all__ = ["among_images", "foreign_names", "is_dataset", "require_replaceable"]

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
#: How the HTML pages and the LaTeX files of this package begin, by the ends of their names.
_PAGE = re.compile(rb"<!doctype html>\r?\n<html[^>]*>\r?\n<head>.*\xc2\xb7 VLSU</title>", re.DOTALL)
_WRITTEN = {
    ".html": _PAGE,
    ".htm": _PAGE,
    ".tex": re.compile(rb"% Needs \\usepackage\{"),
}
#: Bytes in which that is seen.
_BEGINNING = 2**16
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


def require_replaceable(path: Path, option: str) -> None:
    """Refuse an output path at which a command would replace what is not its own.

    That is part of a run, a dataset or a build; and, where the name is that of a page or a LaTeX
    file, any file that is neither empty nor one that this package wrote.

    Args:
        path: The file to be written.
        option: The command-line option that names it, for the message.

    Raises:
        UsageError: It is a folder, a device or a pipe, a file of a run, a dataset or a build, lies
            among a dataset's images, or is a page or LaTeX file that this package did not write.
    """
    folder = path.parent
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise UsageError(f"{path}: is {what}; give {option} the name of a file")
    if wrong := among_images(path):
        raise UsageError(f"{path}: {wrong}; choose another {option}")
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
    if (written := _WRITTEN.get(path.suffix.lower())) is not None and path.exists():
        try:
            with open_binary(path) as file:
                beginning = file.read(_BEGINNING)
        except OSError as error:
            raise UsageError(f"{path}: cannot be replaced ({error.strerror})") from None
        if beginning and written.match(beginning) is None:
            raise UsageError(
                f"{path}: already exists and was not written by vlsu; choose another {option}, or "
                "remove it"
            )
