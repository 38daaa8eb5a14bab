"""Writing into a folder that others may share: one process at a time, and no surprise at the end.

That everything a run will write can be written is checked before anything is asked. Who else may
write there is decided by the user's umask and the folder's mode.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlsu.errors import RunError

__all__ = ["create_file", "locked", "locked_file", "require_writable"]

#: Room that there must be before a run begins, in bytes.
_ROOM = 2**18
#: The umask takes away from it what the user keeps from others.
_MODE = 0o666
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes of this package from writing to it.

    The lock is the process's: it ends with it, however that ends, and what a dead one left in the
    file is no lock.

    Raises:
        RunError: It cannot be made or written, or another process has it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _open_lock(folder / ".lock")
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            raise RunError(f"{folder}: is a file, or inside one; choose another --out") from None
        raise _cannot_write(folder, error) from None
    with _held(descriptor, folder, "is running here; wait for it or stop it"):
        yield


@contextlib.contextmanager
def locked_file(file: Path) -> Iterator[None]:
    """Keep other processes of this package from working with a file; the lock is beside it.

    Raises:
        RunError: The lock cannot be made, or another process has it.
    """
    try:
        descriptor = _open_lock(file.with_name(f"{file.name}.lock"))
    except OSError as error:
        raise _cannot_write(file, error) from None
    with _held(descriptor, file, "works with it; wait for it or stop it"):
        yield


@contextlib.contextmanager
def _held(descriptor: int, what: Path, does: str) -> Iterator[None]:
    """Hold a lock, and close its file at the end."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise RunError(f"{what}: {_holder(descriptor)} {does}") from None
            raise RunError(
                f"{what}: cannot be locked ({error.strerror}); choose an --out on another file "
                "system"
            ) from None
        with contextlib.suppress(OSError):  # on a full disk; it only names who is here
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    flags = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | flags, _MODE)
    except PermissionError:
        if not os.path.lexists(path):
            raise
        # Another user's, whose mode keeps us from writing who is here; it can be held all the same.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _holder(descriptor: int) -> str:
    """``process 4242`` or ``process 4242 on another host``, as the lock file says."""
    words = os.pread(descriptor, 300, 0).decode(errors="replace").split()
    who = f"process {words[0]}" if words and words[0].isdecimal() else "another process"
    elsewhere = len(words) == 2 and words[1] != socket.gethostname()
    return f"{who} on {words[1]}" if elsewhere else who


def require_writable(folder: Path, files: Sequence[Path]) -> None:
    """Refuse a folder in which these files could not be written or replaced later.

    Raises:
        RunError: There is no room or no right to write, or one of them is a folder.
    """
    for file in files:
        if file.is_dir():
            raise RunError(f"{file}: is a folder where a file is to be written; remove it")
        if not _replaceable(file):
            raise RunError(
                f"{file}: belongs to {_owner(file)} and cannot be replaced in this folder; have it "
                "removed, or choose another --out"
            )
    probe = folder / f".room.{os.getpid()}.tmp"
    try:
        try:
            with probe.open("wb") as written:
                written.write(b"\0" * _ROOM)
                written.flush()
                os.fsync(written.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from None


def _replaceable(file: Path) -> bool:
    """Whether the folder lets this user replace a file: in a sticky one, only his own."""
    try:
        about, folder = file.lstat(), file.parent.stat()
    except OSError:
        return True
    mine = os.geteuid() in (0, about.st_uid, folder.st_uid)
    return mine or not folder.st_mode & stat.S_ISVTX


def create_file(file: Path) -> None:
    """Make an empty file with the rights that the umask leaves, unless there is one to write to.

    Raises:
        RunError: It cannot be made or written, or is no regular file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags, _MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RunError(f"{file}: is a link, which is not followed; remove it") from None
        if error.errno in _DENIED and file.exists():
            raise RunError(
                f"{file}: belongs to {_owner(file)} and cannot be written ({error.strerror}); have "
                f"the right to write given (chmod g+w {file.name}), or choose another --out"
            ) from None
        raise _cannot_write(file, error) from None
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    if not regular:
        raise RunError(f"{file}: is not a regular file; remove it")


def sync_folder(folder: Path) -> None:
    """Have a folder's entries on disk.

    Raises:
        OSError: The file system cannot.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> RunError:
    if error.errno in _FULL:
        return RunError(f"{path}: the disk is full; free some and run the command again")
    return RunError(f"{path}: cannot be written ({error.strerror}); choose another --out")


def _owner(file: Path) -> str:
    try:
        number = file.lstat().st_uid
    except OSError:
        return "another user"
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
