"""Runs with a model in process: grades, resume, and what changes no request."""

from __future__ import annotations

import polars as pl
import pytest

from tests.models.hf.grader import grader
from tests.support.commands import vlsu

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return grader(tmp_path_factory.mktemp("grader"))


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return run(folder, out), out


def run(folder, out, *options):
    command = vlsu(
        *("run", "understanding", "vlsu-mini", "--model", f"hf/{folder}", "--limit", 4),
        *("--max-tokens", 8, "--out", out, *options),
    )
    return command.stdout + command.stderr


def judged(out):
    columns = ("sample_id", "modality", "outcome", "predicted", "request_key")
    return pl.read_parquet(out / "judgments.parquet").select(columns).sort(columns[:2])


def test_a_run_grades_every_modality(finished):
    printed, out = finished
    judgments = judged(out)
    assert "requests: 12 asked, 0 stored before" in printed
    assert judgments["outcome"].to_list() == ["ok"] * 12
    assert judgments["modality"].value_counts()["count"].to_list() == [4, 4, 4]
    assert judgments["predicted"].n_unique() == 3


def test_the_same_command_asks_nothing_again(finished, folder):
    _, out = finished
    before = judged(out)
    assert "requests: 0 asked, 12 stored before" in run(folder, out)
    assert judged(out).equals(before)


def test_the_size_of_a_batch_changes_no_request_and_no_answer(finished, folder, tmp_path):
    _, out = finished
    run(folder, tmp_path / "run", "--max-batch", 1, "--modalities", "image,text")
    alone = judged(tmp_path / "run")
    assert alone.equals(judged(out).filter(pl.col("modality") != "joint"))


def test_the_run_records_what_the_weights_are(finished):
    _, out = finished
    recorded = (out / "run.yaml").read_text()
    for what in ("architecture: idefics3", "dtype: float32", "runtime: transformers "):
        assert what in recorded
