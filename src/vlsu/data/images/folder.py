"""A user's folder of images, searched by path, file name and identifier."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple, overload
from urllib.parse import unquote

from vlsu._files import open_beneath
from vlsu._text import normal_form
from vlsu.data.images.probe import EXTENSIONS
from vlsu.data.images.store import read_descriptor
from vlsu.errors import DataError

__all__ = ["FileState", "ImageFolder", "Match"]

_SUFFIXES = {f".{extension}" for extension in EXTENSIONS} | {".jpeg", ".jpe", ".jfif", ".tif"}
#: Maximum length of a path (PATH_MAX of Linux), and of its parts that are compared.
_MAX_LENGTH, _MAX_PARTS = 4096, 64
#: Maximum files with the same name that are compared.
_MAX_CANDIDATES = 256

#: Names whose files are remembered.
_REMEMBERED = 4096

_Parts = tuple[str, ...]


class FileState(NamedTuple):
    """Which file it is, whatever its name, and when it was last written."""

    device: int
    inode: int
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Match:
    """A file found for a sample.

    Attributes:
        path: Path below the folder, with ``/``.
        file_name_of: The URL or path that matched only by its end, if so.
        others: Number of other files that match equally well.
        elsewhere: Whether the file name matches but the stated folder differs.
    """

    path: str
    file_name_of: str | None = None
    others: int = 0
    elsewhere: bool = False


class ImageFolder:
    """The files below a folder, indexed once.

    Only indexed files are ever read, and no link is followed, so that no identifier, URL or path in
    a data file leads out of the folder. The folder itself may be a link. A link to a file inside
    the folder stands for that file; other links are skipped.

    Names are compared exactly first, then in one Unicode normal form (macOS decomposes names), then
    without letter case; better matches have precedence.

    Attributes:
        left_out: Number of links that lead out of the folder.
        unread: Other skipped entries with the reason: ``(path, reason)``.

    Raises:
        DataError: The folder does not exist.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root}: no such folder of images; give the folder that holds them")
        self.root = root
        self.left_out = 0
        self.unread: list[tuple[str, str]] = []
        self._inside = root.resolve()
        self._targets: dict[str, str] = {}
        self._names = _Index(self._walk(), _parts)
        self._find_name = lru_cache(_REMEMBERED)(self._names.find)

    @cached_property
    def _stems(self) -> _Index:
        """The files by their names without extension, which most tables never ask for."""
        return _Index(self._names.paths, lambda path: _without_suffix(_parts(path)))

    @cached_property
    def _find_stem(self) -> Callable[[_Parts], Match | None]:
        return lru_cache(_REMEMBERED)(self._stems.find)

    def find_path(self, name: str) -> Match | None:
        """The file at a path that a row states, relative to the folder or absolute inside it.

        A path with more or fewer folders matches if one is the end of the other; a path without an
        extension matches an image with any. Failing that, a file of the same name in another folder
        matches and is marked `elsewhere`.
        """
        for spelling in _spellings(self._below_root(name)):
            if match := self._find_name(spelling):
                return self._marked(match, name, spelling)
            if PurePosixPath(spelling[-1]).suffix.lower() not in _SUFFIXES and (
                match := self._find_stem(spelling)
            ):
                return self._marked(match, name, _without_suffix(spelling))
            if match := self._find_name(spelling[-1:]):
                return Match(match.path, name, match.others, elsewhere=True)
        return None

    def find_address(self, address: str) -> Match | None:
        """The file whose name is the last part of a URL, percent-decoded or not."""
        path = address.partition("://")[2].partition("?")[0].partition("#")[0]
        if len(path) > _MAX_LENGTH:
            return None
        for spelling in (*_spellings(unquote(path)), *_spellings(path)):
            if match := self._find_name(spelling) or self._find_name(spelling[-1:]):
                return Match(match.path, address, match.others)
        return None

    def find_id(self, id_: str) -> Match | None:
        """The image whose name, with or without its extension, is an identifier.

        Its folder does not matter, so a file of other letter case in another folder counts among
        the `others`.
        """
        for spelling in _spellings(id_):
            if match := self._stems.find_any(spelling) or self._names.find_any(spelling):
                return match
        return None

    def read(self, path: str) -> bytes:
        """The bytes of a matched file.

        Raises:
            ImageError: It is not a regular file, or too large for an image.
            DataError: It cannot be read.
        """
        try:
            return read_descriptor(self._open(path))
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror})") from None

    def read_once(self, path: str, known: Mapping[FileState, str]) -> tuple[FileState, bytes]:
        """The state of a matched file and its bytes; no bytes if its state is known.

        Raises:
            DataError: As `read`.
        """
        try:
            descriptor = self._open(path)
            facts = os.fstat(descriptor)
            state = FileState(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
            if state in known:
                os.close(descriptor)
                return state, b""
            return state, read_descriptor(descriptor)
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror})") from None

    def _open(self, path: str) -> int:
        return open_beneath(self.root, self._targets.get(path, path))

    def _marked(self, match: Match, name: str, parts: _Parts) -> Match:
        whole = len(_parts(match.path)) == len(parts)
        return match if whole else Match(match.path, name, match.others)

    def _below_root(self, name: str) -> str:
        for root in (str(self.root.absolute()), str(self._inside)):
            if name.startswith(root + "/"):
                return name[len(root) + 1 :]
        return name

    def _walk(self) -> Iterator[str]:
        """Every file below the folder, including links to files inside it."""
        pending = [""]
        while pending:
            below = pending.pop()
            try:
                with os.scandir(self.root / below) as entries:
                    found = list(entries)
            except OSError as error:
                self.unread.append((below or ".", error.strerror or type(error).__name__))
                continue
            for entry in found:
                path = f"{below}/{entry.name}" if below else entry.name
                try:
                    if entry.is_symlink():
                        if target := self._target(entry, path):
                            self._targets[path] = target
                            yield path
                    elif entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                    else:
                        yield path  # also a pipe, which reading reports
                except OSError as error:
                    self.unread.append((path, error.strerror or type(error).__name__))

    def _target(self, link: os.DirEntry[str], path: str) -> str | None:
        """Target of a link below the folder; `None` if it is outside or not a file."""
        try:
            target = Path(link.path).resolve(strict=True)
            inside = target.relative_to(self._inside).as_posix()
        except (OSError, RuntimeError):  # RuntimeError: of a loop, in Python 3.11
            self.unread.append((path, "a broken link"))
            return None
        except ValueError:
            self.left_out += 1
            return None
        if target.is_dir():
            self.unread.append((path, "a link to a folder is not followed"))
            return None
        return inside


