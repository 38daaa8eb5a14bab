"""The rows that a dataset becomes: samples, bins and slots. No content, only hashes of it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlsu.annotate.plan.drawing import integer
from vlsu.annotate.plan.seats import slots_of, wanted_grades
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.states import MODALITY_NUMBERS, State
from vlsu.data import Sample
from vlsu.policy import MODALITIES, Severity

__all__ = ["NO_STRATUM", "Rows", "clusters_of", "is_hard", "stratum_of", "tell_nothing"]

#: Stratum of samples that no category is known of.
NO_STRATUM = "none"
#: Samples that share a group, an image or a text and are still a cluster to be kept apart; more of
#: them are a source, not a minimal pair, and could not be kept apart anyway.
LARGEST_CLUSTER = 50
_NUMBER = re.compile(r"\d+")
_LONGEST_ALIAS = 16


@dataclass(slots=True)
class Rows:
    """The rows of the tables, made sample by sample.

    Attributes:
        bins: (stratum, language) -> number.
        opaque: Whether identifiers tell nothing and are shown as they are; see `tell_nothing`.
        seats: Of the sample that has most of them: so many graders are needed.
        unknown: Samples and modalities whose hardness nothing tells.
        ungraded: Samples whose pair is known, so that nobody grades their parts, and a part is not.
    """

    plan: Plan
    clusters: Mapping[str, int]
    gold: frozenset[tuple[str, str]] = frozenset()
    opaque: bool = False
    bins: dict[tuple[str, str | None], int] = field(default_factory=dict)
    seats: int = 0
    unknown: int = 0
    ungraded: int = 0

    def item(self, number: int, sample: Sample) -> tuple[Any, ...]:
        """The row of a sample: number, identifier, alias, hashes of image and text, bin."""
        drawn = f"{integer(self.plan.seed, 'alias', sample.id):016x}"[-12:]
        alias = sample.id if self.opaque else drawn
        text = None if not sample.text else hashlib.sha256(sample.text.encode()).hexdigest()
        return number, sample.id, alias, sample.image_sha256, text, self._bin(sample)

    def slots(self, number: int, sample: Sample) -> Iterator[tuple[Any, ...]]:
        """The rows of its slots."""
        wanted = wanted_grades(
            self.plan, sample.id, image=sample.image_sha256 is not None, text=bool(sample.text)
        )
        for modality in MODALITIES:
            if (sample.id, modality) in self.gold:
                wanted.pop(modality, None)
        if (
            sample.id,
            "joint",
        ) in self.gold:  # who is shown it in a check is not blind to its parts
            self.ungraded += any(wanted.values())
            wanted = {}
        hard = {}
        for modality in wanted:
            known = is_hard(sample, modality)
            self.unknown += known is None
            hard[modality] = bool(known)
        bin_, cluster = self._bin(sample), self.clusters.get(sample.id)
        for modality, seat, place in slots_of(self.plan, sample.id, wanted):
            self.seats = max(self.seats, seat)
            yield (
                number,
                MODALITY_NUMBERS[modality],
                seat,
                place,
                int(State.WAITING if place else State.FREE),
                integer(self.plan.seed, "rank", sample.id, modality, seat),
                hard[modality],
                bin_,
                cluster,
            )

    def _bin(self, sample: Sample) -> int:
        return self.bins.setdefault((stratum_of(sample), sample.language), len(self.bins))


def tell_nothing(ids: Iterable[str]) -> bool:
    """Whether identifiers tell nothing about their samples: they differ in their numbers alone.

    Pages can then show them, and graders and leads can speak of an item by the name it has in the
    dataset. Others, such as ``S-S-U-017``, are shown under a drawn name.

    Example:
        >>> tell_nothing(["item-001", "item-002"]), tell_nothing(["safe-1", "unsafe-1"])
        (True, False)
    """
    found: set[str] = set()
    for id_ in ids:
        found.add(_NUMBER.sub("0", id_))
        if len(found) > 1 or len(id_) > _LONGEST_ALIAS:
            return False
    return True


def stratum_of(sample: Sample) -> str:
    """The category that a sample was built for, or is graded as; `NO_STRATUM` if none is known."""
    built = sample.metadata.get("provenance")
    concept = built.get("concept") if isinstance(built, Mapping) else None
    of_concept = concept.get("category") if isinstance(concept, Mapping) else None
    known = (of_concept, sample.joint_category, sample.image_category, sample.text_category)
    return next((str(each) for each in known if each), NO_STRATUM)


def is_hard(sample: Sample, modality: str) -> bool | None:
    """Whether an item is hard to look at: unsafe, as far as the dataset or its building tells.

    Returns:
        `None` if nothing tells.
    """
    if (grade := sample.grade(modality)) is not None:
        return grade is Severity.UNSAFE
    built = sample.metadata.get("provenance")
    grades = built.get("pre_grades") if isinstance(built, Mapping) else None
    told = grades.get(modality) if isinstance(grades, Mapping) else None
    if isinstance(told, str):
        return told.lower() == Severity.UNSAFE.label
    return None


def clusters_of(samples: Iterable[Sample]) -> dict[str, int]:
    """Which samples are to be kept apart: by group, else by image, else by text.

    Returns:
        Sample -> number of its cluster; without the samples that share nothing.
    """
    counts: Counter[tuple[str, str]] = Counter()
    keys: dict[str, list[tuple[str, str]]] = {}
    for sample in samples:
        own = [
            (name, value)
            for name, value in (
                ("group", sample.group),
                ("image", sample.image_sha256),
                ("text", _short(sample.text)),
            )
            if value
        ]
        keys[sample.id] = own
        counts.update(own)
    numbers: dict[tuple[str, str], int] = {}
    found: dict[str, int] = {}
    for id_, own in keys.items():
        for key in own:
            if 1 < counts[key] <= LARGEST_CLUSTER:
                found[id_] = numbers.setdefault(key, len(numbers))
                break
    return found


def _short(text: str | None) -> str:
    return hashlib.blake2b((text or "").encode(), digest_size=12).hexdigest() if text else ""
