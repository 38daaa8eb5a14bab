"""A run folder among people and over time: who may write, what has moved, what it has cost."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import vlsu
from tests.conftest import grade, make_dataset
from tests.support.values import present
from vlsu.cli.app import run_command
from vlsu.errors import DataError, ModelError, RunError
from vlsu.models.base import Outcome, Raw, Response, Settings
from vlsu.runs import (
    AlignmentOptions,
    Limits,
    Price,
    ResponseStore,
    UnderstandingOptions,
    load_runs,
    prepare,
    prepare_alignment,
)
from vlsu.runs.folder import RunFolder
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.writing import require_writable

pytestmark = pytest.mark.slow

FILES = ("run.yaml", "responses.sqlite", "judgments.parquet", "metrics.json", ".lock")


def evaluate(dataset, server, out, **options):
    return vlsu.evaluate(dataset, model="openai/mock", base_url=server.base_url, out=out, **options)


@pytest.fixture
def server(chat_server):
    return chat_server(lambda body, n: grade("safe"))


# What a run shows of itself


def test_a_run_shows_itself_in_a_line_and_says_if_it_was_stopped(dataset, server, tmp_path):
    out = tmp_path / "run"
    limits = Limits(max_requests=7, concurrency=1)
    settings = Settings(base_url=server.base_url)
    stopped = prepare(
        dataset, UnderstandingOptions(model="openai/mock", settings=settings, limits=limits)
    ).run(out)
    assert "stopped (--max-requests 7 reached)" in repr(stopped)

    finished = evaluate(dataset, server, out)
    name = finished.record["dataset"]["name"]
    assert repr(finished) == f"<Run understanding of openai/mock on {name}: finished, in {out}>"

    finished.record["dataset"]["name"] = "two\nlines\x1b[31m" + 10_000 * "x"
    assert repr(finished).isprintable()
    assert len(repr(finished)) < 500


def test_a_dry_run_over_a_begun_folder_knows_the_price_of_its_earlier_starts(
    dataset, server, tmp_path
):
    out = tmp_path / "run"
    settings = Settings(base_url=server.base_url)
    first = Limits(max_requests=7, concurrency=1, price=Price(3, 5))
    prepare(
        dataset, UnderstandingOptions(model="openai/mock", settings=settings, limits=first)
    ).run(out)

    again = prepare(dataset, UnderstandingOptions(model="openai/mock", settings=settings))
    assert again.estimate().cost is None
    guess = again.estimate(out)
    assert guess.stored == 7
    assert guess.cost == pytest.approx(
        (3 * guess.input_tokens + 5 * guess.output_tokens) / 1_000_000
    )


def test_an_estimate_over_a_finished_folder_says_once_what_a_smaller_limit_replaces(
    dataset, server, tmp_path, caplog
):
    settings = Settings(base_url=server.base_url)
    prepare(dataset, UnderstandingOptions(model="openai/mock", settings=settings)).run(
        tmp_path / "run"
    )
    part = UnderstandingOptions(model="openai/mock", settings=settings, limit=3)
    caplog.clear()
    prepare(dataset, part).estimate(tmp_path / "run")
    assert [r.getMessage().count("results of 12 samples") for r in caplog.records] == [1]


# Who may write


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("mask", "mode"), [(0o002, 0o664), (0o077, 0o600), (0o022, 0o644)])
def test_the_umask_decides_who_may_go_on(mask, mode, dataset, server, tmp_path):
    with umask(mask):
        evaluate(dataset, server, tmp_path / "run")
    modes = {name: stat.S_IMODE((tmp_path / "run" / name).stat().st_mode) for name in FILES}
    assert modes == dict.fromkeys(FILES, mode)


@contextlib.contextmanager
def user(uid, gid, mask):
    """Act as another user; only root may."""
    with umask(mask):
        os.setegid(gid)
        os.seteuid(uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)


@pytest.fixture
def shared():
    """A folder that anyone may enter, and a group's folder in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as several users")
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    group = place / "group"
    group.mkdir()
    os.chown(group, 0, 4321)
    group.chmod(0o2775)
    yield group
    shutil.rmtree(place)


