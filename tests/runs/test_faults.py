"""What becomes of each fault a server can have; ``docs/faults.md`` holds the same table."""

import gzip
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from tests.conftest import completion, make_dataset
from tests.support import tls
from tests.support.fault_server import (
    GOOD_BODY,
    QUICK,
    Asked,
    Behaviour,
    FaultServer,
    ask_and_judge,
    bomb,
    close_in_body,
    close_unanswered,
    drip,
    endless,
    error,
    good,
    html,
    no_http,
    reply,
    reset_in_body,
    run_command,
    say,
    silence,
    text_dataset,
    zipped,
)
from tests.support.stores import stored_bodies
from tests.support.values import present
from vlsu.errors import ModelError
from vlsu.models import Settings, open_model
from vlsu.runs.asking.pace import Breaker
from vlsu.runs.asking.patience import Retries

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: As the table has it.
        behaviour: What the server does.
        becomes: The outcome if it lasts, or ``stops`` if the whole run ends with it.
        kind: Under which it is counted; empty where it is no fault.
        again: Whether the request is tried again.
        said: Words of the line that the run ends with.
    """

    name: str
    behaviour: Behaviour
    becomes: str
    kind: str = ""
    again: bool = False
    said: str = ""


def passing(name: str, kind: str, behaviour: Behaviour) -> Fault:
    return Fault(name, behaviour, "error", kind, again=True)


def stopping(name: str, kind: str, behaviour: Behaviour, said: str) -> Fault:
    return Fault(name, behaviour, "stops", kind, said=said)


QUOTA = {"error": {"message": "pay", "code": "insufficient_quota", "type": "insufficient_quota"}}
FILTERED = {"error": {"message": "filtered", "code": "content_filter"}}
VIOLATION = {"code": "permission denied", "error": "Content violates usage guidelines."}
ANSWER = '{"severity": "safe", "category": null}'
UPSTREAM = {"error": {"message": "upstream is down", "code": 502}}

FAULTS = [
    passing("429", "rate-limit", error(429, "slow down")),
    passing("429 with Retry-After", "rate-limit", error(429, "slow down", Retry_After="0")),
    passing("500", "server", error(500, "oops")),
    passing("502, an HTML page", "server", html(502)),
    passing("503 with Retry-After", "server", error(503, "busy", Retry_After="0")),
    passing("an error of the server in an answer of status 200", "server", say(UPSTREAM)),
    passing("closed without an answer", "broken", close_unanswered),
    passing("reset in the middle of the body", "broken", reset_in_body),
    passing("closed in the middle of the body", "malformed", close_in_body),
    passing("a byte at a time, past --timeout", "timeout", drip),
    passing("silence, past --timeout", "timeout", silence),
    passing("an endless body", "endless", endless),
    passing("a status below 100 or above 599", "malformed", reply(99, GOOD_BODY)),
    passing("204, no answer at all", "malformed", reply(204, b"")),
    passing("no HTTP", "malformed", no_http),
    passing("truncated JSON", "malformed", reply(200, GOOD_BODY[: len(GOOD_BODY) // 2])),
    passing(
        "bytes that are no UTF-8", "malformed", reply(200, GOOD_BODY.replace(b"safe", b"\xff"))
    ),
    passing("JSON of another shape", "malformed", say({"choices": {"message": ["safe"]}})),
    passing("finish reason abort", "server", say(completion("half an answer", "abort"))),
    passing("no choices", "malformed", say({**completion("x"), "choices": []})),
    passing("broken gzip", "broken", zipped(gzip.compress(GOOD_BODY)[:-12])),
    passing("a gzip bomb", "endless", zipped(bomb())),
    Fault("400 for one sample", error(400, "cannot decode the image"), "error", "bad-request"),
    Fault("null content", say(completion(None)), "unparsed"),
    Fault("cut off at the token limit", say(completion('{"severity": "sa', "length")), "unparsed"),
    Fault("a finish reason nobody lists", say(completion(ANSWER, "paused")), "unparsed"),
    Fault("an answer that states no severity", say(completion("It depends.")), "unparsed"),
    Fault("a refusal", say(completion(None, refusal="I cannot help.")), "refused"),
    Fault("finish reason content_filter", say(completion(None, "content_filter")), "blocked"),
    Fault("400 with code content_filter", say(FILTERED, 400), "blocked"),
    Fault("403 for the content of one prompt", say(VIOLATION, 403), "blocked"),
    Fault("a NaN in the body", reply(200, GOOD_BODY.replace(b"7", b"NaN")), "ok"),
    Fault("gzip", zipped(gzip.compress(GOOD_BODY)), "ok"),
    Fault("JSON sent as text/html", reply(200, GOOD_BODY, Content_Type="text/html"), "ok"),
    stopping("401", "credentials", error(401, "bad key"), "HTTP 401: bad key"),
    stopping("407", "proxy", reply(407, b""), "HTTP 407 (a proxy wants a user and a password"),
    stopping("404", "not-found", error(404, "no such model"), "HTTP 404: no such model"),
    stopping("no credit left", "quota", say(QUOTA, 429), "HTTP 429: insufficient_quota"),
    stopping(
        "a redirect",
        "redirect",
        reply(307, b"", Location="http://127.0.0.1:9/v1/chat/completions"),
        "redirects are not followed",
    ),
]
#: Faults of the whole server, each with a test of its own below.
OF_THE_SERVER = {
    ("connection refused", "connect", "yes", "stops"),
    ("a certificate that is not trusted", "certificate", "no", "stops"),
    ("a proxy that is not there", "proxy", "yes", "stops"),  # tests/models/http/test_proxies.py
    ("an image that is missing", "image", "no", "error"),
}


def names(fault: Fault) -> str:
    return fault.name


def table(text: str) -> set[tuple[str, ...]]:
    """Rows of the document's first table, without the column of explanations."""
    body = text.partition("| fault |")[2].partition("\n\n")[0].splitlines()[2:]
    return {tuple(cell.strip() for cell in line.split("|")[1:5]) for line in body}


