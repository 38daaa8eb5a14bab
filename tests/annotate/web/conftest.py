"""A small project in SQLite that is served; one for the tests of a module that only ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_dataset
from tests.support.annotate_server import served
from tests.support.annotating import START
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project


@pytest.fixture
def server(new_project: Callable[..., Project]) -> Iterator[tuple[Project, str]]:
    """A project of the test's own, in each of the databases, and its server's address."""
    project = new_project()
    with served(project) as address:
        yield project, address


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    """A project that the tests of a module share, in SQLite, and its server's address."""
    folder: Path = tmp_path_factory.mktemp("served")
    plan: dict[str, Any] = {"regrade": 0.0}
    create(folder / "p", make_dataset(folder / "d", 6, apart=True), Plan(**plan), now=START)
    with open_project(folder / "p") as project, served(project) as address:
        yield project, address
