"""A large run that goes on: processes look for what it lacks, and judge what it has."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.children import children
from tests.support.fault_server import FaultServer, good, text_dataset
from vlsu.data import Dataset
from vlsu.models import Settings
from vlsu.models.processes import cores
from vlsu.runs import Limits, Run, UnderstandingOptions
from vlsu.runs.asking.progress import NO_PROGRESS, Progress, SilentProgress
from vlsu.runs.understanding import asking, part_planning
from vlsu.runs.understanding.evaluation import prepare

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cores() < 2, reason="one core looks alone"),
]

SAMPLES, STORED, PART = 200, 150, 16


class Watched(SilentProgress):
    """Calls something once the requests of a first part are known to be stored."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then

    def spared(self, count: int) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has a small run treated as a large one; each search by processes is noted."""
    found: list[int] = []
    look = part_planning.unanswered_in_parts

    def noted(*about: Any) -> object:
        found.append(1)
        return look(*about)

    monkeypatch.setattr(asking, "WORTH", STORED // 2)
    monkeypatch.setattr(asking, "PART", PART)
    monkeypatch.setattr(part_planning, "PART", PART)
    monkeypatch.setattr(asking, "unanswered_in_parts", noted)
    return found


def run(
    dataset: Dataset,
    server: FaultServer,
    out: Path,
    most: int | None = None,
    progress: Progress = NO_PROGRESS,
) -> Run:
    options = UnderstandingOptions(
        model="openai/mock",
        settings=Settings(base_url=server.base_url),
        modalities=("text",),
        limits=Limits(max_requests=most),
    )
    return prepare(dataset, options).run(out, progress)


def test_it_asks_for_what_it_lacks_and_is_judged_as_at_once(
    tmp_path: Path, looks: list[int]
) -> None:
    others, dataset = children(), text_dataset(tmp_path / "dataset", SAMPLES)
    judgments = pl.all().exclude("latency_s")
    with FaultServer(good) as server:
        whole = run(dataset, server, tmp_path / "whole")
        run(dataset, server, tmp_path / "run", STORED)
        assert not looks
        before = len(server.asked)
        again = run(dataset, server, tmp_path / "run")
        assert looks
        assert len(server.asked) - before == SAMPLES - STORED
    assert again.judged(judgments).equals(whole.judged(judgments))
    assert again.metrics == whole.metrics
    assert children() <= others


def kill_children(others: set[int]) -> None:
    for child in children() - others:
        os.kill(child, signal.SIGKILL)


def test_it_goes_on_where_the_processes_that_look_are_killed(
    tmp_path: Path, looks: list[int]
) -> None:
    others, dataset = children(), text_dataset(tmp_path / "dataset", SAMPLES)
    with FaultServer(good) as server:
        run(dataset, server, tmp_path / "run", STORED)
        killing = Watched(lambda: kill_children(others))
        again = run(dataset, server, tmp_path / "run", progress=killing)
        assert looks
        assert len(server.asked) == SAMPLES
    assert again.metrics["outcomes"]["text"]["ok"] == SAMPLES
    assert children() <= others


def test_an_interrupt_while_processes_look_leaves_none(tmp_path: Path, looks: list[int]) -> None:
    others, dataset = children(), text_dataset(tmp_path / "dataset", SAMPLES)
    started: list[set[int]] = []

    def interrupt() -> None:
        started.append(children() - others)
        signal.raise_signal(signal.SIGINT)

    with FaultServer(good) as server:
        run(dataset, server, tmp_path / "run", STORED)
        stopped = run(dataset, server, tmp_path / "run", progress=Watched(interrupt))
        assert looks
        assert any(started)
        assert len(server.asked) == STORED
    assert stopped.record["stopped"] == "interrupted"
    assert children() <= others


def test_where_a_dataset_is_written_anew_meanwhile_answers_stay_with_their_samples(
    tmp_path: Path, looks: list[int]
) -> None:
    dataset = text_dataset(tmp_path / "dataset", SAMPLES)
    (name,) = dataset.info.files

    def reverse() -> None:
        pl.read_parquet(dataset.path / name).reverse().write_parquet(tmp_path / "new.parquet")
        (tmp_path / "new.parquet").replace(dataset.path / name)

    with FaultServer(good) as server:
        whole = run(dataset, server, tmp_path / "whole")
        run(dataset, server, tmp_path / "run", STORED)
        again = run(dataset, server, tmp_path / "run", progress=Watched(reverse))
        assert looks
    found, expected = (each.judged(pl.col("sample_id", "request_key")) for each in (again, whole))
    assert found.equals(expected.reverse())