def test_the_document_says_what_is_tested():
    tested = {
        (fault.name, fault.kind, "yes" if fault.again else "no", fault.becomes) for fault in FAULTS
    }
    assert table(DOCUMENT.read_text(encoding="utf-8")) == tested | OF_THE_SERVER


def sick_for_one(behaviour: Behaviour) -> Callable[[Asked], Behaviour]:
    return lambda asked: behaviour if "words 3 " in asked.words else good(asked)


def timeout(fault: Fault) -> float:
    """Seconds: fewer where they are waited for, but enough for a machine under load."""
    return 5.0 if fault.kind == "timeout" else 60.0


def attempts(fault: Fault) -> int:
    """So many, fewer where each takes `timeout`."""
    return 2 if fault.kind == "timeout" else QUICK.attempts


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return text_dataset(tmp_path_factory.mktemp("texts") / "dataset", 8)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.becomes != "stops"], ids=names)
def test_a_fault_that_lasts_is_that_samples_alone(fault, client, texts, tmp_path):
    with FaultServer(sick_for_one(fault.behaviour)) as server:
        result = ask_and_judge(
            texts,
            server.base_url,
            tmp_path / "run",
            timeout_s=timeout(fault),
            # Long enough that the others are answered meanwhile.
            retries=replace(QUICK, attempts=attempts(fault), put_off_s=2),
        )
        asked = Counter("words 3 " in asked.words for asked in server.asked)
    outcomes = dict(result.judgments.select("sample_id", "outcome").iter_rows())
    assert outcomes.pop("s3") == fault.becomes
    assert set(outcomes.values()) == {"ok"}
    assert asked[False] == 7
    if fault.kind == "rate-limit":  # bounded by time: see `Retries.put_off_s`
        assert asked[True] > 1
    else:
        assert asked[True] == (attempts(fault) if fault.again else 1)
    # Each failed attempt is in the audit, and none is among the answers.
    assert result.errors == ({fault.kind: asked[True]} if fault.kind else {})
    assert result.responses == 8 - bool(fault.kind)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.again], ids=names)
def test_a_fault_that_passes_costs_nothing(fault, client, texts, tmp_path):
    failing = attempts(fault) // 2

    def respond(asked):
        return good(asked) if asked.times > failing else fault.behaviour

    with FaultServer(respond) as server:
        result = ask_and_judge(
            texts,
            server.base_url,
            tmp_path / "run",
            concurrency=8,
            timeout_s=timeout(fault),
            retries=replace(QUICK, put_off_s=60),
        )
    assert result.outcomes == {"ok": 8}
    assert result.tally.retries == {fault.kind: 8 * failing}
    assert result.errors == {fault.kind: 8 * failing}


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.becomes == "stops"], ids=names)
def test_a_fault_that_all_requests_would_meet_stops_the_run_at_once(fault, client, texts, tmp_path):
    with FaultServer(lambda asked: fault.behaviour) as server:
        with pytest.raises(ModelError) as caught:
            ask_and_judge(texts, server.base_url, tmp_path / "run", concurrency=2)
        assert len(server.asked) <= 2
    line = str(caught.value)
    assert line.startswith("openai/mock: ")
    assert fault.said in line
    assert "\n" not in line