def test_a_colleague_goes_on_in_a_groups_folder(shared, dataset, server):
    data = make_dataset(shared / "dataset")
    with user(1111, 4321, 0o002):
        first = evaluate(data, server, shared / "run", limits=Limits(max_requests=7))
    assert not first.finished
    with user(2222, 4321, 0o002):
        again = evaluate(data, server, shared / "run")
    assert again.finished
    assert len(server.requests) == 20


@pytest.mark.parametrize("closed", ["responses.sqlite", "run"])
def test_a_colleague_who_may_not_write_learns_it_before_anything_is_asked(closed, shared, server):
    data = make_dataset(shared / "dataset")
    with user(1111, 4321, 0o002):
        evaluate(data, server, shared / "run", limits=Limits(max_requests=7))
    file = shared / "run" / closed if closed != "run" else shared / "run"
    file.chmod(0o755 if file.is_dir() else 0o644)
    with user(2222, 4321, 0o002), pytest.raises(RunError) as refused:
        evaluate(data, server, shared / "run")
    assert len(server.requests) == 7
    said = str(refused.value)
    assert "cannot be written (Permission denied)" in said
    assert "choose another --out" in said
    assert ("belongs to user 1111" in said) == (closed != "run")


def test_a_lock_that_may_only_be_read_can_be_held(shared, server):
    data = make_dataset(shared / "dataset")
    with user(1111, 4321, 0o002):
        evaluate(data, server, shared / "run", limits=Limits(max_requests=7))
    (shared / "run" / ".lock").chmod(0o644)
    with user(2222, 4321, 0o002):
        assert evaluate(data, server, shared / "run").finished


def test_in_a_sticky_folder_others_files_cannot_be_replaced(shared):
    (shared / "metrics.json").write_text("{}")
    os.chown(shared / "metrics.json", 1111, 4321)
    shared.chmod(0o1777)
    with user(2222, 4321, 0o002), pytest.raises(RunError, match="cannot be replaced in this"):
        require_writable(shared, [shared / "metrics.json"])
    with user(1111, 4321, 0o002):
        require_writable(shared, [shared / "metrics.json"])


def as_a_file(place):
    place.write_text("a file")


def in_a_file(place):
    place.parent.mkdir()
    place.parent.rmdir()
    place.parent.write_text("a file")


def judgments_a_folder(place):
    (place / "judgments.parquet").mkdir(parents=True)


def store_a_folder(place):
    (place / "responses.sqlite").mkdir(parents=True)


def store_a_pipe(place):
    place.mkdir(parents=True)
    os.mkfifo(place / "responses.sqlite")


def store_a_link(place):
    place.mkdir(parents=True)
    (place / "responses.sqlite").symlink_to(place / "elsewhere")


def lock_a_folder(place):
    (place / ".lock").mkdir(parents=True)


def lock_a_link(place):
    place.mkdir(parents=True)
    (place / ".lock").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "made",
    [
        as_a_file,
        in_a_file,
        judgments_a_folder,
        store_a_folder,
        store_a_pipe,
        store_a_link,
        lock_a_folder,
        lock_a_link,
    ],
)
def test_a_place_where_no_run_can_lie_is_refused_before_anything_is_asked(
    made, dataset, server, tmp_path
):
    place = tmp_path / "some" / "run"
    place.parent.mkdir()
    if made is in_a_file:
        place = tmp_path / "inside" / "run"
    made(place)
    with pytest.raises(RunError) as refused:
        evaluate(dataset, server, place)
    assert server.requests == []
    assert str(place.parent) in str(refused.value)
    assert not (place / "elsewhere").exists()


