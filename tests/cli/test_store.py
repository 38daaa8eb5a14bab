"""``vlsu store``: looking into stores, checking, merging and pruning them."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.conftest import make_dataset
from tests.support.commands import vlsu as command
from tests.support.report_runs import scripted_run
from tests.support.stores import stored_bodies
from vlsu.models import Fault, Raw
from vlsu.models.base import Outcome, Response
from vlsu.runs import ResponseStore, load_run
from vlsu.runs.writing import locked_file


def vlsu(*arguments, code=0):
    """What a command prints."""
    return command(*arguments, expect=code).stdout


def failure(*arguments):
    """The line by which a command is refused."""
    said = command(*arguments, expect=2).stderr
    assert said.startswith("error: ")
    return " ".join(said.split())


def files(folder):
    """Names of files, without the logs that SQLite makes where a file is read."""
    return {file.name for file in folder.iterdir() if "-" not in file.name}


def key(number):
    return f"{number:032x}"


def fill(file, numbers, words="answer", spec="openai/m"):
    """A store with a response, its tokens and a failed attempt of each number."""
    with closing(ResponseStore(file)) as store:
        for number in numbers:
            store.put(key(number), Raw(200, f"{words} {number}".encode() * 9, 0.5), 2)
            response = Response(Outcome.OK, "x", input_tokens=10, output_tokens=number % 3)
            store.put_usage(key(number), spec, response, batched=number % 2 == 0)
            store.put_error(key(number), Raw(503, b""), Fault("server", "HTTP 503", retry=True), 1)
    return file


def change_a_body(file):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE responses SET body = x'00' WHERE number = 7")
        connection.commit()


def test_info_counts_responses_tokens_and_errors(tmp_path):
    file = fill(tmp_path / "a.sqlite", range(9))
    fill(file, range(5, 12), spec="openai/n")
    found = json.loads(vlsu("store", "info", file, "--json"))["stores"][0]
    assert found["responses"] == 12
    assert found["bytes"] == file.stat().st_size
    assert {spec: counts["responses"] for spec, counts in found["models"].items()} == {
        "openai/m": 9,
        "openai/n": 3,
    }
    assert found["models"]["openai/m"]["input_tokens"] == 90
    assert found["errors"] == {"server": 16}
    assert found["without_tokens"] == 0
    assert "12" in vlsu("store", "info", file)


def test_what_is_no_store_is_said_in_a_line(tmp_path):
    for name in ("info", "verify"):
        assert "no store of responses" in failure("store", name, tmp_path / "none")
    assert "no store of responses" in failure("store", "prune", tmp_path, "--yes")


def test_verify_ends_with_1_where_a_response_is_not_as_it_was_stored(tmp_path):
    file = fill(tmp_path / "a.sqlite", range(1_500))
    found = json.loads(vlsu("store", "verify", file, "--json"))["stores"][0]
    assert (found["sound"], found["damaged"], found["ok"]) == (1_500, 0, True)
    change_a_body(file)
    before = file.read_bytes()
    found = json.loads(vlsu("store", "verify", file, "--json", code=1))["stores"][0]
    assert (found["sound"], found["damaged"], found["ok"]) == (1_499, 1, False)
    assert file.read_bytes() == before
    file.write_bytes(before[:8_000])
    found = json.loads(vlsu("store", "verify", file, "--json", code=1))["stores"][0]
    assert found["problems"]


@pytest.mark.parametrize(
    ("damage", "left"), [("head", 1_500), ("half", 400), ("hole", 400), ("all", 0)]
)
def test_verify_says_in_plain_words_what_is_left_of_a_badly_damaged_file(tmp_path, damage, left):
    file = fill(tmp_path / "a.sqlite", range(1_500))
    data = bytearray(file.read_bytes())
    quarter = len(data) // 4 // 4096 * 4096
    places = {"head": slice(100), "hole": slice(quarter, 3 * quarter), "all": slice(None)}
    if damage == "half":
        del data[2 * quarter :]
    else:
        data[places[damage]] = bytes(len(data[places[damage]]))
    file.write_bytes(data)
    found = json.loads(vlsu("store", "verify", file, "--json", code=1))["stores"][0]
    said = found["problems"][-1]
    assert (found["damaged"], found["ok"]) == (0, False)
    assert left <= found["sound"] < (1_500 if damage != "head" else 1_501)
    if left:
        assert f"damaged, so that only {found['sound']:,} responses can be read out of it" in said
    else:
        assert "no store of responses, or damaged" in said
    assert "a run with --store a.sqlite saves what can be read" in said
    assert not re.search("btree|page [0-9]|error code|database", " ".join(found["problems"][:-1]))


def test_merged_stores_have_everything_once(tmp_path):
    first = fill(tmp_path / "a.sqlite", range(2_000))
    second = fill(tmp_path / "b.sqlite", range(1_500, 3_000), words="other", spec="openai/n")
    out = tmp_path / "c.sqlite"
    found = json.loads(vlsu("store", "merge", first, second, "--out", out, "--json"))
    assert (found["responses"], found["read"]) == (3_000, 3_500)
    with closing(ResponseStore(out, read_only=True)) as store:
        keys = [key(number) for number in range(3_000)]
        answers = store.responses(keys)
        assert all(
            each.raw.body == f"{'answer' if n < 2_000 else 'other'} {n}".encode() * 9
            for n, each in enumerate(answers[k] for k in keys)
        )
        assert {each.attempts for each in answers.values()} == {2}
        assert store.usage(batched=True)["openai/n"][0] == 10 * 500
        assert store.usage()["openai/m"][:2] == (20_000, sum(n % 3 for n in range(2_000)))
        assert store.error_counts() == {"server": 3_500}
    assert "exists" in failure("store", "merge", first, second, "--out", out)
    assert json.loads(vlsu("store", "verify", out, "--json"))["stores"][0]["ok"]
    assert files(tmp_path) == {"a.sqlite", "b.sqlite", "c.sqlite"}


def test_a_damaged_store_is_not_merged(tmp_path):
    first = fill(tmp_path / "a.sqlite", range(20))
    second = fill(tmp_path / "b.sqlite", range(20, 40))
    change_a_body(second)
    assert "damaged" in failure("store", "merge", first, second, "--out", tmp_path / "c.sqlite")
    assert files(tmp_path) == {"a.sqlite", "b.sqlite"}


@pytest.fixture
def run(tmp_path):
    """A finished run, with answers in its store that it does not need."""
    dataset = make_dataset(tmp_path / "dataset", samples=40, images=5)
    scripted_run(dataset, tmp_path / "run")
    fill(tmp_path / "run" / "responses.sqlite", range(100))
    return tmp_path / "run"


def test_prune_keeps_what_the_judgments_rest_on(run, tmp_path):
    needed = load_run(run).judgments["request_key"].n_unique()
    size = (run / "responses.sqlite").stat().st_size
    found = json.loads(vlsu("store", "prune", run, "--yes", "--json"))
    assert (found["responses_removed"], found["errors_removed"]) == (100, 0)
    assert found["bytes"] < size
    again = load_run(run)
    assert len(again.responses(again.judgments["request_key"].to_list())) == needed
    with closing(ResponseStore(run / "responses.sqlite", read_only=True)) as store:
        assert store.count() == needed
        assert store.error_counts() == {"server": 100}
    found = json.loads(vlsu("store", "prune", run, "--yes", "--errors", "--json"))
    assert (found["responses_removed"], found["errors_removed"]) == (0, 100)
    assert json.loads(vlsu("store", "verify", run, "--json"))["stores"][0]["ok"]


def test_prune_keeps_what_any_of_several_runs_needs(run, tmp_path):
    alone = fill(tmp_path / "shared.sqlite", range(10))
    merged = tmp_path / "all.sqlite"
    vlsu("store", "merge", alone, run, "--out", merged)
    needed = load_run(run).judgments["request_key"].n_unique()
    found = json.loads(vlsu("store", "prune", merged, "--run", run, "--yes", "--json"))
    assert found["responses_removed"] == 100  # those of the other file are among the run's own
    with closing(ResponseStore(merged, read_only=True)) as store:
        assert store.count() == needed
    assert "say what is to be kept" in failure("store", "prune", merged, "--yes")


def test_nothing_is_removed_without_consent(run):
    before = (run / "responses.sqlite").read_bytes()
    assert "give --yes" in failure("store", "prune", run)
    assert (run / "responses.sqlite").read_bytes() == before


def test_a_run_that_is_not_finished_is_not_pruned(run):
    record = (run / "run.yaml").read_text().replace("status: finished", "status: stopped")
    (run / "run.yaml").write_text(record)
    assert "not finished" in failure("store", "prune", run, "--yes")


def test_a_store_that_another_process_works_with_is_not_pruned(tmp_path):
    file = fill(tmp_path / "a.sqlite", range(10))
    with locked_file(file):
        assert "works with it; wait for it or stop it" in failure(
            "store", "prune", file, "--errors", "--yes"
        )
    with closing(sqlite3.connect(file)) as other:
        other.execute("SELECT count(*) FROM errors").fetchall()
        assert "another program has it open" in failure("store", "prune", file, "--errors", "--yes")


@pytest.mark.slow
def test_killed_at_any_moment_the_old_file_or_the_new_one_is_there(tmp_path):
    whole = fill(tmp_path / "whole.sqlite", range(3_000))
    code = "import sys; from vlsu.cli.app import run_command; sys.exit(run_command(sys.argv[1:]))"
    results = set()
    for number in range(8):
        file = tmp_path / f"{number}.sqlite"
        shutil.copy(whole, file)
        line = [sys.executable, "-c", code, "store", "prune", str(file), "--errors", "--yes"]
        process = subprocess.Popen(line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        fresh = file.with_name(f".{file.name}.new")
        deadline = time.monotonic() + 300
        while not fresh.exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(0.03 * number)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(stored_bodies(file)) == 3_000
        with closing(ResponseStore(file, read_only=True)) as store:
            results.add(sum(store.error_counts().values()))
        vlsu(
            "store", "prune", file, "--errors", "--yes"
        )  # what was begun does not stand in the way
        assert not fresh.exists()
        with closing(ResponseStore(file, read_only=True)) as store:
            assert (store.count(), store.error_counts()) == (3_000, {})
    assert results <= {0, 3_000}


def test_keys_are_found_among_many_and_by_all_their_bits():
    from vlsu.runs.store.digest_index import DigestIndex, digests_of

    index, names = DigestIndex(), [f"{number:032x}" for number in range(0, 200_000, 2)]
    index.add(digests_of(names[:70_000]), range(1, 70_001))
    for start in range(70_000, len(names), 1_000):
        part = names[start : start + 1_000]
        index.add(digests_of(part), range(start + 1, start + 1_001))
    assert len(index) == len(names)
    # All begin with the same 64 bits: the other 64 decide.
    assert index.find(digests_of(names[::777])) == [*range(1, len(names) + 1, 777)]
    odd = [f"{number:032x}" for number in range(1, 2_000, 20)]
    assert not any(index.find(digests_of(odd)))
    assert digests_of(["AB" * 16]) != digests_of(["ab" * 16])
    assert digests_of(["ab" * 16, "k"])[:16] == digests_of(["ab" * 16])


def test_two_processes_may_append_to_one_file(tmp_path):
    file = tmp_path / "a.sqlite"
    with closing(ResponseStore(file)) as first, closing(ResponseStore(file)) as second:
        for number in range(0, 3_000, 2):
            first.put(key(number), Raw(200, b"first %d" % number), 1)
            second.put(key(number + 1), Raw(200, b"second %d" % number), 1)
            second.put(key(number), Raw(200, b"late"), 1)
            if number % 200 == 0:
                first.flush()
                second.flush()
    assert len(stored_bodies(file)) == 3_000


def test_a_merge_that_finds_no_room_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("vlsu.runs.store.store.renew_schema", full)
    command("store", "merge", run, "--out", tmp_path / "new.sqlite", expect=2)
    assert not [*tmp_path.glob("*new.sqlite*")]
