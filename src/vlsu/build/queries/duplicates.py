"""Near-duplicates among texts that come one after the other.

Two texts are alike as in `vlsu.data.checks.minhash`: of the runs of five characters in either at
least `ALIKE` are in both. Found without a miss by prefix filtering: if the runs of each text are in
one order, two texts that are so much alike share one among the first few (Chaudhuri, Ganti and
Kaushik, *A Primitive Operator for Similarity Joins*, ICDE 2006; Bayardo, Ma and Srikant, *Scaling
Up All Pairs Similarity Search*, WWW 2007).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable

from vlsu.data.checks.minhash import ALIKE, normalised, resemblance

__all__ = ["Texts"]

_RUN = 5


class Texts:
    """Texts that were added, and whether another one is nearly the same.

    Args:
        texts: The first ones.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._by_run: dict[str, list[int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add a text; one without a letter or digit is like no other."""
        if not (text := normalised(text)):
            return
        for run in _prefix(text):
            self._by_run.setdefault(run, []).append(len(self._texts))
        self._texts.append(text)

    def has_alike(self, text: str) -> bool:
        """Whether a text that was added is nearly the same."""
        text = normalised(text)
        near = {number for run in _prefix(text) for number in self._by_run.get(run, ())}
        return any(resemblance(text, self._texts[number]) >= ALIKE for number in near)


def _prefix(text: str) -> list[str]:
    """Of the runs of a text, those of which every text that is alike has one in its own prefix.

    If two sets have a Jaccard similarity of at least t, they have at least t * n elements in
    common, n being the size of either; so the first n - ceil(t * n) + 1 of either, in a common
    order, meet.
    """
    runs = {text[at : at + _RUN] for at in range(max(1, len(text) - _RUN + 1))}
    ordered = sorted(runs, key=lambda run: (zlib.crc32(run.encode("utf-8", "replace")), run))
    return ordered[: len(runs) - math.ceil(ALIKE * len(runs) - 1e-9) + 1]
