"""``folder:PATH``: a folder of image files, with captions beside them or in their names.

What describes an image is looked for in a table of its folder or of one above
(``metadata.jsonl``, ``metadata.csv`` or ``metadata.parquet``, whose ``file_name`` names the image),
in files of its own name (``a.txt``, ``a.caption``, ``a.json``, also ``a.jpg.txt`` and so on), and
at last in the names of the file and of its folders.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os.path import realpath
from pathlib import PurePosixPath

import orjson

from vlsu._files import read_bytes_beneath, read_text_beneath
from vlsu._folders import is_dataset
from vlsu.build.sources.base import Access, Candidate, SourceError, SourceKind
from vlsu.build.sources.fields import OPTIONS, READING, Described, Fields
from vlsu.build.sources.left_out import LeftOut
from vlsu.build.sources.settings import Where, read_where
from vlsu.data.images.probe import EXTENSIONS, MAX_BYTES
from vlsu.data.sources import Entry, open_source
from vlsu.data.tables import Broken, normalise
from vlsu.errors import DataError, UsageError

__all__ = ["FOLDER", "FolderSource", "open_folder"]

SUFFIXES = frozenset({f".{each}" for each in EXTENSIONS} | {".jpeg", ".jpe", ".jfif", ".tif"})
TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_FILE_COLUMNS = ("file_name", "filename", "file", "image", "path")
_TEXTS = (".txt", ".caption")
_MAX_TEXT, _MAX_JSON = 64 * 2**10, 2**20
#: Parts of names that cameras and programs give, which say nothing of what is to be seen.
_EMPTY_WORDS = frozenset(
    (
        *("img", "image", "dsc", "dscn", "dscf", "pxl", "photo"),
        *("picture", "pic", "scan", "screenshot", "file", "untitled", "copy"),
        *("final", "edited", "jpg", "jpeg", "png", "webp", "train"),
        *("test", "val", "validation", "data", "images", "photos", "pictures"),
    )
)
_WORD = re.compile(r"[^\W\d_]{3,}|[^\W\d_a-zA-Z]+")
_HEX = re.compile(r"(?i)(?=.*\d)[0-9a-f]{8,}\Z")


@dataclass(frozen=True, slots=True)
class _Directory:
    """A folder below the source's.

    Attributes:
        below: Its path below the source's with a final slash; empty for the source's own.
        names: Regular files in it, sorted.
        links: Names of what is skipped as a link.
    """

    below: str
    names: tuple[str, ...]
    links: tuple[str, ...]


class FolderSource:
    """The images below a folder.

    Hidden files and folders, and links, are left out. A candidate's `id` is its path below the
    folder.

    Args:
        spec: What the user wrote.
        where: The folder, and names of columns and fields.

    Raises:
        UsageError: There is no such folder, or it holds a dataset.
    """

    def __init__(self, spec: str, where: Where) -> None:
        if not where.path.is_dir():
            what = "is a file" if where.path.exists() else "no such folder"
            raise UsageError(f"--source {spec}: {what}; give the folder that holds the images")
        if is_dataset(where.path):
            raise UsageError(f"--source {spec}: holds a dataset; write dataset:{where.path}")
        self._spec = spec
        self._root = where.path
        self._options = where.options
        self._fields = Fields(where.options, leave_out=frozenset(_FILE_COLUMNS))
        self.left_out = LeftOut(spec)

    @property
    def spec(self) -> str:
        """What the user wrote."""
        return self._spec

    def identity(self) -> Mapping[str, object]:
        """Path, options, and a hash of the names, sizes and times of change of all that is read.

        Raises:
            DataError: The folder cannot be read.
        """
        digest, files = hashlib.sha256(), 0
        for directory in self._walk():
            for name in directory.names:
                suffix = PurePosixPath(name).suffix.lower()
                if name in TABLES or suffix in SUFFIXES or suffix in (*_TEXTS, ".json"):
                    path = f"{directory.below}{name}"
                    try:
                        facts = (self._root / path).lstat()
                    except OSError:
                        continue  # deleted since
                    line = f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n"
                    digest.update(line.encode(errors="surrogateescape"))
                    files += 1
        return {
            "kind": "folder",
            "reading": READING,
            "path": realpath(self._root),
            "options": dict(sorted(self._options.items())),
            "files": files,
            "fingerprint": digest.hexdigest(),
        }

    def candidates(self) -> Iterator[Candidate]:
        """All images: of each folder first those of its table, then the others by name.

        What is left out is counted in `left_out`, and logged at the end.

        Raises:
            DataError: The folder or a table cannot be read.
            UsageError: A table has no column that an option names.
        """
        self.left_out.clear()
        listed: set[str] = set()
        for directory in self._walk():
            for name in directory.links:
                if PurePosixPath(name).suffix.lower() in SUFFIXES:
                    self.left_out.add("links are not followed", f"{directory.below}{name}")
            for name in TABLES:
                if name in directory.names:
                    yield from self._of_table(directory.below, name, listed)
            present = frozenset(directory.names)
            for name in directory.names:
                id_ = f"{directory.below}{name}"
                if PurePosixPath(name).suffix.lower() not in SUFFIXES or id_ in listed:
                    continue
                if not _is_text(id_):
                    self.left_out.add("its name is not UTF-8", repr(id_))
                    continue
                values = self._beside(directory.below, name, present)
                yield self._candidate(id_, self._fields.read(values, words_of(id_)))
        self.left_out.warn()

    def read(self, candidate: Candidate) -> bytes:
        """The bytes of an image file.

        Raises:
            SourceError: It cannot be read, or is larger than any image that is taken.
        """
        try:
            return read_bytes_beneath(self._root, candidate.id, limit=MAX_BYTES)
        except OSError as error:
            reason = "too-large" if error.errno == errno.EFBIG else "cannot-be-read"
            raise SourceError(
                f"{self._spec}: an image cannot be read ({error.strerror})", reason
            ) from None

    def close(self) -> None:
        """Nothing is held open."""

    def _candidate(self, id_: str, found: Described) -> Candidate:
        return found.candidate(id_, self._spec, page=found.page or found.url)

    def _of_table(self, below: str, table: str, listed: set[str]) -> Iterator[Candidate]:
        path = self._root / below / table
        source = open_source(path, _FILE_COLUMNS)
        known = {normalise(column): column for column in source.columns}
        column = next((known[name] for name in _FILE_COLUMNS if name in known), None)
        if column is None:
            next(iter(source.read()), None)  # a file that cannot be read has no columns either
            raise DataError(f"{path}: no column file_name; name the image of each row in one")
        self._fields.require(source.columns, str(path))
        for item in source.read():
            if isinstance(item, Broken):
                self.left_out.add(f"a row: {item.reason}", f"{below}{table} row {item.line}")
            if not isinstance(item, Entry):
                continue
            name = item.values.get(column)
            id_ = f"{below}{_plain_path(name)}" if isinstance(name, str) else ""
            place = f"{below}{table} row {item.line}"
            if not id_ or not self._is_file(id_):
                self.left_out.add("the table's image does not exist", place)
            elif id_ in listed:
                self.left_out.add("the table names the image twice", place)
            else:
                listed.add(id_)
                yield self._candidate(id_, self._fields.read(item.values, words_of(id_)))

    def _is_file(self, id_: str) -> bool:
        if ".." in id_.split("/") or id_.startswith("/"):
            return False
        try:  # whether a folder above it is a link, shows when it is read
            return stat.S_ISREG(os.lstat(f"{self._root}/{id_}").st_mode)
        except (OSError, ValueError):
            return False

    def _beside(self, below: str, name: str, present: frozenset[str]) -> dict[str, object]:
        """What files of an image's own name say of it."""
        values: dict[str, object] = {}
        stems = dict.fromkeys((name, PurePosixPath(name).stem))
        for beside in (f"{stem}.json" for stem in stems if f"{stem}.json" in present):
            try:
                tree = orjson.loads(
                    read_bytes_beneath(self._root, f"{below}{beside}", limit=_MAX_JSON)
                )
            except (OSError, orjson.JSONDecodeError):
                tree = None
            if isinstance(tree, dict):
                values = {**tree, **values}
            else:
                self.left_out.add("no JSON object in the file beside it", f"{below}{beside}")
        for beside in (f"{stem}{end}" for stem in stems for end in _TEXTS):
            if beside in present:
                try:
                    text = read_text_beneath(self._root, f"{below}{beside}", limit=_MAX_TEXT)
                except (OSError, UnicodeDecodeError):
                    self.left_out.add("no UTF-8 text in the file beside it", f"{below}{beside}")
                    continue
                values["caption"] = text.strip() or values.get("caption")
                break
        return values

    def _walk(self) -> Iterator[_Directory]:
        pending = [""]
        while pending:
            below = pending.pop()
            names, links, inner = [], [], []
            try:
                with os.scandir(self._root / below) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_symlink():
                            links.append(entry.name)
                        elif entry.is_dir(follow_symlinks=False):
                            inner.append(f"{below}{entry.name}/")
                        elif entry.is_file(follow_symlinks=False):
                            names.append(entry.name)
            except OSError as error:
                raise DataError(
                    f"{self._root / below}: cannot be read ({error.strerror})"
                ) from None
            pending += sorted(inner, reverse=True)
            yield _Directory(below, tuple(sorted(names)), tuple(sorted(links)))


