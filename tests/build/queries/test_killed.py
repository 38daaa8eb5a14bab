"""Queries that are killed at any moment: the same command goes on, and asks nothing twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.build.queries.made import answer, build_with, queries_of, texts
from tests.conftest import completion
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

    server = chat_server(respond, delay=0.05)
    command = [
        *(sys.executable, "-m", "vlsu", "build", "queries", str(folder), "--model", "openai/x"),
        *("--base-url", server.base_url, "--candidates", "2", "--lengths", "medium"),
        *("--concurrency", "1"),
    ]
    kills = 0
    for after in (3, 11, 17):
        before = len(server.requests)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.requests) < before + after and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    subprocess.run(command, check=True, capture_output=True)
    asked = [str(body["messages"][-1]) for body in server.requests]
    # Asked again is what was on its way at a kill, and what came in the moment (20 ms and what the
    # disk takes) before it was written; had nothing been stored, these were 3 + 14 + 31.
    assert len(asked) - len(set(asked)) <= 3 * kills
    assert len(set(asked)) == IMAGES
    build = open_build(folder)
    found = queries_of(build, kept=True) + queries_of(build, kept=False)
    assert len(found) == 2 * IMAGES
    assert len({each.provenance["request"] for each in found}) == IMAGES
    with build.store(read_only=True) as store:
        assert store.calls().number == IMAGES
