"""What this machine lacks is no sample's error: a low limit of open files, memory, threads."""

import asyncio
import json
import os
import resource
import ssl
import subprocess
import sys
import threading
from collections import Counter

import orjson
import polars as pl
import pytest
import trustme
import yaml
from benchmarks.simulated import Server, fixed, simulate

from tests.conftest import completion, make_dataset
from tests.support.fault_server import FaultServer, good, run_command, say, text_dataset
from tests.support.values import present
from vlsu._machine import exhausted_resource
from vlsu.errors import MachineError
from vlsu.models.inprocess import InProcessModel
from vlsu.runs import Limits, evaluate
from vlsu.runs.asking.in_flight import InFlight

pytestmark = pytest.mark.slow

SAMPLES = 400


class Watching:
    """Answers well, once so many requests were in flight at once; remembers how many were."""

    def __init__(self, answer=good, wanted=0):
        self.answer = answer
        self.wanted = wanted
        self.server = None
        self.most = 0

    def ready(self, number):
        self.most = max(self.most, present(self.server).in_flight)
        return self.most >= self.wanted

    def __call__(self, asked):
        return self.answer(asked)


def served(delay=0.2, answer=good, wanted=0):
    watching = Watching(answer, wanted)
    watching.server = FaultServer(watching, delay)
    watching.server.ready = watching.ready
    return watching.server, watching


def limited(soft, hard):
    """For a process that is about to start: at most so many files open."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}


def run_of(out):
    record = yaml.safe_load((out / "run.yaml").read_text())
    outcomes = Counter(pl.read_parquet(out / "judgments.parquet")["outcome"])
    return record, outcomes


LIMITS = [(64, 64), (128, 128), (256, 256), (64, 300), (64, 4096)]


@pytest.mark.parametrize(("soft", "hard"), LIMITS)
def test_a_low_limit_of_open_files_costs_no_answer(soft, hard, tmp_path):
    dataset = text_dataset(tmp_path / "D", SAMPLES)
    server, watching = served(wanted=101 if hard > soft else 16)
    with server:
        options = ["--concurrency", 150] if hard > soft else []
        out = tmp_path / "R"
        process = run_command(dataset, server.base_url, out, *options, **limited(soft, hard))
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    record, outcomes = run_of(tmp_path / "R")
    assert outcomes == {"ok": SAMPLES}
    assert record["requests"]["errors"] == record["requests"]["retries"] == {}
    assert len(server.asked) == SAMPLES
    # Held below the limit, which is raised where it may be.
    assert 16 <= watching.most < hard
    if hard > soft:
        assert watching.most > 100


@pytest.mark.parametrize("limit", [64, 128])
def test_images_are_read_under_a_low_limit(limit, tmp_path):
    dataset = make_dataset(tmp_path / "D", samples=300, images=30)
    server, _ = served(delay=0.1)
    with server:
        process = run_command(
            dataset,
            server.base_url,
            tmp_path / "R",
            "--modalities",
            "image,text,joint",
            **limited(limit, limit),
        )
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    record, outcomes = run_of(tmp_path / "R")
    assert outcomes == {"ok": 900}
    assert record["requests"]["errors"] == {}


def test_more_in_flight_than_files_may_be_open_is_said_in_one_line(tmp_path):
    dataset = text_dataset(tmp_path / "D", SAMPLES)
    server, watching = served()
    with server:
        process = run_command(
            dataset, server.base_url, tmp_path / "R", "--concurrency", 300, **limited(128, 128)
        )
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    [line] = [line for line in said.splitlines() if "ulimit" in line]
    assert "--concurrency 300" in line
    _, outcomes = run_of(tmp_path / "R")
    assert outcomes == {"ok": SAMPLES}
    assert watching.most < 128


def test_the_judges_of_a_run_under_a_low_limit(tmp_path):
    dataset = make_dataset(tmp_path / "D", samples=60, images=12)
    verdict = {"kind": "full_compliance", "helpfulness": 4}

    def answer(asked):
        judging = "helpfulness" in asked.words or "verdict" in asked.words
        return say(completion(json.dumps(verdict) if judging else "Here is how to go about it."))

    server, _ = served(delay=0.05, answer=answer)
    with server:
        command = ["run", "alignment", dataset.path, "--out", tmp_path / "R"]
        command += ["--model", "openai/mock", "--judge", "openai/judge"]
        command += ["--base-url", server.base_url, "--judge-base-url", server.base_url]
        process = subprocess.run(
            [sys.executable, "-m", "vlsu", *map(str, command)],
            capture_output=True,
            text=True,
            timeout=300,
            **limited(64, 64),
        )
    assert process.returncode == 0, process.stderr
    record = yaml.safe_load((tmp_path / "R" / "run.yaml").read_text())
    assert record["requests"]["errors"] == {}
    assert record["requests"]["unanswered"] == {}


def test_connections_over_tls_under_a_low_limit(tmp_path):
    """Through the other client, which keeps connections of its own."""
    dataset = text_dataset(tmp_path / "D", 200)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server, watching = served()
    server.context = context
    with server:
        url = server.base_url.replace("127.0.0.1", "localhost")
        process = run_command(
            dataset,
            url,
            tmp_path / "R",
            env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem")},
            **limited(96, 96),
        )
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    _, outcomes = run_of(tmp_path / "R")
    assert outcomes == {"ok": 200}
    assert watching.most < 96


#: Asks through a client that keeps more and more connections once it has had an answer, until no
#: more files may be open; once it is closed, they are returned a moment later by another thread.
HOARDING = """
import asyncio, os, sys, threading, time
from vlsu.data import load
from vlsu.models import Settings
from vlsu.models.http import client as clients
from vlsu.models.http.transport import Answer
from vlsu.runs import evaluate