def words_of(path: str) -> str:
    """The words in the names of a file and its folders; empty where cameras and programs named it.

    Example:
        >>> words_of("harbour/old_bridge-at-night_02.jpg"), words_of("IMG_20240102.jpg")
        ('harbour old bridge at night', '')
    """
    parts = PurePosixPath(path).with_suffix("").parts
    return " ".join(" ".join(_words(part)) for part in parts if _words(part))


def _words(name: str) -> list[str]:
    pieces = re.split(r"[\s_\-+.,()]+", name)
    kept = [each for each in pieces if not _HEX.match(each) and not re.search(r"\d", each)]
    if not any(_WORD.search(each) and each.lower() not in _EMPTY_WORDS for each in kept):
        return []
    return [each for each in kept if each and each.lower() not in _EMPTY_WORDS]


def _plain_path(name: str) -> str:
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_folder(where: str, access: Access) -> FolderSource:
    """The source of ``folder:PATH``.

    Raises:
        UsageError: There is no such folder, or an option is unknown.
    """
    return FolderSource(f"folder:{where}", read_where("folder", where, OPTIONS))


FOLDER = SourceKind(
    open_folder,
    "folder:PATH",
    "image files of a folder; captions from metadata.csv, .jsonl or .parquet, from files beside "
    "the images, or from their names",
)
