"""A whole build: real images, a real index, real HTTP, and models played by a server."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ChatServer, chat_servers
from tests.support.commands import vlsu
from tests.support.gallery import gallery
from tests.support.silent import Silent
from tests.support.writers import PlayedModels, asked_twice
from vlsu.build.folder.build import open_build, provenance
from vlsu.build.folder.records import STAGES
from vlsu.data import load

pytestmark = pytest.mark.slow

TARGETS = "all=0,S-S-U/C9=5,S-U-U/C1=3,B-S-B/C9=3,U-S-U/C3=3,S-S-S=3"
ENVIRONMENT = {"OPENAI_API_KEY": "none", "OMP_NUM_THREADS": "1"}


@dataclass
class Built:
    """A build that was run to its end in one go."""

    folder: Path
    gallery: Path
    server: ChatServer
    played: PlayedModels
    ran: dict


def played(images):
    """The models, with more spoilt answers than real ones have."""
    with (images / "metadata.csv").open(encoding="utf-8", newline="") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    return PlayedModels(captions, refused=0.1, blocked=0.05, garbled=0.1)


def init(folder, images):
    """A new build."""
    arguments = ("--languages", "en,de", "--target", TARGETS, "--source", f"folder:{images}")
    vlsu("build", "init", folder, *arguments)


def run_arguments(folder, server):
    """The command that is run again and again."""
    return (
        *("build", "run", folder, "--model", "openai/writer", "--base-url", server.base_url),
        *("--grader", "openai/grader", "--grader-base-url", server.base_url),
        *("--concurrency", "1", "--price", "1000,2000", "--grader-price", "100,200", "--json"),
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    base = tmp_path_factory.mktemp("whole")
    images = gallery(base / "gallery", 48)
    models = played(images)
    with chat_servers() as start:
        server = start(models)
        init(base / "build", images)
        done = vlsu(*run_arguments(base / "build", server), env=ENVIRONMENT)
        yield Built(base / "build", images, server, models, json.loads(done.stdout))


def kept(build, stage):
    with build.store(read_only=True) as store:
        return store.records(stage, kept=True)


def test_every_cell_is_full(built):
    assert built.ran["ended"] == "every cell is full"
    found = built.ran["status"]
    assert found["short"] == []
    for cells in found["cells"].values():
        for count in cells.values():
            assert count["have"] == count["wanted"]
    assert found["forecast"]["missing"] == 0


def test_what_is_lost_has_the_reasons_that_the_models_gave(built):
    stages = built.ran["status"]["stages"]
    assert {"refused by the model", "answer cannot be read"} <= set(
        {**stages["concepts"]["lost"], **stages["queries"]["lost"]}
    )
    assert any(reason.startswith("pair is") for reason in stages["grades"]["lost"])
    assert built.ran["rounds"] > 1


def test_no_request_came_twice_and_every_one_is_counted_and_priced(built):
    status = built.ran["status"]
    assert asked_twice(built.server) == 0
    assert status["calls"] == len(built.server.requests)
    stages = status["stages"]
    assert {stage: stages[stage]["calls"] for stage in ("concepts", "queries", "grades")} == dict(
        built.played.kinds
    )
    written = (11 * 1000 + 7 * 2000) / 1e6  # tokens of an answer, as the server states them
    graded = (11 * 100 + 7 * 200) / 1e6
    cost = written * (built.played.kinds["concepts"] + built.played.kinds["queries"])
    assert status["cost"]["total"] == pytest.approx(cost + graded * built.played.kinds["grades"])
    assert status["cost"]["unpriced"] == 0
    assert all(stages[stage]["seconds"] > 0 for stage in STAGES)


def test_every_sample_says_where_it_is_from_and_no_image_is_in_two(built):
    build = open_build(built.folder)
    used: Counter[str] = Counter()
    with build.store(read_only=True) as store:
        samples = store.records("grades", kept=True)
        prompts = store.prompts()
        for sample in samples:
            found = provenance(store, sample.key)
            assert set(found) == {"concept", "query", "image", "pre_grades"}
            image = found["image"]
            used[image["sha256"]] += 1
            assert build.images.read(image["sha256"])
            assert image["licence"]
            assert image["source"] == f"folder:{built.gallery}"
            assert image["rank"]["bm25"] or image["rank"]["embedding"]
            for part in ("concept", "query", "pre_grades"):
                assert found[part]["prompt"] in prompts
                assert found[part]["model"].startswith("openai/")
    assert len(samples) >= 17
    assert set(used.values()) == {1}


def test_the_same_command_again_asks_nothing(built):
    before = len(built.server.requests)
    done = vlsu(*run_arguments(built.folder, built.server), env=ENVIRONMENT)
    again = json.loads(done.stdout)
    assert (again["rounds"], again["ended"]) == (0, "every cell is full")
    assert len(built.server.requests) == before


def test_no_text_of_the_build_is_in_what_the_command_prints(built):
    build = open_build(built.folder)
    shown = json.dumps(built.ran)
    for stage, name in (("concepts", "concept"), ("images", "caption"), ("queries", "text")):
        assert not any(each.content[name] in shown for each in kept(build, stage))


def test_what_was_built_is_assembled_for_graders_and_audited(built, tmp_path):
    out = tmp_path / "dataset"
    vlsu("build", "assemble", built.folder, "--out", out, "--json")
    dataset = load(out)
    samples = list(dataset)
    assert len(samples) >= 17
    for sample in samples:
        origin: Any = sample.metadata["provenance"]
        assert set(origin) == {"concept", "query", "image", "pre_grades"}
        assert origin["image"]["licence"] in {"CC0-1.0", "Apache-2.0"}
        assert sample.joint_grade is None  # that is for people to say
        assert dataset.read_image(origin["image"]["sha256"])
    vlsu("annotate", "init", tmp_path / "project", "--dataset", out)
    audited = json.loads(vlsu("build", "audit", built.folder, "--json").stdout)
    assert {"shortcuts", "identity"} <= set(audited)
    selection = json.loads(vlsu("build", "selection", built.folder, "--json").stdout)
    assert selection


def test_a_bound_of_cost_stops_it_and_without_it_it_goes_on(built, tmp_path):
    folder, models = tmp_path / "build", played(built.gallery)
    init(folder, built.gallery)
    shutil.copytree(built.folder / "index", folder / "index")
    with chat_servers() as start:
        server = start(models)
        arguments = run_arguments(folder, server)
        done = json.loads(vlsu(*arguments, "--max-cost", "0.3", env=ENVIRONMENT).stdout)
        assert done["stopped"] == "--max-cost 0.3 reached"
        assert 0.3 <= done["status"]["cost"]["total"] < 0.3 + 2 * 0.025
        rest = json.loads(vlsu(*arguments, env=ENVIRONMENT).stdout)
    assert rest["ended"] == "every cell is full"
    assert asked_twice(server) == 0


def start_process(arguments):
    command = [sys.executable, "-m", "vlsu", *map(str, arguments)]
    return subprocess.Popen(
        command,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process, seconds=300):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None or condition(), process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.005)


def kill(process):
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()


def is_fifth(models, stage, number):
    """Whether the last request of a stage that models were asked is its fifth."""
    del number
    return models.kinds[stage] == 5


def records_of(folder):
    """Key and decision of every record."""
    with open_build(folder).store(read_only=True) as store:
        return [
            (stage, record.key, state)
            for stage in STAGES
            for state in (True, False, None)
            for record in store.records(stage, kept=state)
        ]


def test_killed_in_each_stage_it_comes_to_the_same_records_and_asks_nothing_answered_twice(
    built, tmp_path
):
    folder, models = tmp_path / "build", played(built.gallery)
    init(folder, built.gallery)
    shutil.copytree(built.folder / "index", folder / "index")

    def images():
        with open_build(folder).store(read_only=True) as store:
            return len(store.outcomes("images"))

    with chat_servers() as start:
        server = start(models)
        silent = Silent(server, folder)
        arguments = run_arguments(folder, server)
        for stage in STAGES:
            if stage == "images":
                process = start_process(arguments)
                wait_for(lambda: images() >= 3, process)
                kill(process)
                continue
            silent.begin(partial(is_fifth, models, stage))
            process = start_process(arguments)
            silent.kill(process)  # four were answered, the fifth is in flight
            process.stderr.close()
        ran = json.loads(vlsu(*arguments, env=ENVIRONMENT).stdout)
    assert ran["ended"] == "every cell is full"
    assert asked_twice(server) <= 3  # those in flight when it was killed
    assert records_of(folder) == records_of(built.folder)
    counted = {stage: of["calls"] for stage, of in ran["status"]["stages"].items()}
    whole = {stage: of["calls"] for stage, of in built.ran["status"]["stages"].items()}
    assert counted == whole
