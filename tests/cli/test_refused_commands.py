"""A command that is refused leaves nothing behind."""

import pytest

from tests.conftest import make_dataset
from tests.support.commands import vlsu

REFUSED = (
    ("--store", "none/shared.sqlite"),
    ("--store", "notes.csv"),
    ("--store", "D"),
    ("--store", "R/responses.sqlite"),
    ("--store", "N/responses.sqlite"),
    ("--replay", "none"),
    ("--replay", "notes.csv"),
    ("--trace", "notes.csv/trace.json"),
    ("--trace", "notes.csv"),
    ("--batch-file", "none/requests.jsonl"),
    ("--batch-file", "notes.csv"),
    ("--batch-results", "none"),
    ("--batch-results", "notes.csv"),
    ("--batch-cancel",),
    ("--weights", "notes.csv"),
    ("--policy", "none"),
    ("--prompt", "none"),
    ("--out", "notes.csv"),
    ("--out", "notes.csv/inside"),
)


@pytest.fixture
def place(tmp_path):
    make_dataset(tmp_path / "D", 4, 2)
    (tmp_path / "notes.csv").write_text("id,note\na,b\n")
    run = ("run", "understanding", "D", "--model", "baseline/majority", "--out", "R")
    vlsu(*run, cwd=tmp_path)
    return tmp_path


def files(folder):
    return {
        path: path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))
    }


def test_a_wrong_path_is_refused_before_anything_is_written(place):
    before = files(place)
    model = ("--model", "openai/mock", "--base-url", "http://127.0.0.1:9/v1")
    for more in REFUSED:
        line = ("run", "understanding", "D", *model, "--out", "N", *more)
        said = vlsu(*line, cwd=place, expect=2).stderr
        assert "Traceback" not in said
        assert files(place) == before, more


@pytest.mark.parametrize("models", [("ensemble/max:A+B",), ("A", "B")])
def test_of_several_models_none_has_a_folder_then(place, models):
    names = {"A": "baseline/majority", "B": "baseline/random"}
    entries = ", ".join(f"{name}: {{spec: {spec}}}" for name, spec in names.items())
    (place / "models.yaml").write_text(f"models: {{{entries}}}")
    before = files(place)
    chosen = [word for model in models for word in ("--model", model)]
    for store in ("notes.csv", "R/responses.sqlite"):
        line = ("run", "understanding", "D", *chosen, "--out", "N", "--store", store)
        vlsu(*line, cwd=place, expect=2)
        assert files(place) == before


@pytest.mark.parametrize("models", [("ensemble/max:A+B",), ("A", "B")])
def test_a_store_may_lie_in_the_folder_that_several_models_make(place, models):
    names = {"A": "baseline/majority", "B": "baseline/random"}
    entries = ", ".join(f"{name}: {{spec: {spec}}}" for name, spec in names.items())
    (place / "models.yaml").write_text(f"models: {{{entries}}}")
    chosen = [word for model in models for word in ("--model", model)]
    line = ("run", "understanding", "D", *chosen, "--out", "N", "--store", "N/shared.sqlite")
    before = files(place)
    vlsu(*line, "--dry-run", cwd=place)
    assert files(place) == before
    vlsu(*line, cwd=place)
    assert (place / "N" / "shared.sqlite").is_file()


def test_a_store_that_would_be_refused_is_refused_by_a_dry_run(place):
    line = ("run", "understanding", "D", "--model", "baseline/majority", "--out", "N", "--dry-run")
    said = vlsu(*line, "--store", "none/shared.sqlite", cwd=place, expect=2).stderr
    assert "its folder does not exist" in said


def test_what_is_no_store_gets_no_lock_beside_it(place):
    before = files(place)
    vlsu("store", "prune", "notes.csv", "--errors", "--yes", cwd=place, expect=2)
    assert files(place) == before


def test_a_merged_store_that_cannot_be_made_is_called_by_its_name(place):
    for out, why in (
        ("x/y", " (No such file or directory)"),
        ("notes.csv/y", f", for {place / 'notes.csv'} is no folder; choose another --out"),
    ):
        said = vlsu("store", "merge", "R", "--out", out, cwd=place, expect=2).stderr
        assert said == f"error: {out}: cannot be written{why}\n"
