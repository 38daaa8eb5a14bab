"""One offer through every filter, the cheap ones first; nothing is stored here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlsu.build.folder.build import Build
from vlsu.build.images.filters import (
    Refused,
    Seen,
    by_rails,
    decoded,
    says_minor,
    see,
    words_of,
)
from vlsu.build.images.hash_lists import HashList, hashes_of
from vlsu.build.images.nsfw import SEXUAL, Nsfw, calls_for_sexual, nsfw_refusal
from vlsu.build.images.offers import Offer
from vlsu.build.images.options import Options
from vlsu.build.images.pre_filter import Verdict
from vlsu.build.plan.cells import Place
from vlsu.build.rails.rules import MINOR
from vlsu.build.sources.base import Candidate, Source
from vlsu.data.images.pixels import Picture
from vlsu.errors import DataError

__all__ = ["MOST_UNREADABLE", "ON_LIST", "Inspector", "Looked", "Wanted"]

#: Images in a row that cannot be read before a stage stops: the source is down, not the image.
MOST_UNREADABLE = 30
#: Reason of what a hash list matches.
ON_LIST = "on a hash list"
#: The kind that a score tells of.
_SEXUAL = "sexual"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an image is looked for.

    Attributes:
        place: What it is for.
        near: Of what belongs to no category, what it looks near.
        kinds: Those that its concept says hold; `None` if it does not say.
    """

    place: Place
    near: Place | None
    kinds: frozenset[str] | None

    @property
    def places(self) -> tuple[Place, ...]:
        """Whose rules hold."""
        return (self.place,) if self.near is None else (self.place, self.near)


@dataclass(frozen=True, slots=True)
class Looked:
    """An image that passes all filters but those that know the build, and a model.

    Attributes:
        kinds: Those of the rails that hold, as its concept declares or as was found; `None` where
            nobody has said so.
        nsfw: Its score.
    """

    seen: Seen
    kinds: frozenset[str] | None
    nsfw: float


@dataclass(slots=True)
class Inspector:
    """Looks at offers.

    Attributes:
        build: For whose policy and rails.
        sources: By SPEC.
        options: What may be taken.
        nsfw: The embedded pre-filter.
        hash_lists: Of what must never be stored.
    """

    build: Build
    sources: Mapping[str, Source]
    options: Options
    nsfw: Nsfw
    hash_lists: Sequence[HashList] = ()
    _unreadable: int = field(default=0, init=False)
    #: Offers that could not be read: no two concepts wait for the same one.
    _failed: set[str] = field(default_factory=set, init=False)

    def unread(self, candidate: Candidate, wanted: Wanted) -> Refused | None:
        """Why an image is refused by what its source says of it, if so."""
        refused = by_rails(
            self.build.rails,
            words_of(candidate),
            wanted.places,
            _kinds(candidate, wanted),
            languages=self.languages,
            stated=candidate.language,
        )
        if refused is not None:
            return refused
        if not self.options.licences.accept(candidate.licence):
            return Refused("licence" if candidate.licence.strip() else "licence not stated")
        return self.options.shape.refused_as_stated(candidate)

    def look(self, offer: Offer, wanted: Wanted) -> Looked | Refused:
        """An image that was read, or why it is refused.

        Raises:
            DataError: `MOST_UNREADABLE` images in a row could not be read.
        """
        if (early := self.unread(offer.candidate, wanted)) is not None:
            return early
        if isinstance(data := self._read(offer), Refused):
            return data
        found = self._looked(data, offer.candidate, wanted)
        if isinstance(found, Refused):
            return found.with_sha256(hashlib.sha256(data).hexdigest())
        return found

    def by_verdict(
        self, looked: Looked, verdict: Verdict, candidate: Candidate, wanted: Wanted
    ) -> Looked | Refused:
        """The same once a model was asked: what it says is shown goes before what was declared."""
        refused = verdict.refused(self.build.rails, wanted.place)
        if refused is not None or verdict.kinds is None:
            return refused or looked
        found = verdict.kinds
        if says_minor(self.build.rails, words_of(candidate), self.languages, candidate.language):
            found |= {MINOR}
        rails = self.build.rails
        refused = by_rails(rails, "", wanted.places, found, languages={"en"}) or nsfw_refusal(
            looked.nsfw,
            called_for=calls_for_sexual(rails, wanted.place),
            minor=MINOR in found,
        )
        if refused is None and _SEXUAL in found and not calls_for_sexual(rails, wanted.place):
            refused = Refused("pre-filter: sexual", everywhere=False)
        return refused or replace(looked, kinds=found)

    @property
    def languages(self) -> Sequence[str]:
        """Whose words for age are looked for in words of an unknown language."""
        return sorted({"en", *self.build.settings.languages})

    def _read(self, offer: Offer) -> bytes | Refused:
        if offer.key in self._failed:
            return Refused("cannot be read", everywhere=False)
        source = self.sources.get(offer.candidate.source)
        try:
            if source is None:
                raise DataError(f"{offer.candidate.source}: is no source of this build")
            data = source.read(offer.candidate)
        except DataError as error:
            self._failed.add(offer.key)
            self._unreadable += 1
            if self._unreadable >= MOST_UNREADABLE:
                raise DataError(
                    f"{MOST_UNREADABLE} images in a row cannot be read; the last: {error}"
                ) from None
            return Refused("cannot be read", everywhere=False)
        self._unreadable = 0
        return data

    def _looked(self, data: bytes, candidate: Candidate, wanted: Wanted) -> Looked | Refused:
        if isinstance(picture := decoded(data), Refused):
            return picture
        if (listed := self._listed(data, picture)) is not None:
            return listed
        if (refused := self.options.shape.refused(*picture.image.size)) is not None:
            return refused
        rails, words = self.build.rails, words_of(candidate)
        kinds = _kinds(candidate, wanted)
        score = self.nsfw.score(picture.image)
        # Here a false alarm costs one image, so that words of every language are looked for.
        minor = MINOR in (kinds or ()) or says_minor(rails, words, rails.languages)
        called_for = calls_for_sexual(rails, wanted.place)
        if (refused := nsfw_refusal(score, called_for=called_for, minor=minor)) is not None:
            return refused
        if score >= SEXUAL:
            kinds = (kinds or frozenset()) | {_SEXUAL}
            refused = by_rails(rails, words, wanted.places, kinds, languages=self.languages)
            if refused is not None:
                return refused
        if says_minor(rails, words, self.languages, candidate.language):
            kinds = (kinds or frozenset()) | {MINOR}
        seen = see(data, picture)
        return seen if isinstance(seen, Refused) else Looked(seen, kinds, round(score, 3))

    def _listed(self, data: bytes, picture: Picture) -> Refused | None:
        hashes = hashes_of(picture.image) if self.hash_lists else []
        for each in self.hash_lists:
            if (label := each.match(data, hashes)) is not None:
                return Refused(ON_LIST, about={"list": each.name, "label": label})
        return None


def _kinds(candidate: Candidate, wanted: Wanted) -> frozenset[str] | None:
    """What the concept declares, and a source's own flag."""
    if candidate.about.get("mature") is True:
        return (wanted.kinds or frozenset()) | {_SEXUAL}
    return wanted.kinds
