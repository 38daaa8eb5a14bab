"""``vlsu annotate backup``, ``restore`` and ``forget``."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from tests.support.annotating import join_graders
from tests.support.commands import vlsu
from vlsu.annotate.projects.project import open_project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vlsu("annotate", "init", tmp_path / "p", "--dataset", "vlsu-mini", "--support", "Mara, room 4")
    return tmp_path / "p"


def test_a_project_is_backed_up_and_restored(folder: Path) -> None:
    file, again = folder.parent / "p.tar.gz", folder.parent / "again"
    made = json.loads(vlsu("annotate", "backup", folder, file, "--json").stdout)
    assert made["bytes"] == file.stat().st_size
    done = json.loads(vlsu("annotate", "restore", file, again, "--json").stdout)
    assert done["rows"] == made["rows"]
    before, after = (vlsu("annotate", "status", at, "--json").stdout for at in (folder, again))
    assert before == after
    assert "Mara, room 4" in (again / "project.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backup", "p", "p/project.yaml"], "already exists"),
        (["backup", "p", "no/folder/x.tar.gz"], "cannot be written"),
        (["backup", "p", "p/project.yaml/x.tar.gz"], "cannot be written"),
        (["backup", "nothing", "x.tar.gz"], "no annotation project"),
        (["restore", "p/project.yaml", "again"], "is damaged, or no backup"),
        (["restore", "nothing.tar.gz", "again"], "cannot be read"),
        (["init", "q", "--dataset", "vlsu-mini", "--officer", "x" * 2001], "--officer: 2001"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    folder: Path, arguments: list[str], said: str
) -> None:
    done = vlsu("annotate", *arguments, cwd=folder.parent, expect=None)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_forgetting_says_when_it_is_due_and_what_it_deleted(folder: Path) -> None:
    assert "no opt-outs" in vlsu("annotate", "forget", folder).stdout
    with open_project(folder) as project:
        (ada,) = join_graders(project, "Ada")
        project.opt_out(ada, "C9")
    due = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86_400))
    assert due in vlsu("annotate", "forget", folder).stdout
    assert "1 opt-outs, 0 skips" in vlsu("annotate", "forget", folder, "--now").stdout
    found = json.loads(vlsu("annotate", "forget", folder, "--now", "--json").stdout)
    assert found == {"opt_outs": 0, "skips": 0, "due": None}
