"""Which images a build has had: none is taken twice, and what was taken down never comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlsu.build.folder.records import STAGES, Record
from vlsu.build.images.filters import Refused, Seen
from vlsu.build.images.looks import Look, Looks
from vlsu.build.images.offers import Offer, candidate_hash
from vlsu.build.plan.cells import Place
from vlsu.data.checks.pdq import MIN_QUALITY

if TYPE_CHECKING:
    from vlsu.build.folder.reading import Reader

__all__ = ["USED", "Known"]

IMAGES = STAGES[1]
#: Reason of what the build has already.
USED = "already in the build"
#: Reason of what looks like an image of the build.
NEAR = "looks like an image of the build"
_AGAINST = "in another benchmark"


class Known:
    """Images of a build, kept or given up, and what was refused before.

    Args:
        store: The build's records.
        against: Looks of images of other benchmarks.
    """

    def __init__(self, store: Reader, against: Looks | None = None) -> None:
        self._against = against or Looks()
        self._looks = Looks()
        self._files: set[str] = set()
        self._offers: set[str] = set()
        self._refused: dict[str, dict[Place | None, str]] = {}
        for kept in (True, False, None):
            for record in store.records(IMAGES, kept=kept):
                self.add(record)
        for about, place in _outcomes(store):
            for entry in about.get("candidates", ()):
                where = None if entry["everywhere"] else place
                self.add_refused(entry["candidate"], where, entry["reason"])

    def add(self, record: Record) -> None:
        """Add an image of the build."""
        provenance = record.provenance
        if not provenance["sha256"]:
            return  # of a try without an image
        self._files.update(filter(None, (provenance["sha256"], provenance.get("original"))))
        if "id" in provenance:
            self._offers.add(candidate_hash(provenance["source"], provenance["id"]))
        if "pdq" in provenance:
            quality = provenance.get("pdq_quality", MIN_QUALITY)
            look = Look(provenance["pdq"], quality, provenance.get("pixels", ""))
            self._looks.add(provenance["sha256"], look)

    def add_refused(self, candidate: str, place: Place | None, reason: str) -> None:
        """Add what was refused, for a place or (`None`) for all."""
        self._refused.setdefault(candidate, {})[place] = reason

    def passed_over(self, offer: Offer, place: Place) -> str | None:
        """Why an offer need not be looked at again, if so."""
        if offer.key in self._offers:
            return USED
        before = self._refused.get(offer.key, {})
        return before.get(None) or before.get(place)

    def refused(self, seen: Seen) -> Refused | None:
        """Why an image that was read is refused: the build, or another benchmark, has it."""
        if self._files & {seen.sha256, seen.original}:
            return Refused(USED)
        if (near := self._looks.nearest(seen.look)) is not None:
            return Refused(NEAR, about={"bits": near[1]})
        if (other := self._against.nearest(seen.look)) is not None:
            return Refused(_AGAINST, about={"benchmark": other[0], "bits": other[1]})
        return None


def _outcomes(store: Reader) -> list[tuple[dict[str, Any], Place]]:
    places = {each.key: Place.of(each.cell) for each in store.tries(IMAGES)}
    return [(about, places[key]) for key, about in store.outcomes(IMAGES).items()]
