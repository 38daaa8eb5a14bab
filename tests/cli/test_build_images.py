"""``vlsu build images`` over a real folder, a real index and real images."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.build.images.made import concept
from tests.build.images.test_stage import kept, outcomes
from tests.support.commands import vlsu
from tests.support.gallery import gallery
from tests.support.image_services import openverse
from vlsu.build.folder.build import init
from vlsu.build.plan.targets import parse_targets
from vlsu.policy import default_policy

WORDS = (
    *("ancient coins", "birthday cake", "brick paving", "a camera", "an airplane"),
    *("artificial leg", "bouquet of flowers"),
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A source: images of vlsu-mini in a folder."""
    return f"folder:{gallery(tmp_path_factory.mktemp('gallery') / 'pictures', 24)}"


def started(folder, source, wanted=7):
    """A build over a source with a concept for each of the words."""
    build = init(
        folder,
        default_policy(),
        targets=parse_targets(["all=0", f"S-S-U/C1={wanted}"]),
        sources=[source],
    )
    for words in WORDS:
        concept(build, words, category="C1")
    return build


def test_images_are_found_by_their_captions(tmp_path, pictures):
    build = started(tmp_path / "b", pictures)
    done = vlsu("build", "images", build.folder, "--embedding", "none", "--json")
    report = json.loads(done.stdout)
    assert (report["kept"], report["stopped"]) == (len(WORDS), None)
    for record in kept(build):
        last = record.provenance["search"].split()[-1]
        assert last in record.content["caption"].casefold()
        assert record.provenance["licence"] in ("CC0-1.0", "Apache-2.0")
        assert set(record.provenance["rank"]) == {"bm25", "embedding", "hybrid"}
    done = vlsu("build", "images", build.folder, "--embedding", "none")
    assert "0 tries" in done.stdout
    assert "vlsu build queries" in done.stderr


def test_what_was_refused_is_shown_by_reason(tmp_path, pictures):
    build = started(tmp_path / "b", pictures, wanted=1)
    done = vlsu("build", "images", build.folder, "--embedding", "none", "--min-side", "5000")
    assert "too small" in done.stdout
    assert "lacking: C1, safe image: 1 more wanted" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--licences", "free"], "--licences"),
        (["--aspect", "nan"], "--aspect 'nan': give a number"),
        (["--hash-list", "pdq:absent.csv"], "--hash-list absent.csv: cannot be read"),
        (["--pre-filter", "nowhere/x"], "nowhere"),
        (["--against", "absent"], "absent"),
        (["--source", "shelf:x"], "unknown source 'shelf'"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path, pictures, options, said):
    build = started(tmp_path / "b", pictures)
    done = vlsu("build", "images", build.folder, *options, expect=2)
    assert said in done.stderr
    assert done.stderr.count("\n") <= 2


def test_a_build_without_a_source_says_what_to_give(tmp_path):
    build = init(tmp_path / "b", default_policy(), targets=parse_targets(["all=1"]))
    done = vlsu("build", "images", build.folder, expect=2)
    assert "give --source, such as folder:PATH" in done.stderr


@pytest.mark.slow
def test_killed_it_goes_on_and_comes_to_the_same_images(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENVERSE_TOKEN", "made-up")  # without one, a question every three seconds
    with openverse() as service:
        source = f"openverse:{service.url}"
        command = ("build", "images", "--allow-private", "--licences", "any")
        whole = started(tmp_path / "whole", source)
        vlsu(*command, whole.folder)
        assert len(service.searches) == len(WORDS)
        service.server.requests.clear()
        build = started(tmp_path / "killed", source)
        python = [sys.executable, "-m", "vlsu", *command, str(build.folder)]
        for number in (1, 4):
            running = subprocess.Popen(python, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            deadline = time.monotonic() + 300
            while len(outcomes(build)) < number:
                assert running.poll() is None or len(outcomes(build)) >= number
                assert time.monotonic() < deadline
                time.sleep(0.01)
            running.send_signal(signal.SIGKILL)
            running.wait()
        vlsu(*command, build.folder)
        # A search is asked again only if its answer was on its way.
        assert len(WORDS) <= len(service.searches) <= len(WORDS) + 2
    assert [each.key for each in kept(build)] == [each.key for each in kept(whole)]
    assert outcomes(build) == outcomes(whole)
    stored = [
        {file.relative_to(each.folder) for file in each.images.files()} for each in (build, whole)
    ]
    assert stored[0] == stored[1]
    assert len(stored[0]) == len(WORDS)
