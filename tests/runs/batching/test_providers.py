"""``vlsu run --batch`` against servers that play the interface of each provider over a socket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from aiohttp import web

from tests.conftest import make_dataset
from tests.support.batch_requests import by_text
from tests.support.batch_services import (
    AnthropicServer,
    BatchServer,
    Course,
    GoogleServer,
    OpenAIServer,
    batch_servers,
)
from tests.support.commands import vlsu
from tests.support.values import present
from vlsu.errors import ModelError
from vlsu.runs import evaluate
from vlsu.runs.batching.options import Batching

pytestmark = pytest.mark.slow

#: A model of each provider, and the server that plays its interface.
PROVIDERS: dict[str, Callable[..., BatchServer]] = {
    "openai/gpt-4.1": OpenAIServer,
    "anthropic/claude-haiku-4-5": AnthropicServer,
    "google/gemini-2.5-flash": GoogleServer,
}
#: What the call that makes a batch ends in.
SUBMIT = {"openai": "/batches", "anthropic": "/batches", "google": ":batchGenerateContent"}


class Direct(NamedTuple):
    """A run without batches.

    Attributes:
        spec: Its model.
        dataset: What it is about.
        run: Its folder.
        requests: How many it took.
    """

    spec: str
    dataset: Path
    run: Path
    requests: int


@pytest.fixture
def serve() -> Iterator[Callable[[BatchServer], BatchServer]]:
    with batch_servers() as start:
        yield start


@pytest.fixture(scope="module", params=PROVIDERS)
def direct(request, tmp_path_factory) -> Direct:
    folder = tmp_path_factory.mktemp("direct")
    make_dataset(folder / "dataset", 24, 8)
    with batch_servers() as start:
        server = start(PROVIDERS[request.param](by_text))
        made = Direct(request.param, folder / "dataset", folder / "R", 0)
        vlsu(*arguments(made, server, made.run))
        return made._replace(requests=len(server.asked))


def arguments(direct: Direct, server: BatchServer, out: Path, *more: object) -> list[Any]:
    return [
        *("run", "understanding", direct.dataset, "--model", direct.spec, "--seed", 1),
        *("--base-url", server.base_url, "--out", out, *more),
    ]


def assert_same(one: Path, other: Path) -> None:
    """The same metrics, to the byte, and the same judgments but for the time they took."""
    assert (one / "metrics.json").read_bytes() == (other / "metrics.json").read_bytes()
    first, second = (pl.read_parquet(run / "judgments.parquet") for run in (one, other))
    times = [name for name in first.columns if "latency" in name or "time" in name]
    assert first.drop(times).equals(second.drop(times))


def test_a_run_by_batches_has_the_result_of_one_without(direct, serve, tmp_path):
    server = serve(PROVIDERS[direct.spec](by_text, [Course(polls=2, backwards=True)]))
    vlsu(*arguments(direct, server, tmp_path / "R", "--batch"))
    assert_same(tmp_path / "R", direct.run)
    assert (server.paid.total(), server.submits(), server.asked) == (direct.requests, 1, [])


def test_what_expired_is_asked_again(direct, serve, tmp_path):
    server = serve(
        PROVIDERS[direct.spec](by_text, [Course(ends="expired", answered=0.5), Course()])
    )
    vlsu(*arguments(direct, server, tmp_path / "R", "--batch"))
    assert_same(tmp_path / "R", direct.run)
    # Google gives no results of a batch that expired; what it answered by then is lost.
    lost = direct.requests // 2 if direct.spec.startswith("google") else 0
    assert server.paid.total() == direct.requests + lost


def test_a_batch_is_not_paid_twice_if_the_answer_to_its_submission_is_lost(direct, serve, tmp_path):
    server = serve(PROVIDERS[direct.spec](by_text))
    server.fail("POST", SUBMIT[server.provider], accepted=True)
    vlsu(*arguments(direct, server, tmp_path / "R", "--batch"))
    assert_same(tmp_path / "R", direct.run)
    assert (server.paid.total(), server.submits()) == (direct.requests, 1)


@pytest.mark.parametrize("nonsense", [{"page": "<html>Sign in</html>"}, {"body": {"ok": True}}])
def test_a_service_that_answers_nonsense_ends_the_run_with_one_line(
    direct, serve, tmp_path, nonsense
):
    server = serve(PROVIDERS[direct.spec](by_text))
    settings = {"base_url": server.base_url, "seed": 1, "out": tmp_path / "R"}
    waiting = Batching(pause_s=0.01, patience_s=0.2, wait_s=0)
    evaluate(str(direct.dataset), model=direct.spec, batch=waiting, **settings)
    (batch,) = server.batches
    server.fail("GET", batch.rpartition("/")[2], status=200, times=10**6, **nonsense)
    patient = Batching(pause_s=0.01, patience_s=0.2)
    with pytest.raises(ModelError, match=r"the server's answer .* run the same command again"):
        evaluate(str(direct.dataset), model=direct.spec, batch=patient, **settings)
    server.faults.clear()
    evaluate(str(direct.dataset), model=direct.spec, batch=patient, **settings)
    assert_same(tmp_path / "R", direct.run)
    assert (server.paid.total(), server.submits()) == (direct.requests, 1)


def killing(server: BatchServer, process: list[subprocess.Popen[bytes]]) -> BatchServer:
    """A server that kills the process after it has accepted its batch, without an answer."""

    @web.middleware
    async def kill(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        if process and request.method == "POST" and server.batches:
            process.pop().kill()
            present(request.transport).abort()
        return response

    app = server.app

    def with_kill() -> web.Application:
        made = app()
        made.middlewares.insert(0, kill)
        return made

    server.app = with_kill  # type: ignore[method-assign]
    return server


def test_a_batch_is_not_paid_twice_if_the_process_is_killed_while_it_is_submitted(
    direct, serve, tmp_path
):
    processes: list[subprocess.Popen[bytes]] = []
    server = serve(killing(PROVIDERS[direct.spec](by_text, [Course(polls=2)]), processes))
    line = arguments(direct, server, tmp_path / "R", "--batch")
    process = subprocess.Popen(
        [sys.executable, "-m", "vlsu", *map(str, line)],
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    processes.append(process)
    assert process.wait(200) < 0
    assert (server.submits(), server.paid.total()) == (1, 0)
    vlsu(*line)
    assert_same(tmp_path / "R", direct.run)
    assert (server.paid.total(), server.submits()) == (direct.requests, 1)
