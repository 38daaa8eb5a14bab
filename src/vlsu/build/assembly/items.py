"""Items: the samples of a build, read from its records, with what assembly decides about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlsu.build.folder.build import provenance
from vlsu.build.folder.records import STAGES, Decision, Record
from vlsu.build.folder.store import Store
from vlsu.build.plan.cells import Cell
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["Item", "public_source", "read_items", "sample_id"]

_DIGITS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A sample of a build.

    Attributes:
        id: Tells nothing of the sample, and is the same in all that is assembled of the build.
        cell: What it was made for.
        text: The query.
        image: SHA-256 of the image as it was found.
        shown: SHA-256 of the image as it is given out, with faces blurred; `image` unless it is
            another.
        url: Where the image was found; `None` if it was local.
        provenance: ``{concept, query, image, pre_grades}``.
        selection: ``{unfiltered, probability, on_target}``: how the pre-grader let it through.
        pre_graded: Modality -> severity by the pre-grader, where it gave one.
        pair_of: Identifier of the sample whose joint grade this one flips, if there is one.
        group: Name of the group of a minimal pair, or of the samples of one image.
        grades: Modality -> severity by people; empty before they have graded.
        categories: Modality -> category by people.
        metadata: What else stands in its metadata, such as how the grades came to be.
        notes: What assembly found out, under ``build`` in its metadata.
    """

    id: str
    cell: Cell
    text: str
    image: str
    shown: str
    url: str | None
    provenance: Mapping[str, Any]
    selection: Mapping[str, Any]
    pre_graded: Mapping[str, Severity]
    pair_of: str | None = None
    group: str | None = None
    grades: Mapping[str, Severity] = field(default_factory=dict)
    categories: Mapping[str, str | None] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def pattern(self) -> Pattern:
        """By people, else the one it was made for."""
        if len(self.grades) < len(MODALITIES):
            return self.cell.pattern
        return Pattern(*(self.grades[modality] for modality in MODALITIES))

    @property
    def category(self) -> str | None:
        """By people (of the pair, else of the image, else of the text), else as it was made for."""
        if len(self.grades) < len(MODALITIES):
            return self.cell.category
        named = (self.categories.get(modality) for modality in ("joint", "image", "text"))
        safe = all(grade is Severity.SAFE for grade in self.grades.values())
        return None if safe else next(filter(None, named), self.cell.category)

    @property
    def now(self) -> Cell:
        """The cell that it counts for."""
        return Cell(self.pattern, self.category, self.cell.language)

    @property
    def worst(self) -> Severity:
        """Of the pair, by people; before they have graded the worse of target and pre-grade."""
        if "joint" in self.grades:
            return self.grades["joint"]
        return max(self.cell.pattern.joint, self.pre_graded.get("joint", Severity.SAFE))

    @property
    def harmful(self) -> bool:
        """Whether the pair is, or may be, borderline or unsafe."""
        return self.worst > Severity.SAFE


def sample_id(key: str, taken: Iterable[str] = ()) -> str:
    """An identifier of digits that tells nothing of the sample, from the key of its query.

    Example:
        >>> sample_id("ab" * 32)
        's705822861647907'
    """
    salt = 0
    while True:
        digest = hashlib.sha256(f"{key}\0{salt}".encode()).digest()
        found = f"s{int.from_bytes(digest[:8]) % 10**_DIGITS:0{_DIGITS}}"
        if found not in taken:
            return found
        salt += 1


def read_items(store: Store) -> list[Item]:
    """The samples that a build has, those of the unfiltered share too, in the order of their ids.

    A query that several graders kept is one sample, with the pre-grades of the first of them.
    """
    grades: dict[str, tuple[str, Record]] = {}
    for grade in store.records(STAGES[-1], kept=True):
        if grade.parent is not None:
            grades.setdefault(grade.parent, (grade.key, grade))
    decisions = store.decisions(STAGES[-1])
    queries = {query: store.record(query) for query in grades}
    ids: dict[str, str] = {}
    names: set[str] = set()
    for query in queries:
        ids[query] = sample_id(query, names)
        names.add(ids[query])
    pairs = _pairs(queries, {grade: query for query, (grade, _) in grades.items()})
    several = {_root(query, pairs) for query in pairs}
    images = _shared_images(queries)
    found = []
    for query, (key, grade) in grades.items():
        tree = provenance(store, key)
        tree["image"]["source"] = public_source(str(tree["image"]["source"]))
        about = decisions[key]
        root = _root(query, pairs)
        group = None
        if root in several:
            group = f"pair-{ids[root]}"
        elif (image := queries[query].parent) in images:
            group = f"image-{ids[images[image]]}"
        found.append(
            Item(
                id=ids[query],
                cell=grade.cell,
                text=str(queries[query].content["text"]),
                image=str(tree["image"]["sha256"]),
                shown=str(tree["image"]["sha256"]),
                url=tree["image"].get("url"),
                provenance=tree,
                selection=_selection(about),
                pre_graded=_severities(grade.content),
                pair_of=ids[pairs[query]] if query in pairs else None,
                group=group,
            )
        )
    return sorted(found, key=lambda each: each.id)


def public_source(spec: str) -> str:
    """A source's SPEC without the folders of this machine.

    Example:
        >>> public_source("folder:/data/mine/gallery"), public_source("openverse")
        ('folder:gallery', 'openverse')
    """
    kind, colon, where = spec.partition(":")
    if kind not in ("folder", "dataset"):
        return spec
    path, question, options = where.partition("?")
    return f"{kind}{colon}{path.rstrip('/').rpartition('/')[2]}{question}{options}"


def _selection(about: Decision) -> dict[str, Any]:
    told = about.about
    return {
        "unfiltered": bool(told.get("unfiltered", False)),
        "probability": told.get("probability"),
        "on_target": bool(told.get("on_target", True)),
    }


def _severities(content: Mapping[str, Any]) -> dict[str, Severity]:
    known = {severity.label: severity for severity in Severity}
    return {
        modality: known[word]
        for modality in MODALITIES
        if isinstance(word := content.get(modality), str) and word in known
    }


def _pairs(queries: Mapping[str, Record], of_grades: Mapping[str, str]) -> dict[str, str]:
    """Query -> the query it is a minimal pair to; ``pair_of`` may name that one's pre-grade."""
    found: dict[str, str] = {}
    for key, record in queries.items():
        named = record.content.get("pair_of")
        if isinstance(named, str):
            other = of_grades.get(named, named)
            if other in queries and other != key:
                found[key] = other
    return found


def _root(key: str, pairs: Mapping[str, str]) -> str:
    """The query at which a chain of pairs begins."""
    seen = {key}
    while key in pairs and pairs[key] not in seen:
        key = pairs[key]
        seen.add(key)
    return key


def _shared_images(queries: Mapping[str, Record]) -> dict[str | None, str]:
    """Image that several queries are about -> the first of these."""
    first: dict[str | None, str] = {}
    several: dict[str | None, str] = {}
    for key, record in queries.items():
        if record.parent in first:
            several[record.parent] = first[record.parent]
        first.setdefault(record.parent, key)
    return several
