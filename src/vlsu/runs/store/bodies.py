"""Bodies of responses as they are stored: deflated with a dictionary of like ones.

The answers of a model differ in little: with some of them as a preset dictionary (RFC 1950, section
2.2; `zlib.compressobj`'s ``zdict``), a body of 800 bytes takes about 100. A dictionary serves some
thousands of rows and stands in the file several times, so that a damaged page costs no other rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence

__all__ = ["COPIES", "DICTIONARY", "FIRST_DICTIONARY", "PLAIN", "Deflater", "inflated", "sampled"]

#: How a body is stored: as it is, or deflated without a dictionary; from `FIRST_DICTIONARY` on with
#: the dictionary of that number.
PLAIN, _BARE = 0, 1
FIRST_DICTIONARY = 2
#: Bytes of a dictionary, at most: it fills one page of the file.
DICTIONARY = 3_600
#: A dictionary stands in its table at the places ``number * COPIES`` and the following ones.
COPIES = 16
#: Raw deflate; any window can be read with the largest.
_LARGEST_WINDOW = -15
#: A body of so many bytes or fewer is deflated with a small window, which is made faster.
_SMALL = 8_192
#: Bytes of one body that go into a dictionary, at most.
_PART = 1_200
#: A body of more bytes than this was not stored by this package.
_LONGEST = 64 * 2**20


class Deflater:
    """Deflates bodies with one dictionary.

    Args:
        number: The dictionary's; ignored where there is none.
        dictionary: Bytes like those that are to be deflated; may be empty.
    """

    def __init__(self, number: int = 0, dictionary: bytes = b"") -> None:
        self._coding = number if dictionary else _BARE
        self._small = _compressor(6, -12, 5, dictionary)
        self._large = _compressor(4, _LARGEST_WINDOW, 8, dictionary)

    def deflated(self, body: bytes) -> tuple[int, bytes]:
        """How a body is stored, and what is stored of it."""
        compressor = (self._small if len(body) <= _SMALL else self._large).copy()
        data = compressor.compress(body) + compressor.flush()
        return (self._coding, data) if len(data) < len(body) else (PLAIN, body)


def _compressor(level: int, window: int, memory: int, dictionary: bytes) -> zlib._Compress:
    if not dictionary:
        return zlib.compressobj(level, zlib.DEFLATED, window, memory)
    return zlib.compressobj(level, zlib.DEFLATED, window, memory, zdict=dictionary)


def inflated(coding: int, data: bytes, dictionary: Callable[[int], bytes]) -> bytes | None:
    """A body as it was received; `None` if it cannot be read.

    Args:
        coding: How it is stored.
        data: What is stored.
        dictionary: The dictionary of a number; empty if it is lost.
    """
    if coding == PLAIN:
        return data
    preset = b""
    if coding != _BARE and not (preset := dictionary(coding)):
        return None
    inflater = zlib.decompressobj(_LARGEST_WINDOW, zdict=preset)
    try:
        body = inflater.decompress(data, _LONGEST)
    except zlib.error:
        return None
    return body if inflater.eof else None


def sampled(bodies: Sequence[bytes]) -> bytes:
    """A dictionary out of some bodies, evenly drawn, so that it has something of each kind."""
    if not bodies:
        return b""
    step = max(1, len(bodies) // 16)
    return _joined(bodies[::step])


def _joined(bodies: Iterable[bytes]) -> bytes:
    taken: list[bytes] = []
    room = DICTIONARY
    for body in bodies:
        part = body[: min(_PART, room)]
        taken.append(part)
        room -= len(part)
        if room <= 0:
            break
    return b"".join(reversed(taken))  # what is likely stands last, where it is near
