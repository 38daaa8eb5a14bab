"""The export from the lead's page: one at a time, below the project's folder, without names."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from tests.support.annotate_server import LONG_S, Browser, join, served
from tests.support.annotating import rows
from tests.support.simulated import graded_project
from vlsu.annotate.exchange.exporting import export_project
from vlsu.annotate.store.tables import audit
from vlsu.annotate.web import leading_export
from vlsu.data import load
from vlsu.errors import AnnotationError

EXPORT = "vlsu.annotate.web.leading_export.export_project"


@pytest.fixture
def graded(new_project):
    project = graded_project(new_project(graders={"text": 2, "joint": 3}))
    with served(project) as address:
        yield project, join(project, address, "Lea", "lead"), address


def ended(lead: Browser) -> Any:
    for _ in range(2400):
        found = lead.get("/api/lead/export").json
        if found["state"] != "running":
            return found
        time.sleep(0.05)
    raise AssertionError("it runs still")


def begin(lead: Browser) -> int:
    lead.get("/lead")
    return lead.post("/api/lead/export", {}).status


def test_an_export_goes_below_the_project_and_tells_what_came_of_it(graded):
    project, lead, _ = graded
    assert lead.get("/api/lead/export").json == {"state": "none"}
    for number in (1, 2):
        assert begin(lead) == 200
        found = ended(lead)
        assert (found["state"], found["stopped"]) == ("done", 1)
        assert found["modalities"]["joint"]["dispute"] >= 1
        folder = project.folder.parent / found["folder"]
        assert folder.parent == project.folder / leading_export.FOLDER
        assert len(list(load(folder / "dataset"))) == found["samples"]
        assert len(list(folder.parent.iterdir())) == number
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert [row.subject for row in rows(project, audit) if row.action == "export"] == [
        *sorted(each.name for each in folder.parent.iterdir())
    ]
    table = (folder / "grades.csv").read_text()
    assert lead.get("/lead/grades.csv").text == table


def test_the_table_has_no_name_no_note_and_nothing_of_what_was_stopped(graded):
    project, lead, _ = graded
    found = lead.get("/lead/grades.csv")
    assert found.status == 200
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["content-disposition"] == 'attachment; filename="grades.csv"'
    written = list(csv.DictReader(io.StringIO(found.text)))
    assert {row["set_aside"] for row in written} == {"true", "false"}
    assert all(row["grader"].startswith("g-") and row["item"] != "s4" for row in written)
    for word in ("Ada", "Ben", "Dia", "words of a grader", "a slip"):
        assert word not in found.text
    assert rows(project, audit)[-1].subject == "grades.csv"


def test_one_runs_at_a_time(graded, monkeypatch):
    _, lead, _ = graded
    go = threading.Event()
    real = export_project

    def slow(*given: Any, **named: Any) -> Any:
        assert go.wait(LONG_S)
        return real(*given, **named)

    monkeypatch.setattr(EXPORT, slow)
    assert [begin(lead), begin(lead)] == [200, 409]
    assert lead.get("/api/lead/export").json["state"] == "running"
    go.set()
    assert ended(lead)["state"] == "done"


@pytest.mark.parametrize("error", [AnnotationError("no place"), RuntimeError("a note of Ada")])
def test_a_failure_is_told_and_its_reason_is_in_the_log(graded, monkeypatch, caplog, error):
    _, lead, _ = graded

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(EXPORT, fail)
    with caplog.at_level(logging.ERROR):
        assert begin(lead) == 200
        assert ended(lead)["state"] == "failed"
    assert ("no place" in caplog.text) == isinstance(error, AnnotationError)
    assert "Ada" not in caplog.text
    monkeypatch.undo()
    assert begin(lead) == 200
    assert ended(lead)["state"] == "done"


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_the_table_is_closed_when_nobody_reads_on(graded, monkeypatch, pieces):
    """Whether a reader leaves before the head, after it, or within the table."""
    project, _, _ = graded
    monkeypatch.setattr(leading_export, "_PIECE", 16)
    who, before = SimpleNamespace(id=1), files_without_a_name(project.folder)
    call: Any = SimpleNamespace(service=SimpleNamespace(project=project), who=who)
    response = leading_export.table(call)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        if len(sent) == pieces:
            raise OSError("the reader is gone")
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def leave() -> None:
        with pytest.raises(ClientDisconnect):
            await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)

    assert files_without_a_name(project.folder) == before + 1
    asyncio.run(leave())
    assert files_without_a_name(project.folder) == before
    assert len(sent) == pieces


def files_without_a_name(folder: Path) -> int:
    """Those of a folder that this process has open."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(folder) in (name := str(each.readlink())) and name.endswith("(deleted)")
    return found
