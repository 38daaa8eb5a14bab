"""A folder of images as users have them, searched by identifier, path and file name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from vlsu.data.probe import EXTENSIONS
from vlsu.errors import DataError

__all__ = ["ImageFolder", "Match"]

_SUFFIXES = {f".{extension}" for extension in EXTENSIONS} | {".jpeg", ".jpe", ".jfif", ".tif"}


@dataclass(frozen=True, slots=True)
class Match:
    """A file found for a sample.

    Attributes:
        path: Below the folder, with ``/``.
        file_name_of: The address or path whose file name it bears, if that is all that ties them.
        others: How many more files fit as well.
    """

    path: str
    file_name_of: str | None
    others: int


class ImageFolder:
    """The files below a folder, indexed once.

    Only what the index holds is ever returned, so no identifier, address or path of a data file
    leads out of the folder; links that do are left out.

    Raises:
        DataError: The folder does not exist.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root}: no such folder of images; give the folder that holds them")
        self.root = root
        self.left_out = 0
        self._inside = root.resolve()
        self._by_stem: dict[str, tuple[str, ...]] = {}
        for path in sorted(self._walk("")):
            stem = PurePosixPath(path).stem.lower()
            self._by_stem[stem] = (*self._by_stem.get(stem, ()), path)

    def find(self, id_: str, names: tuple[str, ...]) -> Match | None:
        """The file of a sample.

        Looked for, in this order: a file whose name without extension is the identifier; one at the
        path that a name gives, relative to the folder or absolute inside it; one with the file name
        at a name's end. Letter case does not count; known image extensions go before others.

        Args:
            id_: The sample's identifier.
            names: Addresses, paths or file names.
        """
        found = self._by_stem.get(id_.lower(), ())
        if found:
            return _best(found)
        for name in names:
            relative = self._relative(name)
            found = tuple(p for p in self._same_stem(relative) if p.lower() == relative.lower())
            if relative and found:
                return _best(found)
        for name in names:
            for last in _file_names(name):
                same = self._same_stem(last)
                found = tuple(p for p in same if PurePosixPath(p).name.lower() == last.lower())
                if last and found:
                    return _best(found, name)
        return None

    def _same_stem(self, path: str) -> tuple[str, ...]:
        return self._by_stem.get(PurePosixPath(path).stem.lower(), ())

    def _relative(self, name: str) -> str:
        """The path below the folder that a name gives, or nothing."""
        if "://" in name:
            return ""
        path = Path(name.replace("\\", "/"))
        if path.is_absolute():
            try:
                path = path.relative_to(self.root.absolute())
            except ValueError:
                return ""
        if ".." in path.parts:
            return ""
        return path.as_posix()

    def _walk(self, below: str) -> Iterator[str]:
        with os.scandir(self.root / below) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(path)
                elif entry.is_symlink() and not self._leads_inside(entry.path):
                    self.left_out += 1
                elif entry.is_file():
                    yield path

    def _leads_inside(self, link: str) -> bool:
        return Path(link).resolve().is_relative_to(self._inside)


def _best(paths: tuple[str, ...], file_name_of: str | None = None) -> Match:
    images = [path for path in paths if PurePosixPath(path).suffix.lower() in _SUFFIXES]
    fitting = images or list(paths)
    return Match(fitting[0], file_name_of, len(fitting) - 1)


def _file_names(name: str) -> tuple[str, ...]:
    """The last part of an address or path: of an address decoded, then as it is written."""
    scheme, separator, rest = name.partition("://")
    if not separator:
        spellings: tuple[str, ...] = (scheme,)
    else:  # not urlsplit, which refuses some of the addresses that occur
        path = rest.partition("?")[0].partition("#")[0]
        spellings = (unquote(path), path)
    return tuple(spelling.replace("\\", "/").rpartition("/")[2] for spelling in spellings)
