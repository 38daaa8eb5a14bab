"""Concepts that say nearly the same: in words, and in meaning where that can be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from vlsu.data.checks.minhash import Signatures, normalised, resemblance
from vlsu.errors import MissingExtraError

__all__ = ["SAME_MEANING", "SAME_WORDS", "Concepts", "Nearest", "embedded"]

#: Jaccard similarity of runs of five characters from which two sentences are near-duplicates: of
#: sentences as short as these, 0.7 is reached by "A dog asleep on a porch" and "A cat asleep ...".
SAME_WORDS = 0.8
#: Cosine of two sentences' embeddings (all-MiniLM-L6-v2) from which they describe one image.
SAME_MEANING = 0.9
#: Sentences whose embeddings are kept: some 30 MB.
_REMEMBERED = 20_000

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest of the concepts that are kept.

    Attributes:
        words: Jaccard similarity of runs of five characters, of the likeliest candidates; 0 if
            there is none.
        meaning: Cosine of embeddings; `None` if none could be made.
    """

    words: float
    meaning: float | None

    @property
    def alike(self) -> bool:
        """Whether the two are near-duplicates."""
        return self.words >= SAME_WORDS or (
            self.meaning is not None and self.meaning >= SAME_MEANING
        )

    def about(self) -> dict[str, float | None]:
        """JSON-ready, rounded."""
        meaning = None if self.meaning is None else round(self.meaning, 4)
        return {"words": round(self.words, 4), "meaning": meaning}


class Concepts:
    """Concepts that are kept, and those that wait to be compared with them in their order.

    Args:
        kept: Concepts that are kept already.
        waiting: Those to be decided on; empty ones are like no other.
    """

    def __init__(self, kept: Sequence[str], waiting: Sequence[str]) -> None:
        self._first = len(kept)
        texts = [*kept, *waiting]
        plain = [normalised(text) for text in texts]
        self._kept = np.zeros(len(texts), dtype=bool)
        self._kept[: len(kept)] = True
        self._like: dict[int, list[tuple[int, float]]] = {}
        signatures = Signatures()
        there = [number for number, text in enumerate(plain) if text]
        signatures.add(plain[number] for number in there)
        for one, other in signatures.candidates():
            former, latter = there[one], there[other]
            if latter >= self._first:
                share = resemblance(plain[former], plain[latter])
                self._like.setdefault(latter, []).append((former, share))
        self._vectors = embedded(texts)

    def nearest(self, position: int) -> Nearest:
        """How near a waiting concept is to one that is kept, or was kept since.

        Args:
            position: Among those waiting.
        """
        at = self._first + position
        candidates = (share for other, share in self._like.get(at, ()) if self._kept[other])
        meaning = None
        if self._vectors is not None:
            cosines = (self._vectors @ self._vectors[at])[self._kept]
            meaning = float(cosines.max(initial=0.0))
        return Nearest(max(candidates, default=0.0), meaning)

    def keep(self, position: int) -> None:
        """Keep a waiting concept: those after it are compared with it too."""
        self._kept[self._first + position] = True


def embedded(texts: Sequence[str]) -> Vectors | None:
    """Embeddings of sentences, ``(n, 384)``, of length 1; 0 for one without a word.

    `None` where the extra ``baseline`` is not installed.
    """
    encode = _encoder()
    if encode is None:
        return None
    rows = [encode(text) for text in texts]
    return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)


@cache
def _encoder() -> Callable[[str], Vectors] | None:
    from vlsu.models.baseline.embedding import DIMENSIONS, SentenceEncoder

    try:
        encoder = SentenceEncoder()
    except MissingExtraError:
        return None

    @lru_cache(maxsize=_REMEMBERED)
    def encode(text: str) -> Vectors:
        windows = encoder.encode(text)
        if not len(windows):
            return np.zeros(DIMENSIONS, dtype=np.float32)
        mean: Vectors = windows.mean(axis=0)
        return mean / np.float32(np.linalg.norm(mean))

    return encode
