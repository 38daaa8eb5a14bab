"""How many files this process may have open; every request in flight is one."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

try:
    import resource
except ImportError:  # Windows, where sockets are no files
    resource = None  # type: ignore[assignment]

from vlsu.models.base import Model

__all__ = ["open_files", "release_connections"]

#: Kept free for all that is not a request: the store, images, looking up names, other libraries.
_SPARE = 64
#: Where there is no telling how many files are open.
_PERHAPS_OPEN = 64
#: Where the limit that may not be passed is none.
_MANY = 10_240
#: Seconds that closed connections are given to return their files, and between two looks.
_RELEASE_S = 5.0
_LOOK_S = 0.05

_lock = threading.Lock()
_users = 0
_before = 0


@contextmanager
def open_files(wanted: int) -> Iterator[int]:
    """Let as many files be open as are wanted, if this process may.

    The limit that applies is raised towards the one that may not be passed, and put back when the
    last block that is open ends, unless almost as many files are still open.

    Args:
        wanted: How many are to be opened.

    Yields:
        How many of these may be, at least 1.
    """
    if resource is None:
        yield wanted
        return
    with _lock:
        room = _raised(wanted)
    try:
        yield room
    finally:
        with _lock:
            _put_back()


def _raised(wanted: int) -> int:
    global _users, _before
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not _users:
        _before = limit
    _users += 1
    if limit == resource.RLIM_INFINITY:
        return wanted
    in_use = _in_use()
    needed = in_use + _SPARE + wanted
    most = _MANY if hard == resource.RLIM_INFINITY else hard
    if limit < needed and limit < most:
        with suppress(OSError, ValueError):  # a system with a rule of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, most), hard))
            limit = min(needed, most)
    return max(1, min(wanted, limit - in_use - _spare(limit)))


async def release_connections(model: Model) -> None:
    """Close a model's idle connections if they leave too few files to be opened for the results.

    A client keeps connections for later requests, and may open more of them than are ever in use
    at once. One that is closed returns its file a moment later, from another thread.
    """
    if getattr(model, "destination", None) is None or not _is_scarce():
        return
    await model.close()
    for _ in range(int(_RELEASE_S / _LOOK_S)):
        if not _is_scarce():
            return
        await asyncio.sleep(_LOOK_S)


def _spare(limit: int) -> int:
    return min(_SPARE, limit // 4)


def _is_scarce() -> bool:
    """Whether fewer files may be opened than are kept free for all that is not a request."""
    if resource is None:
        return False
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit != resource.RLIM_INFINITY and limit - _in_use() < _spare(limit)


def _put_back() -> None:
    global _users
    _users -= 1
    if not _users:
        limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        fits = _before == resource.RLIM_INFINITY or _in_use() + _SPARE // 2 <= _before
        if limit != _before and fits:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (_before, hard))


def _in_use() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))  # noqa: PTH208 - no Path for each is needed
        except OSError as error:
            if error.errno == errno.EMFILE:
                return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _PERHAPS_OPEN
