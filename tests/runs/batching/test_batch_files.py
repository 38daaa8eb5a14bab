"""``--batch-file`` and ``--batch-results``: a run on a cluster without a network."""

import json
import os

import pytest

from tests.conftest import chat_servers, completion, make_dataset
from tests.support.commands import vlsu
from vlsu.runs import load_run


def by_content(body, number=0):
    """An answer that what is asked decides."""
    severity = ("safe", "borderline", "unsafe")[sum(json.dumps(body["messages"]).encode()) % 3]
    return completion(json.dumps({"severity": severity, "category": None}))


def run_batch(requests, results, *, refused=lambda number: False, lost=lambda number: False):
    """Plays ``vllm run-batch``."""
    lines = [json.loads(line) for line in requests.read_text().splitlines()]
    with results.open("a") as file:
        for number, line in enumerate(lines):
            assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
            if lost(number):
                continue
            response = {"status_code": 200, "request_id": "r", "body": by_content(line["body"])}
            error = None
            if refused(number):
                response |= {"status_code": 400, "body": None}
                error = {"message": "too long", "type": "BadRequestError", "code": 400}
            answer = {"id": "vllm-1", "custom_id": line["custom_id"], "response": response}
            file.write(json.dumps({**answer, "error": error}) + "\n")
    return len(lines)


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "dataset", 24, 8)


@pytest.fixture
def line(dataset, tmp_path):
    nowhere = "http://127.0.0.1:9/v1"
    model = ("--model", "openai/mock", "--base-url", nowhere)
    return ["run", "understanding", dataset.path, *model, "--out", tmp_path / "R"]


@pytest.fixture
def direct(dataset, tmp_path):
    """The metrics of a run that asks a server."""
    with chat_servers() as start:
        server = start(by_content)
        model = ("--model", "openai/mock", "--base-url", server.base_url)
        vlsu("run", "understanding", dataset.path, *model, "--out", tmp_path / "direct")
        return (tmp_path / "direct" / "metrics.json").read_bytes(), len(server.requests)


def test_requests_are_written_and_results_read(line, direct, tmp_path):
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    (tmp_path / ".requests.jsonl.4242.tmp").write_text("of a start that was killed")
    said = vlsu(*line, "--batch-file", requests).stderr
    assert f"{direct[1]} requests in {requests} (have vllm run-batch answer them" in said
    assert not (tmp_path / ".requests.jsonl.4242.tmp").exists()
    first = requests.read_bytes()
    vlsu(*line, "--batch-file", requests)
    assert requests.read_bytes() == first
    assert run_batch(requests, results) == direct[1]
    vlsu(*line, "--batch-results", results)
    assert (tmp_path / "R" / "metrics.json").read_bytes() == direct[0]


def test_what_has_no_result_is_written_again(line, direct, tmp_path):
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    vlsu(*line, "--batch-file", requests)
    run_batch(requests, results, lost=lambda number: number % 4 == 0)
    said = vlsu(*line, "--batch-results", results).stderr
    missing = -(-direct[1] // 4)
    assert f"{missing} requests without a result in {results} (--batch-file writes them)" in said
    vlsu(*line, "--batch-results", results, "--batch-file", requests)
    assert run_batch(requests, results) == missing
    vlsu(*line, "--batch-results", results, "--batch-file", requests)
    assert (tmp_path / "R" / "metrics.json").read_bytes() == direct[0]


def test_results_that_are_no_answers_are_told_and_written_again(line, direct, tmp_path):
    """A server that failed, and lines that no answer can be read from: the next job has others."""
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    vlsu(*line, "--batch-file", requests)
    run_batch(requests, results, lost=lambda number: number == 5)
    lines = [json.loads(each) for each in results.read_text().splitlines()]
    for answer in lines[:3]:
        answer["response"] |= {"status_code": 500, "body": None}
        answer["error"] = {"message": "engine dead", "code": 500}
    lines[3]["response"]["body"] = {"choices": []}
    results.write_text("".join(json.dumps(each) + "\n" for each in lines))
    said = vlsu(*line, "--batch-results", results).stderr
    why = "4 of them with one that is no answer (HTTP 500: engine dead)"
    assert f"5 requests without a result in {results}, {why} (--batch-file writes them)" in said
    record = load_run(tmp_path / "R").record
    assert record["requests"]["retries"] == {"malformed": 1, "server": 3}
    said = vlsu(*line, "--batch-results", results, "--batch-file", requests).stderr
    assert f"5 requests in {requests} without a result, {why} (have vllm run-batch" in said
    assert run_batch(requests, tmp_path / "more.jsonl") == 5
    vlsu(*line, "--batch-results", tmp_path / "more.jsonl")
    assert (tmp_path / "R" / "metrics.json").read_bytes() == direct[0]


def test_a_request_that_vllm_refuses_is_an_error(line, direct, tmp_path):
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    vlsu(*line, "--batch-file", requests)
    run_batch(requests, results, refused=lambda number: number == 3)
    said = vlsu(*line, "--batch-results", results).stderr
    assert "no answer to 1 requests: HTTP 400: too long" in said


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--batch", "--batch-file", "x.jsonl"], "give one"),
        (["--batch-file", "x.jsonl", "--batch-results", "x.jsonl"], "two files"),
        (["--batch-results", "missing.jsonl"], "cannot be read"),
        (["--batch-file", "nowhere/x.jsonl"], "cannot be written"),
        (["--batch-file", "."], "is a folder"),
        (["--batch-file", "x.jsonl", "--model", "openai/other"], "give one --model"),
        (["--batch-file", "x.jsonl", "--batch-wait", "1h"], "for --batch alone"),
    ],
)
def test_what_means_nothing_is_refused(line, tmp_path, more, why):
    assert why in vlsu(*line, *more, expect=2, cwd=tmp_path).stderr
    assert not (tmp_path / "R").exists()


def test_no_other_file_is_replaced_by_requests(line, direct, tmp_path):
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    vlsu(*line, "--batch-file", requests)
    run_batch(requests, results)
    (tmp_path / "notes.txt").write_text("of somebody")
    os.mkfifo(tmp_path / "pipe")
    for name in ("results.jsonl", "notes.txt", "pipe"):
        before = (tmp_path / name).lstat()
        unchanged = before.st_ino, before.st_size, before.st_mtime_ns
        said = vlsu(*line, "--batch-file", tmp_path / name, expect=2).stderr
        assert "--batch-file" in said
        now = (tmp_path / name).lstat()
        assert (now.st_ino, now.st_size, now.st_mtime_ns) == unchanged
    assert "holds requests" in vlsu(*line, "--batch-results", requests, expect=2).stderr
    vlsu(*line, "--batch-file", requests, "--batch-results", results)
    assert requests.read_bytes() == b""  # nothing is missing
    vlsu(*line, "--batch-file", requests, "--limit", 3)
    assert (tmp_path / "R" / "metrics.json").exists()
