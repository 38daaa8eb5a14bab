"""A pre-grader that is killed: nothing is asked twice, and what it leaves is the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tests.build.grading.made import add_image, add_queries, answering, build_of, images
from tests.support.commands import vlsu
from tests.support.silent import Silent

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


#: Runs a command that is killed when it has concluded three tries.
CONCLUDING = """
import os, signal, sys
from vlsu.build.folder.store import Store
from vlsu.cli.app import run_command

conclude, done = Store.conclude, []

def counted(*given, **named):
    if len(done) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(conclude(*given, **named))

Store.conclude = counted
run_command(sys.argv[1:])
"""


def environment():
    return {**ENV, "PYTHONPATH": ":".join(sys.path)}


def started(build, server):
    return subprocess.Popen(
        [sys.executable, "-m", "vlsu", *command(build, server)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def left(build):
    with build.store() as store:
        return store.decisions("grades"), store.calls(), store.outcomes("grades")


def test_killed_at_any_moment_it_goes_on_and_asks_nothing_twice(tmp_path, chat_server):
    server = chat_server(answering)
    build, whole = waiting(tmp_path / "b"), waiting(tmp_path / "whole")
    silent = Silent(server, build.folder)
    for after in (2, 9, 20, 35):
        silent.begin_at(after)
        silent.kill(started(build, server))
    vlsu(*command(build, server), env=ENV)
    asked = Counter(json.dumps(each, sort_keys=True) for each in server.requests)
    assert len(asked) == 35
    # of each kill only what was in flight is asked again
    assert 4 <= sum(asked.values()) - len(asked) <= 4 * CONCURRENCY
    server.requests.clear()
    vlsu(*command(build, server), env=ENV)
    assert server.requests == []
    vlsu(*command(whole, server), env=ENV)
    assert left(build) == left(whole)


def test_killed_while_it_concludes_it_goes_on_without_asking(tmp_path, chat_server):
    server = chat_server(answering)
    build, whole = waiting(tmp_path / "b", 60), waiting(tmp_path / "whole", 60)
    process = subprocess.run(
        [sys.executable, "-c", CONCLUDING, *command(build, server)], env=environment(), check=False
    )
    assert process.returncode == -signal.SIGKILL
    with build.store() as store:
        assert len(store.outcomes("grades")) == 3
    asked = len(server.requests)
    vlsu(*command(build, server), env=ENV)
    assert len(server.requests) == asked
    vlsu(*command(whole, server), env=ENV)
    assert left(build) == left(whole)