class Hoarding:
    kept = []
    answered = 0

    async def post(self, make):
        list(make())
        self.answered += 1
        while self.answered > 1:
            try:
                self.kept.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        return Answer(200, sys.argv[3].encode(), lambda name: None)

    async def close(self):
        threading.Thread(target=self.release).start()

    def release(self):
        time.sleep(0.2)
        while self.kept:
            os.close(self.kept.pop())

clients.HttpClient._open = lambda client: Hoarding()
settings = Settings(base_url="https://localhost/v1")
dataset = load(sys.argv[1])
evaluate(dataset, model="openai/mock", modalities=("text",), out=sys.argv[2], settings=settings)
"""


def test_idle_connections_leave_room_for_the_results(tmp_path):
    text_dataset(tmp_path / "D", 6)
    answer = json.dumps(completion('{"severity": "safe", "category": null}'))
    process = subprocess.run(
        [sys.executable, "-c", HOARDING, str(tmp_path / "D"), str(tmp_path / "R"), answer],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OPENAI_API_KEY": "test"},
        **limited(200, 200),
    )
    assert process.returncode == 0, process.stderr
    record, outcomes = run_of(tmp_path / "R")
    assert record["status"] == "finished"
    assert outcomes == {"ok": 6}


#: Leaves so many files to be opened, and posts more requests than that at once.
CROWDED = """
import asyncio, json, os, resource, sys
from vlsu.models.http import client as clients

if sys.argv[2] == "other":
    clients.is_simple_http = lambda url: False

async def main():
    client = clients.HttpClient(sys.argv[1], {}, 20.0)
    await client.post(lambda: [b'{"messages": [{"content": "first"}]}'])
    kept = [os.open(os.devnull, os.O_RDONLY)]
    limit = kept[0] + 12
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    async def post():
        raw, _ = await client.post(lambda: [b'{"messages": [{"content": "x"}]}'])
        if not raw.status:
            print("lost", flush=True)
        return raw
    answers = await asyncio.gather(*(post() for _ in range(40)))
    print(json.dumps([[raw.status, raw.body.decode()[:300]] for raw in answers]))
    await client.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("which", ["plain", "other"])
