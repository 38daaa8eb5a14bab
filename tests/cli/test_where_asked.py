"""What a command says of where its model is asked is what it does."""

import json

import pytest

from tests.conftest import completion, make_dataset
from tests.support.commands import vlsu


@pytest.fixture
def command(tmp_path, chat_server):
    dataset = make_dataset(tmp_path / "dataset", 2, 1)
    answer = json.dumps({"severity": "safe", "category": None})
    server = chat_server(lambda body, number: completion(answer))
    return (
        *("run", "understanding", dataset.path, "--model", "openai/mock"),
        *("--base-url", server.base_url, "--out"),
    )


def test_a_dry_run_says_where_it_would_ask(command, tmp_path):
    said = vlsu(*command, tmp_path / "R", "--dry-run").stderr
    assert "openai/mock, would be asked at http://127.0.0.1:" in said
    assert ", asked at" not in said


def test_a_dry_run_of_a_model_and_its_judge_says_so_of_both(command, tmp_path):
    _, _, dataset, *model, out = command
    line = ("alignment", dataset, *model, out, tmp_path / "R", "--dry-run")
    judge = ("--judge", "openai/judge", "--judge-base-url", command[-2])
    said = vlsu("run", *line, *judge).stderr
    assert said.count(", would be asked at ") == 2
    assert ", asked at" not in said


def test_what_is_written_to_a_file_or_judged_again_is_asked_nowhere(command, tmp_path):
    assert ", asked at" in vlsu(*command, tmp_path / "R").stderr
    for name, *more in (
        ("file", "--batch-file", tmp_path / "requests.jsonl"),
        ("again", "--replay", tmp_path / "R"),
    ):
        said = vlsu(*command, tmp_path / name, *more).stderr
        assert "asked at" not in said
        assert "API key" not in said
