"""All pairs of 256-bit hashes that differ in few bits, without comparing every pair.

Multi-index hashing (Norouzi, Punjani and Fleet, *Fast Exact Search in Hamming Space with
Multi-Index Hashing*, 2014): of 16 bands of 16 bits, two hashes that differ in at most 31 bits
differ in at most one bit of some band. So hashes are sorted by each band, and only those whose band
is equal or one bit apart are compared. That finds every pair, unless a band's bucket holds more
than `MAX_BUCKET` hashes, each of which is then compared with that many.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_BUCKET", "MAX_DISTANCE", "close_pairs", "expanded"]

#: The greatest distance up to which every pair is found.
MAX_DISTANCE = 31
#: Hashes of one bucket that each of another is compared with.
MAX_BUCKET = 16_384

_BANDS, _VALUES = 16, 2**16
#: Pairs compared together.
_CHUNK = 2**20

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def close_pairs(
    hashes: NDArray[np.uint64], distance: int = MAX_DISTANCE, *, chunk: int = _CHUNK
) -> Iterator[Pairs]:
    """Pairs of rows whose hashes differ in at most `distance` bits, in no order.

    Memory is some 150 bytes a hash beside the hashes, and `chunk` pairs.

    Args:
        hashes: Of shape (n, 4), distinct.
        distance: At most `MAX_DISTANCE`.
        chunk: Pairs compared together.

    Yields:
        The first and the second row of each pair, and the bits they differ in. A pair may come more
        than once.
    """
    words = np.ascontiguousarray(hashes, dtype="<u8")
    bands = words.view("<u2").reshape(-1, _BANDS)
    for band in range(_BANDS):
        keys = np.ascontiguousarray(bands[:, band])
        order = np.argsort(keys, kind="stable").astype(np.int64)
        ranked = keys[order].astype(np.int64)
        starts = np.searchsorted(ranked, np.arange(_VALUES + 1))
        # Two words in which this band is not: of pairs that are not alike, none gets past them.
        there = words[order]
        first, second = (2, 3) if band < _BANDS // 2 else (0, 1)
        sieve = np.ascontiguousarray(there[:, first]), np.ascontiguousarray(there[:, second])
        for flip in (0, *(1 << bit for bit in range(16))):
            partner = ranked ^ flip
            low, high = starts[partner], starts[partner + 1]
            at = np.arange(len(ranked))
            if flip:
                high = np.where(partner > ranked, high, low)
            else:
                low = at + 1
            high = np.minimum(high, low + MAX_BUCKET)
            for left, right in expanded(low, high, chunk):
                rough = np.bitwise_count(sieve[0][left] ^ sieve[0][right]).astype(np.int64)
                rough += np.bitwise_count(sieve[1][left] ^ sieve[1][right])
                likely = np.flatnonzero(rough <= distance)
                left, right = left[likely], right[likely]
                apart = np.bitwise_count(there[left] ^ there[right]).sum(axis=1, dtype=np.int64)
                near = apart <= distance
                if near.any():
                    yield order[left[near]], order[right[near]], apart[near]


def expanded(
    low: NDArray[np.int64], high: NDArray[np.int64], chunk: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each row with every number from its `low` to before its `high`, some `chunk` at a time.

    Args:
        low: A number of each row.
        high: Another, not below it.
        chunk: Pairs at a time, unless a row alone has more.
    """
    counts = high - low
    ends = np.cumsum(counts)
    start, done = 0, 0
    while start < len(counts):
        stop = max(start + 1, int(np.searchsorted(ends, done + chunk, side="right")))
        of_chunk = counts[start:stop]
        left = np.repeat(np.arange(start, stop), of_chunk)
        within = np.arange(len(left)) - np.repeat(np.cumsum(of_chunk) - of_chunk, of_chunk)
        if len(left):
            yield left, low[left] + within
        done, start = int(ends[stop - 1]), stop
