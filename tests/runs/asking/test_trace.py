"""``--trace``: the file that shows what a run waited for, checked by the format it is in."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import vlsu as package
from tests.conftest import grade, make_dataset
from tests.support.caching_server import CachingServer, PromptCache, caching_server
from tests.support.commands import vlsu
from tests.support.fault_server import FaultServer, error, good, run_command, text_dataset
from vlsu.errors import UsageError
from vlsu.models.base import Settings
from vlsu.runs import Limits
from vlsu.runs.asking.trace import LANES, RUN, Trace

#: What the document on the format lists as phases, of those that are used.
PHASES = {"X", "b", "e", "C", "M"}


def read_trace(path: Path) -> dict[str, Any]:
    """A trace file that is what "Trace Event Format" says: its sections are named here."""
    tree: dict[str, Any] = json.loads(path.read_bytes())
    assert set(tree) == {"traceEvents", "displayTimeUnit", "otherData"}  # JSON Object Format
    assert tree["displayTimeUnit"] in ("ms", "ns")
    pending: dict[tuple[str, int], dict[str, Any]] = {}
    by_track = defaultdict(list)
    for event in tree["traceEvents"]:
        assert event["ph"] in PHASES
        assert isinstance(event["name"], str)
        assert type(event["pid"]) is type(event["tid"]) is type(event["ts"]) is int
        assert event["ts"] >= 0
        assert isinstance(event["args"], dict)
        if event["ph"] == "M":  # Metadata Events
            (value,) = event["args"].values()
            named = {"process_name": str, "thread_name": str, "thread_sort_index": int}
            assert type(value) is named[event["name"]]
            continue
        assert isinstance(event["cat"], str)
        if event["ph"] == "X":  # Complete Events
            assert type(event["dur"]) is int
            assert event["dur"] >= 0
            by_track[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] == "C":  # Counter Events
            assert all(type(value) is int for value in event["args"].values())
        elif event["ph"] == "b":  # Async Events, matched by category and id
            assert pending.setdefault((event["cat"], event["id2"]["local"]), event) is event
        else:
            begun = pending.pop((event["cat"], event["id2"]["local"]))
            assert begun["name"] == event["name"]
            assert begun["ts"] <= event["ts"]
    assert not pending
    for spans in by_track.values():  # on a track they lie within each other or apart
        open_until: list[int] = []
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or end <= open_until[-1]
            open_until.append(end)
    named_tracks = {e["tid"] for e in tree["traceEvents"] if e["name"] == "thread_name"}
    assert set(by_track) <= named_tracks
    return tree


def waits_add_up(about: dict[str, Any]) -> bool:
    """Each moment of a request belongs to one wait, and each of the run to one phase."""
    between = abs(sum(about["waits_s"].values()) - about["requests_s"])
    return between < 1e-4 and abs(sum(about["phases_s"].values()) - about["wall_s"]) < 1e-4


def drawn_s(tree: dict[str, Any], name: str) -> float:
    """Seconds of all spans of a name."""
    events = [each for each in tree["traceEvents"] if each["name"] == name]
    whole = sum(each["dur"] for each in events if each["ph"] == "X")
    ends = sum(each["ts"] for each in events if each["ph"] == "e")
    return (whole + ends - sum(each["ts"] for each in events if each["ph"] == "b")) / 1e6


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return text_dataset(tmp_path_factory.mktemp("texts") / "dataset", 40)


def test_the_waits_of_a_run_add_up_and_its_file_holds_no_text_and_no_key(
    dataset, tmp_path, chat_server
):
    server = chat_server(lambda body, number: grade("safe"), delay=0.1)
    file = tmp_path / "trace.json"
    command = ["run", "understanding", dataset.path, "--model", "openai/mock"]
    command += ["--base-url", server.base_url, "--concurrency", 2, "--out", tmp_path / "run"]
    vlsu(*command, "--trace", file, env={"OPENAI_API_KEY": "sk-of-nobody"})
    tree = read_trace(file)
    about = tree["otherData"]
    assert about["requests"] == len(server.requests) == 20
    assert about["shown_requests"] == "1 in 1"
    assert waits_add_up(about)
    assert set(about["phases_s"]) == {"preparing", "asking", "judging"}
    # The rest is a second witness: the server's own times, and what is drawn.
    waits = about["waits_s"]
    assert waits["network"] >= 20 * 0.1
    assert waits["slot"] > waits["network"]  # two at a time, so that most wait
    for name in ("network", "slot"):
        assert drawn_s(tree, name) == pytest.approx(
            waits[name] + (waits["images"] if name == "network" else 0), abs=0.02
        )
    assert 0 < waits["images"] < waits["network"]
    asked = [e for e in tree["traceEvents"] if e["name"] == "network"]
    assert sorted(e["args"]["request"] for e in asked) == [*range(1, 21)]
    assert {e["args"]["status"] for e in asked} == {200}
    assert {e["tid"] for e in asked} == {LANES, LANES + 1}
    written = file.read_text()
    for secret in ("sk-of-nobody", "text 0", "severity", "s0", "127.0.0.1"):
        assert secret not in written


def test_what_is_sent_again_shows_its_faults_and_its_pauses(texts, tmp_path):
    def respond(asked):
        if asked.number == 1:
            return error(429, "slow down", Retry_After="0.1")
        if "words 7 " in asked.words and asked.times == 1:
            return error(500, "a text that no trace repeats")
        return good(asked)

    with FaultServer(respond) as server:
        run = package.evaluate(
            texts,
            model="openai/mock",
            modalities=["text"],
            out=tmp_path / "run",
            settings=Settings(base_url=server.base_url),
            limits=Limits(concurrency=4, requests_per_minute=3000),
            trace=tmp_path / "t.json",
        )
    assert run.finished
    tree = read_trace(tmp_path / "t.json")
    about = tree["otherData"]
    assert waits_add_up(about)
    assert about["requests"] == 40
    faults = [e["args"].get("fault") for e in tree["traceEvents"] if e["name"] == "network"]
    assert len(faults) == 42
    assert sorted(filter(None, faults)) == ["rate-limit", "server"]
    assert about["waits_s"]["retry"] >= 0.09
    assert about["waits_s"]["pace"] > 0
    assert "no trace repeats" not in (tmp_path / "t.json").read_text()


def test_the_answer_that_fills_a_providers_cache_is_waited_for(tmp_path):
    dataset = make_dataset(tmp_path / "dataset", 24, apart=True)
    file = tmp_path / "t.json"
    played = CachingServer(PromptCache(least=1024), latency_s=0.05)
    with caching_server(played) as server:
        package.evaluate(
            dataset,
            model="anthropic/claude-sonnet-4-5",
            out=tmp_path / "run",
            settings=Settings(base_url=server.base_url),
            trace=file,
        )
    tree = read_trace(file)
    about = tree["otherData"]
    assert waits_add_up(about)
    # All others waited for the first of each prompt.
    assert about["waits_s"]["cache warm-up"] > 0.05 * about["requests"] / 2
    assert drawn_s(tree, "cache warm-up") >= about["waits_s"]["cache warm-up"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_writes_its_trace_too(number, texts, tmp_path):
    file = tmp_path / "t.json"
    processes: list[subprocess.Popen[str]] = []

    def respond(asked):
        if asked.number == 8:
            os.kill(processes[0].pid, number)
        return good(asked)

    with FaultServer(respond, delay=0.05) as server:
        more = ("--concurrency", 2, "--trace", file)
        processes.append(run_command(texts, server.base_url, tmp_path / "run", *more))
        _, said = processes[0].communicate(timeout=300)
    tree = read_trace(file)
    assert 8 <= tree["otherData"]["requests"] < 40, said
    assert waits_add_up(tree["otherData"])
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_run_that_fails_writes_its_trace_too(texts, tmp_path):
    file = tmp_path / "t.json"
    with FaultServer(lambda asked: error(401, "no such key")) as server:
        command = ["run", "understanding", texts.path, "--model", "openai/mock"]
        command += ["--base-url", server.base_url, "--out", tmp_path / "run"]
        vlsu(*command, "--modalities", "text", "--trace", file, expect=2)
    tree = read_trace(file)
    assert waits_add_up(tree["otherData"])
    faults = [e["args"].get("fault") for e in tree["traceEvents"] if e["name"] == "network"]
    assert "credentials" in faults


def test_an_alignment_run_shows_whom_it_asked_in_turn(dataset, tmp_path, chat_server):
    server = chat_server(lambda body, number: grade("safe"))
    file = tmp_path / "t.json"
    command = ["run", "alignment", dataset.path, "--model", "openai/mock", "--out", tmp_path / "r"]
    vlsu(*command, "--base-url", server.base_url, "--trace", file)
    tree = read_trace(file)
    assert waits_add_up(tree["otherData"])
    phases = [e for e in tree["traceEvents"] if e["name"] == "asking" and e["tid"] == RUN]
    assert [e["args"]["model"] for e in phases] == ["openai/mock", "judge/offline"]
    assert tree["otherData"]["waits_s"]["model"] > 0  # the judge is in this process


class Clock:
    """A second passes each time it is looked at."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_trace_is_bounded_and_its_sums_stay_whole(tmp_path):
    trace = Trace(tmp_path / "t.json", Clock(), most=100)
    for number in range(1, 10_001):
        trace.span("network", LANES, 2.0 * number, 2.0 * number + 1, number, request=number)
        trace.waited("network", 1.0)
        trace.ended(1.0, completed=True)
    trace.write()
    tree = read_trace(tmp_path / "t.json")
    drawn = [e["args"]["request"] for e in tree["traceEvents"] if e["name"] == "network"]
    assert 50 < len(drawn) <= 100
    assert {b - a for a, b in itertools.pairwise(drawn)} == {128}
    about = tree["otherData"]
    assert about["shown_requests"] == "1 in 128"
    assert (about["requests"], about["requests_s"]) == (10_000, 10_000)
    assert waits_add_up(about)


def test_a_trace_replaces_a_trace_and_no_other_file(tmp_path):
    Trace(tmp_path / "t.json").write()
    Trace(tmp_path / "t.json").write()
    (tmp_path / "own.json").write_text('{"mine": true}')
    for path, why in (
        ("own.json", "no trace of a run"),
        ("own.json/t.json", "no folder"),
        (".", "a folder"),
    ):
        with pytest.raises(UsageError, match=why):
            Trace(tmp_path / path)
    assert (tmp_path / "own.json").read_text() == '{"mine": true}'
    Trace(tmp_path / "new" / "t.json").write()  # as in the folder of a run that begins
    assert (tmp_path / "new" / "t.json").exists()


def test_the_timelines_of_two_models_are_not_of_one_file(dataset, tmp_path):
    command = ["run", "understanding", dataset.path, "--model", "baseline/majority"]
    command += ["--model", "openai/mock", "--out", tmp_path / "run"]
    refused = vlsu(*command, "--trace", tmp_path / "t.json", expect=2)
    assert refused.stderr == "error: --trace: the timeline of one run; give one --model\n"
