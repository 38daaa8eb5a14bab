"""``vlsu run --batch`` against a server that plays OpenAI's Batch API over a socket."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from aiohttp import web

from tests.conftest import completion, make_dataset
from tests.support.batch_services import Course, OpenAIServer, batch_servers
from tests.support.commands import vlsu
from tests.support.values import present

pytestmark = pytest.mark.slow


def by_content(body, number):
    """An answer that what is asked decides."""
    severity = ("safe", "borderline", "unsafe")[sum(json.dumps(body["messages"]).encode()) % 3]
    category = None if severity == "safe" else "C9"
    return completion(json.dumps({"severity": severity, "category": category}))


class KillingServer(OpenAIServer):
    """Kills a process at a call, before or after it did what was asked."""

    process: subprocess.Popen | None = None
    left = 0
    after = True

    @web.middleware
    async def _kill(self, request, handler):
        self.left -= 1
        if self.process is None or self.left:
            return await handler(request)
        if self.after:
            await handler(request)
        self.process.kill()
        present(request.transport).abort()
        return web.Response()

    def app(self):
        app = super().app()
        app.middlewares.insert(0, self._kill)
        return app


@pytest.fixture
def serve():
    with batch_servers() as start:
        yield start


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "dataset", 12, 4)


def command(dataset, server, out, *more):
    return [
        *("run", "understanding", dataset.path, "--model", "openai/mock"),
        *("--base-url", server.base_url, "--out", out, *more),
    ]


def metrics(out):
    return (out / "metrics.json").read_bytes()


@pytest.fixture
def direct(dataset, serve, tmp_path):
    """The metrics without batches, and how many requests that took."""
    server = serve(OpenAIServer(by_content))
    vlsu(*command(dataset, server, tmp_path / "direct"))
    return metrics(tmp_path / "direct"), len(server.asked)


def test_a_run_by_batches_has_the_result_of_one_without(dataset, serve, direct, tmp_path):
    server = serve(OpenAIServer(by_content))
    said = vlsu(*command(dataset, server, tmp_path / "R", "--batch")).stderr
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct
    assert (server.submits(), server.asked) == (1, [])
    assert f"requests: {direct[1]} asked, 0 stored before" in said


def test_answers_are_collected_by_a_later_start(dataset, serve, direct, tmp_path):
    server = serve(OpenAIServer(by_content, [Course(polls=2)]))
    line = command(dataset, server, tmp_path / "R", "--batch", "--batch-wait", "none")
    said = vlsu(*line).stderr
    assert f"waiting for 1 batch of openai/mock with {direct[1]} requests: run the same" in said
    refused = vlsu(*command(dataset, server, tmp_path / "R"), expect=2).stderr
    assert refused.count("\n") <= 2
    assert "--batch to collect them" in refused
    elsewhere = serve(OpenAIServer(by_content))
    moved = vlsu(*command(dataset, elsewhere, tmp_path / "R", "--batch"), expect=2).stderr
    assert "run the command with the same --base-url" in moved
    vlsu(*line[:-2])
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct


def test_all_models_are_handed_in_before_one_is_waited_for(dataset, serve, direct, tmp_path):
    server = serve(OpenAIServer(by_content, [Course(polls=2)]))
    line = command(dataset, server, tmp_path / "R", "--model", "openai/other", "--batch")
    said = vlsu(*line, "--batch-wait", "none").stderr
    assert server.submits() == 2
    assert said.count("run the same command again to collect") == 2
    vlsu(*line)
    for name in ("mock", "other"):
        assert metrics(tmp_path / "R" / f"openai-{name}") == direct[0]
    assert server.paid.total() == 2 * direct[1]


@pytest.mark.parametrize(
    "course",
    [
        Course(backwards=True, repeated=3),
        Course(missing=5),
        Course(truncated=True),
        Course(ends="expired", answered=0.5),
        Course(ends="cancelled", answered=0.3),
        Course(ends="failed", code="token_limit_exceeded"),
    ],
    ids=lambda course: f"{course.ends}-{course.missing}-{course.repeated}-{course.truncated}",
)
def test_whatever_comes_of_the_first_batch(dataset, serve, direct, tmp_path, course):
    server = serve(OpenAIServer(by_content, [course, Course()]))
    vlsu(*command(dataset, server, tmp_path / "R", "--batch"))
    assert metrics(tmp_path / "R") == direct[0]
    lost = course.missing + course.truncated
    assert server.paid.total() == direct[1] + lost


@contextmanager
def started(line):
    process = subprocess.Popen(
        [sys.executable, "-m", "vlsu", *map(str, line)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


#: Calls of a run: upload, batch, two looks at it, the batch with its files, their content.
@pytest.mark.parametrize(
    ("call", "after"),
    [(1, True), (2, False), (3, True), (4, True), (6, True)],
)
def test_killed_at_any_call_nothing_is_lost_or_paid_twice(
    dataset, serve, direct, tmp_path, call, after
):
    server = serve(KillingServer(by_content))
    line = command(dataset, server, tmp_path / "R", "--batch")
    server.left, server.after = call, after
    with started(line) as process:
        server.process = process
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    server.process = None
    vlsu(*line)
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct
    assert server.paid.most_common(1)[0][1] == 1
    assert server.submits() == 1


def test_an_interrupt_while_waiting_ends_at_once_and_says_what_goes_on(
    dataset, serve, direct, tmp_path
):
    server = serve(OpenAIServer(by_content))
    server.stopped = True
    line = command(dataset, server, tmp_path / "R", "--batch")
    with started(line) as process:
        deadline = time.monotonic() + 60
        while not any(path.startswith("/v1/batches/") for _, path in server.calls):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
    assert f"interrupted; 1 batch of openai/mock with {direct[1]} requests go on" in said
    server.stopped = False
    vlsu(*line)
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--batch-wait", "2h"], "--batch-wait: for --batch alone"),
        (["--batch", "--batch-wait", "soon"], "give none, or a duration such as 90s"),
        (["--batch", "--model", "baseline/majority"], "no batch interface"),
    ],
)
def test_what_means_nothing_is_refused(dataset, serve, tmp_path, more, why):
    server = serve(OpenAIServer(by_content))
    assert why in vlsu(*command(dataset, server, tmp_path / "R", *more), expect=2).stderr
    assert server.calls == []
