"""Runs read as codes are counted as their rows are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.report_runs import scripted_run
from vlsu.analysis.table.cells import Cells
from vlsu.analysis.table.paired_cells import PairedTabulation
from vlsu.runs import Run, load_run
from vlsu.runs.finished.coded_samples import coded_samples
from vlsu.runs.finished.pairing import JUDGED_COLUMNS, paired_chunks
from vlsu.runs.folder import RunFolder
from vlsu.runs.graded import shared_severities

Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the bundled samples."""
    return scripted_run("vlsu-mini", tmp_path_factory.mktemp("coded") / "run").path


def changed(made: Path, out: Path, change: Change) -> Run:
    """The run with other judgments."""
    shutil.copytree(made, out)
    file = RunFolder(out).judgments_file
    change(pl.read_parquet(file)).write_parquet(file)
    return load_run(out)


def by_rows(runs: list[Run]) -> tuple[tuple[Cells, ...], list[int]]:
    tabulation, judged = PairedTabulation(len(runs), shared_severities(runs)), [0] * len(runs)
    for chunk in paired_chunks(runs, runs[0].dataset, JUDGED_COLUMNS):
        tabulation.add(chunk.judgments, chunk.gold)
        judged = [n + more for n, more in zip(judged, chunk.judged, strict=True)]
    return tabulation.cells().runs, judged


def failed(frame: pl.DataFrame) -> pl.DataFrame:
    """Every fifth judgment is missing for one reason or another."""
    number = pl.int_range(pl.len())
    reasons = pl.Series("reason", ["error", "unparsed", "refused", "blocked"])
    picked = pl.lit(reasons).gather(number // 5 % 4)
    lost = number % 5 == 0
    return frame.with_columns(
        outcome=pl.when(lost).then(picked).otherwise("outcome"),
        predicted=pl.when(~lost & (pl.col("outcome") == "ok")).then("predicted"),
    )


CHANGES: dict[str, Change] = {
    "the same": lambda frame: frame,
    "shuffled": lambda frame: frame.sample(fraction=1.0, shuffle=True, seed=3),
    "fewer samples": lambda frame: frame.filter(pl.col("sample_id").hash() % 3 != 0),
    "fewer judgments": lambda frame: frame.filter(pl.int_range(pl.len()) % 4 != 0),
    "two modalities": lambda frame: frame.filter(pl.col("modality") != "joint"),
    "failures": failed,
    "none": lambda frame: frame.head(0),
    "no gold": lambda frame: frame.with_columns(expected=pl.lit(None, dtype=pl.String)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("at_once", [7, 200_000])
def test_cells_are_those_of_the_rows(
    made: Path, tmp_path: Path, change: Change, at_once: int
) -> None:
    runs = [load_run(made), changed(made, tmp_path / "other", change)]
    coded = coded_samples(runs, runs[0].dataset, shared_severities(runs))
    assert coded is not None
    tabulation = PairedTabulation(2, shared_severities(runs))
    coded.tabulate(tabulation, at_once)
    expected, judged = by_rows(runs)
    assert coded.judged == judged
    for ours, theirs in zip(tabulation.cells().runs, expected, strict=True):
        for name in ("gold", "predicted", "lost", "category", "count"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        assert ours.categories == theirs.categories
        assert ours.outcomes == theirs.outcomes
        assert (ours.groups is None) == (theirs.groups is None)
        if ours.groups is not None and theirs.groups is not None:
            assert ours.groups.names == theirs.groups.names
            added = np.arange(len(ours.count))[None, :]
            for way, other in zip(ours.groups.ways, theirs.groups.ways, strict=True):
                np.testing.assert_array_equal(way.sums(added), other.sums(added))
                np.testing.assert_array_equal(way.alone, other.alone)


def replaced(**columns: pl.Expr) -> Change:
    first = pl.int_range(pl.len()) == 0
    return lambda frame: frame.with_columns(
        pl.when(first).then(value).otherwise(name).alias(name) for name, value in columns.items()
    )


WRONG: dict[str, Change] = {
    "modality": replaced(modality=pl.lit("sound")),
    "outcome": replaced(outcome=pl.lit("lost")),
    "severity": replaced(predicted=pl.lit("bad"), outcome=pl.lit("ok")),
    "a severity that is no answer": replaced(predicted=pl.lit("safe"), outcome=pl.lit("refused")),
    "an answer without a severity": replaced(predicted=pl.lit(None), outcome=pl.lit("ok")),
    "another gold grade": replaced(expected=pl.lit("bad")),
    "another sample": replaced(sample_id=pl.lit("nobody")),
    "two framings": replaced(framing=pl.lit("other")),
    "twice": lambda frame: pl.concat([frame.slice(1), frame.slice(1, 1)]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_cannot_be_has_no_codes(made: Path, tmp_path: Path, change: Change) -> None:
    runs = [load_run(made), changed(made, tmp_path / "other", change)]
    assert coded_samples(runs, runs[0].dataset, shared_severities(runs)) is None
