"""A project whose graders disagree, and its server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from tests.conftest import make_dataset
from tests.support.annotating import answer_to, join_graders
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.web.app import annotate_app
from vlsu.annotate.web.service import Site
from vlsu.annotate.work.leasing import Lease

__all__ = ["NOTES", "disputed_project", "served"]

NOTES = {"Ada": "It names nobody.", "Ben": "It may name a person.", "Cleo": "A joke, I think."}


@contextmanager
def served(project: Project) -> Iterator[str]:
    """A project's server in a thread of this process; its address."""
    settings = uvicorn.Config(
        annotate_app(project, Site()), host="127.0.0.1", port=0, log_config=None
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


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
