"""A run with several draws that is killed again and again."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

import polars as pl
import pytest

import vlsu
from tests.support.fault_server import FaultServer, good, run_command, text_dataset

pytestmark = pytest.mark.slow


def stored(run: Path) -> int:
    with closing(sqlite3.connect(run / "responses.sqlite")) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM responses").fetchone()[0])
        except sqlite3.OperationalError:  # killed before its tables were made
            return 0


def test_killed_a_run_asks_no_draw_again_that_was_stored(tmp_path: Path) -> None:
    random, samples = Random(5), 300
    dataset, run = text_dataset(tmp_path / "dataset", samples), tmp_path / "run"
    options = ("--concurrency", 8, "--draws", 3, "--param", "temperature=1")
    with FaultServer(good, delay=0.02) as server:
        for kill in range(6):
            before = stored(run) if run.exists() else 0
            begun = len(server.asked)
            process = run_command(dataset, server.base_url, run, *options)
            if kill == 5:
                assert process.communicate(timeout=300) is not None
                assert process.returncode == 0
            else:
                while len(server.asked) == begun and process.poll() is None:
                    time.sleep(0.002)
                time.sleep(random.uniform(0, 0.5))
                process.kill()
                process.communicate()
                server.settle()
            assert len(server.asked) - begun <= 3 * samples - before
    assert stored(run) == 3 * samples
    finished = vlsu.load_run(run)
    assert finished.record["requests"]["needed"] == 3 * samples
    assert finished.judgments.height == samples
    reruns = pl.read_parquet(run / "reruns.parquet")
    assert dict(reruns["draw"].value_counts().iter_rows()) == {1: samples, 2: samples}
    assert reruns["request_key"].n_unique() == 2 * samples
    assert json.loads((run / "metrics.json").read_bytes())["reruns"]["draws"] == 3
