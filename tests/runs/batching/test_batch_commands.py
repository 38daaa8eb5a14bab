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
from tests.support.tuning_runs import answer, instruction, paired_dataset
from tests.support.values import present
from vlsu.runs import load_run
from vlsu.runs.batching.asker import BatchAsker
from vlsu.runs.batching.journal import MOST_TRIES

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


def test_an_interrupt_while_handing_in_hands_in_no_other_model(
    dataset, serve, tmp_path, monkeypatch
):
    server = serve(OpenAIServer(by_content, [Course(polls=2)]))
    submit = BatchAsker._submit

    async def interrupted(self, batch, **options):
        signal.raise_signal(signal.SIGINT)
        await submit(self, batch, **options)

    monkeypatch.setattr(BatchAsker, "_submit", interrupted)
    line = command(dataset, server, tmp_path / "R", "--model", "openai/other", "--batch")
    vlsu(*line, expect=130)
    assert server.submits() == 1


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
        process.communicate(timeout=300)
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
        deadline = time.monotonic() + 300
        while not any(path.startswith("/v1/batches/") for _, path in server.calls):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 130
    assert f"interrupted; 1 batch of openai/mock with {direct[1]} requests go on" in said
    server.stopped = False
    vlsu(*line)
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct


def test_what_is_with_the_provider_is_shown_and_can_be_cancelled(dataset, serve, direct, tmp_path):
    server = serve(OpenAIServer(by_content))
    server.stopped = True
    line = command(dataset, server, tmp_path / "R")
    vlsu(*line, "--batch", "--batch-wait", "none")
    (found,) = json.loads(vlsu(*line, "--dry-run", "--json").stdout).values()
    assert (found["out"], found["stored"], sum(found["requests"].values())) == (direct[1], 0, 0)
    batch = f"1 batch of openai/mock with {direct[1]} requests"
    assert f"{direct[1]} more are in batches" in " ".join(vlsu(*line, "--dry-run").stdout.split())
    assert f"{batch} to come" in vlsu("cost", tmp_path / "R").stderr
    server.stopped = False
    refused = vlsu(*line, "--batch-cancel", "--dry-run", expect=2).stderr
    assert "--batch-cancel: asks for nothing that could be estimated; leave out --dry" in refused
    cancelled = vlsu(*line, "--batch-cancel").stderr
    assert f"{batch} cancelled, {server.paid.total()} answers collected" in cancelled
    assert "retries" not in cancelled
    assert 0 < server.paid.total() < direct[1]
    again = vlsu(*line, "--batch-cancel").stderr
    assert "no batch cancelled, 0 answers collected" in again
    assert (server.submits(), server.asked) == (1, [])
    vlsu(*line, "--batch")
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct


def test_what_was_cancelled_is_no_try_of_a_request(dataset, serve, direct, tmp_path):
    """However often: it is asked again, and a run that is finished has no errors of it."""
    server = serve(OpenAIServer(by_content))  # half of a batch is answered before it is cancelled
    line = command(dataset, server, tmp_path / "R")
    for _ in range(MOST_TRIES):
        server.stopped = True
        vlsu(*line, "--batch", "--batch-wait", "none")
        server.stopped = False
        vlsu(*line, "--batch-cancel")
        assert load_run(tmp_path / "R").record["requests"]["retries"] == {}
    assert server.paid.total() < direct[1]
    vlsu(*line, "--batch")
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct


def test_an_interrupt_while_cancelling_does_not_say_that_batches_go_on(dataset, serve, tmp_path):
    server = serve(OpenAIServer(by_content))
    server.stopped = True
    line = command(dataset, server, tmp_path / "R")
    vlsu(*line, "--batch", "--batch-wait", "none")
    with started([*line, "--batch-cancel"]) as process:
        deadline = time.monotonic() + 300
        while not any(path.endswith("/cancel") for _, path in server.calls):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 130
    assert "20 requests may not be cancelled yet" in said
    assert "go on" not in said


def test_a_batch_that_may_not_have_been_handed_in_can_be_cancelled(
    dataset, serve, direct, tmp_path
):
    server = serve(KillingServer(by_content))
    line = command(dataset, server, tmp_path / "R")
    server.left, server.after = 1, False
    with started([*line, "--batch"]) as process:
        server.process = process
        process.communicate(timeout=300)
    server.process = None
    vlsu(*line, "--batch-cancel")
    assert server.submits() == 0
    vlsu(*line, "--batch")
    assert (metrics(tmp_path / "R"), server.submits()) == (direct[0], 1)


def test_a_batch_that_is_taken_without_being_named_is_looked_for(dataset, serve, direct, tmp_path):
    server = serve(OpenAIServer(by_content))
    server.fail("POST", "/batches", accepted=True, status=200, body={"object": "batch"})
    vlsu(*command(dataset, server, tmp_path / "R", "--batch"))
    assert (metrics(tmp_path / "R"), server.paid.total()) == direct
    assert server.submits() == 1


def test_where_no_run_is_nothing_can_be_cancelled(dataset, serve, tmp_path):
    """A wrong --out is not taken for a run whose batches are over."""
    server = serve(OpenAIServer(by_content))
    said = vlsu(*command(dataset, server, tmp_path / "typo", "--batch-cancel"), expect=2).stderr
    assert "no run is there whose batches could be cancelled" in said
    assert not (tmp_path / "typo").exists()


