"""Texts that say nearly the same: MinHash signatures in bands, and every candidate verified.

Source: Broder, *On the Resemblance and Containment of Documents*, 1997, with the banding of
Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, chapter 3. Two texts are alike if of
the runs of five characters in either at least `ALIKE` are in both (Jaccard similarity), after case,
punctuation, white space and Unicode form are put aside. Of pairs that are just so much alike 99%
become candidates; a pair that is no candidate is missed, and each candidate is verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vlsu._text import normal_form
from vlsu.data.checks.neighbours import expanded

__all__ = ["ALIKE", "SHARED", "Signatures", "band_codes", "normalised", "resemblance"]

#: Jaccard similarity from which two texts are near-duplicates.
ALIKE = 0.7
_RUN = 5
_BANDS, _ROWS = 25, 4
#: Texts whose signatures are computed together.
_BATCH = 2048
#: Bands that a pair has to share: at a similarity of 0.2 that is one pair of 1,300, at 0.7 99%.
SHARED = 2
#: Texts of one bucket that each of them is paired with; those further apart are joined by these.
_MAX_BUCKET = 16
#: Pairs made together.
_CHUNK = 2**20
_NO_WORD = re.compile(r"[\W_]+")

_PERMUTATIONS = np.random.default_rng(20_260_101).integers(
    0, 2**64, (2, _BANDS * _ROWS), dtype=np.uint64
)
_FACTORS, _OFFSETS = _PERMUTATIONS[0] | np.uint64(1), _PERMUTATIONS[1]
_POWERS = np.array([0x9E3779B97F4A7C15 ** (k + 1) % 2**64 for k in range(_RUN)], dtype=np.uint64)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def normalised(text: str) -> str:
    """A text's letters and digits, case-folded and in NFKC, with one space between words."""
    folded = text.lower() if text.isascii() else normal_form("NFKC", text).casefold()
    return _NO_WORD.sub(" ", folded).strip()


def resemblance(one: str, other: str) -> float:
    """Jaccard similarity of the runs of five characters of two normalised texts, in [0, 1]."""
    first, second = _runs(one), _runs(other)
    return len(first & second) / len(first | second)


def _runs(text: str) -> set[str]:
    return {text[at : at + _RUN] for at in range(max(1, len(text) - _RUN + 1))}


class Signatures:
    """Bands of the signatures of texts that were added, in 100 bytes a text."""

    def __init__(self) -> None:
        self._bands: list[NDArray[np.uint32]] = []
        self._waiting: list[str] = []

    def add(self, texts: Iterable[str]) -> None:
        """Add normalised texts, none empty; the first added is number 0."""
        self._waiting.extend(texts)
        while len(self._waiting) >= _BATCH:
            self._bands.append(band_codes(self._waiting[:_BATCH]))
            del self._waiting[:_BATCH]

    def candidates(self) -> Iterator[tuple[int, int]]:
        """Pairs of numbers of texts that share `SHARED` bands, each pair once."""
        if self._waiting:
            self._bands.append(band_codes(self._waiting))
            self._waiting = []
        if not self._bands:
            return
        bands = np.concatenate(self._bands)
        self._bands = [bands]
        n = len(bands)
        codes = [np.empty(0, dtype=np.int64)]
        for column in range(_BANDS):
            order = np.argsort(bands[:, column], kind="stable")
            ranked = bands[order, column]
            at = np.arange(n)
            ends = np.searchsorted(ranked, ranked, side="right")
            for left, right in expanded(at + 1, np.minimum(ends, at + 1 + _MAX_BUCKET), _CHUNK):
                one, other = order[left], order[right]
                codes.append(np.minimum(one, other) * n + np.maximum(one, other))
        shared, counts = np.unique(np.concatenate(codes), return_counts=True)
        for code in shared[counts >= SHARED]:
            yield divmod(int(code), n)


def band_codes(texts: Sequence[str]) -> NDArray[np.uint32]:
    """One number for each band of each normalised text, of shape (texts, 25); none is empty."""
    padded = [text.ljust(_RUN, "\0") for text in texts]
    points = np.frombuffer("".join(padded).encode("utf-32-le", "replace"), dtype="<u4")
    lengths = np.array([len(text) for text in padded])
    starts = np.cumsum(lengths) - lengths
    # A run that reaches into the next text is put where it changes no minimum: its own first run.
    at = np.arange(len(points))
    owner = np.repeat(starts, lengths)
    last = np.repeat(starts + lengths - _RUN, lengths)
    at = np.where(at <= last, at, owner)
    codes = points.astype(np.uint64)
    hashes = np.zeros(len(at), dtype=np.uint64)
    for k, power in enumerate(_POWERS):
        hashes += codes[at + k] * power
    hashes = (hashes ^ (hashes >> np.uint64(31))) * _MIX
    hashes ^= hashes >> np.uint64(29)
    keys = np.zeros((len(texts), _BANDS), dtype=np.uint64)
    for number, (factor, offset) in enumerate(zip(_FACTORS, _OFFSETS, strict=True)):
        least = np.minimum.reduceat((hashes * factor + offset) >> np.uint64(32), starts)
        band = number // _ROWS
        keys[:, band] = (keys[:, band] ^ least) * _MIX
        keys[:, band] ^= keys[:, band] >> np.uint64(29)
    return (keys >> np.uint64(16)).astype(np.uint32)
