"""The content-addressed store of a dataset's images: ``images/ab/<sha256>.<ext>``."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from vlsu._machine import exhausted_resource
from vlsu._text import one_line
from vlsu.data.images.probe import (
    EXTENSIONS,
    MAX_READ_BYTES,
    ImageError,
    ImageFacts,
    ImageFault,
    probe,
)
from vlsu.data.sample import is_sha256
from vlsu.errors import DataError, MachineError

__all__ = ["ImageStore", "read_bounded", "read_descriptor"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The ``images`` folder of a dataset folder.

    Files are never re-encoded: the name is the SHA-256 of the bytes that were added, the extension
    that of the actual format. Adding is idempotent and atomic. Reading follows no link below
    ``images``, so that an untrusted dataset cannot have other files of this machine sent to a
    model.

    Attributes:
        root: The dataset folder.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """The folder of the images."""
        return self.root / "images"

    def add(self, image: bytes | str | os.PathLike[str], facts: ImageFacts | None = None) -> str:
        """Store an image, given as bytes or as a file, and return its SHA-256.

        Args:
            image: The bytes, or the file.
            facts: What its header says, if that is known.

        Raises:
            ImageError: The bytes are not an image that can be read; its pixels are not decoded.
            DataError: The file cannot be read or the store cannot be written.
        """
        data = image if isinstance(image, bytes) else read_bounded(Path(image))
        facts = facts or probe(data)
        sha256 = hashlib.sha256(data).hexdigest()
        target = Path(f"{self.root}/images/{sha256[:2]}/{sha256}.{facts.extension}")
        _refuse_link(str(target.parent))
        if not _is_own_file(target):
            try:
                _write_whole(target, data)
            except OSError as error:
                raise DataError(
                    f"{target}: cannot be written ({error.strerror}); free space or choose "
                    "another folder"
                ) from None
        return sha256

    def __contains__(self, sha256: str) -> bool:
        """Whether there is an image with that hash."""
        return self._name(sha256) is not None

    def path(self, sha256: str) -> Path | None:
        """Path of the image with that hash, or `None` if it is not in the store."""
        name = self._name(sha256)
        return None if name is None else Path(name)

    def _name(self, sha256: str) -> str | None:
        if not is_sha256(sha256):
            return None
        stem = f"{self.root}/images/{sha256[:2]}/{sha256}"  # 10 times a Path's speed
        for extension in EXTENSIONS:
            name = f"{stem}.{extension}"
            if os.path.lexists(name):  # a link exists, and reading reports it
                return name
        return None

    def read(self, sha256: str) -> bytes:
        """The bytes of an image, as they were added.

        Raises:
            DataError: The image is not in the store or cannot be read.
        """
        return self.read_typed(sha256)[0]

    def read_typed(self, sha256: str, likely: str = "") -> tuple[bytes, str]:
        """The bytes of an image and its extension, with few system calls.

        Args:
            sha256: The image's hash.
            likely: The extension to try first, since most images of a store share one.

        Raises:
            DataError: The image is not in the store or cannot be read.
        """
        return self._first_of(sha256, likely, _read, b"")

    def read_into(self, sha256: str, buffer: bytearray, likely: str = "") -> tuple[int, str]:
        """As `read_typed`, into a growing buffer; returns the number of bytes and the extension.

        Reusing memory that is in the processor's cache takes half the time.
        """
        return self._first_of(sha256, likely, lambda path: _read_into(path, buffer), 0)

    def _first_of(
        self, sha256: str, likely: str, read: Callable[[str], T], nothing: T
    ) -> tuple[T, str]:
        """The result of `read` for the image's file, and its extension."""
        if is_sha256(sha256):
            folder = f"{self.root}/images/{sha256[:2]}"  # the same as `folder`, built faster
            _require_own_folder(folder)
            stem = f"{folder}/{sha256}."
            for extension in (likely, *EXTENSIONS) if likely else EXTENSIONS:
                with contextlib.suppress(FileNotFoundError):
                    return read(stem + extension), extension
        return nothing, self._existing(sha256).suffix  # raises that it is missing

    def media_type(self, sha256: str) -> str:
        """The media type of an image, such as ``"image/jpeg"``.

        Raises:
            DataError: The image is not in the store.
        """
        return EXTENSIONS[self._existing(sha256).suffix[1:]]

    def files(self) -> Iterator[Path]:
        """Every file below `folder`, in order, including temporary and other files and links."""
        pending = [str(self.folder)]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError:
                continue
            folders = [e.path for e in entries if e.is_dir(follow_symlinks=False)]
            pending.extend(reversed(folders))
            yield from (Path(e.path) for e in entries if not e.is_dir(follow_symlinks=False))

    def count(self) -> int:
        """Number of files in the folders of images, without inspecting them."""
        total = 0
        with contextlib.suppress(OSError), os.scandir(self.folder) as shards:
            for shard in shards:
                with contextlib.suppress(OSError), os.scandir(shard.path) as entries:
                    total += sum(not entry.name.startswith(".") for entry in entries)
        return total

    def copy_from(self, other: ImageStore, sha256: str) -> None:
        """Copy an image from another store, if this one lacks it and the other has it.

        Raises:
            DataError: It cannot be read.
            OSError: It cannot be written.
        """
        found = other.path(sha256)
        if found is not None and sha256 not in self:
            try:
                data = other.read(sha256)
            except ImageError as error:
                raise DataError(f"{found}: {error}; see vlsu data check {other.root}") from None
            _write_whole(self.folder / sha256[:2] / found.name, data)

    def _existing(self, sha256: str) -> Path:
        path = self.path(sha256)
        if path is None:
            # Without the hash, so that a run counts all missing images as one fault.
            what = "an image" if is_sha256(sha256) else f"image {one_line(sha256)!r}"
            raise DataError(f"{self.folder}: {what} is missing; run vlsu data check {self.root}")
        return path