def test_batches_of_several_models_are_cancelled(dataset, serve, direct, tmp_path):
    server = serve(OpenAIServer(by_content, [Course(polls=9)]))
    line = command(dataset, server, tmp_path / "R", "--model", "openai/other")
    vlsu(*line, "--batch", "--batch-wait", "none")
    said = vlsu(*line, "--batch-cancel").stderr
    assert "no batch" not in said
    for name in ("mock", "other"):
        assert f"1 batch of openai/{name} with {direct[1]} requests cancelled" in said


def test_only_a_batch_that_the_provider_does_not_know_is_given_up(dataset, serve, direct, tmp_path):
    server = serve(OpenAIServer(by_content))
    line = command(dataset, server, tmp_path / "R")
    vlsu(*line, "--batch", "--batch-wait", "none")
    (identifier,) = server.batches
    server.fail("GET", identifier, status=401, body={"error": {"message": "wrong key"}})
    refused = vlsu(*line, "--batch", expect=2).stderr
    assert f"wrong key (batch {identifier})" in refused
    server.batches.clear()
    gone = vlsu(*line, "--batch", expect=2).stderr
    assert "if it was handed in with another key, give that one" in gone
    assert "--batch-cancel" in gone
    vlsu(*line, "--batch-cancel")
    vlsu(*line, "--batch")
    assert metrics(tmp_path / "R") == direct[0]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--batch-wait", "2h"], "--batch-wait: for --batch alone"),
        (["--batch", "--batch-file", "requests.jsonl"], "--batch-file and --batch-results"),
        (["--batch-cancel", "--batch-file", "requests.jsonl"], "--batch-cancel: of batches that"),
        (["--batch", "--batch-wait", "soon"], "give none, or a duration such as 90s"),
        (["--batch", "--model", "baseline/majority"], "no batch interface"),
    ],
)
def test_what_means_nothing_is_refused(dataset, serve, tmp_path, more, why):
    server = serve(OpenAIServer(by_content))
    assert why in vlsu(*command(dataset, server, tmp_path / "R", *more), expect=2).stderr
    assert server.calls == []


def test_a_search_for_an_instruction_is_a_batch_a_round(serve, tmp_path):
    dataset = paired_dataset(tmp_path / "pairs", 120)
    candidates = tmp_path / "candidates.yaml"
    promises = [(10, 90), (30, 60), (80, 95)]
    candidates.write_text(
        json.dumps({f"c{n}": instruction(promise) for n, promise in enumerate(promises)})
    )
    results = []
    for more in ((), ("--batch",)):
        server = serve(OpenAIServer(answer))
        vlsu(
            *("framings", "tune", dataset.path, "--model", "openai/mock", *more),
            *("--base-url", server.base_url, "--candidates", candidates),
            *("--out", tmp_path / f"R{len(more)}"),
        )
        results.append(metrics(tmp_path / f"R{len(more)}"))
    assert results[0] == results[1]
    assert server.submits() > 1
    assert server.asked == []
    assert set(server.paid.values()) == {1}


def test_an_ensemble_is_not_run_by_batches(dataset, tmp_path):
    line = ("run", "understanding", dataset.path, "--model", "ensemble/max:openai/a+openai/b")
    refused = vlsu(*line, "--batch", "--out", tmp_path / "R", expect=2).stderr
    assert "--batch: not with an ensemble; run it with a member alone" in refused


def test_controls_by_batches_are_those_of_the_run_without(serve, tmp_path):
    line = ("run", "understanding", "vlsu-mini", "--model", "openai/mock", "--controls")
    more = ("--modalities", "joint", "--limit", 12)
    results, servers = [], []
    for by in ((), ("--batch",)):
        servers.append(serve(OpenAIServer(by_content)))
        out = tmp_path / f"R{len(by)}"
        base = ("--base-url", servers[-1].base_url, "--out", out)
        said = vlsu(*line, *more, *base, *by)
        assert "What the result owes to the prompt" in said.stdout
        controls = sorted((out / "controls").iterdir())
        assert len(controls) == 3
        results.append([(out / "controls.json").read_bytes(), *map(metrics, (out, *controls))])
    directly, server = servers
    assert results[0] == results[1]
    assert (server.submits(), server.asked) == (4, [])
    assert server.paid.total() == len(directly.asked)
    assert set(server.paid.values()) == {1}


def test_controls_by_batches_are_collected_by_later_starts(serve, tmp_path):
    server = serve(OpenAIServer(by_content, [Course(polls=1)]))
    line = ("run", "understanding", "vlsu-mini", "--model", "openai/mock", "--controls")
    more = ("--modalities", "joint", "--limit", 6, "--base-url", server.base_url)
    waits = ("--batch", "--batch-wait", "none", "--out", tmp_path / "R")
    for _ in range(12):
        said = vlsu(*line, *more, *waits).stderr
        if "controls: no-hint" in said and not (tmp_path / "R" / "controls.json").exists():
            assert "run the same command again to collect the answers into" in said
            assert "interrupted" not in said
        if (tmp_path / "R" / "controls.json").exists():
            break
    assert (tmp_path / "R" / "controls.json").exists()
    assert set(server.paid.values()) == {1}
