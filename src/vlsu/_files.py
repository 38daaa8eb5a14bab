"""Opening files named by a user or by another file: regular files only, and of bounded size.

A named pipe would block for ever, a device has no end, and a symbolic link in an untrusted folder
may lead to any file of this machine. Such files raise an `OSError` whose `strerror` gives the
reason, so that a caller's ``except OSError`` reports them like any file that cannot be read.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path, PurePath
from typing import BinaryIO, TextIO

__all__ = [
    "MAX_BYTES",
    "MAX_TEXT_BYTES",
    "is_regular",
    "open_beneath",
    "open_binary",
    "open_regular",
    "open_text",
    "read_bytes",
    "read_bytes_beneath",
    "read_text",
    "read_text_beneath",
]

#: Maximum size of a file that is read into memory, in bytes.
MAX_BYTES = 256 * 2**20
#: Maximum size of a file that a person writes, such as a prompt or a policy, in bytes.
MAX_TEXT_BYTES = 16 * 2**20

_Path = str | os.PathLike[str]

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
#: Opening a pipe without O_NONBLOCK blocks; for a regular file the flag changes nothing.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(path: _Path, *, follow: bool = True, folder: int | None = None) -> int:
    """A descriptor for reading a regular file.

    Args:
        path: The file.
        follow: Whether the last part of the path may be a symbolic link.
        folder: Descriptor of the folder that a relative path starts from.

    Raises:
        OSError: There is no such file, it cannot be opened, or it is not a regular file.
    """
    try:
        kind = os.stat(path, dir_fd=folder, follow_symlinks=follow).st_mode
        _require_regular(kind, path)
        flags = _READ if follow else _READ | os.O_NOFOLLOW
        descriptor = os.open(path, flags, dir_fd=folder)
    except ValueError as error:
        raise OSError(errno.EINVAL, _path_error(error), str(path)) from None
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_beneath(folder: _Path, relative: _Path) -> int:
    """A descriptor for reading a regular file below a folder, without following links there.

    The folder itself may be a link: the user chose it.

    Raises:
        OSError: As `open_regular`; also where the path is absolute, contains ``..``, or leads
            through a symbolic link.
    """
    path = PurePath(relative)
    if path.is_absolute() or ".." in path.parts:
        raise OSError(errno.EPERM, f"lies outside {folder}", str(relative))
    if not path.parts:
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(relative))
    try:
        current = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in path.parts[:-1]:
                if stat.S_ISLNK(os.stat(part, dir_fd=current, follow_symlinks=False).st_mode):
                    raise OSError(errno.ELOOP, _LINK, str(relative))
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                inner = os.open(part, flags, dir_fd=current)
                os.close(current)
                current = inner
            return open_regular(path.parts[-1], follow=False, folder=current)
        finally:
            os.close(current)
    except ValueError as error:
        raise OSError(errno.EINVAL, _path_error(error), str(relative)) from None


def open_binary(path: _Path) -> BinaryIO:
    """A regular file, open for reading bytes.

    Raises:
        OSError: As `open_regular`.
    """
    return os.fdopen(open_regular(path), "rb")


def open_text(path: _Path, *, encoding: str, newline: str | None = None) -> TextIO:
    """A regular file, open for reading text.

    Raises:
        OSError: As `open_regular`.
    """
    return io.TextIOWrapper(open_binary(path), encoding=encoding, newline=newline)


def read_bytes(path: _Path, *, limit: int = MAX_BYTES) -> bytes:
    """The content of a regular file.

    Args:
        path: The file.
        limit: Bytes at most.

    Raises:
        OSError: As `open_regular`, or the file is larger.
    """
    return _read(open_regular(path), limit, path)


def read_text(path: _Path, *, encoding: str = "utf-8-sig", limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a regular file, every line end a line feed.

    Raises:
        OSError: As `read_bytes`.
        UnicodeDecodeError: It is not text in that encoding.
    """
    return _lines_normalised(read_bytes(path, limit=limit).decode(encoding))


def read_bytes_beneath(folder: _Path, relative: _Path, *, limit: int = MAX_BYTES) -> bytes:
    """The content of a regular file below a folder; see `open_beneath`.

    Raises:
        OSError: As `open_beneath`, or the file is larger than `limit`.
    """
    return _read(open_beneath(folder, relative), limit, relative)


def read_text_beneath(
    folder: _Path, relative: _Path, *, encoding: str = "utf-8-sig", limit: int = MAX_TEXT_BYTES
) -> str:
    """The text of a regular file below a folder; see `open_beneath`.

    Raises:
        OSError: As `read_bytes_beneath`.
        UnicodeDecodeError: It is not text in that encoding.
    """
    return _lines_normalised(read_bytes_beneath(folder, relative, limit=limit).decode(encoding))


def is_regular(path: _Path) -> bool:
    """Whether a path leads to a regular file."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


_LINK = "is a symbolic link, and links are not followed here"


def _path_error(error: ValueError) -> str:
    """Why a text cannot be a path."""
    if isinstance(error, UnicodeEncodeError):
        return "its name has characters that this locale lacks; set LC_ALL=C.UTF-8"
    return "the path contains a null byte"


def _require_regular(mode: int, path: _Path) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFREG:
        return
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    if kind == stat.S_IFLNK:
        raise OSError(errno.ELOOP, _LINK, str(path))
    raise OSError(errno.EINVAL, f"is {_KINDS.get(kind, 'no file')}, not a file", str(path))


def _read(descriptor: int, limit: int, path: _Path) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"is larger than {limit // 2**20} MiB", str(path))
    return data


def _lines_normalised(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
