"""``vlsu data fetch`` and ``vlsu data import --fetch`` as a user meets them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.data.fetching.image_server import (
    ImageServer,
    Request,
    dataset_of,
    png,
    response,
    serving,
)
from tests.support.commands import vlsu
from tests.support.holding import up_to
from vlsu.data import check_dataset, load
from vlsu.data.fetching.journal import Journal
from vlsu.errors import DataError


def respond(request: Request) -> bytes:
    number = int(request.target.strip("/").split(".")[0])
    if number >= 900:
        return response(b"", "404 Not Found")
    return response(png(number), Content_Type="image/png")


def csv_of(folder: Path, server: ImageServer, numbers: list[int]) -> Path:
    """A table in the shape of the release of VLSU."""
    header = (
        "uuid,web_path,prompt,image_grade,consensus_text_grade,consensus_combined_grade,"
        "image_category,text_category,combined_category"
    )
    rows = [f"u{n},{server.url(f'{n}.png')},text {n},safe,safe,safe,,," for n in numbers]
    path = folder / "VLSU.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def test_import_says_how_to_fetch_and_fetch_does(tmp_path):
    with serving(respond) as server:
        source = csv_of(tmp_path, server, [1, 2, 900])
        imported = vlsu("data", "import", "vlsu", source, "--out", tmp_path / "d")
        assert "vlsu data fetch" in imported.stdout
        assert server.connections == 0
        done = vlsu("data", "fetch", tmp_path / "d", "--allow-private", "--json")
    assert json.loads(done.stdout) == {
        "wanted": 3,
        "had": 0,
        "fetched": 2,
        "failed": {"http-404": 1},
        "hosts": {"127.0.0.1": {"wanted": 3, "had": 0, "fetched": 2, "failed": 1}},
    }
    listed = tmp_path / "d" / "fetch-failed.csv"
    assert str(listed) in done.stderr
    assert listed.read_text().splitlines() == [
        "id,image_url,reason",
        f"u900,{server.url('900.png')},http-404",
    ]


def test_import_fetches_in_one_command(tmp_path):
    with serving(respond) as server:
        source = csv_of(tmp_path, server, [1, 2])
        done = vlsu(
            *("data", "import", "vlsu", source, "--out", tmp_path / "d", "--json"),
            *("--fetch", "--allow-private"),
        )
    tree = json.loads(done.stdout)
    assert (tree["imported"], tree["fetch"]["fetched"]) == (2, 2)
    assert check_dataset(load(tmp_path / "d")).ok


def test_what_failed_counts_with_strict_only(tmp_path):
    with serving(respond) as server:
        dataset_of(tmp_path / "d", [server.url("1.png"), server.url("900.png")])
        command = ("data", "fetch", tmp_path / "d", "--allow-private")
        table = vlsu(*command, expect=0)
        assert "failed: http-404" in table.stdout
        vlsu(*command, "--strict", expect=1)
        source = csv_of(tmp_path, server, [900])
        importing = ("data", "import", "vlsu", source, "--out", tmp_path / "e", "--fetch")
        vlsu(*importing, "--allow-private", "--strict", expect=1)


def test_without_allow_private_nothing_is_asked(tmp_path):
    with serving(respond) as server:
        dataset_of(tmp_path / "d", [server.url("1.png")])
        done = vlsu("data", "fetch", tmp_path / "d", "--json")
    assert json.loads(done.stdout)["failed"] == {"private-address": 1}
    assert server.connections == 0


def test_wrong_options_are_one_line(tmp_path):
    dataset_of(tmp_path / "d", ["http://a.example/"])
    for options in (["--per-host", "0"], ["--timeout", "0"], ["--mirror", "x"]):
        done = vlsu("data", "fetch", tmp_path / "d", *options, expect=2)
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "no such dataset" in vlsu("data", "fetch", tmp_path / "none", expect=2).stderr


def test_two_at_a_time_is_one_too_many(tmp_path):
    dataset_of(tmp_path / "d", ["http://a.example/"])
    Journal(tmp_path / "d").close()
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import pathlib, sys, time; from vlsu.data.fetching.journal import Journal; "
            "j = Journal(pathlib.Path(sys.argv[1])); print('open', flush=True); time.sleep(600)",
            str(tmp_path / "d"),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = vlsu("data", "fetch", tmp_path / "d", expect=2)
        assert "another vlsu data fetch is at work" in done.stderr
    finally:
        holder.kill()
        holder.communicate()
    Journal(tmp_path / "d").close()  # what was killed holds nothing


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vlsu", "data", "fetch", str(folder), "--allow-private"]
    command += ["--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_again_and_again_it_goes_on_where_it_was(tmp_path):
    count = 400
    with serving(lambda request: [0.02, respond(request)]) as server:
        folder = tmp_path / "d"
        dataset_of(folder, [server.url(f"{n}.png") for n in range(count)])
        for round_ in range(3):
            asked = len(server.requests)  # and so far it comes, however late it is killed
            server.ready = up_to(asked + 90)
            process = start(folder)
            wait_for(lambda asked=asked: len(server.requests) >= asked + 90)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert len(load(folder)) == count, round_  # it opens, whatever was under way
        server.ready = lambda number: True
        process = start(folder)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    tree = json.loads(output)
    assert tree["had"] > 150  # not from the start each time
    assert (tree["wanted"], tree["had"] + tree["fetched"]) == (count, count)
    # Of each start that was killed only the last moment is asked twice.
    assert len(server.requests) < count + 3 * 60
    after = load(folder)
    assert check_dataset(after).ok
    assert after.info.counts["images"] == count
    assert not list(folder.glob("images/*/.*"))


@pytest.mark.slow
def test_killed_while_it_changes_the_dataset_the_same_command_completes_it(tmp_path):
    with serving(respond) as server:
        folder = tmp_path / "d"
        dataset_of(folder, [server.url(f"{n}.png") for n in range(40)])
        before = (folder / "dataset.yaml").read_bytes()
        vlsu("data", "fetch", folder, "--allow-private")
        after = (folder / "dataset.yaml").read_bytes()
        # As if killed between the last two steps: the rows are new, their description is not.
        (folder / "dataset.yaml").write_bytes(before)
        with (
            contextlib.closing(Journal(folder)) as journal,
            pytest.raises(KeyboardInterrupt),
            journal.change(),
        ):
            raise KeyboardInterrupt
        (folder / ".samples-00000-1.tmp").write_bytes(b"half")
        assert len(load(folder)) == 40
        vlsu("data", "fetch", folder, "--allow-private")
    assert (folder / "dataset.yaml").read_bytes() == after
    assert not (folder / ".samples-00000-1.tmp").exists()
    assert check_dataset(load(folder)).ok


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_keeps_what_it_has_and_says_how_to_go_on(tmp_path, number):
    told = threading.Event()
    with serving(lambda request: [0.02, respond(request)]) as server:
        server.ready = lambda request: request <= 60 or told.is_set()
        folder = tmp_path / "d"
        dataset_of(folder, [server.url(f"{n}.png") for n in range(300)])
        process = start(folder)
        wait_for(lambda: len(server.requests) > 60)
        process.send_signal(number)
        told.set()
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert f"go on with vlsu data fetch {folder}" in errors.decode()
    assert b"Traceback" not in errors
    counts = load(folder).info.counts
    assert 40 < counts["images"] < 300  # they are in the rows already
    assert check_dataset(load(folder)).counts.keys() == {"missing"}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of a process")
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path):
    with serving(lambda request: response(png(1, side=400))) as server:
        folder = tmp_path / "d"
        dataset_of(folder, [server.url(f"{n}.png") for n in range(5)])
        limited = "ulimit -f 0; trap '' XFSZ; exec \"$@\""
        command = [sys.executable, "-m", "vlsu", "data", "fetch", str(folder), "--allow-private"]
        full = subprocess.run(["bash", "-c", limited, "-", *command], capture_output=True)
        assert full.returncode == 2, full.stderr
        (line,) = full.stderr.decode().splitlines()
        assert line.startswith("error: ")
        assert len(load(folder)) == 5
        vlsu("data", "fetch", folder, "--allow-private", "--strict")


def test_the_journal_names_another_version(tmp_path):
    import sqlite3

    Journal(tmp_path).close()
    with sqlite3.connect(tmp_path / "fetch.sqlite") as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(DataError, match="another version"):
        Journal(tmp_path)


def test_json_of_an_import_that_fetches_describes_the_dataset_with_its_images(tmp_path):
    with serving(respond) as server:
        source, out = csv_of(tmp_path, server, [1, 2, 900]), tmp_path / "d"
        done = vlsu(
            *("data", "import", "vlsu", source, "--out", out),
            *("--fetch", "--allow-private", "--json"),
        )
    report, dataset = json.loads(done.stdout), load(out)
    assert report["content_hash"] == dataset.info.content_hash
    kept = json.loads((out / "import.json").read_bytes())
    assert kept["content_hash"] == dataset.info.content_hash
    assert {"rejected", "fixed"} <= kept.keys()
    assert report["counts"]["images"] == report["fetch"]["fetched"] == 2
