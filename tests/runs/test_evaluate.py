"""From dataset to metrics against a real server on loopback."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import orjson
import polars as pl
import pytest
import yaml
from aiohttp import web
from PIL import Image

import vlsu
from tests.conftest import completion, grade, make_dataset, png
from tests.support.stores import stored_bodies
from vlsu.analysis import minimal_pairs
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.errors import ModelError, RunError, UsageError
from vlsu.policy import default_policy
from vlsu.runs import ResponseStore

pytestmark = pytest.mark.slow


def always(severity):
    return lambda body, n: grade(severity, "C9")


def evaluate(dataset, server, out, **options):
    return vlsu.evaluate(dataset, model="openai/mock", base_url=server.base_url, out=out, **options)


def test_the_run_folder_holds_what_the_design_says(dataset, chat_server, tmp_path):
    run = evaluate(dataset, chat_server(always("unsafe")), tmp_path / "run")
    names = {p.name for p in run.path.iterdir()}
    assert {"run.yaml", "responses.sqlite", "judgments.parquet", "metrics.json"} <= names
    judgments = pl.read_parquet(run.path / "judgments.parquet")
    wanted = [
        "sample_id",
        "modality",
        "framing",
        "expected",
        "predicted",
        "outcome",
        "category",
        "p_unsafe",
        "latency_s",
        "input_tokens",
        "output_tokens",
        "request_key",
    ]
    assert set(wanted) <= set(judgments.columns)
    assert judgments.height == 36
    assert set(judgments["outcome"]) == {"ok"}
    assert judgments["input_tokens"].to_list() == [11] * 36
    record = yaml.safe_load((run.path / "run.yaml").read_text())
    assert record["status"] == "finished"
    assert record["outcomes"]["joint"]["ok"] == 12
    assert record["dataset"]["content_hash"] == dataset.info.content_hash
    metrics = orjson.loads((run.path / "metrics.json").read_bytes())
    assert metrics["minimal_pairs"] == minimal_pairs(judgments, dataset.frame())
    assert "calibration" not in metrics  # the server gives no probabilities
    unsafe = judgments.filter((pl.col("modality") == "joint") & (pl.col("expected") == "unsafe"))
    assert metrics["joint"]["accuracy"]["value"] == pytest.approx(unsafe.height / 12)
    assert run.metrics == metrics


def test_a_request_asked_once_serves_every_sample_that_needs_it(dataset, chat_server, tmp_path):
    server = chat_server(always("safe"))
    run = evaluate(dataset, server, tmp_path / "run")
    # 12 samples share 4 images and 4 texts; all 12 pairs differ.
    assert len(server.requests) == 4 + 4 + 12
    assert run.judgments["request_key"].n_unique() == 20
    assert run.record["requests"]["asked"] == 20


def test_the_same_command_again_asks_nothing(dataset, chat_server, tmp_path):
    server = chat_server(always("safe"))
    first = evaluate(dataset, server, tmp_path / "run")
    before = len(server.requests)
    again = evaluate(dataset, server, tmp_path / "run")
    assert len(server.requests) == before
    assert again.record["requests"] == {**first.record["requests"], "asked": 0, "reused": 20}
    assert again.metrics == first.metrics


@pytest.mark.parametrize("parsed", [0, 7])
def test_answers_are_judged_alike_from_memory_and_from_the_store(
    parsed, dataset, chat_server, tmp_path, monkeypatch
):
    """A start judges the responses it parsed; others, and those of earlier starts, are read."""

    def answer(body, number):
        words = str(body["messages"])
        if "text 3" in words:
            return completion("Sorry, I can't help with that.", "length")
        if "text 6" in words:
            return completion("<think>safe?</think> unsafe")
        return grade("borderline", "C9") if "image_url" in words else grade("safe")

    server = chat_server(answer)
    whole = evaluate(dataset, server, tmp_path / "whole")
    monkeypatch.setattr("vlsu.runs.judging.MOST_PARSED", parsed)
    read = evaluate(dataset, server, tmp_path / "read")
    latency = pl.col("latency_s") > 0
    assert whole.judgments.select(latency.all()).item()
    assert whole.judgments.drop("latency_s").equals(read.judgments.drop("latency_s"))
    assert whole.metrics == read.metrics
    (tmp_path / "read" / "metrics.json").unlink()
    again = evaluate(dataset, server, tmp_path / "read")  # another start, which parsed nothing
    assert again.judgments.equals(read.judgments)
    assert again.metrics == read.metrics


def test_images_that_had_to_be_changed_are_counted_over_all_starts(chat_server, tmp_path):
    store = ImageStore(tmp_path / "dataset")
    bitmaps = []
    for shade in (0, 100, 200):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(buffer, "BMP")  # no server documents BMP
        bitmaps.append(store.add(buffer.getvalue()))
    images = [bitmaps[0], bitmaps[0], bitmaps[1], bitmaps[2], store.add(png((7, 7, 7)))]
    rows = [Sample(id=f"s{n}", text=f"text {n}", image_sha256=i) for n, i in enumerate(images)]
    about: Any = {
        "name": "bitmaps",
        "version": "1",
        "licence": "CC0-1.0",
        "citation": "",
        "source": "",
    }
    dataset = write_dataset(tmp_path / "dataset", rows, **about, policy=default_policy())
    server = chat_server(always("safe"))
    first = evaluate(dataset, server, tmp_path / "run", limit=2)
    seen = {images[int(id_[1:])] for id_ in first.judgments["sample_id"]} & set(bitmaps)
    assert first.record["images"] == ({"converted": len(seen)} if seen else {})
    whole = evaluate(dataset, server, tmp_path / "run")
    again = evaluate(dataset, server, tmp_path / "run")
    assert whole.record["images"] == again.record["images"] == {"converted": 3}


def test_a_larger_limit_asks_only_what_is_new(dataset, chat_server, tmp_path):
    server = chat_server(always("safe"))
    small = evaluate(dataset, server, tmp_path / "run", limit=3)
    keys = set(small.judgments["request_key"])
    asked = len(server.requests)
    large = evaluate(dataset, server, tmp_path / "run", limit=9)
    assert keys <= set(large.judgments["request_key"])
    assert len(server.requests) == large.judgments["request_key"].n_unique()
    assert len(server.requests) > asked


def test_a_smaller_limit_says_that_the_results_are_of_fewer_samples(
    dataset, chat_server, tmp_path, caplog
):
    server = chat_server(always("safe"))
    whole = evaluate(dataset, server, tmp_path / "run")
    evaluate(dataset, server, tmp_path / "run", limit=500)  # there are but 12
    assert caplog.messages == []
    fewer = evaluate(dataset, server, tmp_path / "run", limit=3)
    assert fewer.judgments.height == 9
    [said] = caplog.messages
    assert "the results of 12 samples are replaced by those of 3 (--limit); every answer is" in said
    asked = len(server.requests)
    assert evaluate(dataset, server, tmp_path / "run").metrics == whole.metrics
    assert len(server.requests) == asked
    assert len(caplog.messages) == 1


def test_errors_are_asked_again_and_never_stand_in_for_an_answer(dataset, chat_server, tmp_path):
    sick = True

    def respond(body, n):
        if sick and "text 3" in json.dumps(body["messages"][-1]):
            return web.json_response({"error": {"message": "bad sample"}}, status=400)
        return grade("safe")

    server = chat_server(respond)
    run = evaluate(dataset, server, tmp_path / "run")
    outcomes = run.metrics["outcomes"]
    assert outcomes["text"] == {"ok": 9, "refused": 0, "blocked": 0, "error": 3, "unparsed": 0}
    assert outcomes["joint"]["error"] == 3
    failed = run.judgments.filter(pl.col("outcome") == "error")
    assert failed["predicted"].null_count() == failed.height
    assert run.record["requests"]["unanswered"] == {"HTTP 400: bad sample": 4}
    sick = False
    before = len(server.requests)
    run = evaluate(dataset, server, tmp_path / "run")
    assert len(server.requests) == before + 4
    assert run.metrics["outcomes"]["text"]["ok"] == 12
    assert run.record["requests"]["errors"] == {"bad-request": 4}
    assert run.record["requests"]["unanswered"] == {}


def test_outcomes_are_kept_apart(dataset, chat_server, tmp_path):
    answers = [
        grade("safe"),
        completion("I'm sorry, but I can't assist with that."),
        completion(None, "content_filter"),
        completion("It depends."),
        completion(None, refusal="No."),
        completion('{"severity": "safe"', "length"),
    ]
    server = chat_server(lambda body, n: answers[n % 6])
    run = evaluate(dataset, server, tmp_path / "run", modalities=["joint"], concurrency=1)
    assert run.metrics["outcomes"]["joint"] == {
        "ok": 2,
        "refused": 4,
        "blocked": 2,
        "error": 0,
        "unparsed": 4,
    }
    assert run.metrics["joint"]["n"] == 12


def test_a_passing_fault_is_retried(dataset, chat_server, tmp_path):
    def respond(body, n):
        if n <= 2:
            return web.json_response({"error": {}}, status=429, headers={"Retry-After": "0"})
        return grade("safe")

    run = evaluate(dataset, chat_server(respond), tmp_path / "run", modalities=["image"])
    assert run.metrics["outcomes"]["image"]["ok"] == 12
    assert run.record["requests"]["retries"] == {"rate-limit": 2}


def test_a_wrong_key_stops_at_once_in_one_line_without_the_key(
    dataset, chat_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    server = chat_server(
        lambda body, n: web.json_response({"error": {"message": "bad key"}}, status=401)
    )
    with pytest.raises(ModelError, match=r"openai/mock: HTTP 401: bad key") as caught:
        evaluate(dataset, server, tmp_path / "run", concurrency=2)
    assert "secret-key" not in str(caught.value)
    record = vlsu.load_run(tmp_path / "run").record
    assert (record["status"], record["stopped"]) == ("stopped", str(caught.value))
    assert len(server.requests) <= 2
    assert server.headers[0]["Authorization"] == "Bearer secret-key"


def test_concurrency_is_what_is_in_flight(dataset, chat_server, tmp_path):
    server = chat_server(always("safe"))
    server.ready = lambda number: server.most_in_flight >= 5
    evaluate(dataset, server, tmp_path / "run", concurrency=5)
    assert server.most_in_flight == 5


def test_a_run_of_other_settings_is_refused(dataset, chat_server, tmp_path):
    server = chat_server(always("safe"))
    evaluate(dataset, server, tmp_path / "run", limit=1)
    with pytest.raises(RunError, match="another prompt; choose another --out"):
        evaluate(dataset, server, tmp_path / "run", limit=1, prompt="structured-cot")
    with pytest.raises(RunError, match="another model or parameters"):
        evaluate(dataset, server, tmp_path / "run", limit=1, params={"top_p": 0.1})


def test_samples_without_image_or_text_are_not_asked_and_counted(chat_server, tmp_path):
    from dataclasses import replace

    from vlsu.data import write_dataset
    from vlsu.policy import default_policy

    whole = make_dataset(tmp_path / "whole")
    rows = list(whole.samples())
    rows[0] = replace(rows[0], image_sha256=None)
    rows[1] = replace(rows[1], text=None)
    about: Any = {"name": "n", "version": "1", "licence": "", "citation": "", "source": ""}
    dataset = write_dataset(
        tmp_path / "gaps", rows, policy=default_policy(), **about, images=whole.images
    )
    run = evaluate(dataset, chat_server(always("safe")), tmp_path / "run")
    assert run.record["not_asked"] == {
        "image": {"no image": 1},
        "text": {"no text": 1},
        "joint": {"no image": 1, "no text": 1},
    }
    assert [run.metrics[m]["n"] for m in ("image", "text", "joint")] == [11, 11, 10]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": ["video"]}, "unknown modality 'video'"),
        ({"modalities": []}, "no modality"),
        ({"concurrency": 0}, "concurrency 0"),
        ({"limit": 0}, "limit 0"),
        ({"prompt": "zero-shoot"}, "did you mean 'zero-shot'"),
        ({"params": {"messages": []}}, "param messages: that is what a run asks"),
        ({"params": {"stream": True}}, "param stream: answers are read whole"),
    ],
)
def test_wrong_arguments_are_one_line(dataset, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        vlsu.evaluate(
            dataset,
            model="openai/m",
            base_url="http://127.0.0.1:9/v1",
            out=tmp_path / "run",
            **options,
        )


def vlsu_command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "vlsu", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def wait_until(condition, process):
    """Wait for a condition of the server while the process lives."""
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run_arguments(dataset, server, out, *more):
    return (
        *("run", "understanding", dataset.path, "--model", "openai/mock"),
        *("--base-url", server.base_url, "--out", out, "--concurrency", 2, *more),
    )


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(dataset, chat_server, tmp_path):
    server, told = chat_server(always("safe"), delay=0.1), threading.Event()
    server.ready = lambda number: number <= 4 or told.is_set()
    arguments = run_arguments(dataset, server, tmp_path / "run")
    process = vlsu_command(*arguments)
    wait_until(lambda: len(server.requests) == 6, process)
    process.send_signal(signal.SIGINT)
    told.set()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "run the same command again to continue" in said
    asked = len(server.requests)
    store = ResponseStore(tmp_path / "run" / "responses.sqlite", read_only=True)
    assert store.count() == asked < 20  # what was in flight was waited for, and is stored
    store.close()
    server.delay = 0.0
    process = vlsu_command(*arguments, "--json")
    metrics, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert json.loads(metrics)["outcomes"]["joint"]["ok"] == 12
    assert len(server.requests) == 20


def test_a_killed_run_loses_nothing_that_was_stored(dataset, chat_server, tmp_path):
    server, killed = chat_server(always("safe")), threading.Event()
    server.ready = lambda number: number <= 8 or killed.is_set()
    arguments = run_arguments(dataset, server, tmp_path / "run")
    file = tmp_path / "run" / "responses.sqlite"
    process = vlsu_command(*arguments)
    wait_until(lambda: len(server.requests) == 10 and len(stored_bodies(file)) == 8, process)
    os.kill(process.pid, signal.SIGKILL)
    killed.set()
    process.communicate(timeout=300)
    store = ResponseStore(tmp_path / "run" / "responses.sqlite", read_only=True)
    kept, asked = store.count(), len(server.requests)
    store.close()
    assert (kept, asked) == (8, 10)
    process = vlsu_command(*arguments)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(server.requests) - asked == 20 - kept


def test_two_processes_cannot_share_a_run_folder(dataset, chat_server, tmp_path):
    server, refused = chat_server(always("safe")), threading.Event()
    server.ready = lambda number: refused.is_set()
    arguments = run_arguments(dataset, server, tmp_path / "run")
    first = vlsu_command(*arguments)
    wait_until(lambda: server.requests, first)
    second = vlsu_command(*arguments)
    _, said = second.communicate(timeout=200)
    refused.set()
    assert second.returncode == 2
    assert f"process {first.pid} is running here" in said
    assert "Traceback" not in said
    _, _ = first.communicate(timeout=300)
    assert first.returncode == 0


def test_an_address_is_recorded_without_what_may_be_a_key(dataset, chat_server, tmp_path):
    server = chat_server(always("safe"))
    host = server.base_url.removeprefix("http://")
    run = vlsu.evaluate(
        dataset,
        model="openai/mock",
        base_url=f"http://user:secret-word@{host}?key=secret-word",
        out=tmp_path / "run",
        limit=1,
    )
    assert run.record["model"]["base_url"] == server.base_url
    assert "secret-word" not in (run.path / "run.yaml").read_text()
