"""A policy that has no borderline: no page, no JSON and no export speaks of it."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import pytest

from tests.conftest import make_dataset
from tests.support.annotate_server import join, served
from tests.support.annotating import START, Clock, grade_all, join_graders
from vlsu.annotate.exchange.exporting import export_project
from vlsu.annotate.plan.settings import Checks, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.projects.status import status
from vlsu.annotate.quality.summary import summary
from vlsu.annotate.web.strings import LANGUAGES, said_by, strings_of
from vlsu.data import load, write_dataset
from vlsu.policy import Severity, load_policy

BORDERLINE = re.compile("borderline|grenzfall", re.IGNORECASE)
BINARY = frozenset({"safe", "unsafe"})


@pytest.fixture
def project(tmp_path):
    """A project of a policy without borderline in which graders differ."""
    policy = load_policy("binary")
    source = make_dataset(tmp_path / "source", 6, apart=True)
    two = [replace(s, image_grade=None, text_grade=None, joint_grade=Severity.UNSAFE,
                   joint_category="C9") for s in source]  # fmt: skip
    dataset = write_dataset(
        tmp_path / "two", two, name="two", version="1", licence="CC0-1.0", citation="",
        source="tests", images=source.images, policy=policy,
    )  # fmt: skip
    plan = Plan(graders={"image": 0, "text": 3, "joint": 3}, checks=Checks(repeats=0))
    create(tmp_path / "p", dataset, plan, now=START)
    with open_project(tmp_path / "p", clock=Clock()) as made:
        grades = itertools.cycle(("safe", "unsafe", "not_sure", "safe", "safe"))
        grade_all(made, join_graders(made, "Ada", "Ben", "Cleo"), lambda _, lease: next(grades))
        yield made


@pytest.mark.parametrize("language", LANGUAGES)
def test_strings_do_not_speak_of_what_the_policy_lacks(language):
    two, three = said_by(language, BINARY), said_by(language, BINARY | {"borderline"})
    assert not [text for text in two.values() if BORDERLINE.search(text)]
    assert not [name for name in two if BORDERLINE.search(name)]
    assert set(two) <= set(three) < set(strings_of(language))
    assert any(BORDERLINE.search(text) for text in three.values())


def test_exports_do_not(project: Project, tmp_path):
    out = tmp_path / "out"
    export_project(
        project, out, long=tmp_path / "long.csv", label_studio=tmp_path / "tasks.json", notes=True
    )
    written = [*out.glob("*.md"), *tmp_path.glob("*.*"), out / "dataset.yaml"]
    assert len(written) > 3
    for file in written:
        if file.is_file():
            assert not BORDERLINE.search(file.read_text("utf-8")), file.name
    for sample in load(out):
        assert not BORDERLINE.search(json.dumps(sample.metadata["grading"]))
    assert not BORDERLINE.search(json.dumps([status(project), summary(project)]))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_do_not(project: Project, language):
    seen = []
    with served(project) as address:
        token = project.invite("Finn", "grader").token
        wanted = {"Accept-Language": language}
        roles = {
            role: join(project, address, role, role) for role in ("grader", "adjudicator", "lead")
        }
        seen.append(roles["grader"].get(f"/join/{token}", Cookie="", **wanted))
        for role, paths in {
            "grader": ("/grade", "/api/me"),
            "adjudicator": ("/adjudicate",),
            "lead": ("/lead", "/api/lead", "/api/lead/quality"),
        }.items():
            seen += [roles[role].get(path, **wanted) for path in paths]
        seen.append(roles["adjudicator"].post("/api/case", {"holds": []}))
        seen.append(roles["grader"].post("/api/next", {"holds": []}))
    for answer in seen:
        assert answer.status == 200
        found = BORDERLINE.search(answer.text)
        assert found is None, answer.text[max(0, found.start() - 200) : found.end() + 20]
