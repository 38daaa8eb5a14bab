"""Grades by people: read from an export of the grading app or a table, and put onto the items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vlsu._text import quoted
from vlsu.build.assembly.items import Item
from vlsu.data.datasets.dataset import load
from vlsu.data.sources import Entry, open_source
from vlsu.data.tables.columns import normalise
from vlsu.data.tables.records import Broken
from vlsu.errors import BuildError, PolicyError
from vlsu.policy import MODALITIES, Policy, Severity

__all__ = ["Given", "Grades", "Merged", "merge", "read_grades"]

#: Columns that may name the sample.
_NAMES = ("id", "item", "sample_id", "sample")
#: What the export of the grading app keeps in the metadata of a sample.
_GRADING, _FORMER = "grading", "source_grades"


@dataclass(frozen=True, slots=True)
class Given:
    """What people said of one sample.

    Attributes:
        grades: Modality -> severity; without those that are not decided.
        categories: Modality -> category.
        image: SHA-256 of the image that was graded, if the file says so.
        text: The text that was graded, likewise.
        metadata: How the grades came to be, as the grading app exports it.
    """

    grades: Mapping[str, Severity]
    categories: Mapping[str, str | None]
    image: str | None = None
    text: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grades:
    """Grades of people.

    Attributes:
        source: The file or folder.
        policy: Of the grades; `None` where a table does not say.
        samples: Identifier -> what was said of it.
        answers: On grading, to the questions of a datasheet.
    """

    source: Path
    policy: Policy | None
    samples: Mapping[str, Given]
    answers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """Items with their grades.

    Attributes:
        items: Those with all three grades.
        left_out: Reason -> items without them.
        contested: Items that graders differ on in some modality.
        unknown: Grades of samples that the build does not have.
    """

    items: Sequence[Item]
    left_out: Mapping[str, int]
    contested: int
    unknown: int


def read_grades(
    path: Path, policy: Policy, modalities: Sequence[str] = tuple(MODALITIES)
) -> Grades:
    """Read the dataset that ``vlsu annotate export`` wrote, or a table of agreed grades.

    A table has the columns ``id``, ``image_grade``, ``text_grade`` and ``joint_grade``, and may
    have ``image_category`` and so on, in any format that `vlsu.data.sources.open_source` reads.

    Args:
        path: The folder or the file.
        policy: Of the build.
        modalities: Of which a table has to have grades.

    Raises:
        VlsuError: It cannot be read, or a grade or a category is not of the policy.
    """
    if not path.is_dir():
        return Grades(path, None, dict(_rows(path, policy, modalities)))
    dataset = load(path)
    found = {}
    for sample in dataset:
        kept = {k: v for k in (_GRADING, _FORMER) if (v := sample.metadata.get(k))}
        found[sample.id] = Given(
            grades={m: grade for m in MODALITIES if (grade := sample.grade(m)) is not None},
            categories={m: sample.category(m) for m in MODALITIES},
            image=sample.image_sha256,
            text=sample.text,
            metadata=kept,
        )
    return Grades(path, dataset.policy, found, dataset.info.datasheet)


def _rows(path: Path, policy: Policy, modalities: Sequence[str]) -> Iterator[tuple[str, Given]]:
    columns = {f"{modality}_{what}" for modality in MODALITIES for what in ("grade", "category")}
    source = open_source(path, columns | set(_NAMES))
    named = {normalise(name): name for name in source.columns}
    key = next((named[name] for name in _NAMES if name in named), None)
    wanted = [f"{modality}_grade" for modality in modalities]
    lacking = ["id"] * (key is None) + [name for name in wanted if name not in named]
    if key is None or lacking:
        raise BuildError(
            f"{path}: has no column {', '.join(lacking)}; give the folder that vlsu annotate "
            f"export wrote, or a table with the columns id, {', '.join(wanted)}"
        )
    seen: set[str] = set()
    for item in source.read():
        if isinstance(item, Broken):
            raise BuildError(f"{path}, line {item.line}: {item.reason}")
        if not isinstance(item, Entry):
            continue
        id_ = str(item.values.get(key) or "").strip()
        if not id_:
            raise BuildError(f"{path}, line {item.line}: {quoted(key)} is empty; name the sample")
        if id_ in seen:
            raise BuildError(
                f"{path}, line {item.line}: {quoted(id_)} is there twice; the table needs one row "
                "a sample, with the grades that people agreed on"
            )
        seen.add(id_)
        cells = {
            column: str(item.values[named[column]]).strip()
            for column in columns
            if column in named and item.values.get(named[column]) not in (None, "")
        }
        yield id_, _given(cells, policy, f"{path}, line {item.line}")


def _given(cells: Mapping[str, str], policy: Policy, place: str) -> Given:
    grades, categories = {}, {}
    for modality in MODALITIES:
        if word := cells.get(f"{modality}_grade"):
            grades[modality] = _severity(word, policy, f"{place}: {modality}_grade")
        if word := cells.get(f"{modality}_category"):
            if word not in policy.category_ids:
                raise BuildError(
                    f"{place}: {modality}_category is {quoted(word)}; the policy has "
                    f"{', '.join(policy.category_ids)}"
                )
            categories[modality] = word
    return Given(grades, categories)


def _severity(word: str, policy: Policy, place: str) -> Severity:
    try:
        severity = Severity.parse(word)
    except PolicyError:
        severity = None
    if severity is None or severity not in policy.severities:
        words = ", ".join(each.label for each in policy.severities)
        raise BuildError(f"{place} is {quoted(word)}; the policy has {words}")
    return severity


def merge(items: Sequence[Item], grades: Grades) -> Merged:
    """Put the grades of people onto the items; what they say replaces what was aimed at.

    Raises:
        BuildError: None of the grades is of a sample of this build, or people saw another text.
    """
    found: list[Item] = []
    left_out: Counter[str] = Counter()
    contested = 0
    for item in items:
        given = grades.samples.get(item.id)
        if given is None:
            left_out["not among the grades"] += 1
            continue
        if given.text is not None and given.text != item.text:
            raise BuildError(
                f"{grades.source}: {item.id} has another text than in this build; give the export "
                "of the project that graded what vlsu build assemble wrote"
            )
        if len(given.grades) < len(MODALITIES):
            left_out["no agreed grade"] += 1
            continue
        differ = [m for m in MODALITIES if _contested(given, m)]
        contested += bool(differ)
        graded = replace(
            item,
            grades=given.grades,
            categories=given.categories,
            metadata={**item.metadata, **given.metadata},
        )
        notes = {"refiled": graded.now != item.cell, "contested": differ}
        found.append(replace(graded, notes={**item.notes, **notes}))
    ids = {item.id for item in items}
    if items and not ids & set(grades.samples):
        raise BuildError(
            f"{grades.source}: holds no grade of a sample of this build; give the export of the "
            "project that graded what vlsu build assemble wrote"
        )
    return Merged(
        items=found,
        left_out=dict(left_out),
        contested=contested,
        unknown=len(set(grades.samples) - ids),
    )


def _contested(given: Given, modality: str) -> bool:
    grading = given.metadata.get(_GRADING)
    of_modality = grading.get(modality) if isinstance(grading, Mapping) else None
    return isinstance(of_modality, Mapping) and bool(of_modality.get("contested"))
