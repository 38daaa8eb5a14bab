"""What the audits look at: the samples of a build so far, or those of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Record
from vlsu.build.plan.cells import Cell
from vlsu.data import Sample
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["Item", "items_of_build", "items_of_samples"]

CONCEPTS, IMAGES, QUERIES, GRADES = STAGES
_SAFE = Pattern(Severity.SAFE, Severity.SAFE, Severity.SAFE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A sample, as far as an audit looks at it.

    Attributes:
        key: Of its pre-grade, or the sample's id.
        cell: Its pattern, category and language.
        text: Of the query.
        caption: Of the image; empty if there is none.
        image: SHA-256; `None` if there is no image.
        image_key: Key of the image's record; `None` of a dataset's sample.
        group: Samples of one are not independent, besides those of one image or text.
        groups: Groups of people that its maker or a grader says it names or shows.
        made: How it was made, by name: the writer's model, the source of the image, the style.
    """

    key: str
    cell: Cell
    text: str
    caption: str = ""
    image: str | None = None
    image_key: str | None = None
    group: str | None = None
    groups: tuple[str, ...] = ()
    made: Mapping[str, str] = field(default_factory=dict)


def items_of_build(store: Reader) -> list[Item]:
    """The samples that a build has so far: kept pre-grades whose grades are their cell's."""
    decisions = store.decisions(GRADES)
    queries, images = (
        {record.key: record for record in store.records(stage, kept=True)}
        for stage in (QUERIES, IMAGES)
    )
    found = []
    seen: set[str] = set()
    for grade in store.records(GRADES, kept=True):
        key = grade.key
        if decisions[key].about.get("on_target") is False or grade.parent in seen:
            continue
        query = queries[str(grade.parent)]
        image = images[str(query.parent)]
        seen.add(query.key)
        found.append(_item(key, grade.cell, query, image))
    return found


def _item(key: str, cell: Cell, query: Record, image: Record) -> Item:
    return Item(
        key=key,
        cell=cell,
        text=str(query.content.get("text") or ""),
        caption=str(image.content.get("caption") or ""),
        image=image.provenance["sha256"],
        image_key=image.key,
        group=query.content.get("pair_of"),
        groups=(*_groups(query.content), *_groups(image.content)),
        made=_made({**query.content, **query.provenance}, {**image.content, **image.provenance}),
    )


def items_of_samples(samples: Iterable[Sample]) -> list[Item]:
    """The samples of a dataset that have three grades, or three pre-grades of a build."""
    found = []
    for sample in samples:
        provenance: Any = sample.metadata.get("provenance")
        provenance = provenance if isinstance(provenance, Mapping) else {}
        query, image = (_mapping(provenance.get(name)) for name in ("query", "image"))
        pattern = sample.pattern or _pregraded(_mapping(provenance.get("pre_grades")))
        if pattern is None:
            continue
        category = sample.joint_category or sample.text_category or sample.image_category
        category = category or _mapping(provenance.get("concept")).get("category")
        declared: Any = sample.metadata.get("groups")
        found.append(
            Item(
                key=sample.id,
                cell=Cell(pattern, None if pattern == _SAFE else category, sample.language or "en"),
                text=sample.text or "",
                caption=str(sample.metadata.get("caption") or image.get("caption") or ""),
                image=sample.image_sha256,
                group=sample.group,
                groups=(*_strings(declared), *_groups(query), *_groups(image)),
                made=_made(query, image),
            )
        )
    return found


def _pregraded(grades: Mapping[str, Any]) -> Pattern | None:
    named = [grades.get(modality) for modality in MODALITIES]
    known = {severity.label: severity for severity in Severity}
    severities = [known[each] for each in named if isinstance(each, str) and each in known]
    return Pattern(*severities) if len(severities) == len(MODALITIES) else None


def _made(query: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, str]:
    wanted = {
        "writer": query.get("model"),
        "style": query.get("style"),
        "length": query.get("length"),
        "source": image.get("source"),
        "licence": image.get("licence"),
    }
    return {name: str(value) for name, value in wanted.items() if value is not None}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _groups(content: Mapping[str, Any]) -> tuple[str, ...]:
    return _strings(content.get("groups"))


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(each for each in value if isinstance(each, str))