def test_retry_after_is_obeyed(texts, tmp_path):
    sent = []

    def respond(asked):
        if asked.number == 1:
            sent.append(time.monotonic())
            return error(429, "slow down", Retry_After="1")
        sent.append(time.monotonic())
        return good(asked)

    with FaultServer(respond) as server:
        result = ask_and_judge(
            texts, server.base_url, tmp_path / "run", concurrency=1, retries=Retries()
        )
    assert result.outcomes == {"ok": 8}
    assert sent[1] - sent[0] >= 1.0


def test_a_server_that_is_slow_to_take_more_loses_no_sample(texts, tmp_path):
    """Limits a minute outlast any number of tries; the pauses of `QUICK` stand for minutes."""

    def respond(asked):
        return good(asked) if asked.times > 3 * QUICK.attempts else error(429, "slow down")

    patient = Retries(first_pause_s=0.001, longest_pause_s=0.002, put_off_s=60)
    with FaultServer(respond) as server:
        result = ask_and_judge(texts, server.base_url, tmp_path / "run", retries=patient)
    assert result.outcomes == {"ok": 8}


def test_a_server_that_takes_nothing_more_stops_the_run(texts, tmp_path):
    with (
        FaultServer(lambda asked: error(429, "daily limit")) as server,
        pytest.raises(ModelError, match=r"takes no more requests \(HTTP 429: daily limit\)"),
    ):
        ask_and_judge(texts, server.base_url, tmp_path / "run")


def test_a_server_that_refuses_everything_stops_the_run(tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 500)
    with FaultServer(lambda asked: error(400, "unknown parameter")) as server:
        with pytest.raises(ModelError, match=r"no request was answered \(HTTP 400: unknown param"):
            ask_and_judge(dataset, server.base_url, tmp_path / "run")
        assert len(server.asked) < 100


def test_many_bad_requests_neither_stop_a_run_nor_hold_it_up_for_ever(tmp_path):
    """More failing requests than are in flight, next to each other, and again the last ones left.

    Each start meets them again, so a run that took them for a server that is down would never end.
    """
    dataset = text_dataset(tmp_path / "dataset", 600)

    def respond(asked):
        return error(500, "cannot") if re.search(r"words 1[0-1]\d ", asked.words) else good(asked)

    breaker: Any = {"patience_s": 3.0, "first_patience_s": 3.0, "streak": 4}
    with FaultServer(respond) as server:
        for _ in range(2):
            result = ask_and_judge(
                dataset, server.base_url, tmp_path / "run", breaker=Breaker(**breaker)
            )
            assert result.outcomes == {"ok": 580, "error": 20}
        times = Counter(asked.words for asked in server.asked)
    assert sum(count == 1 for count in times.values()) == 580


def test_a_missing_image_is_that_samples_alone(tmp_path):
    dataset = make_dataset(tmp_path / "dataset", samples=8, images=4)
    gone = next(iter(dataset.samples())).image_sha256
    present(dataset.images.path(present(gone))).unlink()
    with FaultServer(good) as server:
        result = ask_and_judge(dataset, server.base_url, tmp_path / "run", modalities=("joint",))
    assert result.outcomes == {"ok": 6, "error": 2}
    assert result.errors == {"image": 2}


# A server that is not there


def test_a_server_that_is_not_there_is_said_in_one_line_within_seconds(texts, tmp_path):
    with FaultServer(good) as server:
        server.hang_up()
        more = ("--trace", tmp_path / "trace.json")
        process = run_command(texts, server.base_url, tmp_path / "run", *more)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    address = server.base_url.split("/")[2]
    [line] = [line for line in said.splitlines() if line.startswith("error: ")]
    assert f"the server does not answer (cannot connect to {address}" in line
    assert "run the same command to continue" in line
    assert "Traceback" not in said
    # `Breaker.first_patience_s` and the longest pause; the rest is room for a loaded machine.
    trace = json.loads((tmp_path / "trace.json").read_bytes())
    assert trace["otherData"]["phases_s"]["asking"] < 40


