"""What people say of an assembled dataset: a project of the grading app, graded and exported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.annotating import answer_to, join_graders
from tests.support.commands import vlsu
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.work.leasing import Lease
from vlsu.build.assembly.items import Item
from vlsu.policy import MODALITIES

__all__ = ["graded_export", "targets", "write_table"]


def targets(items: Sequence[Item]) -> dict[str, dict[str, str]]:
    """Sample -> modality -> the grade it was built for; and its category."""
    return {
        item.id: {
            "image": item.cell.pattern.image.label,
            "text": item.cell.pattern.text.label,
            "joint": item.cell.pattern.joint.label,
            "category": item.cell.category or "C9",
        }
        for item in items
    }


def graded_export(
    folder: Path,
    dataset: Path,
    grades: Mapping[str, Mapping[str, str]],
    *,
    odd: Mapping[str, Sequence[str]] | None = None,
    graders: str = "image=1,text=1,joint=1",
) -> Path:
    """Have people grade a dataset, and export it.

    Args:
        folder: New; for the project and the export.
        dataset: What is graded.
        grades: Sample -> modality -> grade that everybody gives, and the category if it is not
            safe; as `targets` gives them.
        odd: Sample -> what its graders give to the pair, one after another.
        graders: Of each modality.
    """
    folder.mkdir()
    project = folder / "project"
    vlsu("annotate", "init", project, "--dataset", dataset, "--graders", graders, "--regrade", 0,
         "--hidden-repeats", 0, "--hard-items", 0, "--minutes", 0)  # fmt: skip
    opened = open_project(project, connections=1)
    given: Counter[str] = Counter()
    try:
        waiting = join_graders(opened, "Ada", "Ben", "Cem")
        idle = 0
        while idle < len(waiting):
            person = waiting[0]
            waiting = [*waiting[1:], person]
            lease = opened.next_item(person)
            if not isinstance(lease, Lease):
                idle += 1
                continue
            idle = 0
            grade = grades[lease.sample_id][lease.modality]
            votes = (odd or {}).get(lease.sample_id, ())
            if lease.modality == "joint" and votes:
                grade = votes[given[lease.sample_id] % len(votes)]
                given[lease.sample_id] += 1
            category = None if grade == "safe" else grades[lease.sample_id]["category"]
            opened.submit(person, answer_to(lease, grade, category=category))
    finally:
        opened.close()
    vlsu("annotate", "export", project, "--out", folder / "export")
    return folder / "export"


def write_table(path: Path, grades: Mapping[str, Mapping[str, str]]) -> Path:
    """The same grades as a table, without any project."""
    rows = [",".join(("id", *(f"{m}_grade" for m in MODALITIES)))]
    rows += [",".join((id_, *(of.get(m, "") for m in MODALITIES))) for id_, of in grades.items()]
    path.write_text("\n".join(rows) + "\n")
    return path
