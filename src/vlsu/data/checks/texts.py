"""Which texts of one or several datasets are alike, with their hashes and signatures only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from vlsu.data.checks.groups import Groups
from vlsu.data.checks.minhash import ALIKE, Signatures, normalised, resemblance
from vlsu.data.datasets.writer import hash64

__all__ = ["Texts"]

#: Pairs of texts that are read again together.
_BATCH = 10_000
#: Dataset and row of a text.
Place = tuple[int, int]


class Texts:
    """Distinct normalised texts, by `hash64`; some 200 bytes a text."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._places: list[Place] = []
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
            self._places.append(place)
            self._signatures.add([plain])
        return key

    def alike(self, read: Callable[[Iterable[Place]], Mapping[Place, str]]) -> dict[int, int]:
        """Hash of a normalised text -> that of the first of the texts that are alike to it.

        Args:
            read: The texts at places.
        """
        groups = Groups(len(self._places))
        candidates = self._signatures.candidates()
        while batch := [pair for pair, _ in zip(candidates, range(_BATCH), strict=False)]:
            places = {self._places[number] for number in chain.from_iterable(batch)}
            texts = {place: normalised(text) for place, text in read(places).items()}
            groups.join(
                (one, other)
                for one, other in batch
                if resemblance(texts[self._places[one]], texts[self._places[other]]) >= ALIKE
            )
        keys = list(self._numbers)
        return {key: keys[first] for key, first in zip(keys, groups.first().tolist(), strict=True)}