class _Paths(Sequence[str]):
    """Paths in a quarter of the memory that they take one by one."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._ends = array("Q", [0])
        joined = bytearray()
        for path in paths:
            joined += os.fsencode(path)
            self._ends.append(len(joined))
        self._joined = bytes(joined)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        return os.fsdecode(self._joined[self._ends[place] : self._ends[place + 1]])


class _Index:
    """Paths indexed by their parts from the last to the first, normalised and sorted.

    A search takes a few bisections, for any number of files.

    Attributes:
        paths: All of them, in the index's order.
    """

    def __init__(self, paths: Iterable[str], parts_of: Callable[[str], _Parts]) -> None:
        found = _Paths(paths)
        keys = [_key(parts_of(path)) for path in found]
        order: list[int] = []
        for _, alike in groupby(sorted(range(len(keys)), key=keys.__getitem__), keys.__getitem__):
            order += sorted(alike, key=found.__getitem__)
        self._keys = [keys[n] for n in order]
        self.paths = _Paths(found[n] for n in order)
        self._parts_of = parts_of

    def find_any(self, wanted: _Parts) -> Match | None:
        """A file whose path ends in the wanted one, in any folder."""
        found = [
            (_likeness(self._parts(place)[-len(wanted) :], wanted), self.paths[place])
            for place in self._ending_in(wanted)
        ]
        ranked = sorted([each for each in found if _is_image_name(each[1])] or found)
        if not ranked:
            return None
        likeness, best = ranked[0]
        folder = PurePosixPath(best).parent
        others = sum(
            other == likeness or PurePosixPath(path).parent != folder for other, path in ranked[1:]
        )
        return Match(best, others=others)

    def find(self, wanted: _Parts) -> Match | None:
        """The file whose path ends in the wanted one, or the reverse."""
        fitting: list[tuple[tuple[int, int, int], str]] = []
        for place in self._ending_in(wanted):
            parts = self._parts(place)
            farther = int(len(parts) > len(wanted))
            rank = (_likeness(parts[-len(wanted) :], wanted), farther, -len(wanted))
            fitting.append((rank, self.paths[place]))
        for start in range(1, len(wanted)):
            shorter = wanted[start:]
            for place in self._with_key(shorter):
                rank = (_likeness(self._parts(place), shorter), 1, -len(shorter))
                fitting.append((rank, self.paths[place]))
        if not fitting:
            return None
        images = [(rank, path) for rank, path in fitting if _is_image_name(path)]
        ranked = sorted(images or fitting)
        best = [path for rank, path in ranked if rank == ranked[0][0]]
        return Match(best[0], others=len(best) - 1)

    def _parts(self, place: int) -> _Parts:
        return self._parts_of(self.paths[place])

    def _with_key(self, parts: _Parts) -> range:
        """The files at these very folders and name, but for letter case and Unicode form."""
        key = _key(parts)
        first = bisect_left(self._keys, key)
        last = bisect_right(self._keys, key, first)
        return range(first, min(last, first + _MAX_CANDIDATES))

    def _ending_in(self, parts: _Parts) -> range:
        key = _key(parts)
        first = bisect_left(self._keys, key)
        # "0" follows "/": all keys that begin with `key` lie before this one.
        last = bisect_left(self._keys, f"{key[:-1]}0", first)
        return range(first, min(last, first + _MAX_CANDIDATES))


def _key(parts: _Parts) -> str:
    """The parts from the last to the first, in NFC and case-folded."""
    return "".join(f"{_folded(part)}/" for part in reversed(parts))


def _folded(part: str) -> str:
    if part.isascii():
        return part.lower()
    return normal_form("NFC", normal_form("NFC", part).casefold())


def _likeness(found: _Parts, wanted: _Parts) -> int:
    """0 for identical spelling, 1 for the same characters in NFC, 2 for other letter case."""
    if found == wanted:
        return 0
    pairs = zip(found, wanted, strict=True)
    same = all(normal_form("NFC", a) == normal_form("NFC", b) for a, b in pairs)
    return 1 if same else 2


def _spellings(name: str) -> Iterator[_Parts]:
    """The parts of a path: as written, and with backslashes as separators, as on Windows.

    Parts before ``..`` are dropped, since they may be outside of the folder.
    """
    if len(name) > _MAX_LENGTH:
        return
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        parts = _parts(spelling)
        if ".." in parts:
            parts = parts[len(parts) - parts[::-1].index("..") :]
        if parts:
            yield parts[-_MAX_PARTS:]


def _parts(path: str) -> _Parts:
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _without_suffix(parts: _Parts) -> _Parts:
    return (*parts[:-1], PurePosixPath(parts[-1]).stem)


def _is_image_name(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _SUFFIXES
