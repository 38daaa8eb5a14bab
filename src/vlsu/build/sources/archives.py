"""Tar archives in the layout of WebDataset, read for what they say and then by sample.

While samples are read for their captions, their images are skipped; where each lies is looked up
once, when the first of them is wanted.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from vlsu._files import open_binary
from vlsu.build.sources.left_out import LeftOut
from vlsu.build.sources.rows import Row
from vlsu.data.images.probe import EXTENSIONS, MAX_BYTES
from vlsu.data.sources.shards import Member, UnmarkedError
from vlsu.errors import DataError

__all__ = ["ArchiveFile"]

_IMAGES = frozenset({*EXTENSIONS, "jpeg", "tif"})
_MEMBER = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_TEXTS = {"txt": "text", "text": "text", "caption": "caption", "cls": "label", "url": "image_url"}
_MAX_TEXT = 2**20
_AGAIN = "download or write the file again"


@dataclass(slots=True)
class _Sample:
    """What an archive says of one sample, and where its image lies."""

    values: dict[str, object] = field(default_factory=dict)
    image: tuple[int, int] | None = None


class _Places:
    """Where the images of an archive lie: 16 bytes each."""

    def __init__(self) -> None:
        self._offsets, self._sizes = array("q"), array("q")

    def add(self, place: tuple[int, int] | None) -> None:
        offset, size = place or (-1, 0)
        self._offsets.append(offset)
        self._sizes.append(size)

    def of(self, number: int) -> tuple[int, int] | None:
        """Offset and size of the image of a sample, from 1."""
        if not 0 < number <= len(self._offsets) or self._offsets[number - 1] < 0:
            return None
        return self._offsets[number - 1], self._sizes[number - 1]


class ArchiveFile:
    """A tar archive in the layout of WebDataset, plain or compressed.

    Members whose names agree up to the first full stop are one sample. Of a plain archive, members
    are read where they lie; a compressed one is read from its beginning whenever an image lies
    before the last one.

    Args:
        path: The archive.

    Raises:
        DataError: It is no archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = ExitStack()
        self._archive: tarfile.TarFile | None = None
        self._places: _Places | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the first samples."""
        names: dict[str, None] = {}
        for row in islice(self.rows(LeftOut("")), 100):
            names.update(dict.fromkeys(row.values))
        return tuple(names)

    def rows(self, left_out: LeftOut) -> Iterator[Row]:
        """Every sample."""
        places = _Places()
        with self._damaged(), self._opened() as archive:
            for number, found in enumerate(self._samples(archive, left_out), 1):
                places.add(found.image)
                yield Row(number, found.values, found.image is not None)
        self._places = places

    def image(self, number: int) -> bytes:
        """The image of a sample."""
        with self._damaged():
            if self._places is None:
                for _ in self.rows(LeftOut("")):
                    pass
            place = None if self._places is None else self._places.of(number)
            if place is None:
                raise DataError(f"{self.path}: sample {number} holds no image")
            offset, size = place
            if size > MAX_BYTES:
                raise DataError(f"{self.path}: sample {number}: its image is too large")
            if self._archive is None:
                self._archive = self._held.enter_context(self._opened())
            file: Any = self._archive.fileobj
            file.seek(offset)
            return bytes(file.read(size))

    def close(self) -> None:
        """Close the archive."""
        self._held.close()
        self._archive = None

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        with (
            open_binary(self.path) as file,
            tarfile.open(fileobj=file, mode="r:*", tarinfo=Member) as archive,
        ):
            yield archive

    def _member(self, archive: Any, left_out: LeftOut) -> tarfile.TarInfo | None:
        try:
            member: tarfile.TarInfo | None = archive.next()
        except UnmarkedError:
            left_out.add("the archive ends without its end mark", self.path.name)
            return None
        archive.members = []  # of a million members none is kept
        return member

    def _samples(self, archive: tarfile.TarFile, left_out: LeftOut) -> Iterator[_Sample]:
        key, found = "", _Sample()
        while (member := self._member(archive, left_out)) is not None:
            name = _MEMBER.fullmatch(member.name.removeprefix("./"))
            if name is None or not member.isreg():
                continue
            if name[1] != key:
                if key:
                    yield found
                key, found = name[1], _Sample({"key": name[1]})
            self._add(archive, member, name[2].lower(), found, left_out)
        if key:
            yield found

    def _add(
        self,
        archive: tarfile.TarFile,
        member: tarfile.TarInfo,
        extension: str,
        found: _Sample,
        left_out: LeftOut,
    ) -> None:
        if extension.rpartition(".")[2] in _IMAGES:
            found.image = found.image or (member.offset_data, member.size)
            return
        if extension != "json" and extension not in _TEXTS:
            return
        file = archive.extractfile(member)
        data = b"" if file is None or member.size > _MAX_TEXT else file.read()
        try:
            if extension == "json":
                tree = orjson.loads(data)
                found.values = {**tree, **found.values}
            else:
                found.values.setdefault(_TEXTS[extension], data.decode().strip())
        except (ValueError, TypeError):
            left_out.add("a member that cannot be read", f"{self.path.name}: {member.name}")

    @contextmanager
    def _damaged(self) -> Iterator[None]:
        """Context in which errors of reading become a `DataError`."""
        try:
            yield
        except (tarfile.TarError, zlib.error, EOFError) as error:
            raise DataError(f"{self.path}: damaged ({type(error).__name__}); {_AGAIN}") from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DataError(f"{self.path}: cannot be read ({why})") from None
