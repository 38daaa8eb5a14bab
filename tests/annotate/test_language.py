"""The language of the pages, as somebody chooses it; what a grader is told of their own work."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import make_dataset
from tests.support.annotate_server import Browser, join, served
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Project:
    dataset = make_dataset(tmp_path / "dataset", apart=True)
    create(tmp_path / "project", dataset, Plan(regrade=0.0), database=None, now=0)
    return open_project(tmp_path / "project")


def test_a_language_is_chosen_by_a_link_and_kept(project: Project) -> None:
    with project, served(project) as address:
        browser = Browser(address)
        assert '<html lang="en"' in browser.get("/login").text
        chosen = browser.get("/language?to=de&back=/login")
        assert (chosen.status, chosen.headers["location"]) == (303, "/login")
        assert '<html lang="de"' in browser.get("/login", Accept_Language="en").text
        assert browser.get("/language?to=tlh&back=/login").status == 400


@pytest.mark.parametrize(
    "back",
    ["//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example", "/a\r\nb"],
)
def test_a_choice_of_language_leads_nowhere_else(project: Project, back: str) -> None:
    with project, served(project) as address:
        chosen = Browser(address).get("/language?" + urlencode({"to": "de", "back": back}))
        assert (chosen.status, chosen.headers["location"]) == (303, "/")


def test_graders_see_what_they_did_today_and_what_bounds_it(project: Project) -> None:
    with project, served(project) as address:
        ann, ben = (join(project, address, name) for name in ("Ann", "Ben"))
        for n in range(3):
            item = ann.next()
            assert item is not None
            assert ann.submit(item, f"answer-{n}").status == 200
        skipped = ann.next()
        assert skipped is not None
        assert ann.post("/api/skip", {"key": skipped["key"], "seconds": 1}).status == 200
        mine, theirs = ann.get("/api/me").json, ben.get("/api/me").json
        assert (mine["done"], mine["today"]["items"]) == (3, 4)
        assert mine["bounds"] == {"minutes": 240, "hard": 60}
        assert (theirs["done"], theirs["today"]["items"]) == (0, 0)
        assert mine["policy"] == {"version": 1, "notes": []}
        assert mine["support"]["text"]
        assert Browser(address).get("/api/me").status == 401
