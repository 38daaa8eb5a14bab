"""Finding the image of one try: offers are looked at in order until one passes every filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsu.build.folder.demand import EXHAUSTED, Place
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.images.filters import Refused, by_rails
from vlsu.build.images.index import Index
from vlsu.build.images.inspecting import Inspector, Passed
from vlsu.build.images.offers import Offer, offers
from vlsu.build.sources.base import Source

__all__ = ["Finder", "Found"]

IMAGES = STAGES[1]
_NOTHING = "no image found"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a try.

    Attributes:
        record: The image; or, where there is none, that the try is lost.
        decision: On the record.
        about: Of the try: ``offered``, ``refused`` (reason -> offers), ``exhausted`` and
            ``candidates``, those whose bytes were read and refused, without bytes, words or
            address.
        data: The image's bytes, to be stored.
    """

    record: Record
    decision: Decision
    about: dict[str, Any]
    data: bytes | None


@dataclass(slots=True)
class _Search:
    """What is known of a try while offers are looked at."""

    words: str
    offered: Sequence[Offer] = ()
    refused: Counter[str] = field(default_factory=Counter)
    candidates: list[dict[str, object]] = field(default_factory=list)

    def about(self, *, exhausted: bool) -> dict[str, Any]:
        return {
            "offered": len(self.offered),
            "refused": dict(self.refused),
            EXHAUSTED: exhausted,
            "candidates": self.candidates,
        }


@dataclass(slots=True)
class Finder:
    """Finds images for the concepts of a build.

    Attributes:
        inspector: Looks at each offer.
        sources: Those of the build, in its order.
        index: Over the local ones; `None` if there are none.
    """

    inspector: Inspector
    sources: Sequence[Source]
    index: Index | None

    def find(self, planned: Try, concept: Record) -> Found:
        """The image of a try; the same for the same try and the same images so far.

        Raises:
            DataError: A source is down: the try stays open.
        """
        rails, options = self.inspector.build.rails, self.inspector.options
        place = Place.of(planned.cell)
        declared = _declared(concept.content.get("kinds"), rails.kinds)
        sentence = str(concept.content["concept"])
        search = _Search(str(concept.content.get("search") or sentence))
        asked = by_rails(
            rails,
            f"{search.words}\n{sentence}",
            place,
            declared,
            languages={"en", planned.cell.language},
        )
        if asked is not None:  # before any request leaves
            search.refused[asked.reason] += 1
            return _lost(planned, search, asked.reason)
        search.offered = offers(
            search.words,
            sentence,
            self.sources,
            self.index,
            count=options.looked_at,
            licences=options.licences.asked,
            turn=int(concept.key[:8], 16),
        )
        for offer in search.offered:
            if (before := self.inspector.known.passed_over(offer, place)) is not None:
                search.refused[before] += 1
                continue
            found = self.inspector.inspect(offer, place, declared)
            if isinstance(found, Passed):
                return _kept(planned, search, offer, found, rails.kinds)
            search.refused[found.reason] += 1
            if found.sha256 is not None:
                self.inspector.known.add_refused(
                    offer.key, None if found.everywhere else place, found.reason
                )
                search.candidates.append(_refused(offer, found))
        reason = _NOTHING
        if search.refused:
            reason = f"no image left ({search.refused.most_common(1)[0][0]})"
        return _lost(planned, search, reason)


def _declared(kinds: object, known: Mapping[str, str]) -> frozenset[str] | None:
    """The kinds that a concept says hold; `None` if it does not say of every one."""
    if not isinstance(kinds, Mapping) or not set(known) <= set(kinds):
        return None
    return frozenset(kind for kind in known if kinds[kind])


def _refused(offer: Offer, refused: Refused) -> dict[str, object]:
    """What is kept of an image that was read and refused."""
    return {
        "candidate": offer.key,
        "source": offer.candidate.source,
        "sha256": refused.sha256,
        "reason": refused.reason,
        "everywhere": refused.everywhere,
        **({"about": dict(refused.about)} if refused.about else {}),
    }


def _lost(planned: Try, search: _Search, reason: str) -> Found:
    record = Record(
        stage=IMAGES,
        cell=planned.cell,
        content={},
        provenance={"source": "", "licence": "", "sha256": "", "try": planned.number},
        parent=planned.subject,
    )
    decision = Decision(record.key, kept=False, reason=reason)
    return Found(record, decision, search.about(exhausted=True), None)


def _kept(
    planned: Try, search: _Search, offer: Offer, passed: Passed, kinds: Mapping[str, str]
) -> Found:
    candidate, seen = offer.candidate, passed.seen
    width, height = seen.picture.size
    stated = {
        "url": candidate.url,
        "page": candidate.page,
        "author": candidate.author,
        "attribution": candidate.attribution,
        "original": seen.original if seen.original != seen.sha256 else None,
    }
    record = Record(
        stage=IMAGES,
        cell=planned.cell,
        content={
            "caption": candidate.caption,
            "width": width,
            "height": height,
            "media_type": seen.media_type,
            "kinds": {kind: kind in passed.kinds for kind in kinds},
        },
        provenance={
            "source": candidate.source,
            "licence": candidate.licence,
            "sha256": seen.sha256,
            "id": candidate.id,
            **{name: value for name, value in stated.items() if value is not None},
            "pdq": seen.look.pdq,
            "pdq_quality": seen.look.quality,
            "pixels": seen.look.pixels,
            "rank": dict(offer.ranks),
            "search": search.words,
            "pre_filter": dict(passed.findings),
        },
        parent=planned.subject,
    )
    decision = Decision(record.key, kept=True)
    return Found(record, decision, search.about(exhausted=False), seen.data)
