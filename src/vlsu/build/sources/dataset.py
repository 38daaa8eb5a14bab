"""``dataset:PATH``: the images of a dataset of vlsu, Hugging Face, Parquet or WebDataset.

A folder is one of: a dataset of this package, or the name of a bundled one; tar archives; Parquet
files; what `datasets` saved; tables of JSON lines, JSON or CSV whose rows name images. ``format=``
has it read by one of the importers instead. Images may be in the rows, in files that the rows name,
or at addresses, which are fetched.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from os.path import realpath
from pathlib import Path, PurePosixPath

from vlsu._files import open_beneath, read_bytes_beneath
from vlsu._folders import is_dataset
from vlsu.build.sources.archives import ArchiveFile
from vlsu.build.sources.base import Access, Candidate, SourceError, SourceKind
from vlsu.build.sources.fields import OPTIONS, READING, Described, Fields
from vlsu.build.sources.imported import imported
from vlsu.build.sources.left_out import LeftOut
from vlsu.build.sources.rows import IMAGE_COLUMNS, ParquetFile, Row, RowFile, TableFile
from vlsu.build.sources.settings import Where, read_where
from vlsu.build.sources.vlsu_dataset import VlsuSource
from vlsu.build.sources.web import Web, contact_of
from vlsu.data.datasets.dataset import BUNDLED
from vlsu.data.images.folder import ImageFolder
from vlsu.data.images.probe import MAX_BYTES
from vlsu.data.importers.hf import about_hf
from vlsu.data.sources.folders import folder_parts
from vlsu.errors import DataError, UsageError

__all__ = ["DATASET", "DatasetSource", "open_dataset"]

_TARS = (".tar", ".tar.gz", ".tgz")
_OPTIONS = OPTIONS | {"image", "images", "format"}


class DatasetSource:
    """The images of files of rows.

    A candidate's `id` is ``file#row`` where the row holds the image or gives its address, and the
    image's path where it names a file.

    Args:
        spec: What the user wrote.
        where: The file or folder, and names of columns and fields.
        access: What is permitted where rows give addresses.

    Raises:
        UsageError: There is no such thing.
        DataError: It holds no rows, or a file of it is damaged.
    """

    def __init__(self, spec: str, where: Where, access: Access) -> None:
        path = where.path
        if not path.exists():
            raise UsageError(f"--source {spec}: no such file or folder")
        self._spec = spec
        self._path = path
        self._top = path if path.is_dir() else path.parent
        self._options = dict(where.options)
        images = Path(self._options.pop("images", "") or self._top)
        if not images.is_dir():
            raise UsageError(f"--source {spec}: no folder of images {images}")
        self._images = images
        licence = about_hf(path).licence if path.is_dir() else ""
        column, format_ = self._options.pop("image", ""), self._options.pop("format", "")
        self._files = {
            _name_of(each.path, self._top): each for each in _files(path, column, format_)
        }
        self._fields = Fields(
            self._options,
            leave_out=frozenset(IMAGE_COLUMNS),
            text_is_caption=not format_,
            licence=licence,
        )
        self._settings = {"column": column, "format": format_, "images": realpath(images)}
        self._web = Web(spec, access, contact=contact_of(access))
        self._searched: ImageFolder | None = None
        self.left_out = LeftOut(spec)

    @property
    def spec(self) -> str:
        """What the user wrote."""
        return self._spec

    def identity(self) -> Mapping[str, object]:
        """Path, options, and a hash of the names, sizes and times of change of the files of rows.

        Images in files of their own are not looked at.
        """
        digest = hashlib.sha256()
        for name, file in self._files.items():
            facts = file.path.stat()
            line = f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n"
            digest.update(line.encode(errors="surrogateescape"))
        return {
            "kind": "dataset",
            "reading": READING,
            "path": realpath(self._path),
            "options": dict(sorted({**self._options, **self._settings}.items())),
            "files": len(self._files),
            "fingerprint": digest.hexdigest(),
        }

    def candidates(self) -> Iterator[Candidate]:
        """All images, in the order of files and rows; a file that several rows name, once.

        What is left out is counted in `left_out`, and logged at the end.

        Raises:
            DataError: A file is damaged.
            UsageError: No file has a column that an option names.
        """
        self.left_out.clear()
        columns = tuple(dict.fromkeys(c for f in self._files.values() for c in f.columns))
        self._fields.require(columns, str(self._path))
        listed: set[str] = set()
        for name, file in self._files.items():
            for row in file.rows(self.left_out):
                found = self._fields.read(row.values)
                candidate = self._candidate(name, file, row, found)
                if candidate is None:
                    self.left_out.add("a row without an image", f"{name} row {row.number}")
                elif candidate.id not in listed:
                    if not row.inside:
                        listed.add(candidate.id)
                    yield candidate
        self.left_out.warn()

    def read(self, candidate: Candidate) -> bytes:
        """The bytes of an image, from its row, its file or its address.

        Raises:
            SourceError: They are not to be had.
        """
        if candidate.url is not None:
            return self._web.image(candidate.url)
        name, _, number = candidate.id.rpartition("#")
        try:
            if name in self._files and number.isdecimal():
                return self._files[name].image(int(number))
            return read_bytes_beneath(self._images, candidate.id, limit=MAX_BYTES)
        except OSError as error:
            why = error.strerror or "no such image"
        except DataError as error:
            why = str(error)
        raise SourceError(f"{self._spec}: an image cannot be read ({why})", "cannot-be-read")

    def close(self) -> None:
        """Release files and connections."""
        for file in self._files.values():
            file.close()
        self._web.close()

    def _candidate(self, name: str, file: RowFile, row: Row, found: Described) -> Candidate | None:
        id_, url = f"{name}#{row.number}", None
        if not row.inside:
            path = next(filter(None, (self._below(each, file) for each in row.paths)), None)
            if path is not None:
                id_ = path
            else:
                addresses = [each for each in row.paths if "://" in each]
                url = addresses[0] if addresses else found.url
                if url is None:
                    return None
        page = found.page or (found.url if url is None else None)
        return found.candidate(id_, self._spec, page=page, url=url)

    def _below(self, name: str, file: RowFile) -> str | None:
        """The path of a file that a row names, below the folder of images."""
        if "://" in name or len(name) > 4096:
            return None
        plain = "/".join(p for p in name.replace("\\", "/").split("/") if p not in ("", "."))
        beside = _name_of(file.path.parent, self._images)
        for path in dict.fromkeys((f"{beside}/{plain}" if beside else plain, plain)):
            try:
                os.close(open_beneath(self._images, path))
            except OSError:
                continue
            return path
        if self._searched is None:
            self._searched = ImageFolder(self._images)
        match = self._searched.find_path(name)
        return None if match is None or match.others else match.path


def _files(path: Path, column: str, format_: str) -> list[RowFile]:
    if format_:
        return [TableFile(imported(path, format_), column or "image")]
    archives = [path]
    if path.is_dir():
        archives = sorted(each for each in path.rglob("*") if each.name.endswith(_TARS))
    found: list[RowFile] = [ArchiveFile(each) for each in archives if each.name.endswith(_TARS)]
    if found:
        return found
    return [
        ParquetFile(part.source.path, column)
        if part.source.kind == "a Parquet file"
        else TableFile(part.source, column)
        for part in folder_parts(path)
    ]


def _name_of(path: Path, top: Path) -> str:
    try:
        name = PurePosixPath(path.relative_to(top)).as_posix()
    except ValueError:
        return path.name
    return "" if name == "." else name


def open_dataset(where: str, access: Access) -> DatasetSource | VlsuSource:
    """The source of ``dataset:PATH``.

    Raises:
        UsageError: There is no such thing, or an option is unknown.
        DataError: It holds no rows, or a file of it is damaged.
    """
    spec = f"dataset:{where}"
    read = read_where("dataset", where, _OPTIONS)
    own = str(read.path) in BUNDLED or (read.path.is_dir() and is_dataset(read.path))
    if own and "format" not in read.options:
        return VlsuSource(spec, read)
    return DatasetSource(spec, read, access)


DATASET = SourceKind(
    open_dataset,
    "dataset:PATH",
    "a dataset of vlsu, Hugging Face, Parquet or WebDataset; columns by their usual names or "
    "?caption=COLUMN&licence=COLUMN, ?format=IMPORTER",
)
