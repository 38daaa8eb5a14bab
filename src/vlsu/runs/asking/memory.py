"""Bytes of images in flight: a bound on memory, beside the number of requests.

A request holds its images in base64 until it is answered. How large they are is known once they are
read; before that a request counts as the mean of those that had as many images.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from pathlib import Path

from vlsu.errors import UsageError
from vlsu.models.base import Encoded, ImageFile, ImageSource, Request

__all__ = ["InFlightBytes", "machine_memory", "read_bytes"]

#: Of the machine's memory, what requests in flight may hold if the user does not say.
SHARE = 1 / 4
#: How much a new measurement moves the mean.
_WEIGHT = 1 / 8
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")
#: Where the kernel says how much a container may use: control groups, version 2 and 1.
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container that this process is in."""
    try:
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        most = 8 * 10**9
    for each in _CGROUPS:
        try:
            limit = Path(each).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if limit.isdigit():
            most = min(most, int(limit))
    return most


def read_bytes(given: str, option: str = "max-memory") -> int:
    """An amount of memory as people write it: ``2GB``, ``512MiB``, ``25%`` of the machine.

    Raises:
        UsageError: It is none, or nothing.

    >>> read_bytes("1.5 GB"), read_bytes("2KiB")
    (1500000000, 2048)
    """
    text = given.strip()
    if share := _SHARE.fullmatch(text):
        amount = float(share[1]) / 100 * machine_memory()
        possible = 0 < float(share[1]) <= 100
    elif size := _SIZE.fullmatch(text):
        unit = _UNITS[size[2].lower()]
        if size[3]:
            unit = 2 ** (10 * list(_UNITS).index(size[2].lower()))
        amount = float(size[1]) * unit
        possible = amount >= 1
    else:
        possible, amount = False, 0.0
    if not possible:
        raise UsageError(f"{option} {given!r}: write it as 2GB, 512MB or 25%")
    return int(amount)


class InFlightBytes:
    """How many bytes of images the requests in flight hold, and who waits for some to be free.

    One request is let through whatever it holds.

    Args:
        most: The bound.
        unknown: So many requests may be in flight while it is not known how large images are.

    Attributes:
        held: Bytes now, of which some are estimates.
        peak: The most so far.
    """

    def __init__(self, most: int, unknown: int = 32) -> None:
        self.most = most
        self._unknown = unknown
        self._known = False
        self.held = self.peak = 0
        self._requests = 0
        self._mean = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether another request with an image has to wait."""
        if not self._known:
            return self._requests >= self._unknown
        return self._requests > 0 and self.held + self._mean > self.most

    async def wait(self) -> None:
        """Wait until there may be room; those who wait come one after another."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def pass_on(self) -> None:
        """Whoever waited sends nothing after all: the next one may."""
        self.add(0)

    def stop(self) -> None:
        """Let all who wait go on: the run ends."""
        while self._waiting:
            self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # not cancelled
                turn.set_result(None)
                return

    def begin(self, request: Request, images: ImageSource) -> Held | None:
        """A request goes out; `None` if it has no image."""
        return Held(self, images, len(found)) if (found := request.images) else None

    def add(self, more: int, requests: int = 0) -> None:
        """So many bytes, and requests, more are in flight; negative if they no longer are."""
        self.held += more
        self._requests += requests
        self.peak = max(self.peak, self.held)
        if self._waiting and not self.is_full:
            self._wake_one()

    def at_least(self, size: int) -> None:
        """So many bytes are in flight for one request, the first of which any are known."""
        self._mean, self._known = self._mean or size, True

    def measured(self, size: int) -> None:
        """So many bytes were in flight for one request."""
        self._known = True
        self._mean += (size - self._mean) * _WEIGHT

    @property
    def estimate(self) -> int:
        """What a request is taken to hold before its images are read."""
        return int(self._mean)


class Held:
    """The images of one request in flight, counted as they are read.

    Args:
        owner: Where they count.
        images: Where they are read.
        count: How many there are.
    """

    __slots__ = ("_count", "_images", "_owner", "_read", "_reserved")

    def __init__(self, owner: InFlightBytes, images: ImageSource, count: int) -> None:
        self._owner = owner
        self._images = images
        self._count = count
        self._reserved = owner.estimate
        self._read = 0
        owner.add(self._reserved, 1)

    def read_image(self, sha256: str) -> ImageFile:
        """An image; see `ImageSource`."""
        image = self._images.read_image(sha256)
        self._add(len(image.data))
        return image

    def read_encoded(self, sha256: str) -> Encoded:
        """An image in base64; see `ImageSource`."""
        image = self._images.read_encoded(sha256)
        self._add(len(image.base64))
        return image

    def _add(self, size: int) -> None:
        self._read += size
        if self._read > self._reserved:
            self._owner.at_least(size * self._count)
            self._owner.add(self._read - self._reserved)
            self._reserved = self._read

    def end(self) -> None:
        """The request has ended."""
        self._owner.measured(self._read)
        self._owner.add(-self._reserved, -1)
