"""A pre-grader that is killed: nothing is asked twice, and what it leaves is the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.build.grading.made import add_image, add_queries, answering, build_of, images
from tests.support.commands import vlsu

pytestmark = pytest.mark.slow
ENV = {"OPENAI_API_KEY": "k", "PATH": ""}
CONCURRENCY = 2


def waiting(folder, number=5):
    """A build of the same queries each time."""
    build = build_of(folder, "S-S-U/C9=20")
    with build.store() as store:
        for n, data in enumerate(images(number)):
            place = add_image(build, store, data, number=n)
            add_queries(store, place, f"a{n} [S-S-B]", f"b{n} [S-S-U]", f"c{n} [S-S-U]")
    return build


def command(build, server):
    given = ("--model", "openai/x", "--base-url", server.base_url, "--unfiltered", "0.5")
    return ("build", "grade", str(build.folder), *given, "--concurrency", str(CONCURRENCY))


def started(build, server):
    return subprocess.Popen(
        [sys.executable, "-m", "vlsu", *command(build, server)],
        env={**ENV, "PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def left(build):
    with build.store() as store:
        return store.decisions("grades"), store.calls(), store.outcomes("grades")


def test_killed_at_any_moment_it_goes_on_and_asks_nothing_twice(tmp_path, chat_server):
    # Slower than the store, which has an answer on disk within a tenth of a second.
    server = chat_server(answering, delay=0.15)
    build, whole = waiting(tmp_path / "b"), waiting(tmp_path / "whole")
    for after in (2, 9, 20, 35):
        process = started(build, server)
        while len(server.requests) < after and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    vlsu(*command(build, server), env=ENV)
    asked = Counter(json.dumps(each, sort_keys=True) for each in server.requests)
    assert len(asked) == 35
    # of each kill only what was in flight, or had come in and was not on disk yet, is asked again
    assert sum(asked.values()) - len(asked) <= 4 * 2 * CONCURRENCY
    server.requests.clear()
    vlsu(*command(build, server), env=ENV)
    assert server.requests == []
    vlsu(*command(whole, server), env=ENV)
    assert left(build) == left(whole)


def test_killed_while_it_concludes_it_goes_on_without_asking(tmp_path, chat_server):
    server = chat_server(answering)
    build, whole = waiting(tmp_path / "b", 60), waiting(tmp_path / "whole", 60)
    process = started(build, server)
    while process.poll() is None:
        with build.store(read_only=True) as store:  # which shows one moment
            if len(store.outcomes("grades")) >= 3:
                break
    process.send_signal(signal.SIGKILL)
    process.wait()
    with build.store() as store:
        assert 3 <= len(store.outcomes("grades")) < 60
    asked = len(server.requests)
    vlsu(*command(build, server), env=ENV)
    assert len(server.requests) == asked
    vlsu(*command(whole, server), env=ENV)
    assert left(build) == left(whole)
