"""What images may be taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vlsu.build.images.filters import Shape
from vlsu.build.images.hash_lists import HashList
from vlsu.build.images.licensing import Licences
from vlsu.build.images.pre_filter import PreFilter

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What images may be taken.

    Attributes:
        licences: That are accepted.
        shape: How large they must be.
        looked_at: How many of the best of each source are looked at for a concept.
        reuse: Samples that one image may be part of.
        against: Datasets, by folder or name, none of whose images may come into the build.
        hash_lists: Of images that must never be stored.
        model: That is asked about each image before it is stored, beside the embedded pre-filter.
    """

    licences: Licences = field(default_factory=Licences)
    shape: Shape = field(default_factory=Shape)
    looked_at: int = 20
    reuse: int = 1
    against: Sequence[str] = ()
    hash_lists: Sequence[HashList] = ()
    model: PreFilter | None = None

    def identity(self) -> dict[str, object]:
        """What of these decides which offers of a service are kept for later."""
        return {
            "licences": sorted(self.licences.names),
            "shape": [self.shape.min_side, self.shape.aspect],
            "looked_at": self.looked_at,
        }