def read_bounded(path: Path) -> bytes:
    """The bytes of an image file that the user names; a link is followed.

    Raises:
        ImageError: There is no such file, or it is larger than `MAX_READ_BYTES`.
        DataError: The file cannot be read.
    """
    try:
        return _read(path, follow=True)
    except FileNotFoundError:
        raise ImageError(ImageFault.UNREADABLE, f"{path}: no such file") from None


def read_descriptor(descriptor: int) -> bytes:
    """All bytes of an open file, which is closed.

    Raises:
        ImageError: There are more than `MAX_READ_BYTES`.
        OSError: It cannot be read.
    """
    with os.fdopen(descriptor, "rb") as file:
        size = _bounded_size(descriptor)
        return file.read(size)


def _read(path: str | Path, *, follow: bool = False) -> bytes:
    """As `read_bounded`, but a missing file is a `FileNotFoundError`."""
    with _Opened(path, follow=follow) as (descriptor, size):
        data = os.read(descriptor, size)
        while len(data) < size and (more := os.read(descriptor, size)):
            data += more  # network file systems may return short reads
        return data


def _read_into(path: str, buffer: bytearray) -> int:
    """The same into a buffer; returns the number of bytes."""
    with _Opened(path) as (descriptor, size):
        if len(buffer) < size:
            buffer.extend(bytes(size - len(buffer)))
        read = 0
        with memoryview(buffer) as view:
            while read < size and (more := os.readv(descriptor, [view[read:size]])):
                read += more
        return read


def _bounded_size(descriptor: int) -> int:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise ImageError(ImageFault.UNREADABLE, "not a regular file")
    if facts.st_size > MAX_READ_BYTES:
        raise ImageError(ImageFault.OVERSIZED, f"over {MAX_READ_BYTES // 2**20} MiB, not read")
    return facts.st_size


class _Opened:
    """Context manager of a regular file of bounded size: its descriptor and size in bytes.

    A class, since one made from a generator takes twice the time.
    """

    __slots__ = ("_descriptor", "_flags", "_path")

    def __init__(self, path: str | Path, *, follow: bool = False) -> None:
        self._path = path
        self._descriptor = -1
        # Without O_NONBLOCK, opening a pipe would block.
        self._flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)

    def __enter__(self) -> tuple[int, int]:
        try:
            self._descriptor = os.open(self._path, self._flags)
            return self._descriptor, _bounded_size(self._descriptor)
        except BaseException as error:
            self.__exit__(type(error), error)
            raise

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            if exhausted := exhausted_resource(error):
                raise MachineError(f"{self._path}: cannot be read: {exhausted}") from None
            reason = _LINK if error.errno == errno.ELOOP else error.strerror
            raise DataError(
                f"{self._path}: cannot be read ({reason}); check the file and its permissions"
            ) from None


_LINK = "it is a symbolic link, and links in a dataset are not followed"


def _refuse_link(folder: str) -> None:
    """Refuse a folder of images that is a link, which may lead anywhere on this machine."""
    try:
        linked = stat.S_ISLNK(os.lstat(folder).st_mode)
    except OSError:
        return  # opening the file reports the problem
    if linked:
        raise DataError(f"{folder}: cannot be used ({_LINK}); put the folder itself in its place")


#: The same for reading, which asks once a folder.
_require_own_folder = cache(_refuse_link)


def _is_own_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:  # a single write takes 2 GiB at most, or what a full disk has left
        view = view[file.write(view) :]


def _write_whole(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name}-{os.getpid()}-{threading.get_ident()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        try:
            descriptor = os.open(temporary, flags, 0o666)
        except FileNotFoundError:  # of a folder with so many images only the first
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, flags, 0o666)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            _write_all(file, data)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
