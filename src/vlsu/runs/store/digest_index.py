"""Which keys are stored, and in which row: kept in memory, 24 bytes a key.

A file that is only appended to has no index of its keys: they are random, so that each row would
touch a page of its own in one. Keys are hashes; they are compared by 128 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["DIGEST", "DigestIndex", "digests_of"]

#: Bytes of a digest.
DIGEST = 16
#: Digests kept in a dictionary before they are sorted into an array.
_RECENT = 32_768

_Words = npt.NDArray[np.uint64]
_Numbers = npt.NDArray[np.int64]
#: Digests sorted by their first 64 bits: these, their other 64 bits, and the rows' numbers.
_Run = tuple[_Words, _Words, _Numbers]


def digests_of(keys: Sequence[str]) -> bytes:
    """16 bytes for each key: those it names in hexadecimal digits, else a hash of it."""
    named = _named(keys)
    return b"".join(map(_digest, keys)) if named is None else named


def _digest(key: str) -> bytes:
    named = _named([key])
    if named is not None:
        return named
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=DIGEST).digest()


def _named(keys: Sequence[str]) -> bytes | None:
    """The digests that all of these keys name in hexadecimal digits; `None` if one names none."""
    joined = "".join(keys)
    if any(len(key) != 2 * DIGEST for key in keys):
        return None
    try:
        digests = bytes.fromhex(joined)
    except ValueError:
        return None
    return digests if digests.hex() == joined else None


class DigestIndex:
    """Digest -> number of the row that has it, a positive integer.

    One thread may add while others look up.
    """

    def __init__(self) -> None:
        self._state: tuple[tuple[_Run, ...], dict[bytes, int]] = (), {}

    def __len__(self) -> int:
        runs, recent = self._state
        return sum(len(run[0]) for run in runs) + len(recent)

    def add(self, digests: bytes | bytearray, numbers: Sequence[int] | _Numbers) -> None:
        """Add digests that are not in it, one after another, with their numbers."""
        if len(numbers) > _RECENT:
            runs, recent = self._state
            self._state = _with(runs, _sorted(digests, np.asarray(numbers, np.int64))), recent
            return
        runs, recent = self._state
        for place, number in enumerate(numbers):
            recent[bytes(digests[place * DIGEST : (place + 1) * DIGEST])] = int(number)
        if len(recent) >= _RECENT:
            run = _sorted(b"".join(recent), np.fromiter(recent.values(), np.int64, len(recent)))
            self._state = _with(runs, run), {}

    def find(self, digests: bytes) -> _Numbers:
        """The number of each digest, in their order; 0 for those that are not there."""
        count = len(digests) // DIGEST
        runs, recent = self._state
        found = np.zeros(count, np.int64)
        if count and runs:
            words = np.frombuffer(digests, ">u8").astype(np.uint64)
            heads, tails = words[::2], words[1::2]
            for run in runs:
                _find(run, heads, tails, found)
        if recent:
            for place in range(count):
                number = recent.get(digests[place * DIGEST : (place + 1) * DIGEST])
                if number is not None:
                    found[place] = number
        return found


def _sorted(digests: bytes | bytearray, numbers: _Numbers) -> _Run:
    words = np.frombuffer(digests, ">u8")
    heads = words[::2].astype(np.uint64)
    order = np.argsort(heads, kind="stable")
    heads = heads[order]
    return heads, words[1::2][order].astype(np.uint64), numbers[order]


def _with(runs: tuple[_Run, ...], run: _Run) -> tuple[_Run, ...]:
    """One more run; those of like size are merged, so that there are few."""
    while runs and len(runs[-1][0]) <= 2 * len(run[0]):
        heads, tails, numbers = (np.concatenate(pair) for pair in zip(runs[-1], run, strict=True))
        order = np.argsort(heads, kind="stable")
        run = heads[order], tails[order], numbers[order]
        runs = runs[:-1]
    return (*runs, run)


def _find(run: _Run, heads: _Words, tails: _Words, found: _Numbers) -> None:
    """Put in the numbers of what this run has."""
    sorted_heads, sorted_tails, numbers = run
    places = np.searchsorted(sorted_heads, heads)
    np.minimum(places, len(sorted_heads) - 1, out=places)
    alike = sorted_heads[places] == heads
    same = alike & (sorted_tails[places] == tails)
    found[same] = numbers[places[same]]
    for each in np.flatnonzero(alike & ~same):  # digests that share their first 64 bits
        place = int(places[each])
        while place < len(sorted_heads) and sorted_heads[place] == heads[each]:
            if sorted_tails[place] == tails[each]:
                found[each] = numbers[place]
                break
            place += 1
