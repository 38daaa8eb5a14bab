"""Images kept as they are, addressed by content: ``images/ab/<sha256>.<ext>``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vlsu.data.probe import EXTENSIONS, MAX_READ_BYTES, ImageError, ImageFault, probe
from vlsu.data.rows import is_sha256
from vlsu.errors import DataError

__all__ = ["ImageStore", "read_bounded"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The ``images`` folder of a dataset folder.

    A file is never re-encoded: its bytes are those that were added, its name is their SHA-256, its
    extension that of the real format. Adding is idempotent and atomic: a file appears whole or not
    at all.

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
        if not target.exists():
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
            if os.path.exists(name):  # noqa: PTH110 (as above)
                return Path(name)
        return None

    def read(self, sha256: str) -> bytes:
        """The bytes of an image, as they were added.

        Raises:
            DataError: The image is not in the store or cannot be read.
        """
        return read_bounded(self._existing(sha256))

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
            stem = f"{self.root}/images/{sha256[:2]}/{sha256}."  # as `folder` has it, built fast
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
        """Every file below `folder`, sorted; temporary and foreign files included."""
        for parent, folders, names in os.walk(self.folder):
            folders.sort()
            for name in sorted(names):
                yield Path(parent, name)

    def _existing(self, sha256: str) -> Path:
        path = self.path(sha256)
        if path is None:
            raise DataError(
                f"{self.folder}: image {sha256[:80]!r} is missing; run vlsu data check {self.root}"
            )
        return path


def read_bounded(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        ImageError: There is no such file, or it is larger than `MAX_READ_BYTES`.
        DataError: The file cannot be read.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        raise ImageError(ImageFault.UNREADABLE, f"{path}: no such file") from None


def _read(path: str | Path) -> bytes:
    """As `read_bounded`, but a missing file is a `FileNotFoundError`."""
    with _Opened(path) as (descriptor, size):
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


class _Opened:
    """A regular file of a size that is read: its descriptor and its size in bytes.

    A class, since a generator made into a context manager takes twice the time.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> tuple[int, int]:
        try:
            # Without O_NONBLOCK, opening a pipe would wait for ever.
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            facts = os.fstat(self._descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise ImageError(ImageFault.UNREADABLE, f"{self._path}: no such file")
            if facts.st_size > MAX_READ_BYTES:
                raise ImageError(
                    ImageFault.OVERSIZED, f"over {MAX_READ_BYTES // 2**20} MiB, not read"
                )
        except BaseException as error:
            self.__exit__(type(error), error)
            raise
        return self._descriptor, facts.st_size

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise DataError(
                f"{self._path}: cannot be read ({error.strerror}); check the file and its "
                "permissions"
            ) from None


def _write_whole(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
