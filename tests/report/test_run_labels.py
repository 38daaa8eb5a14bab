"""Runs of one model are called by what differs in how it was asked."""

from pathlib import Path

import pytest

import vlsu
from tests.conftest import grade, make_dataset
from vlsu.models.base import Settings
from vlsu.report.comparison.compared import comparison_table
from vlsu.report.run_labels import run_labels, run_names
from vlsu.runs import Run


@pytest.fixture
def asked(dataset, chat_server, tmp_path):
    server = chat_server(lambda body, n: grade("safe"))

    def ask(folder, data=dataset, **options):
        settings = options.pop("settings", {})
        return vlsu.evaluate(
            data,
            model="openai/mock",
            base_url=server.base_url,
            out=tmp_path / folder,
            settings=Settings(**settings),
            **options,
        )

    return ask


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (
            {},
            {"settings": {"system": "You are careful and kind to all who ask."}},
            ("no system prompt", "system prompt “You are careful and kin…”"),
        ),
        (
            {},
            {"prompt": "structured-cot"},
            ("prompt zero-shot", "prompt structured-cot"),
        ),
        (
            {"params": {"temperature": 0}},
            {"params": {"temperature": 1}},
            ("temperature 0", "temperature 1"),
        ),
        ({}, {"params": {"top_p": 0.5}}, ("top_p not set", "top_p 0.5")),
        ({"seed": 1}, {"seed": 2}, ("seed 1", "seed 2")),
        ({}, {"settings": {"max_tokens": 64}}, ("1024", "64")),
        ({}, {"limit": 6}, ("all samples", "6 samples, seed 0")),
        ({}, {}, ("a", "b")),  # nothing differs: their folders
    ],
)
def test_two_runs_of_one_model_are_called_by_what_differs(first, second, names, asked):
    runs = [asked("a", **first), asked("b", **second)]
    found = run_names(runs)
    for name, part in zip(found, names, strict=True):
        assert name.startswith("openai/mock (")
        assert part in name
    assert len(set(found)) == 2
    labels = run_labels(found)
    assert len({label.partition(" ")[2] for label in labels}) == 2
    assert [row[0] for row in comparison_table(runs).rows[:2]] == found


def test_two_datasets_tell_runs_apart(asked, tmp_path):
    other = make_dataset(tmp_path / "other", samples=6)
    names = run_names([asked("a"), asked("b", other)])
    assert all("tiny 1 " in name for name in names)
    assert names[0] != names[1]


def test_models_that_differ_need_no_more_than_their_names(asked, dataset, tmp_path):
    baseline = vlsu.evaluate(dataset, model="baseline/majority", out=tmp_path / "baseline")
    assert run_names([asked("a"), baseline]) == ["openai/mock", "baseline/majority"]
    mixed = run_names([asked("a"), baseline, asked("b", settings={"system": "Be kind."})])
    assert mixed == [
        "openai/mock (no system prompt)",
        "baseline/majority",
        "openai/mock (system prompt “Be kind.”)",
    ]
    assert run_labels(mixed)[0].startswith("A openai/mock")


def test_the_same_names_in_other_folders_are_numbered(asked, tmp_path):
    runs = [asked("x/run"), asked("y/run")]
    assert run_names(runs) == ["openai/mock (run) 1", "openai/mock (run) 2"]


def test_no_two_of_many_runs_share_a_label(asked):
    run = asked("a")
    many = [Run(Path(f"r{n}"), run.record) for n in range(40)]
    assert len(set(run_labels(run_names(many)))) == 40
