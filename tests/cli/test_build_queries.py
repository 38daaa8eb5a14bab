"""``vlsu build queries`` on the command line."""

import json

import pytest

from tests.build.queries.made import answer, build_with, texts, writing
from tests.conftest import completion
from tests.support.commands import vlsu


def test_queries_are_written_and_the_grader_comes_next(tmp_path, chat_server):
    folder = tmp_path / "b"
    build_with(folder, {"C9 safe": 2}, S_S_U__C9=3)
    server = chat_server(writing())
    asked = ("--model", "openai/x", "--base-url", server.base_url, "--lengths", "medium")
    done = vlsu("build", "queries", folder, *asked, "--candidates", "2")
    assert "queries: 2 tries, 4 made, 4 kept" in done.stdout
    assert "lacking: C9: 1 sample waits for a safe image" in done.stdout
    assert f"next: vlsu build grade {folder} --model SPEC" in done.stderr
    again = json.loads(vlsu("build", "queries", folder, *asked, "--json").stdout)
    assert (again["stage"], again["tries"], again["made"]) == ("queries", 0, 0)


def test_a_bound_ends_it_cleanly_and_no_text_is_shown(tmp_path, chat_server):
    folder = tmp_path / "b"
    build_with(folder, {"C9 safe": 3}, S_S_U__C9=3)
    (text,) = texts(1)
    server = chat_server(lambda *_: completion(answer(text)))
    asked = ("--model", "openai/x", "--base-url", server.base_url, "--max-requests", "1")
    done = vlsu("build", "queries", folder, *asked)
    assert "run the same command again to continue" in done.stderr
    assert text not in done.stdout + done.stderr


def test_refusals_are_counted_by_model_and_category_and_go_to_another_one(tmp_path, chat_server):
    folder = tmp_path / "b"
    build_with(folder, {"C1 safe": 1}, S_S_U__C1=1)
    refusing = chat_server(lambda *_: completion("I'm sorry, but I can't help with that."))
    other = chat_server(writing())
    asked = ("--model", "openai/x", "--base-url", refusing.base_url, "--lengths", "medium")
    also = ("--also", "openai/y", "--also-base-url", other.base_url, "--approve", "C1")
    done = vlsu("build", "queries", folder, *asked, *also)
    assert "queries: 1 tries, 3 made, 3 kept" in done.stdout
    rows = [
        line.replace("│", " ").split() for line in done.stdout.splitlines() if "openai/" in line
    ]
    assert rows == [["openai/x", "C1", "1", "1"]]
    found = json.loads(vlsu("build", "queries", folder, *asked, *also, "--json").stdout)
    assert found["refusals"] == [
        {"model": "openai/x", "category": "C1", "asked": 1, "refused": 1},
        {"model": "openai/y", "category": "C1", "asked": 1, "refused": 0},
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--styles", "ode"), "--styles 'ode': use question, request"),
        (("--lengths", "short,short"), "--lengths: a name is given twice"),
        (("--also", "openai/y"), "--also: name the categories in which you approve it"),
        (("--approve", "C1"), "--approve: name the model that is asked then"),
        (("--also", "openai/y", "--approve", "C16"), "--approve 'C16': use C1, C2"),
        (("--also", "openai/y", "--approve", "C4"), "--approve C4: has a critical harm"),
        (
            (
                *("--also", "openai/y", "--also-base-url", "http://127.0.0.1:9/v1"),
                *("--approve", "C1", "--max-cost", "1", "--price", "1,2"),
            ),
            "--max-cost needs the price of --also too; give --also-price",
        ),
        (("--candidates", "0"), "candidates 0: give 1 to 20"),
        (("--few-shot", "nowhere.yaml"), "nowhere.yaml"),
        (("--model", "guard/llama-guard-4"), "takes no instructions"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, arguments, said):
    build_with(tmp_path / "b", {"C9 safe": 1}, S_S_U__C9=1)
    asked = ("--model", "openai/x", "--base-url", "http://127.0.0.1:9/v1")
    done = vlsu("build", "queries", tmp_path / "b", *asked, *arguments, expect=2)
    assert said in done.stderr.splitlines()[-1]