@pytest.mark.parametrize("name", ["k[1]", "what?", "a*b", "ünï", "~", "x=1", "a b", "-x"])
def test_a_folder_may_have_any_name(name, dataset, server, tmp_path):
    run = evaluate(dataset, server, tmp_path / name)
    again = evaluate(dataset, server, tmp_path / name)
    assert again.metrics == run.metrics
    assert len(server.requests) == 20


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("4242 elsewhere.example\n", "process 4242 on elsewhere.example is running here"),
        ("4242\n", "process 4242 is running here"),
        ("", "another process is running here"),
        ("\x1b[31m" * 100, "another process is running here"),
    ],
)
def test_who_holds_a_lock_is_named(written, said, tmp_path):
    (tmp_path / ".lock").write_text(written)
    with (tmp_path / ".lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RunError, match=said), RunFolder(tmp_path).locked():
            pass
    with RunFolder(tmp_path).locked():  # what a dead process left is no lock
        pass


def test_of_several_models_all_folders_are_seen_to_before_one_is_asked(
    dataset, server, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text(
        f"models: {{first: {{spec: openai/a, base_url: '{server.base_url}'}}, "
        f"second: {{spec: openai/b, base_url: '{server.base_url}'}}}}"
    )
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "second").write_text("a file")
    models = ("--model", "first", "--model", "second")
    with pytest.raises(RunError, match="second: is a file, or inside one"):
        run_command(["run", "understanding", str(dataset.path), *models, "--out", "runs"])
    assert server.requests == []


# What has moved


def moved(dataset, place):
    shutil.move(dataset.path, place)
    return vlsu.load(place)


def test_the_same_command_from_a_new_place_records_it(dataset, server, tmp_path):
    first = evaluate(dataset, server, tmp_path / "run")
    there = moved(dataset, tmp_path / "elsewhere")
    again = evaluate(there, server, tmp_path / "run")
    assert len(server.requests) == 20
    assert vlsu.load_run(tmp_path / "run").dataset.path == tmp_path / "elsewhere"
    record = vlsu.load_run(tmp_path / "run").record
    assert {**record, "dataset": None} == {**first.record, "dataset": None}
    assert again.metrics == first.metrics


def test_a_dataset_that_was_moved_can_be_named(dataset, server, tmp_path):
    evaluate(dataset, server, tmp_path / "run")
    with pytest.raises(DataError, match="not the dataset of"):
        vlsu.load_run(tmp_path / "run", dataset="vlsu-mini")
    there = moved(dataset, tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"was moved, say where to \(--dataset\)"):
        _ = vlsu.load_run(tmp_path / "run").dataset
    run = vlsu.load_run(tmp_path / "run", dataset=there.path)
    assert run.dataset.info == there.info


def test_several_runs_each_take_their_own_dataset(dataset, server, tmp_path):
    other = make_dataset(tmp_path / "other", samples=6)
    evaluate(dataset, server, tmp_path / "first")
    evaluate(other, server, tmp_path / "second")
    places = [moved(other, tmp_path / "b").path, moved(dataset, tmp_path / "a").path]
    runs = load_runs([tmp_path / "first", tmp_path / "second"], places)
    assert [len(run.dataset) for run in runs] == [12, 6]


def test_another_dataset_in_the_old_place_is_said(dataset, server, tmp_path):
    evaluate(dataset, server, tmp_path / "run")
    shutil.rmtree(dataset.path)
    make_dataset(dataset.path, samples=6)
    with pytest.raises(RunError, match="not, or no longer, the dataset of"):
        _ = vlsu.load_run(tmp_path / "run").dataset


def test_a_bundled_dataset_is_found_wherever_the_package_lies(tmp_path):
    run = vlsu.evaluate("vlsu-mini", model="baseline/majority", out=tmp_path / "run")
    run.record["dataset"]["path"] = "/no/longer/there/vlsu-mini"
    RunFolder(run.path).write_record(run.record)
    assert vlsu.load_run(run.path).dataset.info.name == "vlsu-mini"


COMMANDS = {
    "report": ("report", "{run}", "--out", "{out}.html"),
    "report of several": ("report", "{run}", "{second}", "--out", "{out}.html"),
    "compare": ("compare", "{run}", "{second}"),
    "project": ("project", "{run}", "--traffic", "{traffic}"),
    "gate": ("gate", "{run}", "--require", "n >= 1", "--confidence", "0.9"),
    "power": ("power", "--from", "{run}", "{second}", "--margin", "0.05"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_reads_a_dataset_can_be_told_where_it_lies(
    name, dataset, server, tmp_path, capsys
):
    evaluate(dataset, server, tmp_path / "run")
    evaluate(dataset, server, tmp_path / "second", seed=1)
    (tmp_path / "traffic.yaml").write_text("harm_prevalence: 0.01")
    there = moved(dataset, tmp_path / "elsewhere")
    places = {
        "run": tmp_path / "run",
        "second": tmp_path / "second",
        "out": tmp_path / "out",
        "traffic": tmp_path / "traffic.yaml",
    }
    arguments = [part.format(**places) for part in COMMANDS[name]]
    assert run_command([*arguments, "--dataset", str(there.path)]) == 0
    with pytest.raises(DataError, match="not the dataset of"):
        run_command([*arguments, "--dataset", "vlsu-mini"])


def test_labels_are_drawn_with_the_dataset_where_it_lies(dataset, server, tmp_path, capsys):
    prepared = prepare_alignment(
        dataset,
        AlignmentOptions(
            model="openai/mock",
            framings=["default"],
            settings=Settings(base_url=server.base_url),
        ),
    )
    prepared.run(tmp_path / "run")
    there = moved(dataset, tmp_path / "elsewhere")
    arguments = ["judge", "sample", str(tmp_path / "run"), "--n", "3"]
    assert run_command([*arguments, "--out", str(tmp_path / "without.csv")]) == 0
    assert "say where to (--dataset)" in capsys.readouterr().err
    out = tmp_path / "with.csv"
    assert run_command([*arguments, "--out", str(out), "--dataset", str(there.path)]) == 0
    assert "text " in out.read_text(encoding="utf-8-sig")


# What it costs

#: Of 11 input and 7 output tokens, which the server says of every answer.
PRICE = Price(1.0, 2.0)
EACH = (11 * 1.0 + 7 * 2.0) / 1e6


def test_the_cost_is_of_all_starts(dataset, server, tmp_path):
    out = tmp_path / "run"
    first = evaluate(dataset, server, out, limits=Limits(max_requests=7, price=PRICE))
    assert first.record["cost"]["total"] == pytest.approx(7 * EACH)
    second = evaluate(dataset, server, out, limits=Limits(price=PRICE))
    assert second.record["cost"]["total"] == pytest.approx(20 * EACH)
    assert second.record["cost"]["of_start"] == pytest.approx(13 * EACH)
    third = evaluate(dataset, server, out, limits=Limits(price=PRICE))
    assert third.record["cost"]["total"] == pytest.approx(20 * EACH)
    assert third.record["cost"]["of_start"] == 0
    assert vlsu.load_run(out).record["cost"]["total"] == pytest.approx(20 * EACH)


def test_a_start_without_a_price_keeps_the_price(dataset, server, tmp_path):
    evaluate(dataset, server, tmp_path / "run", limits=Limits(max_requests=7, price=PRICE))
    run = evaluate(dataset, server, tmp_path / "run")
    assert run.record["cost"]["total"] == pytest.approx(20 * EACH)
    assert run.record["cost"]["source"] == "given"


def test_a_start_that_fails_or_is_killed_does_not_forget_the_cost(dataset, chat_server, tmp_path):
    out = tmp_path / "run"
    seen: list[Any] = []

    def refusing(body: Any, n: int) -> Any:
        seen.append(RunFolder(out).record().get("cost"))  # all that a kill would leave now
        if n <= 7:
            return grade("safe")
        return web.json_response({"error": {"message": "no such key"}}, status=401)

    server = chat_server(refusing)
    limits = Limits(max_requests=7, price=PRICE, concurrency=1)
    evaluate(dataset, server, out, limits=limits)
    with pytest.raises(ModelError):
        evaluate(dataset, server, out)
    costs = [*seen, vlsu.load_run(out).record["cost"]]
    assert [cost["total"] for cost in costs[:7]] == [0.0] * 7
    for cost in costs[7:]:
        assert (cost["total"], cost["of_start"]) == (pytest.approx(7 * EACH), 0)
    assert {cost["prices"]["openai/mock"]["output"] for cost in costs} == {2.0}
    assert len(costs) > 8


def test_a_price_given_later_is_of_all_that_was_asked(dataset, server, tmp_path):
    assert "cost" not in evaluate(dataset, server, tmp_path / "run").record
    run = evaluate(dataset, server, tmp_path / "run", limits=Limits(price=PRICE))
    assert run.record["cost"]["total"] == pytest.approx(20 * EACH)
    assert vlsu.load_run(tmp_path / "run").record["cost"]["total"] == pytest.approx(20 * EACH)
    dearer = evaluate(dataset, server, tmp_path / "run", limits=Limits(price=Price(10.0, 20.0)))
    assert dearer.record["cost"]["total"] == pytest.approx(200 * EACH)
    assert len(server.requests) == 20


def test_what_was_stored_without_its_tokens_is_counted_too(dataset, server, tmp_path):
    out = tmp_path / "run"
    evaluate(dataset, server, out, limits=Limits(max_requests=7))
    with closing(sqlite3.connect(out / "responses.sqlite")) as connection:
        connection.execute("DROP TABLE response_tokens")  # as an earlier version left it
        connection.commit()
    run = evaluate(dataset, server, out, limits=Limits(price=PRICE))
    assert run.record["cost"]["total"] == pytest.approx(20 * EACH)
    assert run.record["cost"]["of_start"] == pytest.approx(13 * EACH)


def test_a_killed_starts_cost_is_not_forgotten(dataset, server, tmp_path):
    out = tmp_path / "run"
    evaluate(dataset, server, out, limits=Limits(max_requests=7, price=PRICE))
    shutil.copy(out / "run.yaml", tmp_path / "kept.yaml")
    evaluate(dataset, server, out, limits=Limits(max_requests=6, price=PRICE))
    shutil.copy(tmp_path / "kept.yaml", out / "run.yaml")  # the second start never came to its end
    run = evaluate(dataset, server, out, limits=Limits(price=PRICE))
    assert run.record["cost"]["total"] == pytest.approx(20 * EACH)


def test_tampered_prices_and_counts_of_tokens_are_no_defect(dataset, server, tmp_path):
    out = tmp_path / "run"
    run = evaluate(dataset, server, out, limits=Limits(max_requests=7, price=PRICE))
    tampered: list[Any] = [
        [],
        {"openai/mock": 3},
        {"openai/mock": {"input": "nan", "output": 1}},
        "x",
    ]
    for prices in tampered:
        cost = {**run.record["cost"], "prices": prices}
        RunFolder(out).write_record({**run.record, "cost": cost})
        with pytest.raises(RunError, match=r"run\.yaml: damaged"):
            evaluate(dataset, server, out, limits=Limits(max_requests=1))
    RunFolder(out).write_record(run.record)
    store = ResponseStore(out / "responses.sqlite")
    read = Response(Outcome.OK, input_tokens=10**400, output_tokens=-5)
    store.put("k" * 32, Raw(200, b"{}"), 1)
    store.put_usage("k" * 32, "openai/mock", read)
    store.close()
    again = evaluate(dataset, server, out, limits=Limits(price=PRICE))
    assert again.record["cost"]["total"] < 10**4


def test_what_a_provider_read_from_its_cache_is_priced_apart(dataset, chat_server, tmp_path):
    prices = Price(3.0, 15.0, cached=0.3, cache_write=3.75)
    usage = {
        "prompt_tokens": 5000,
        "completion_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 4000, "cache_write_tokens": 500},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    server = chat_server(lambda body, n: grade("safe") | {"usage": usage})
    run = evaluate(dataset, server, tmp_path / "run", limits=Limits(price=prices))
    # 500 new tokens, 4,000 read and 500 written, 40 generated; a million of each as priced
    each = (500 * 3.0 + 4000 * 0.3 + 500 * 3.75 + 40 * 15.0) / 1e6
    cost = run.record["cost"]
    assert cost["total"] == pytest.approx(20 * each, abs=1e-6)
    assert cost["saved"]["cache"] == pytest.approx(20 * (4000 * 2.7 - 500 * 0.75) / 1e6, abs=1e-6)
    judgments = run.judgments
    columns = ("input_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    assert judgments.select(columns).unique().rows() == [(5000, 4000, 500, 30)]


def test_a_record_of_an_earlier_version_keeps_its_cost(dataset, server, tmp_path):
    out = tmp_path / "run"
    run = evaluate(dataset, server, out, limits=Limits(price=PRICE))
    cost = run.record["cost"]
    former = {name: value for name, value in run.record.items() if name != "cost"} | {
        "cost": cost["total"],
        "cost_of_start": cost["of_start"],
        "cost_source": cost["source"],
        "cost_of": cost["of"],
        "prices": cost["prices"],
    }
    RunFolder(out).write_record(RunRecord(former))
    read = vlsu.load_run(out).record["cost"]
    assert (read["total"], read["of"], read["prices"]) == (
        cost["total"],
        cost["of"],
        cost["prices"],
    )
    assert evaluate(dataset, server, out).record["cost"]["total"] == pytest.approx(20 * EACH)


# A dry run


def test_a_dry_run_counts_only_what_is_left(dataset, server, tmp_path):
    out = tmp_path / "run"
    prepared = prepare(
        dataset,
        UnderstandingOptions(
            model="openai/mock",
            settings=Settings(base_url=server.base_url),
            limits=Limits(price=PRICE),
        ),
    )
    whole = prepared.estimate(out)
    assert whole == prepared.estimate()
    assert not out.exists()
    evaluate(dataset, server, out, limits=Limits(max_requests=7))
    left = prepared.estimate(out)
    assert (sum(left.requests.values()), left.stored) == (13, 7)
    assert 0 < present(left.cost) < present(whole.cost)
    sent = len(server.requests)
    evaluate(dataset, server, out)
    assert len(server.requests) - sent == 13
    done = prepared.estimate(out)
    assert sum(done.requests.values()) == done.images_sent == done.images_distinct == 0
    assert (done.stored, done.input_tokens, done.cost) == (20, 0, 0)


def test_a_dry_run_of_an_alignment_run_counts_answers_and_verdicts(dataset, server, tmp_path):
    settings = Settings(base_url=server.base_url)

    def ready(**limits):
        return prepare_alignment(
            dataset,
            AlignmentOptions(
                model="openai/mock",
                judges=["openai/judge"],
                framings=["default", "helpful"],
                settings=settings,
                judge_settings=settings,
                limits=Limits(**limits),
            ),
        )

    whole = ready().estimate(tmp_path / "run")
    assert whole.requests == {"answers": 24, "openai/judge": 24}
    ready(max_requests=10).run(tmp_path / "run")
    left = ready().estimate(tmp_path / "run")
    assert left.requests["answers"] == 14
    assert left.requests["openai/judge"] >= 14
    sent = len(server.requests)
    ready().run(tmp_path / "run")
    assert len(server.requests) - sent <= sum(left.requests.values())
    assert ready().estimate(tmp_path / "run").requests == {"answers": 0, "openai/judge": 0}


def test_a_dry_run_refuses_what_the_run_would(dataset, server, tmp_path, capsys):
    evaluate(dataset, server, tmp_path / "run")
    options = ("--base-url", server.base_url, "--out", str(tmp_path / "run"), "--dry-run")
    command = ("run", "understanding", str(dataset.path), "--model", "openai/another")
    with pytest.raises(RunError, match="holds a run with another model"):
        run_command([*command, *options])


# Results


def test_sound_results_are_never_deleted(dataset, server, tmp_path, monkeypatch):
    out = tmp_path / "run [final]"
    evaluate(dataset, server, out)
    before = (out / "metrics.json").stat()
    evaluate(dataset, server, out)
    assert (out / "metrics.json").stat() == before


def test_results_stay_until_new_ones_are_there(dataset, server, tmp_path):
    out = tmp_path / "run"
    evaluate(dataset, server, out)
    (out / "judgments.parquet").write_bytes(b"damaged")
    (out / "responses.sqlite").unlink()
    with pytest.raises(vlsu.VlsuError):  # the server is gone, so nothing can be made anew
        vlsu.evaluate(
            dataset,
            model="openai/mock",
            base_url="http://127.0.0.1:9/v1",
            out=out,
            settings=Settings(timeout_s=5),
        )
    assert json.loads((out / "metrics.json").read_bytes())["n"] == 12


def test_results_that_were_changed_are_made_anew(dataset, server, tmp_path):
    run = evaluate(dataset, server, tmp_path / "run")
    file = tmp_path / "run" / "metrics.json"
    file.write_text(file.read_text().replace('"n": 12', '"n": 99'))
    assert evaluate(dataset, server, tmp_path / "run").metrics == run.metrics
    assert len(server.requests) == 20


# Stopping


def test_why_a_run_stopped_is_told_by_a_name(dataset, server, tmp_path):
    run = evaluate(dataset, server, tmp_path / "run", limits=Limits(max_requests=3))
    assert run.record["stop_reason"] == "budget"
    with pytest.raises(vlsu.VlsuError):
        vlsu.evaluate(
            dataset, model="openai/mock", base_url="http://127.0.0.1:9/v1", out=tmp_path / "down"
        )
    assert vlsu.load_run(tmp_path / "down").record["stop_reason"] == "failed"
    assert evaluate(dataset, server, tmp_path / "run").record["stop_reason"] is None


MANY = """
import sys
from pathlib import Path
from tests.conftest import png
from vlsu.data import ImageStore, Sample, write_dataset
from vlsu.policy import Severity, default_policy
folder = Path(sys.argv[1])
samples = (
    Sample(id=f"s{n}", text=f"text {n}", text_grade=list(Severity)[n % 3],
           joint_grade=list(Severity)[n % 3])
    for n in range(60_000)
)
write_dataset(folder, samples, name="many", version="1", licence="CC0-1.0", citation="",
              source="tests", policy=default_policy())
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "dataset"
    subprocess.run([sys.executable, "-c", MANY, str(folder)], check=True)
    return folder


def _hang_ups_end_it():
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup, for the tests, has ignored


def interrupted(arguments, begun, number):
    """Exit code and words of a command that is sent a signal once something has begun.

    What has begun takes some seconds more: a busy machine may look late.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "vlsu", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hang_ups_end_it,
    )
    deadline = time.monotonic() + 100
    while not begun():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    _, said = process.communicate(timeout=100)
    assert "Traceback" not in said
    return process.returncode, said


def test_a_signal_while_answers_are_judged_ends_it_at_once(many, tmp_path):
    out = tmp_path / "run"
    command = ("run", "understanding", many, "--model", "baseline/majority", "--out", out)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        code, said = interrupted(
            command, lambda: list(out.glob(".judgments.parquet.*.tmp")), number
        )
        assert code == 130, (number, said)
        assert "what was answered is stored in" in said
        assert not (out / "metrics.json").exists()
        record = vlsu.load_run(out).record
        assert (record["status"], record["stop_reason"]) == ("stopped", "interrupted")
        assert not list(out.glob(".judgments*"))
    assert run_command(list(map(str, command))) == 0
    assert vlsu.load_run(out).finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_an_import_leaves_nothing_behind(number, tmp_path):
    source = tmp_path / "many.csv"
    source.write_text("text,joint_grade\n" + "".join(f"text {n},safe\n" for n in range(2_000_000)))
    out = tmp_path / "dataset"
    begun = set(tmp_path.iterdir())
    code, said = interrupted(
        ("data", "import", "csv", source, "--out", out),
        lambda: set(tmp_path.iterdir()) > begun or out.exists(),
        number,
    )
    assert code == 130, said
    assert said.strip().endswith("interrupted")
    assert set(tmp_path.iterdir()) == begun


def test_a_run_under_nohup_goes_on_when_the_terminal_ends(many, tmp_path):
    out = tmp_path / "run"
    command = f"{sys.executable} -m vlsu run understanding {many} --model baseline/majority"
    shell = f"trap '' HUP; exec {command} --out {out}"
    process = subprocess.Popen(["bash", "-c", shell], stderr=subprocess.DEVNULL)
    while not out.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=100) == 0
    assert vlsu.load_run(out).finished
