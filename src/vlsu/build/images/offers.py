"""What the sources offer for a concept, in the order in which it is looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from vlsu.build.sources.base import Candidate

__all__ = ["Offer", "candidate_hash", "in_turn"]


@dataclass(frozen=True, slots=True)
class Offer:
    """An image that a source offers for a concept.

    Attributes:
        ranks: Its place in each kind of search, from 1.
    """

    candidate: Candidate
    ranks: Mapping[str, int | None]

    @property
    def key(self) -> str:
        """By which it is known again; see `candidate_hash`."""
        return candidate_hash(self.candidate.source, self.candidate.id)


def candidate_hash(source: str, id_: str) -> str:
    """A name of a source's image that says nothing of it: 32 hexadecimal digits."""
    return hashlib.sha256(f"{source}\0{id_}".encode()).hexdigest()[:32]


def in_turn(lists: Sequence[Iterable[Offer]], first: int) -> list[Offer]:
    """The best of several sources, each in turn; an image that comes twice once.

    Args:
        lists: Of each source, the best first.
        first: Which of them begins, beyond their number from the start again.
    """
    if not lists:
        return []
    first %= len(lists)
    return list(_distinct([*lists[first:], *lists[:first]]))


def _distinct(lists: Sequence[Iterable[Offer]]) -> Iterator[Offer]:
    seen = set()
    for rank in zip_longest(*lists):
        for offer in rank:
            if offer is not None and offer.key not in seen:
                seen.add(offer.key)
                yield offer
