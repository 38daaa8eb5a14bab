"""Projects in both databases; PostgreSQL is started once for all tests of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")

import psycopg

from tests.conftest import make_dataset
from tests.support.annotating import START, Clock
from tests.support.postgres import PostgresServer, missing_reason, postgres_server
from vlsu.annotate.plan.settings import Checks, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.data import Dataset


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if (reason := missing_reason()) is not None:
        pytest.skip(reason)
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Where a project's database is: a file of its folder, or a new database."""
    if request.param == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    address = server.new_database()
    yield address
    with suppress(psycopg.OperationalError):  # a test may have ended the server
        server.drop_database(address)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_project(
    tmp_path: Path, address: str | None, clock: Clock
) -> Iterator[Callable[..., Project]]:
    """Makes a project of a small dataset, and opens it; the arguments are those of a `Plan`.

    It has no hidden repeats unless they are given. `gold` is the text of a file of known answers.
    """
    opened: list[Project] = []

    def make(dataset: Dataset | None = None, gold: str = "", **plan: Any) -> Project:
        plan.setdefault("regrade", 0.0)
        plan.setdefault("checks", Checks(repeats=0))
        file = tmp_path / "gold.csv"
        file.write_text(gold)
        used = make_dataset(tmp_path / "dataset", apart=True) if dataset is None else dataset
        folder = tmp_path / "project"
        gold_file = file if gold else None
        create(folder, used, Plan(**plan), database=address, gold_file=gold_file, now=START)
        opened.append(open_project(folder, clock=clock))
        return opened[-1]

    yield make
    for project in opened:
        project.close()
