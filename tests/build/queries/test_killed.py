"""Queries that are killed at any moment: the same command goes on, and asks nothing twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.build.queries.made import answer, build_with, queries_of, texts
from tests.conftest import completion
from tests.support.silent import Silent
from vlsu.build.folder.build import open_build

IMAGES = 40


@pytest.mark.slow
def test_killed_and_started_again_nothing_that_was_answered_is_asked_twice(tmp_path, chat_server):
    folder = tmp_path / "b"
    build_with(folder, {"C9 safe": IMAGES}, S_S_U__C9=IMAGES)
    written = [0]

    def respond(*_):
        written[0] += 2
        return completion(answer(*texts(2, written[0] - 2)))

    server = chat_server(respond)
    silent = Silent(server, folder)
    command = [
        *(sys.executable, "-m", "vlsu", "build", "queries", str(folder), "--model", "openai/x"),
        *("--base-url", server.base_url, "--candidates", "2", "--lengths", "medium"),
        *("--concurrency", "1"),
    ]
    for after in (3, 14, 31):
        silent.begin_at(after)
        silent.kill(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    subprocess.run(command, check=True, capture_output=True)
    asked = [str(body["messages"][-1]) for body in server.requests]
    # Asked again is what was on its way at a kill.
    assert len(asked) - len(set(asked)) == 3
    assert len(set(asked)) == IMAGES
    build = open_build(folder)
    found = queries_of(build, kept=True) + queries_of(build, kept=False)
    assert len(found) == 2 * IMAGES
    assert len({each.provenance["request"] for each in found}) == IMAGES
    with build.store(read_only=True) as store:
        assert store.calls().number == IMAGES
