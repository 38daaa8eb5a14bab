"""What the sources offer for a concept, in the order in which it is looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from vlsu.build.images.index import Index
from vlsu.build.sources.base import Candidate, RemoteSource, Source

__all__ = ["Offer", "candidate_hash", "offers"]


@dataclass(frozen=True, slots=True)
class Offer:
    """An image that a source offers for a concept.

    Attributes:
        ranks: Its place in each kind of search, from 1.
    """

    candidate: Candidate
    ranks: Mapping[str, int]

    @property
    def key(self) -> str:
        """By which it is known again; see `candidate_hash`."""
        return candidate_hash(self.candidate.source, self.candidate.id)


def candidate_hash(source: str, id_: str) -> str:
    """A name of a source's image that says nothing of it: 32 hexadecimal digits."""
    return hashlib.sha256(f"{source}\0{id_}".encode()).hexdigest()[:32]


def offers(
    words: str,
    sentence: str,
    sources: Sequence[Source],
    index: Index | None,
    *,
    count: int,
    licences: Sequence[str],
    turn: int,
) -> list[Offer]:
    """The best of all sources, each source in turn.

    Args:
        words: Search words that have passed the rails.
        sentence: The concept, likewise.
        sources: Those of the build; the ones with a search of their own are asked here.
        index: Over the others; `None` if there are none.
        count: Of each.
        licences: What a service is asked for.
        turn: Which of them begins.

    Raises:
        DataError: A service is down or refuses.
    """
    lists = []
    if index is not None:
        hits = index.search(words, sentence, count)
        lists.append([Offer(hit.candidate, dict(hit.ranks)) for hit in hits])
    for source in sources:
        if isinstance(source, RemoteSource):
            found = source.search(words, count, licences=licences)[:count]
            lists.append([Offer(each, {"source": n}) for n, each in enumerate(found, 1)])
    if lists:
        turn %= len(lists)
    return list(_distinct(lists[turn:] + lists[:turn]))


def _distinct(lists: Sequence[Sequence[Offer]]) -> Iterator[Offer]:
    seen = set()
    for rank in zip_longest(*lists):
        for offer in rank:
            if offer is not None and offer.key not in seen:
                seen.add(offer.key)
                yield offer
