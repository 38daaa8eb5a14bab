"""Which texts of one or several datasets are alike, with their hashes and signatures only."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice

import numpy as np

from vlsu.data.checks.groups import Groups
from vlsu.data.checks.minhash import ALIKE, Signatures, normalised, resemblance
from vlsu.data.datasets.writer import hash64

__all__ = ["Texts"]

#: Pairs of texts that are read again together.
_BATCH = 200_000
#: Dataset and row of a text.
Place = tuple[int, int]


class Texts:
    """Distinct normalised texts, by `hash64`; some 300 bytes a text."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._sources, self._rows = array("H"), array("Q")
        self._signatures = Signatures()

    def add(self, text: str, place: Place) -> int | None:
        """Add a text and return the hash of its normalised form; `None` if nothing is left of it.

        Args:
            text: The text.
            place: From which it can be read again.
        """
        plain = normalised(text)
        if not plain:
            return None
        key = hash64(plain)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._sources.append(place[0])
            self._rows.append(place[1])
            self._signatures.add([plain])
        return key

    def alike(self, read: Callable[[Iterable[Place]], Mapping[Place, str]]) -> dict[int, int]:
        """Hash of a normalised text -> that of the first of the texts alike, if that is another.

        Args:
            read: The texts at places.
        """
        groups = Groups(len(self._rows))
        candidates = self._signatures.candidates()
        while batch := list(islice(candidates, _BATCH)):
            places = {n: (self._sources[n], self._rows[n]) for n in chain.from_iterable(batch)}
            held = read(places.values())
            texts = {number: normalised(held[place]) for number, place in places.items()}
            groups.join(
                (one, other)
                for one, other in batch  # of many that are alike most are together by now
                if not groups.together(one, other)
                and resemblance(texts[one], texts[other]) >= ALIKE
            )
        keys = np.fromiter(self._numbers, dtype=np.uint64, count=len(self._numbers))
        first = groups.first()
        moved = np.flatnonzero(first != np.arange(len(first)))
        return dict(zip(keys[moved].tolist(), keys[first[moved]].tolist(), strict=True))
