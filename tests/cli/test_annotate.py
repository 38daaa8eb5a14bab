"""``vlsu annotate init``, ``invite`` and ``status``."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("sqlalchemy")

from tests.support.annotating import answer_to, join_graders
from tests.support.commands import vlsu
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.work.leasing import Lease


@pytest.fixture
def folder(tmp_path):
    vlsu("annotate", "init", tmp_path / "p", "--dataset", "vlsu-mini", "--regrade", 0)
    return tmp_path / "p"


def test_a_project_from_the_command_line(folder):
    found = json.loads(vlsu("annotate", "status", folder, "--json").stdout)
    assert found["slots"] == {
        "image": {"wanted": 465, "done": 0, "leased": 0},
        "text": {"wanted": 1395, "done": 0, "leased": 0},
        "joint": {"wanted": 1395, "done": 0, "leased": 0},
    }
    assert (found["graders"], found["disputes"]) == ({}, 0)
    assert set(found["agreement"]) == {"image", "text", "joint"}


def test_an_invitation_is_a_link_that_joins(folder):
    done = vlsu(
        *("annotate", "invite", folder, "--role", "grader", "--name", "Ada"),
        *("--base-url", "https://grade.example/app/", "--json"),
    )
    made = json.loads(done.stdout)
    assert set(made) == {"name", "role", "link"}
    assert (made["name"], made["role"]) == ("Ada", "grader")
    start, _, token = made["link"].rpartition("/")
    assert start == "https://grade.example/app/join"
    with open_project(folder) as project:
        project.join(token)
    assert "Ada" in json.loads(vlsu("annotate", "status", folder, "--json").stdout)["graders"]


def test_tables_for_people(folder):
    with open_project(folder) as project:
        (ada,) = join_graders(project, "Ada")
        lease = project.next_item(ada)
        assert isinstance(lease, Lease)
        project.submit(ada, answer_to(lease))
    shown = vlsu("annotate", "status", folder).stdout
    assert "Ada" in shown
    assert "0 disputes wait for an adjudicator." in shown
    link = vlsu("annotate", "invite", folder, "--role", "lead", "--name", "Lea").stdout.strip()
    assert link.startswith("http://127.0.0.1:8766/join/")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "nowhere"], "no annotation project"),
        (["init", "x", "--dataset", "nowhere"], "no such dataset"),
        (["init", "x", "--dataset", "vlsu-mini", "--graders", "image:1"], "write image=1"),
        (["init", "x", "--dataset", "vlsu-mini", "--regrade", "2"], "--regrade"),
        (["init", "x", "--dataset", "vlsu-mini", "--db", "mysql://h/d"], "--db"),
        (["init", "x", "--dataset", "vlsu-mini", "--gold", "none.csv"], "none.csv"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, arguments, said):
    done = vlsu("annotate", *arguments, cwd=tmp_path, expect=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_who_cannot_be_invited_is_one_line(folder):
    for arguments, said in (
        (["--role", "boss", "--name", "Ada"], "--role 'boss'"),
        (["--role", "grader", "--name", " "], "--name"),
        (["--role", "grader", "--name", "Ada", "--base-url", "ftp://x"], "--base-url"),
    ):
        done = vlsu("annotate", "invite", folder, *arguments, expect=2)
        assert said in done.stderr
