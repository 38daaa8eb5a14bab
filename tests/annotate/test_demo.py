"""``vlsu annotate demo``: a project that can be tried at once, and that ends with Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.annotate_server import LONG_S
from tests.support.commands import vlsu
from vlsu.annotate.projects.project import open_project
from vlsu.cli.annotate_demo import MILD, SAMPLES
from vlsu.data import load

pytestmark = pytest.mark.slow


def test_links_are_printed_pages_are_served_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vlsu", "annotate", "demo", "--no-browser", "--out"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "out")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        lines = [process.stdout.readline() for _ in range(5)]
        said = ""
        while "Ctrl-C" not in said:  # it listens
            line = process.stderr.readline()
            assert line, said
            said += line
        links = dict(re.findall(r"^(\w+) \(\w+\): (\S+)$", "".join(lines), re.MULTILINE))
        assert list(links) == ["Ana", "Bo", "Chi", "Dana", "Lee"]
        with urllib.request.urlopen(links["Ana"], timeout=LONG_S) as page:
            assert page.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(LONG_S)
        rest = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
    assert code in (0, 130)
    assert "Traceback" not in said + rest
    # It stays in the folder, with grades that were made before.
    found = json.loads(vlsu("annotate", "status", tmp_path / "out" / "project", "--json").stdout)
    assert found["slots"]["joint"]["done"] > 20
    assert found["disputes"] > 0
    assert found["graders"]["Ana"]["done"] == 0
    with open_project(tmp_path / "out" / "project") as project:
        assert project.skips_and_opt_outs()
        samples = list(project.dataset())
    assert len(samples) == sum(SAMPLES.values())
    assert all(
        {each.joint_category, each.image_category, each.text_category} <= MILD for each in samples
    )
    assert {each.id for each in samples} <= {each.id for each in load("vlsu-mini")}


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    done = vlsu("annotate", "demo", "--no-browser", "--out", tmp_path, expect=2)
    assert "has 'thesis.tex' in it; give a new folder" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]
    done = vlsu("annotate", "demo", "--no-browser", "--out", tmp_path / "thesis.tex", expect=2)
    assert "cannot be used" in done.stderr
