"""What a local source holds: how many images, described how, under which licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from vlsu.build.sources.base import LocalSource
from vlsu.build.sources.fields import FROM_NAME, OF_DATASET
from vlsu.build.sources.left_out import LeftOut

__all__ = ["Contents", "contents"]

#: Licences that are named; those of fewer images are counted together.
_NAMED = 20
#: Images after which progress is reported.
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Contents:
    """Counts of a source's images.

    Attributes:
        images: All of them.
        described: Those with a caption that is more than the file's name.
        named: Those whose file name is all that describes them.
        licences: Name -> images, the most frequent first; ``""`` for those without one.
        of_dataset: Images whose licence is only that of the whole dataset.
        left_out: Reason -> what could not be offered.
    """

    images: int
    described: int
    named: int
    licences: dict[str, int]
    of_dataset: int
    left_out: dict[str, int]

    def as_dict(self) -> dict[str, object]:
        """As JSON holds it; images without a licence are under ``null``'s counterpart ``none``."""
        return {
            "images": self.images,
            "described": self.described,
            "named": self.named,
            "licences": {name or "none": count for name, count in self.licences.items()},
            "licence_of_dataset": self.of_dataset,
            "left_out": dict(self.left_out),
        }


def contents(source: LocalSource, progress: Callable[[int], None] | None = None) -> Contents:
    """Count what a source offers; no image is read.

    Args:
        source: Opened.
        progress: Called with the number of images so far, now and then.

    Raises:
        DataError: It cannot be read.
    """
    images = described = named = of_dataset = 0
    licences: Counter[str] = Counter()
    for candidate in source.candidates():
        images += 1
        by_name = candidate.about.get(FROM_NAME) is True
        named += by_name
        described += bool(candidate.caption) and not by_name
        of_dataset += candidate.about.get(OF_DATASET) is True
        licences[candidate.licence[:80]] += 1
        if progress is not None and images % _STEP == 0:
            progress(images)
    ranked = licences.most_common()
    kept = dict(ranked[:_NAMED])
    if more := sum(count for _, count in ranked[_NAMED:]):
        kept["other"] = kept.get("other", 0) + more
    left_out = getattr(source, "left_out", None)
    counts = left_out.counts() if isinstance(left_out, LeftOut) else {}
    return Contents(images, described, named, kept, of_dataset, counts)
