"""One offer through every filter, the cheap ones first; nothing is stored here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import Place
from vlsu.build.images.filters import Refused, Seen, by_rails, says_minor, see, words_of
from vlsu.build.images.known import Known
from vlsu.build.images.nsfw import SEXUAL, Nsfw, calls_for_sexual, nsfw_refusal
from vlsu.build.images.offers import Offer
from vlsu.build.images.options import Options
from vlsu.build.rails.rules import MINOR
from vlsu.build.sources.base import Source
from vlsu.errors import DataError

__all__ = ["MOST_UNREADABLE", "Inspector", "Passed"]

#: Images in a row that cannot be read before a stage stops: the source is down, not the image.
MOST_UNREADABLE = 30
#: The kind that a score tells of.
_SEXUAL = "sexual"


@dataclass(frozen=True, slots=True)
class Passed:
    """An image that every filter lets pass.

    Attributes:
        kinds: Those of the rails that hold, as its concept declares or as was found.
        findings: Of the pre-filters, JSON-ready.
    """

    seen: Seen
    kinds: frozenset[str]
    findings: Mapping[str, object]


@dataclass(slots=True)
class Inspector:
    """Looks at offers.

    Attributes:
        build: For whose policy and rails.
        sources: By SPEC.
        options: What may be taken.
        known: What the build has had.
        nsfw: The embedded pre-filter.
    """

    build: Build
    sources: Mapping[str, Source]
    options: Options
    known: Known
    nsfw: Nsfw
    _unreadable: int = field(default=0, init=False)

    def inspect(
        self, offer: Offer, place: Place, declared: frozenset[str] | None
    ) -> Passed | Refused:
        """An image, or why it is refused.

        Args:
            offer: Of a source.
            place: What the image is for.
            declared: Kinds that its concept says hold; `None` if it does not say.

        Raises:
            DataError: `MOST_UNREADABLE` images in a row could not be read.
        """
        kinds = declared
        if offer.candidate.about.get("mature") is True:
            kinds = (declared or frozenset()) | {_SEXUAL}
        if (early := self._unread(offer, place, kinds)) is not None:
            return early
        if isinstance(data := self._read(offer), Refused):
            return data
        found: Passed | Refused | None
        if isinstance(seen := see(data, self.options.shape), Refused):
            found = seen
        else:
            found = self.known.refused(seen) or self._judged(seen, offer, place, kinds)
        if isinstance(found, Refused):
            return replace(found, sha256=hashlib.sha256(data).hexdigest())
        return found

    def _unread(self, offer: Offer, place: Place, kinds: frozenset[str] | None) -> Refused | None:
        candidate = offer.candidate
        refused = by_rails(
            self.build.rails,
            words_of(candidate),
            place,
            kinds,
            languages=self._languages,
            stated=candidate.language,
        )
        if refused is not None:
            return refused
        if not self.options.licences.accept(candidate.licence):
            return Refused("licence" if candidate.licence.strip() else "licence not stated")
        return self.options.shape.refused_as_stated(candidate)

    def _read(self, offer: Offer) -> bytes | Refused:
        source = self.sources.get(offer.candidate.source)
        try:
            if source is None:
                raise DataError(f"{offer.candidate.source}: is no source of this build")
            data = source.read(offer.candidate)
        except DataError as error:
            self._unreadable += 1
            if self._unreadable >= MOST_UNREADABLE:
                raise DataError(
                    f"{MOST_UNREADABLE} images in a row cannot be read; the last: {error}"
                ) from None
            return Refused("cannot be read", everywhere=False)
        self._unreadable = 0
        return data

    def _judged(
        self, seen: Seen, offer: Offer, place: Place, kinds: frozenset[str] | None
    ) -> Passed | Refused:
        rails, words = self.build.rails, words_of(offer.candidate)
        score = self.nsfw.score(seen.picture)
        # Here a false alarm costs one image, so that words of every language are looked for.
        minor = MINOR in (kinds or ()) or says_minor(rails, words, rails.languages)
        called_for = calls_for_sexual(rails, place)
        if (refused := nsfw_refusal(score, called_for=called_for, minor=minor)) is not None:
            return refused
        found = kinds
        if score >= SEXUAL:
            found = (kinds or frozenset()) | {_SEXUAL}
            refused = by_rails(rails, words, place, found, languages=self._languages)
            if refused is not None:
                return refused
        if says_minor(rails, words, self._languages, offer.candidate.language):
            found = (found or frozenset()) | {MINOR}
        findings = {"model": self.nsfw.spec, "nsfw": round(score, 3)}
        return Passed(seen, found or frozenset(), findings)

    @property
    def _languages(self) -> Sequence[str]:
        return sorted({"en", *self.build.settings.languages})
