"""Recognising failures caused by an exhausted resource: files, memory, disk, threads or ports."""

from __future__ import annotations

import errno
import os
import re

from vlsu.errors import MachineError, VlsuError

__all__ = ["exhausted_file_descriptors", "exhausted_resource", "exhausted_resource_in_text"]

#: What is exhausted and how to fix it, by error number.
_EXHAUSTED = {
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
#: Maximum characters of an error's text that are inspected.
_MAX_LENGTH = 4096
_NUMBERED = re.compile(r"\[Errno (\d+)\]|\(os error (\d+)\)")


def exhausted_resource(error: BaseException) -> str | None:
    """Which resource is exhausted, and the fix, if an error or one of its causes says so.

    >>> exhausted_resource(OSError(24, "Too many open files"))
    'no more files may be open; raise the limit (ulimit -n) or lower --concurrency'
    >>> exhausted_resource(FileNotFoundError(2, "No such file or directory"))
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if description := _exhausted(cause):
            return description
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _exhausted(error: BaseException) -> str | None:
    if isinstance(error, MachineError):
        return str(error)
    if isinstance(error, VlsuError):  # may quote a server
        return None
    if isinstance(error, MemoryError):
        return _EXHAUSTED[errno.ENOMEM]
    if isinstance(error, OSError) and error.errno is not None:
        return _EXHAUSTED.get(error.errno)
    try:
        text = str(error)[:_MAX_LENGTH]
    except Exception:  # a custom error class may fail to give a message
        return None
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return _NO_THREAD
    return exhausted_resource_in_text(text)  # a library's own kind of error, or several in one


def exhausted_file_descriptors() -> str | None:
    """The same for file descriptors, tested by opening a file: for errors that do not tell."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return exhausted_resource(error)
    return None


def exhausted_resource_in_text(text: str) -> str | None:
    """The same from the error number in a message, as Python and Rust write it."""
    for found in _NUMBERED.finditer(text):
        if description := _EXHAUSTED.get(int(found[1] or found[2])):
            return description
    return None