def test_a_connection_for_want_of_a_file_is_this_machines_fault(which):
    server, _ = served(delay=0)
    lost_one = threading.Event()
    server.ready = lambda number: number == 1 or lost_one.is_set()
    with (
        server,
        subprocess.Popen(
            [sys.executable, "-c", CROWDED, server.base_url, which],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        present(process.stdout).readline()
        lost_one.set()
        out, trouble = process.communicate(timeout=300)
    assert process.returncode == 0, trouble
    answers = json.loads(out.splitlines()[-1])
    answered = [status for status, _ in answers if status == 200]
    lost = [said for status, said in answers if status == 0]
    assert answered
    assert lost
    assert all(said.startswith("machine: no more files may be open") for said in lost)


# Models of a user's own


class Lacking:
    """An answerer that fails so many times, each in a way that is not the request's fault."""

    modalities = frozenset({"text"})
    takes_instructions = True

    def __init__(self, errors):
        self.errors = errors
        self.answered = 0

    def identity(self):
        return {}

    def answer(self, requests, images):
        if self.errors:
            raise self.errors.pop()
        self.answered += len(requests)
        return [{"text": '{"severity": "safe", "category": null}'} for _ in requests]


def wrapped():
    """As the clients of others raise it: their own kind, the cause behind it."""
    try:
        raise OSError(24, "Too many open files")
    except OSError as error:
        try:
            raise ValueError("Connection error.") from error
        except ValueError as outer:
            return outer


@pytest.mark.parametrize(
    "error",
    [
        OSError(24, "Too many open files"),
        OSError(28, "No space left on device"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        ValueError("error sending request: Too many open files (os error 24)"),
        wrapped(),
        MachineError("nothing is left"),
    ],
    ids=["files", "room", "memory", "threads", "by number", "cause", "said"],
)
def test_what_a_model_lacks_for_a_while_costs_no_sample(error, tmp_path):
    dataset = text_dataset(tmp_path / "D", 6)
    answerer = Lacking([error] * 3)
    model = InProcessModel("own/model", answerer, batch_size=1)
    limits = Limits(max_requests=6)  # what was not sent is no request
    evaluate(dataset, model=model, modalities=("text",), out=tmp_path / "R", limits=limits)
    record, outcomes = run_of(tmp_path / "R")
    assert outcomes == {"ok": 6}
    assert record["requests"]["retries"] == {"machine": 3}
    assert record["requests"]["errors"] == {}


@pytest.mark.parametrize(
    "error", [OSError(2, "No such file"), ValueError("24"), RuntimeError("no thread")]
)
def test_other_errors_are_none_of_this_machine(error):
    assert exhausted_resource(error) is None


# The level, in virtual time


class Crowded(Server):
    """No more than so many connections can be made, from one point in time to another."""

    def __init__(self, draw, possible, until=float("inf"), since=0.0):
        super().__init__(draw)
        self.possible, self.until, self.since = possible, until, since
        self.lacked = 0

    async def handle(self):
        now = asyncio.get_running_loop().time()
        if self.since <= now < self.until and self.in_flight >= self.possible:
            self.lacked += 1
            raise OSError(24, "Too many open files")
        return await super().handle()


@pytest.mark.parametrize("concurrency", [None, 200])
def test_the_level_stays_at_what_is_possible(concurrency):
    server = Crowded(fixed(1.0), possible=50)
    run = simulate(server, seconds=600, concurrency=concurrency, most=200)
    assert set(run.outcomes) == {"ok"}
    assert not run.errors
    assert run.rate() > 0.7 * 50
    assert server.lacked < 0.05 * len(run.times) + 200


def test_the_level_comes_back_when_nothing_is_lacked_any_more():
    server = Crowded(fixed(1.0), possible=2, since=30, until=60)
    run = simulate(server, seconds=900, most=128)
    assert min(run.levels[10:20]) <= 2
    assert run.rate(0.9) > 0.95 * 128


def test_a_machine_that_can_send_nothing_ends_the_run_after_a_minute():
    server = Crowded(fixed(1.0), possible=0, since=10)
    with pytest.raises(MachineError, match=r"no more files may be open.*again to continue"):
        simulate(server, seconds=600, most=64)
    assert server.lacked < 64 * 70  # it does not try without pause


def test_what_is_in_flight_is_waited_for_however_long_nothing_else_can_be_sent():
    # Two slow requests at a time, for more than the minute after which the run would end.
    run = simulate(Crowded(fixed(90.0), possible=2), requests=8, most=64)
    assert run.outcomes == {"ok": 8}


def test_the_bound_is_never_below_one():
    in_flight = InFlight(4, 4)
    for now in range(10):
        in_flight.not_sent(float(now), in_flight.sent(float(now)))
    assert in_flight.size == in_flight.most == 1


# The limit itself


def in_a_process(code):
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        **limited(100, 400),
    )
    assert result.returncode == 0, result.stderr
    return orjson.loads(result.stdout)


def test_the_limit_is_put_back_by_the_last_who_raised_it():
    code = """
import json, resource
from vlsu.runs.asking.open_files import open_files
def limit(): return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
seen = [limit()]
with open_files(50) as first:
    seen.append(limit())
    with open_files(10**6) as second:
        seen.append(limit())
    seen.append(limit())
seen.append(limit())
print(json.dumps([seen, first, second]))
"""
    (before, raised, most, still, after), first, second = in_a_process(code)
    assert before == after == 100
    assert 100 < raised < most == still == 400
    assert first == 50
    assert 250 < second < 400


def test_the_limit_stays_while_more_files_are_open_than_it_allows():
    code = """
import json, os, resource
from vlsu.runs.asking.open_files import open_files
with open_files(300):
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(200)]
print(json.dumps(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
"""
    assert in_a_process(code) > 200
