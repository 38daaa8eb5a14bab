"""What this stage asks of a search index over local sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from vlsu.build.sources.base import Candidate

__all__ = ["Hit", "Index"]


class Hit(Protocol):
    """An image that was found.

    Attributes:
        candidate: The image.
        ranks: Kind of search (``bm25``, ``embedding``, ``hybrid``) -> its place there, from 1;
            `None` beyond those that it gave.
        score: The higher, the better; of one search alone.
    """

    @property
    def candidate(self) -> Candidate: ...  # noqa: D102

    @property
    def ranks(self) -> Mapping[str, int | None]: ...  # noqa: D102

    @property
    def score(self) -> float: ...  # noqa: D102


class Index(Protocol):
    """A search over all local sources of a build."""

    def search(self, words: str, sentence: str, count: int) -> Sequence[Hit]:
        """The best images, at most `count`, the best first.

        Args:
            words: A few search words.
            sentence: The same as a sentence, for embeddings.
            count: How many.
        """
        ...
