"""``vlsu build run``: what it refuses before anything is asked."""

from __future__ import annotations

import pytest

from tests.support.commands import vlsu

WRITER = ("--model", "openai/writer", "--base-url", "http://127.0.0.1:9/v1")
GRADER = ("--grader", "baseline/late-fusion")
ALSO = ("--also", "openai/y", "--also-base-url", "http://127.0.0.1:9/v1")
KEY = {"OPENAI_API_KEY": "none"}


@pytest.fixture
def build(tmp_path):
    folder = tmp_path / "b"
    vlsu("build", "init", folder, "--target", "all=0,S-S-U/C9=1")
    return folder


def line(*arguments):
    """The one line with which a command refuses."""
    done = vlsu("build", "run", *arguments, expect=2, env=KEY)
    said = [each for each in done.stderr.splitlines() if not each.startswith("openai/")]
    assert len(said) == 1, done.stderr
    return said[0]


def test_a_build_without_a_source_is_a_line(build):
    assert "names no source of images; give --source" in line(build, *WRITER, *GRADER)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--max-rounds", "0"), "--max-rounds"),
        (("--round-size", "0"), "--round-size"),
        (("--patience", "-1"), "--patience"),
        (("--max-cost", "1"), "needs a price"),
        (("--queries", "0"), "--queries"),
        (("--unfiltered", "2"), "--unfiltered 2: give a share from 0 to 1"),
        (("--styles", "sonnet"), "--styles"),
        (("--approve", "C1"), "--approve: name the model that is asked then"),
        (("--also", "openai/y"), "--also: name the categories in which you approve it"),
        ((*ALSO, "--approve", "C99"), "--approve 'C99': use C1, C2"),
        (("--few-shot", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_wrong_options_are_a_line(build, more, said):
    assert said in line(build, *WRITER, *GRADER, *more)


def test_a_bound_on_cost_needs_the_price_of_the_grader_too(build):
    asked = ("--grader", "openai/grader", "--grader-base-url", "http://127.0.0.1:9/v1")
    said = line(build, *WRITER, *asked, "--max-cost", "1", "--price", "1,2")
    assert "--max-cost needs the grader's price too; give --grader-price" in said


def test_a_folder_without_a_build_is_a_line(tmp_path):
    assert "no build" in line(tmp_path, *WRITER, *GRADER)
