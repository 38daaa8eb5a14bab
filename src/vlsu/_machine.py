"""What this machine lacks when something fails that is no fault of what was asked of it."""

from __future__ import annotations

import errno
import os
import re

from vlsu.errors import MachineError, VlsuError

__all__ = ["lacking", "lacking_by_number", "lacking_files"]

#: Words for what ran out, and what helps, by error number.
_LACKS = {
    errno.EMFILE: "no more files may be open; raise the limit (ulimit -n) or lower --concurrency",
    errno.ENFILE: "no more files may be open on this machine; close some programs",
    errno.ENOMEM: "there is no memory left; close some programs or lower --concurrency",
    errno.ENOBUFS: "the system has no buffers left; lower --concurrency",
    errno.EADDRNOTAVAIL: "no port is left for another connection; lower --concurrency",
    errno.ENOSPC: "the disk is full; free some",
    errno.EFBIG: "files may not grow so large; raise the limit (ulimit -f)",
    errno.EDQUOT: "the quota of the disk is used up; free some",
}
_NO_THREAD = "no more threads may be started; raise the limit (ulimit -u) or lower --concurrency"
#: Characters of an error's text that are looked at.
_LONGEST = 4096
_NUMBERED = re.compile(r"\[Errno (\d+)\]|\(os error (\d+)\)")


def lacking(error: BaseException) -> str | None:
    """What ran out on this machine, in words, if an error or what caused it says so.

    >>> lacking(OSError(24, "Too many open files"))
    'no more files may be open; raise the limit (ulimit -n) or lower --concurrency'
    >>> lacking(FileNotFoundError(2, "No such file or directory"))
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if words := _lacking(cause):
            return words
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _lacking(error: BaseException) -> str | None:
    if isinstance(error, MachineError):
        return str(error)
    if isinstance(error, VlsuError):  # may quote a server
        return None
    if isinstance(error, MemoryError):
        return _LACKS[errno.ENOMEM]
    if isinstance(error, OSError) and error.errno is not None:
        return _LACKS.get(error.errno)
    try:
        text = str(error)[:_LONGEST]
    except Exception:  # an error of a user's model may have no text at all
        return None
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return _NO_THREAD
    return lacking_by_number(text)  # a library's own kind of error, or several in one


def lacking_files() -> str | None:
    """The same where no more files may be open, of an error that does not say so."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return lacking(error)
    return None


def lacking_by_number(text: str) -> str | None:
    """The same of an error's text that names its number, as Python's and Rust's do."""
    for found in _NUMBERED.finditer(text):
        if words := _LACKS.get(int(found[1] or found[2])):
            return words
    return None
