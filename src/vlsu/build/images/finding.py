"""Finding the image of one try: offers are looked at in order until one passes every filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlsu.build.folder.demand import EXHAUSTED
from vlsu.build.folder.records import STAGES, Decision, Record, Try
from vlsu.build.folder.store import Store
from vlsu.build.images.filters import Refused, by_rails
from vlsu.build.images.index import Index
from vlsu.build.images.inspecting import Inspector, Looked, Wanted
from vlsu.build.images.known import Known
from vlsu.build.images.offers import Offer, in_turn
from vlsu.build.images.pre_filter import PreFilter, Verdict
from vlsu.build.images.searches import Searches, Stored
from vlsu.build.plan.cells import Place
from vlsu.build.sources.base import Candidate, RemoteSource, Source
from vlsu.policy import Severity

__all__ = ["Finder", "Found", "UnansweredError"]

IMAGES = STAGES[1]
_NOTHING = "no image found"


class UnansweredError(Exception):
    """The model that is asked about images gave no answer: the try stays open."""


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
    wanted: Wanted
    offered: list[Offer] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    candidates: list[dict[str, object]] = field(default_factory=list)

    def refuse(self, offer: Offer, refused: Refused) -> None:
        self.refused[refused.reason] += 1
        if refused.sha256 is not None:
            self.candidates.append(
                {
                    "candidate": offer.key,
                    "source": offer.candidate.source,
                    "sha256": refused.sha256,
                    "reason": refused.reason,
                    "everywhere": refused.everywhere,
                    **({"about": dict(refused.about)} if refused.about else {}),
                }
            )

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
        known: What the build has had.
        sources: Those of the build, in its order.
        index: Over the local ones; `None` if there are none.
        searches: What services found.
        model: That is asked about images; `None` if there is none.
        store: The build's records.
    """

    inspector: Inspector
    known: Known
    sources: Sequence[Source]
    index: Index | None
    searches: Searches
    store: Store
    model: PreFilter | None = None
    #: Of the tries at hand: what was looked at for them, and what the model said.
    _looked: dict[tuple[str, Wanted], Looked | Refused] = field(default_factory=dict, init=False)
    _verdicts: dict[str, Verdict] = field(default_factory=dict, init=False)

    def prepare(self, tries: Sequence[tuple[Try, Record]]) -> None:
        """Have a model look at several images at a time: the likely ones of these tries.

        What each try comes to is decided by `find` alone, with the same questions.
        """
        self._looked.clear()
        self._verdicts.clear()
        if self.model is None:
            return
        likely = []
        for planned, concept in tries:
            search = self._search(planned, concept)
            for _, found in self._inspected(search):
                if isinstance(found, Looked) and self.known.refused(found.seen) is None:
                    likely.append(found.seen)
                    break
        self._verdicts.update(self.model.ask(self.inspector.build, self.store, likely))

    def find(self, planned: Try, concept: Record) -> Found:
        """The image of a try; the same for the same try and the same images so far.

        Raises:
            DataError: A source is down: the try stays open.
            UnansweredError: The model gave no answer: likewise.
        """
        search = self._search(planned, concept)
        for offer, found in self._inspected(search):
            if isinstance(found, Looked):
                found = self._judged(offer, found, search.wanted)
            if isinstance(found, Looked):
                return self._kept(planned, search, offer, found)
            search.refuse(offer, found)
        reason = _NOTHING
        if search.refused:
            reason = f"no image left ({search.refused.most_common(1)[0][0]})"
        return _lost(planned, search, reason)

    def conclude(self, planned: Try, found: Found) -> None:
        """Store an image and what came of its try, and forget what was refused."""
        if found.data is not None:
            self.inspector.build.images.add(found.data)
        self.store.conclude(planned, [found.record], [found.decision], found.about)
        self.known.add(found.record)
        for each in found.about["candidates"]:
            place = None if each["everywhere"] else Place.of(planned.cell)
            self.known.add_refused(each["candidate"], place, each["reason"])
        self.searches.forget([each["candidate"] for each in found.about["candidates"]])

    def _search(self, planned: Try, concept: Record) -> _Search:
        """The offers for a concept; nothing is asked of anyone if the rails refuse the search."""
        rails = self.inspector.build.rails
        place = Place.of(planned.cell)
        near = concept.content.get("category") if place.category is None else None
        wanted = Wanted(
            place,
            Place(near, Severity.SAFE) if isinstance(near, str) else None,
            _declared(concept.content.get("kinds"), rails.kinds),
        )
        sentence = str(concept.content["concept"])
        search = _Search(str(concept.content.get("search") or sentence), wanted)
        refused = by_rails(
            rails,
            f"{search.words}\n{sentence}",
            wanted.places,
            wanted.kinds,
            languages={"en"},  # that concepts are written in
        )
        if refused is not None:
            search.refused[refused.reason] += 1
            return search
        count = self.inspector.options.looked_at
        lists: list[list[Offer]] = []
        if self.index is not None:
            hits = self.index.search(search.words, sentence, count)
            lists.append([Offer(hit.candidate, dict(hit.ranks)) for hit in hits])
        for source in self.sources:
            if isinstance(source, RemoteSource):
                stored = self._asked(source, search)
                search.refused.update(stored.refused)
                lists.append(
                    [Offer(each, {"source": place}) for place, each in stored.candidates.items()]
                )
        search.offered = in_turn(lists, int(concept.key[:8], 16))
        return search

    def _asked(self, source: RemoteSource, search: _Search) -> Stored:
        options, wanted = self.inspector.options, search.wanted
        asked = options.licences.asked

        def ask() -> Stored:
            found = source.search(search.words, options.looked_at, licences=asked)
            passed: dict[int, Candidate] = {}
            refused: Counter[str] = Counter()
            for place, each in enumerate(found[: options.looked_at], 1):
                reason = self.known.passed_over(Offer(each, {}), wanted.place)
                if reason is None and (early := self.inspector.unread(each, wanted)) is not None:
                    reason = early.reason
                if reason is None:
                    passed[place] = each
                else:
                    refused[reason] += 1
            return Stored(passed, dict(refused))

        question = {
            "source": dict(source.identity()),
            "spec": source.spec,
            "words": search.words,
            "places": [[each.category, each.severity.label] for each in wanted.places],
            "kinds": None if wanted.kinds is None else sorted(wanted.kinds),
            "options": options.identity(),
        }
        return self.searches.get(question, ask)

    def _inspected(self, search: _Search) -> Iterator[tuple[Offer, Looked | Refused]]:
        """Each offer that was not refused before, looked at when it is its turn."""
        for offer in search.offered:
            before = self.known.passed_over(offer, search.wanted.place)
            if before is not None:
                yield offer, Refused(before)
                continue
            key = (offer.key, search.wanted)
            if key not in self._looked:
                self._looked[key] = self.inspector.look(offer, search.wanted)
            yield offer, self._looked[key]

    def _judged(self, offer: Offer, looked: Looked, wanted: Wanted) -> Looked | Refused:
        """By what the build has, and by the model's word."""
        found: Looked | Refused = self.known.refused(looked.seen) or looked
        if isinstance(found, Looked) and self.model is not None:
            sha256 = looked.seen.sha256
            if sha256 not in self._verdicts and self.model.stopped is None:
                asked = self.model.ask(self.inspector.build, self.store, [looked.seen])
                self._verdicts.update(asked)
            if sha256 not in self._verdicts:
                raise UnansweredError
            verdict = self._verdicts[sha256]
            found = self.inspector.by_verdict(looked, verdict, offer.candidate, wanted)
        if isinstance(found, Refused):
            return found.with_sha256(looked.seen.original)
        return found

    def _kept(self, planned: Try, search: _Search, offer: Offer, looked: Looked) -> Found:
        candidate, seen = offer.candidate, looked.seen
        findings: dict[str, object] = {"model": self.inspector.nsfw.spec, "nsfw": looked.nsfw}
        if self.model is not None:
            findings["also"] = self.model.identity | self._verdicts[seen.sha256].findings
        stated = {
            "url": candidate.url,
            "page": candidate.page,
            "author": candidate.author,
            "attribution": candidate.attribution,
            "original": seen.original if seen.original != seen.sha256 else None,
        }
        kinds = looked.kinds or frozenset()
        record = Record(
            stage=IMAGES,
            cell=planned.cell,
            content={
                "caption": candidate.caption,
                "width": seen.width,
                "height": seen.height,
                "media_type": seen.media_type,
                "kinds": {kind: kind in kinds for kind in self.inspector.build.rails.kinds},
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
                "pre_filter": findings,
            },
            parent=planned.subject,
        )
        decision = Decision(record.key, kept=True)
        return Found(record, decision, search.about(exhausted=False), seen.data)


def _declared(kinds: object, known: Mapping[str, str]) -> frozenset[str] | None:
    """The kinds that a concept says hold; `None` if it does not say of every one."""
    if not isinstance(kinds, Mapping) or not set(known) <= set(kinds):
        return None
    return frozenset(kind for kind in known if kinds[kind])


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
