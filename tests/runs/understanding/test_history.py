"""Draws with earlier runs: from their judgments to metrics.json, stopped, continued, looked at."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import vlsu
from tests.conftest import grade
from tests.runs.understanding.test_sampling import SIZE, asked, run, text_dataset
from tests.support.commands import vlsu as command
from tests.support.values import present
from vlsu.data import Dataset
from vlsu.errors import RunError
from vlsu.runs import Limits
from vlsu.runs.finished.confidence import metrics_at

pytestmark = pytest.mark.slow


def answerer(name: str, strength: float) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """A model that finds hard what the others do, but for some noise of its own."""

    def answer(body: dict[str, Any], _: int) -> dict[str, Any]:
        words = body["messages"][-1]["content"]
        words = words if isinstance(words, str) else words[-1]["text"]
        number, gold = present(re.search(r"<text>\s*(\S+) (\w+)\s*</text>", words)).groups()
        noise = random.Random(f"{name} {number}").random()
        right = 0.8 * float(number) + 0.2 * noise < strength
        return grade(gold if right else {"safe": "unsafe"}.get(gold, "safe"))

    return answer


@pytest.fixture
def texts(tmp_path: Path) -> Dataset:
    return text_dataset(tmp_path / "texts", 2 * SIZE)


@pytest.fixture
def pilots(texts: Dataset, chat_server: Any, tmp_path: Path) -> list[Path]:
    """Full runs of three models."""
    found = []
    for name, strength in (("first", 0.5), ("second", 0.6), ("third", 0.45)):
        server = chat_server(answerer(name, strength))
        found.append(run(texts, server, tmp_path / name).path)
    return found


def test_several_runs_narrow_the_interval_and_the_same_command_goes_on(
    texts, chat_server, tmp_path, pilots
):
    server = chat_server(answerer("new", 0.55))
    options: Any = {"budget": 300, "pilot": pilots}
    stopped = run(
        texts, server, tmp_path / "run", limits=Limits(max_requests=120, concurrency=1), **options
    )
    assert not stopped.finished
    done = run(texts, server, tmp_path / "run", **options)
    assert asked(server) == 300
    assert done.finished
    ids = set(done.judgments["sample_id"])
    found = done.metrics["sampling"]
    assert [pilot["run"] for pilot in found["pilots"]] == list(map(str, pilots))
    assert found["pilot"]["run"] == str(pilots[0])
    assert "control variates" in found["design"]
    assert found["sampled"] == done.metrics["n"] == 300
    assert sum(each["population"] for each in found["strata"].values()) == 2 * SIZE

    plain = run(texts, server, tmp_path / "plain", budget=300)
    whole = run(texts, server, tmp_path / "whole")
    truth = whole.metrics["text"]["accuracy"]["value"]
    ours, theirs = (each.metrics["text"]["accuracy"] for each in (done, plain))
    assert ours["low"] <= truth <= ours["high"]
    assert ours["high"] - ours["low"] < 0.8 * (theirs["high"] - theirs["low"])
    assert set(done.metrics) == set(plain.metrics)

    asked(server)
    again = run(texts, server, tmp_path / "run", **options)
    assert asked(server) == 0
    assert (
        again.metrics == done.metrics == run(texts, server, tmp_path / "fresh", **options).metrics
    )
    asked(server)
    more = run(texts, server, tmp_path / "run", **{**options, "budget": 500})
    assert asked(server) == 200
    assert set(more.judgments["sample_id"]) > ids


def test_the_draw_is_kept_with_the_run(texts, chat_server, tmp_path, pilots):
    server = chat_server(answerer("new", 0.55))
    done = run(texts, server, tmp_path / "run", budget=300, pilot=pilots[:2])
    table = pl.read_parquet(tmp_path / "run" / "sampling.parquet")
    assert set(table["id"]) == set(done.judgments["sample_id"])
    sizes = table.group_by("half", "stratum").agg(pl.len(), pl.first("population"))
    assert (sizes["len"] <= sizes["population"]).all()
    assert sizes["population"].sum() == 2 * SIZE
    # Another confidence needs neither the pilots' folders nor the server.
    wide = metrics_at(done, 0.99)["text"]["accuracy"]
    narrow = done.metrics["text"]["accuracy"]
    assert wide["value"] == pytest.approx(narrow["value"])
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    (tmp_path / "run" / "sampling.parquet").unlink()
    with pytest.raises(RunError, match="run the same vlsu run command again"):
        metrics_at(done, 0.99)
    asked(server)
    run(texts, server, tmp_path / "run", budget=300, pilot=pilots[:2])
    assert asked(server) == 0
    assert pl.read_parquet(tmp_path / "run" / "sampling.parquet").equals(table)
    # A full run in the folder has no draw to keep.
    run(texts, server, tmp_path / "run")
    assert not (tmp_path / "run" / "sampling.parquet").exists()


def test_it_stops_earlier_with_earlier_runs(texts, chat_server, tmp_path, pilots):
    server = chat_server(answerer("new", 0.55))
    wanted = "text.accuracy +- 0.04"
    alone = run(texts, server, tmp_path / "alone", until=wanted)
    done = run(texts, server, tmp_path / "run", until=wanted, pilot=pilots)
    assert done.metrics["sampling"]["reached"] is True
    assert done.metrics["sampling"]["sampled"] < 0.8 * alone.metrics["sampling"]["sampled"]
    rate = done.metrics["text"]["accuracy"]
    assert (rate["high"] - rate["low"]) / 2 <= 0.04


def test_runs_over_another_version_or_by_another_policy_are_named(texts, tmp_path, caplog):
    """The larger version has the same first samples; its answers about them count."""
    larger = text_dataset(tmp_path / "larger", 3 * SIZE)
    pilot = vlsu.evaluate(
        larger, model="baseline/random", out=tmp_path / "pilot", modalities=["text"]
    )
    with caplog.at_level(logging.WARNING):
        done = vlsu.evaluate(
            texts,
            model="baseline/random",
            out=tmp_path / "run",
            modalities=["text"],
            budget=200,
            pilot=pilot.path,
        )
    lines = [each.getMessage() for each in caplog.records if "--pilot" in each.getMessage()]
    assert len(lines) == 1
    assert "a run over another dataset (texts 1, this is texts 1)" in lines[0]
    assert "1200 samples" in lines[0]
    assert done.finished

    other = tmp_path / "policy.yaml"
    words = texts.policy.text.replace("version: ", "version: 9.", 1)
    other.write_text(words)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        vlsu.evaluate(
            texts,
            model="baseline/random",
            out=tmp_path / "second",
            modalities=["text"],
            budget=200,
            pilot=done.path,
            policy=other,
        )
    lines = [each.getMessage() for each in caplog.records if "--pilot" in each.getMessage()]
    assert len(lines) == 1
    assert "graded by another policy" in lines[0]


def test_the_command_line_takes_several(tmp_path):
    base = ("run", "understanding", "vlsu-mini", "--model")
    for model in ("baseline/random", "baseline/majority"):
        command(*base, model, "--out", model.rpartition("/")[2], cwd=tmp_path)
    chosen = ("--pilot", "random", "--pilot", "majority")
    done = command(
        *base, "baseline/late-fusion", "--out", "run", "--budget", "200", *chosen, cwd=tmp_path
    )
    assert done.returncode == 0
    assert "from 200 of them, drawn by pattern and by the answers of 2 earlier runs" in done.stderr
    alone = command(
        *base, "baseline/late-fusion", "--out", "other", *chosen, cwd=tmp_path, expect=2
    )
    assert "give --budget or --until too" in alone.stderr
