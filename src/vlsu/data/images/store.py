"""Images kept as they are, addressed by content: ``images/ab/<sha256>.<ext>``."""

from __future__ import annotations

import contextlib
import errno
import hashlib
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
from vlsu.data.images.probe import EXTENSIONS, MAX_READ_BYTES, ImageError, ImageFault, probe
from vlsu.data.rows import is_sha256
from vlsu.errors import DataError, MachineError

__all__ = ["ImageStore", "read_bounded", "read_descriptor"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The ``images`` folder of a dataset folder.

    A file is never re-encoded: its bytes are those that were added, its name is their SHA-256, its
    extension that of the real format. Adding is idempotent and atomic: a file appears whole or not
    at all. Reading follows no link below ``images``, so that a dataset from elsewhere cannot have
    other files of this machine sent to a model.

    Attributes:
        root: The dataset folder.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """Where the images lie."""
        return self.root / "images"

    def add(self, image: bytes | str | os.PathLike[str]) -> str:
        """Store an image, given as bytes or as a file, and return its SHA-256.

        Raises:
            ImageError: The bytes are not an image that can be read; its pixels are not decoded.
            DataError: The file cannot be read or the store cannot be written.
        """
        data = image if isinstance(image, bytes) else read_bounded(Path(image))
        facts = probe(data)
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.folder / sha256[:2] / f"{sha256}.{facts.extension}"
        if not _is_own_file(target):
            try:
                _write_whole(target, data)
            except OSError as error:
                raise DataError(
                    f"{target}: cannot be written ({error.strerror}); free space or choose "
                    "another folder"
                ) from None
        return sha256

    def path(self, sha256: str) -> Path | None:
        """Where the image of that hash lies, or `None` if it is not in the store."""
        if not is_sha256(sha256):
            return None
        stem = os.path.join(self.folder, sha256[:2], sha256)  # noqa: PTH118 (10 times a Path's speed)
        for extension in EXTENSIONS:
            name = f"{stem}.{extension}"
            if os.path.lexists(name):  # a link is there, and reading it says so
                return Path(name)
        return None

    def read(self, sha256: str) -> bytes:
        """The bytes of an image, as they were added.

        Raises:
            DataError: The image is not in the store or cannot be read.
        """
        return self.read_typed(sha256)[0]

    def read_typed(self, sha256: str, likely: str = "") -> tuple[bytes, str]:
        """The bytes of an image and its extension, in as few system calls as that takes.

        Args:
            sha256: The image's hash.
            likely: The extension to try first: a store's images mostly share one.

        Raises:
            DataError: The image is not in the store or cannot be read.
        """
        return self._first_of(sha256, likely, _read, b"")

    def read_into(self, sha256: str, buffer: bytearray, likely: str = "") -> tuple[int, str]:
        """As `read_typed`, into a buffer that grows as need be; how many bytes, and the extension.

        Memory that was just used lies in the processor's cache, so this takes half the time.
        """
        return self._first_of(sha256, likely, lambda path: _read_into(path, buffer), 0)

    def _first_of(
        self, sha256: str, likely: str, read: Callable[[str], T], nothing: T
    ) -> tuple[T, str]:
        """What `read` makes of the image's file, and its extension; the likely one comes first."""
        if is_sha256(sha256):
            folder = f"{self.root}/images/{sha256[:2]}"  # as `folder` has it, built fast
            _require_own_folder(folder)
            stem = f"{folder}/{sha256}."
            for extension in (likely, *EXTENSIONS) if likely else EXTENSIONS:
                with contextlib.suppress(FileNotFoundError):
                    return read(stem + extension), extension
        return nothing, self._existing(sha256).suffix  # says that it is missing

    def media_type(self, sha256: str) -> str:
        """The media type of an image, such as ``"image/jpeg"``.

        Raises:
            DataError: The image is not in the store.
        """
        return EXTENSIONS[self._existing(sha256).suffix[1:]]

    def files(self) -> Iterator[Path]:
        """Every file below `folder`, in order; temporary and foreign files and links included."""
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
        """How many files lie where images do, without looking at any of them."""
        total = 0
        with contextlib.suppress(OSError), os.scandir(self.folder) as shards:
            for shard in shards:
                with contextlib.suppress(OSError), os.scandir(shard.path) as entries:
                    total += sum(not entry.name.startswith(".") for entry in entries)
        return total

    def copy_from(self, other: ImageStore, sha256: str) -> None:
        """Take an image of another store; one that neither has stays missing.

        Raises:
            DataError: It cannot be read.
            OSError: It cannot be written.
        """
        found = other.path(sha256)
        if self.path(sha256) is None and found is not None:
            try:
                data = other.read(sha256)
            except ImageError as error:
                raise DataError(f"{found}: {error}; see vlsu data check {other.root}") from None
            _write_whole(self.folder / sha256[:2] / found.name, data)

    def _existing(self, sha256: str) -> Path:
        path = self.path(sha256)
        if path is None:
            # Without the hash, so that a run counts all that are missing as one fault.
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
            data += more  # a network file system may give a part at a time
        return data


def _read_into(path: str, buffer: bytearray) -> int:
    """The same into a buffer; how many bytes."""
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
    """A regular file of a size that is read: its descriptor and its size in bytes.

    A class, since a generator made into a context manager takes twice the time.
    """

    __slots__ = ("_descriptor", "_flags", "_path")

    def __init__(self, path: str | Path, *, follow: bool = False) -> None:
        self._path = path
        self._descriptor = -1
        # Without O_NONBLOCK, opening a pipe would wait for ever.
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


@cache
def _require_own_folder(folder: str) -> None:
    """Refuse a folder of images that is a link: it may lead to any files of this machine."""
    try:
        linked = stat.S_ISLNK(os.lstat(folder).st_mode)
    except OSError:
        return  # opening the file says what is wrong
    if linked:
        raise DataError(f"{folder}: cannot be read ({_LINK}); put the folder itself in its place")


def _is_own_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _write_whole(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}-{os.getpid()}-{threading.get_ident()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            file.write(data)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