@pytest.mark.parametrize(
    ("user", "more"), [("", ()), ("u:p@", ()), ("", ("--batch",))], ids=["own", "other", "batches"]
)
def test_a_certificate_that_is_not_trusted_is_said_at_once(
    texts, tmp_path, monkeypatch, user, more
):
    """By both clients, and by the one for batches; a user in the address is for the second."""
    monkeypatch.setattr(tls, "current", tls.of_this_machine())
    with FaultServer(good) as server:
        address = server.base_url.replace("://", f"://{user}")
        process = run_command(texts, address, tmp_path / "run", *more)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    [line] = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "(its certificate is not trusted: " in line
    assert line.endswith(
        "; set SSL_CERT_FILE to the file of the authority that it is from, if you trust that"
    )
    assert not server.asked


class InVain:
    """Progress in which more than so many requests were sent to nobody."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.enough = threading.Event()

    def retried(self, kind: str) -> None:
        self.left -= kind == "connect"
        if self.left < 0:
            self.enough.set()

    def __getattr__(self, name: str):
        return lambda *values, **named: None


def test_a_server_that_dies_and_comes_back_costs_no_sample(client, tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 300)
    in_vain = InVain(5 * 16)  # more than the attempts of those in flight
    with FaultServer(good, delay=0.005) as server:
        server.ready = lambda number: number <= 100 or in_vain.enough.is_set()

        def die_and_come_back():
            while len(server.asked) < 100:
                time.sleep(0.005)
            server.hang_up()
            in_vain.enough.wait(300)
            server.listen()

        thread = threading.Thread(target=die_and_come_back)
        thread.start()
        options: Any = {"concurrency": 16, "progress": in_vain}
        result = ask_and_judge(dataset, server.base_url, tmp_path / "run", **options)
        thread.join()
    assert result.outcomes == {"ok": 300}
    assert result.errors["connect"] > 5 * 16


def test_a_server_that_dies_for_good_stops_the_run_and_the_same_command_goes_on(tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 600)
    breaker: Any = {"patience_s": 0.3, "first_patience_s": 0.3, "streak": 4}
    with FaultServer(lambda a: silence if a.number > 200 else good(a)) as server:
        with pytest.raises(ModelError, match="the server does not answer") as caught:
            ask_and_judge(
                dataset,
                server.base_url,
                tmp_path / "run",
                breaker=Breaker(**breaker),
                timeout_s=1.0,
            )
        assert "what was answered is stored" in str(caught.value)
        server.choose = good
        bodies = stored_bodies(tmp_path / "run" / "responses.sqlite")
        answered = {json.loads(body)["id"] for body in bodies}
        assert answered
        before = len(server.asked)
        result = ask_and_judge(dataset, server.base_url, tmp_path / "run")
        assert result.outcomes == {"ok": 600}
        again = [asked.digest for asked in server.asked[before:]]
        assert len(again) == 600 - len(answered)
        assert not answered & set(again)


def test_a_host_that_drops_packets_is_as_good_as_not_there(client):
    import asyncio
    import socket

    from vlsu.models.http.client import HttpClient

    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)  # a queue of one, and nobody takes from it: the kernel drops what follows
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())

        async def post():
            client = HttpClient(f"http://127.0.0.1:{deaf.getsockname()[1]}/", {}, 0.3)
            raw, _ = await client.post(lambda: [b"{}"])
            await client.close()
            return raw

        raw = asyncio.run(post())
    assert raw.status == 0
    assert raw.body.startswith(b"connect: cannot connect to 127.0.0.1:")


# The key


KEY = "sk-proj-0123456789abcdefghijklmnopqrstuv"


def holding(folder: Path, needle: str) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and needle.encode() in p.read_bytes()]


def test_a_wrong_key_is_one_line_and_the_key_is_nowhere(texts, tmp_path):
    """Even where the server repeats it."""
    with FaultServer(lambda asked: error(401, f"wrong key {KEY}", X_Key=KEY)) as server:
        process = run_command(
            texts,
            server.base_url,
            tmp_path / "run",
            env={**os.environ, "OPENAI_API_KEY": KEY},
        )
        out, said = process.communicate(timeout=300)
        assert f"authorization: bearer {KEY}" in server.heads[0].decode().lower()
    assert process.returncode == 2
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert errors == ["error: openai/mock: HTTP 401: wrong key ***"]
    assert KEY not in out + said
    assert (tmp_path / "run" / "responses.sqlite").exists()
    assert holding(tmp_path / "run", KEY) == []


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_key_that_an_answer_repeats_is_not_stored(status, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    answer = completion(f"safe, {KEY}") if status == 200 else {"error": {"message": KEY}}

    def respond(asked):
        return say(answer, status) if "words 3 " in asked.words else good(asked)

    with FaultServer(respond) as server:
        result = ask_and_judge(texts, server.base_url, tmp_path / "run")
    assert result.judgments.height == 8
    assert holding(tmp_path / "run", KEY) == []


def test_a_key_no_header_can_carry_is_refused_without_printing_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\n")
    with pytest.raises(ModelError, match="the API key holds a line end") as caught:
        open_model("openai/mock", Settings(base_url="http://127.0.0.1:9/v1"))
    assert KEY not in str(caught.value)


# All at once

PASSING = [
    error(429, "slow down"),
    error(429, "slow down", Retry_After="0"),
    error(500, "oops"),
    html(502),
    close_unanswered,
    reset_in_body,
    close_in_body,
    reply(200, GOOD_BODY[:80]),
    say({"choices": []}),
    zipped(gzip.compress(GOOD_BODY)[:-12]),
    no_http,
]
SLOW = [drip, silence, endless, zipped(bomb())]
LASTING = {
    "error": error(400, "cannot"),
    "refused": say(completion(None, refusal="No.")),
    "blocked": say(completion(None, "content_filter")),
    "unparsed": say(completion("It depends.")),
}


class Fate:
    """What a server does to each request, decided by a seed and the request's own words."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.answered: Counter[str] = Counter()

    def lasting(self, words: str) -> str:
        """The outcome a request ends with."""
        return Random(f"{self._seed} {words}").choices(["ok", *LASTING], [95, 2, 1, 1, 1])[0]

    def __call__(self, asked: Asked) -> Behaviour:
        random = Random(f"{self._seed} {asked.words} faults")
        faults = random.choices(PASSING, k=random.choices([0, 1, 2, 3], [75, 15, 7, 3])[0])
        if random.random() < 0.005:
            faults.append(random.choice(SLOW))
        if asked.times <= len(faults):
            return faults[asked.times - 1]
        outcome = self.lasting(asked.words)
        answer = good(asked) if outcome == "ok" else LASTING[outcome]

        async def behave(writer):
            await answer(writer)
            self.answered[asked.words] += outcome != "error"

        return behave


