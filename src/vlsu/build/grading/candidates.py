"""The candidates that were pre-graded, out of a build's records, and what people said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES, Record
from vlsu.build.grading.selection import Candidate, standing_for
from vlsu.build.plan.cells import Cell
from vlsu.data import Dataset, Sample
from vlsu.policy import MODALITIES, Pattern, Severity

__all__ = ["HumanGrades", "candidates", "human_grades"]

QUERIES, GRADES = STAGES[-2:]
#: Beginning of the reasons of what is never built.
_RAILS = "rails: "


class HumanGrades(NamedTuple):
    """What people said of samples.

    Attributes:
        patterns: Hash of the image and text -> pattern of the three grades.
        without: Samples without all three.
    """

    patterns: Mapping[tuple[str, str], Pattern]
    without: int


def human_grades(dataset: Dataset) -> HumanGrades:
    """The gold grades of a dataset that was assembled from a build, and graded.

    A sample is known by the text and the image it was built from, which its provenance names: the
    image itself may have been changed since, as where faces are blurred.

    Args:
        dataset: With grades by people.
    """
    found: dict[tuple[str, str], Pattern] = {}
    without = 0
    for sample in dataset.samples():
        if sample.pattern is None:
            without += 1
        else:
            found[_identity(sample)] = sample.pattern
    return HumanGrades(found, without)


def _identity(sample: Sample) -> tuple[str, str]:
    provenance = sample.metadata.get("provenance")
    parts: Mapping[str, Any] = provenance if isinstance(provenance, Mapping) else {}
    image, query = parts.get("image"), parts.get("query")
    sha256 = image.get("sha256") if isinstance(image, Mapping) else None
    text = query.get("text") if isinstance(query, Mapping) else None
    return str(sha256 or sample.image_sha256), str(text or sample.text)


def candidates(store: Reader, humans: Mapping[tuple[str, str], Pattern]) -> list[Candidate]:
    """All that were pre-graded, but for what is never built and what was given up since.

    Human grades count of samples alone: of those the chance with which they were kept is known.

    Args:
        store: Of the build.
        humans: Hash of the image and text -> pattern of the human grades.
    """
    decisions = store.decisions(GRADES)
    queries = {each.key: each for each in store.records(QUERIES, kept=True)}
    images = {each.key: each for each in store.records(STAGES[1], kept=True)}
    found: dict[tuple[str, Cell, object], list[Candidate]] = {}
    for kept in (True, False):
        for grade in store.records(GRADES, kept=kept):
            query = queries.get(str(grade.parent))
            decision = decisions[grade.key]
            if query is None or decision.reason.startswith(_RAILS):
                continue
            image = images.get(str(query.parent))
            if image is None:
                continue
            about = decision.about
            identity = image.provenance["sha256"], query.content["text"]
            group = image.key, grade.cell, query.content.get("pair_of")
            found.setdefault(group, []).append(
                Candidate(
                    target=grade.cell.pattern,
                    category=grade.cell.category_name,
                    severities=_severities(grade),
                    kept=kept,
                    unfiltered=bool(about.get("unfiltered")),
                    probability=about.get("probability"),
                    reason=decision.reason,
                    human=humans.get(identity) if kept else None,
                )
            )
    return [each for group in found.values() for each in standing_for(group)]


def _severities(grade: Record) -> tuple[Severity | None, Severity | None, Severity | None]:
    image, text, joint = (
        None if (label := grade.content.get(name)) is None else Severity.parse(label)
        for name in MODALITIES
    )
    return image, text, joint
