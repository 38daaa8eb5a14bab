"""A project as a dataset: consensus into the grades, what stands behind it into the metadata."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from vlsu._folders import require_folder_of, require_new
from vlsu.annotate.exchange.datasheet import answers, background
from vlsu.annotate.exchange.grading import Graded, one_moment, outcome, read_graded
from vlsu.annotate.exchange.long import LongTable
from vlsu.annotate.exchange.summary import Summary, summarise
from vlsu.annotate.exchange.tasks import TaskList, labelling_config
from vlsu.annotate.plan.settings import ConsensusRules
from vlsu.annotate.projects.project import Project
from vlsu.data import Dataset, Sample, write_dataset
from vlsu.data.datasets.writer import sync_file
from vlsu.data.rows import canonical, to_sample
from vlsu.errors import AnnotationError, UsageError
from vlsu.policy import MODALITIES, Policy

__all__ = ["Exported", "export_project", "with_consensus"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    Attributes:
        dataset: The new dataset.
        summary: Of the grades.
        files: Other files that were written, by what they are.
    """

    dataset: Dataset
    summary: Summary
    files: Mapping[str, Path]

    def tree(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "out": str(self.dataset.path),
            "samples": self.summary.samples,
            "stopped": self.summary.stopped,
            "graders": self.summary.graders,
            "modalities": {m: c.tree() for m, c in self.summary.modalities.items()},
            "files": {name: str(path) for name, path in self.files.items()},
        }


def export_project(
    project: Project,
    out: Path,
    *,
    long: Path | None = None,
    label_studio: Path | None = None,
    image_url: str = "",
    notes: bool = False,
) -> Exported:
    """Export a project, as it is at this moment; a server of it may run on.

    Samples that were stopped are left out, in all files.

    Args:
        project: Opened.
        out: Folder of the new dataset: new, or empty.
        long: A table of all grades, by pseudonym.
        label_studio: The grades as annotated tasks of Label Studio; the labelling configuration
            that fits is written beside it, as ``.xml``.
        image_url: What stands before an image's path (``ab/NAME``) in these tasks.
        notes: Whether the table has graders' notes.

    Raises:
        VlsuError: The dataset has changed, something would be overwritten, or cannot be written.
    """
    config = None if label_studio is None else label_studio.parent / f"{label_studio.stem}.xml"
    files = {
        name: path
        for name, path in (("long", long), ("label_studio", label_studio), ("config", config))
        if path is not None
    }
    _require_new(files, out)
    source = project.dataset()
    rules = project.plan.consensus
    with one_moment(project.database) as connection, ExitStack() as open_files:
        summary = summarise(read_graded(connection), rules, project.policy)
        told = background(connection)

        def rows() -> Iterator[Sample]:
            # Opened now that the folder is known to be free: they may lie in it.
            opened = {
                name: open_files.enter_context(_replacing(path)) for name, path in files.items()
            }
            table = LongTable(opened["long"], notes=notes) if long else None
            tasks = TaskList(opened["label_studio"], image_url) if label_studio else None
            if config:
                opened["config"].write(labelling_config(project.policy))
            for sample, graded in _together(source, read_graded(connection)):
                if graded.stopped:
                    continue
                if table:
                    table.add(graded)
                if tasks:
                    tasks.add(sample, graded, source.image_path(sample.image_sha256 or ""))
                yield with_consensus(sample, graded, rules, project.policy)
            if tasks:
                tasks.end()

        written = write_dataset(
            out,
            rows(),
            name=source.info.name,
            version=f"{source.info.version}-graded",
            licence=source.info.licence,
            citation=source.info.citation,
            source=f"{source.info.name} {source.info.version} ({source.info.content_hash}), "
            "graded with vlsu annotate",
            policy=project.policy,
            images=source.images,
            description=source.info.description,
            datasheet=answers(
                source.info.datasheet, summary, told, plan=project.plan, policy=project.policy
            ),
        )
    return Exported(written, summary, files)


def with_consensus(sample: Sample, graded: Graded, rules: ConsensusRules, policy: Policy) -> Sample:
    """A sample with the grades that its graders came to, instead of those it had.

    Args:
        sample: As it was graded.
        graded: Its grades.
        rules: When votes do not settle a severity.
        policy: Of the grades.
    """
    metadata = dict(sample.metadata)
    former: dict[str, object] = {}
    for modality in MODALITIES:
        grade, category = sample.grade(modality), sample.category(modality)
        if grade is not None or category is not None:
            label = None if grade is None else grade.label
            former[modality] = {"grade": label, "category": category}
    for key in ("grading", "source_grades"):  # of an export that was graded again
        if key in metadata:
            former[key] = metadata.pop(key)
    if former:
        metadata["source_grades"] = former
    fields: dict[str, Any] = {}
    grading: dict[str, object] = {}
    for modality in MODALITIES:
        unit = graded.units.get(modality)
        found = None if unit is None else outcome(unit, rules, policy)
        fields[f"{modality}_grade"] = None if found is None else found.severity
        fields[f"{modality}_category"] = None if found is None else found.category
        if found is not None:
            grading[modality] = found.tree()
    metadata["grading"] = grading
    return replace(sample, metadata=metadata, **fields)


def _together(dataset: Dataset, graded: Iterator[Graded]) -> Iterator[tuple[Sample, Graded]]:
    """Samples and their grades, which are in the same order.

    Raises:
        AnnotationError: The dataset's samples are others than those that were graded.
    """
    changed = AnnotationError(
        f"{dataset.path}: has changed since the project was made; its grades are for other content"
    )
    content = hashlib.sha256()
    for row in dataset.rows():
        each = next(graded, None)
        if each is None or each.sample_id != row[0]:
            raise changed
        content.update(canonical(row))
        yield to_sample(row), each
    if f"sha256:{content.hexdigest()}" != dataset.info.content_hash:
        raise changed


def _require_new(files: Mapping[str, Path], out: Path) -> None:
    named = [path.resolve() for path in files.values()]
    options = {"long": "--long", "label_studio": "--label-studio", "config": "--label-studio"}
    for name, path in files.items():
        require_new(path, options[name])
        if named.count(path.resolve()) > 1:
            raise UsageError(f"{path}: is to hold two things; give each a file of its own")
        if path.parent.resolve() != out.resolve():
            require_folder_of(path, options[name])


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A text file that is there under its name when all is written, and not before.

    Raises:
        AnnotationError: It cannot be written.
    """
    half = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        with half.open("w", encoding="utf-8", newline="") as file:
            yield file
        sync_file(half)
        half.replace(path)
    except OSError as error:
        raise AnnotationError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from None
    finally:
        half.unlink(missing_ok=True)