def test_under_a_mix_of_faults_every_sample_is_accounted_for_and_none_counted_twice(
    client, tmp_path
):
    dataset = text_dataset(tmp_path / "dataset", 5000)
    fate = Fate(seed=7)
    with FaultServer(fate) as server:

        def break_off_once():
            while len(server.asked) < 3000 and not over.wait(0.01):
                pass
            server.hang_up()
            server.listen()

        over = threading.Event()
        thread = threading.Thread(target=break_off_once)
        thread.start()
        try:
            result = ask_and_judge(
                dataset,
                server.base_url,
                tmp_path / "run",
                concurrency=64,
                timeout_s=10.0,
                # Enough for the faults that pass, and for being broken off.
                retries=replace(QUICK, attempts=8, put_off_s=60),
            )
        finally:
            over.set()
            thread.join()
        asked = len(server.asked)
        words = {asked.words for asked in server.asked}
    expected = Counter(fate.lasting(each) for each in words)
    assert len(words) == 5000
    assert result.judgments.height == 5000
    assert result.judgments["sample_id"].n_unique() == 5000
    assert result.outcomes == expected
    # One answer for each request that got one, and one row for each answer.
    assert set(fate.answered.values()) <= {0, 1}
    assert result.responses == fate.answered.total() == 5000 - expected["error"]
    keys = result.judgments.filter(pl.col("outcome") != "error")["request_key"]
    assert keys.n_unique() == result.responses
    # Every other attempt is in the audit, also the few that never reached the server.
    failed = sum(result.errors.values())
    assert failed == result.tally.retries.total() + expected["error"] >= asked - result.responses
    assert set(result.errors) >= {"rate-limit", "server", "broken", "malformed", "timeout"}
