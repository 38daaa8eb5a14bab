"""A project whose graders disagree."""

from __future__ import annotations

import time
from pathlib import Path

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, join_graders
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.work.leasing import Lease

__all__ = ["NOTES", "disputed_project"]

NOTES = {"Ada": "It names nobody.", "Ben": "It may name a person.", "Cleo": "A joke, I think."}


def disputed_project(folder: Path, samples: int = 3) -> Project:
    """Pairs that three graders have graded safe, borderline and unsafe, with notes."""
    dataset = make_dataset(folder / "dataset", samples, apart=True)
    create(folder / "project", dataset, Plan(regrade=0.0, graders={"joint": 3}), now=_now())
    project = open_project(folder / "project")
    given = dict(zip(NOTES, ("safe", "borderline", "unsafe"), strict=True))
    for (name, grade), person in zip(given.items(), join_graders(project, *NOTES), strict=True):
        while isinstance(lease := project.next_item(person), Lease):
            about = {"confidence": 2, "refers": "image", "because": "help", "note": NOTES[name]}
            project.submit(person, answer_to(lease, grade, **about))
    return project


def _now() -> int:
    return time.time_ns() // 1_000_000
