"""Tar archives in the layout of WebDataset as sources, read in one pass without unpacking.

Members whose names agree up to the first full stop after the last slash are one sample: ``1.json``
(an object of fields), ``1.txt`` (a text), ``1.cls`` (a label), ``1.url`` (the address of the image)
and ``1.png`` or another image. The common part is the sample's identifier, unless the object states
one.
"""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import orjson

from vlsu._files import open_binary
from vlsu.data.images.probe import EXTENSIONS, MAX_READ_BYTES
from vlsu.data.sources.base import Entry, Source, SourceItem, columns_of
from vlsu.data.sources.documents import LONG_NUMBER
from vlsu.data.tables.records import Broken
from vlsu.errors import DataError

__all__ = ["Member", "UnmarkedError", "shard_source"]

_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_IMAGES = frozenset({*EXTENSIONS, "jpeg", "tif"})
_TEXTS = {"txt": "text", "text": "text", "caption": "text", "cls": "label", "url": "image_url"}


class UnmarkedError(tarfile.TarError):
    """The archive ends without the blocks of zeros that mark its end."""


class Member(tarfile.TarInfo):
    """A member, where `tarfile` would take an archive that was cut off for a whole one."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """The next member of an archive.

        Raises:
            UnmarkedError: There is none, and no end mark either.
        """
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.TruncatedHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from None
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            if not tarfile_.offset:
                raise
            raise UnmarkedError from None


def shard_source(path: Path) -> Source:
    """Open a tar archive, plain or compressed.

    Raises:
        DataError: It is damaged.
    """

    def read() -> Iterator[SourceItem]:
        try:
            with (
                open_binary(path) as file,
                tarfile.open(fileobj=file, mode="r|*", tarinfo=Member) as archive,
            ):
                yield from _samples(archive)
        except (tarfile.TarError, zlib.error, EOFError) as error:
            raise DataError(
                f"{path}: damaged ({type(error).__name__}); download or write the file again"
            ) from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None

    return Source(path, "a tar archive", columns_of(read()), read)


def _samples(archive: tarfile.TarFile) -> Iterator[SourceItem]:
    number, key = 0, ""
    values: dict[str, object] = {}
    fault: Broken | None = None
    members = iter(archive)
    unmarked = False
    while True:
        try:
            member = next(members, None)
        except UnmarkedError:
            member, unmarked = None, True
        if member is None:
            break
        found = _NAME.fullmatch(member.name.removeprefix("./"))
        if found is None or not member.isreg():
            continue
        if found[1] != key:
            if key:
                yield fault or Entry(number, _with_id(values, key))
            number, key, values, fault = number + 1, found[1], {}, None
        extension = found[2].lower()
        if member.size > MAX_READ_BYTES:
            size = f"over {MAX_READ_BYTES // 2**20} MiB"
            fault = Broken(number, number, "member of the archive too large", size, "leave it out")
            continue
        file = archive.extractfile(member)
        data = b"" if file is None else file.read()
        fault = _add(values, extension, data, number) or fault
    if key:
        yield fault or Entry(number, _with_id(values, key))
    if unmarked:
        reason = "the archive ends without its end mark"
        yield Broken(number + 1, number + 1, reason, "", "see whether it was downloaded whole")


def _add(values: dict[str, object], extension: str, data: bytes, number: int) -> Broken | None:
    """Add a member to its sample; returns why it cannot be read."""
    if extension.rpartition(".")[2] in _IMAGES:
        values.setdefault("image", data)
    elif extension == "json":
        try:
            long = LONG_NUMBER.search(data.decode())  # orjson would round it
            tree = json.loads(data) if long else orjson.loads(data)
        except ValueError:
            tree = None
        if not isinstance(tree, dict):
            return Broken(number, number, "not a JSON object", "", "write the archive again")
        # An image that was before it in the archive stays.
        values.update({name: value for name, value in tree.items() if name not in values})
    elif extension in _TEXTS:
        try:
            values.setdefault(_TEXTS[extension], data.decode().strip())
        except UnicodeDecodeError:
            return Broken(number, number, "not UTF-8 text", "", "write the archive again")
    return None


def _with_id(values: dict[str, object], key: str) -> dict[str, object]:
    return values if values.get("id") is not None else {"id": key, **values}
