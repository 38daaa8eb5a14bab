"""Near-duplicates among texts that come one after the other.

Two texts are alike as in `vlsu.data.checks.minhash`, which has the sources: of the runs of five
characters in either at least `ALIKE` are in both. Candidates share `SHARED` bands of their MinHash
signatures, and each is verified; of pairs that are just so much alike 99% are found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice

from vlsu.data.checks.minhash import ALIKE, SHARED, band_codes, normalised, resemblance

__all__ = ["Texts"]

#: Texts whose signatures are computed together, in a small part of the time.
_BATCH = 2048


class Texts:
    """Texts that were added, and whether another one is nearly the same; some 3 kB a text.

    Args:
        texts: The first ones.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._by_band: dict[tuple[int, int], list[int]] = {}
        some = iter(texts)
        while batch := [*islice(some, _BATCH)]:
            plain = [text for each in batch if (text := normalised(each))]
            for text, codes in zip(plain, band_codes(plain).tolist() if plain else (), strict=True):
                self._add(text, enumerate(codes))

    def add(self, text: str) -> None:
        """Add a text; one without a letter or digit is like no other."""
        if text := normalised(text):
            self._add(text, _bands(text))

    def _add(self, text: str, bands: Iterable[tuple[int, int]]) -> None:
        for band in bands:
            self._by_band.setdefault(band, []).append(len(self._texts))
        self._texts.append(text)

    def has_alike(self, text: str) -> bool:
        """Whether a text that was added is nearly the same."""
        if not (text := normalised(text)):
            return False
        shared = Counter(number for band in _bands(text) for number in self._by_band.get(band, ()))
        return any(
            resemblance(text, self._texts[number]) >= ALIKE
            for number, count in shared.items()
            if count >= SHARED
        )


@lru_cache(maxsize=64)
def _bands(text: str) -> Sequence[tuple[int, int]]:
    return tuple(enumerate(band_codes([text])[0].tolist()))
