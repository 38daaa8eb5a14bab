"""Which keys are stored, and in which row: kept in memory, 24 bytes a key.

A file that is only appended to has no index of its keys: they are random, so that each row would
touch a page of its own in one. Keys are hashes; they are compared by 128 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlsu.runs.store.sorted_digests import SortedDigests

__all__ = ["DIGEST", "DigestIndex", "digests_of"]

#: Bytes of a digest.
DIGEST = 16
#: Digests kept in a dictionary before they are sorted into an array.
_RECENT = 32_768


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
        self._state: tuple[tuple[SortedDigests, ...], dict[bytes, int]] = (), {}

    def __len__(self) -> int:
        runs, recent = self._state
        return sum(len(run.heads) for run in runs) + len(recent)

    def add(self, digests: bytes | bytearray, numbers: Sequence[int]) -> None:
        """Add digests that are not in it, one after another, with their numbers."""
        runs, recent = self._state
        if len(numbers) > _RECENT:
            self._state = _with(runs, digests, numbers), recent
            return
        for place, number in enumerate(numbers):
            recent[bytes(digests[place * DIGEST : (place + 1) * DIGEST])] = number
        if len(recent) >= _RECENT:
            self._state = _with(runs, b"".join(recent), list(recent.values())), {}

    def find(self, digests: bytes) -> list[int]:
        """The number of each digest, in their order; 0 for those that are not there."""
        runs, recent = self._state
        found: list[int] = []
        if runs:
            from vlsu.runs.store.sorted_digests import numbers_in

            found = numbers_in(runs, digests)
            if not recent:
                return found
        each = [digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST)]
        if not runs:
            return [recent.get(digest, 0) for digest in each]
        return [recent.get(digest, number) for digest, number in zip(each, found, strict=True)]


def _with(
    runs: tuple[SortedDigests, ...], digests: bytes | bytearray, numbers: Sequence[int]
) -> tuple[SortedDigests, ...]:
    # A start imports NumPy only where it finds so many.
    from vlsu.runs.store.sorted_digests import SortedDigests, with_another

    return with_another(runs, SortedDigests.of(digests, numbers))
