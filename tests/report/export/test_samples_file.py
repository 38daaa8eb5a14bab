"""The file of all samples: slices of a list's tables, against the tables themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.alignment_runs import alignment_run
from tests.support.report_runs import scripted_run
from tests.support.wavering import run_of
from vlsu.errors import RunError
from vlsu.policy import MODALITIES
from vlsu.report import write_report
from vlsu.report.comparison.tasks import samples_of
from vlsu.report.export import samples_file, slices
from vlsu.report.export.slices import SlicedTables, Slices
from vlsu.report.page import render
from vlsu.report.sample_tables import SampleTables
from vlsu.report.understanding.listing import sample_frame
from vlsu.runs import Run, evaluate

IDS = st.text("abé", max_size=3)


def table(sample: str, ids: list[str]) -> pl.DataFrame:
    schema = {sample: pl.String, "number": pl.UInt32, "word": pl.String}
    rows = [(id_, n, None if n % 3 == 0 else f"{id_}{n}") for n, id_ in enumerate(ids)]
    return pl.DataFrame(rows, schema=schema, orient="row")


@settings(max_examples=60, deadline=None)
@given(
    listed=st.lists(IDS, min_size=1, max_size=12, unique=True),
    judged=st.lists(IDS, max_size=30),
    redrawn=st.none() | st.lists(IDS, max_size=12),
    content=st.none() | st.lists(IDS, max_size=12, unique=True),
    size=st.integers(1, 13),
    held=st.integers(1, 31),
)
def test_a_slice_has_the_rows_of_its_samples_in_their_order(
    tmp_path_factory: pytest.TempPathFactory,
    listed: list[str],
    judged: list[str],
    redrawn: list[str] | None,
    content: list[str] | None,
    size: int,
    held: int,
) -> None:
    folder = tmp_path_factory.mktemp("slices")
    whole = {
        "judgments": table("sample_id", judged),
        "reruns": None if redrawn is None else table("sample_id", redrawn),
        "content": None if content is None else table("id", content),
    }
    lazy = {name: None if rows is None else rows.lazy() for name, rows in whole.items()}
    found = Slices(pl.Series("id", listed), size)
    assert [id_ for ids in found.ids for id_ in ids] == listed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "_HELD", held)
        with SlicedTables(SampleTables(**lazy), found, folder) as tables:  # type: ignore[arg-type]
            for number, ids in enumerate(found.ids):
                assert ids.to_list() == listed[number * size : (number + 1) * size]
                part = tables.part(number)
                for name, rows in whole.items():
                    of_slice = getattr(part, name)
                    if rows is None:
                        assert of_slice is None
                        continue
                    expected = rows.filter(rows.to_series(0).is_in(ids.implode()))
                    assert of_slice.collect().equals(expected)
                    assert of_slice.collect_schema() == rows.schema
    assert not list(folder.iterdir())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    folder = tmp_path_factory.mktemp("runs")
    scripted = scripted_run("vlsu-mini", folder / "scripted")
    fewer = evaluate("vlsu-mini", model="baseline/random", out=folder / "random", limit=150)
    answered = alignment_run("vlsu-mini", folder / "answered", failing=0.1)
    other = alignment_run("vlsu-mini", folder / "other", failing=0.3, framings=["helpful"])
    return {
        "understanding": [scripted],
        "draws": [run_of(folder / "draws", 3)[0]],
        "compared": [scripted, fewer],
        "alignment": [answered],
        "alignments": [answered, other],
    }


@pytest.mark.slow
@pytest.mark.parametrize("of", ["understanding", "draws", "compared", "alignment", "alignments"])
@pytest.mark.parametrize("size", [1000, 97])
def test_the_file_has_the_rows_of_every_run(
    runs: dict[str, list[Run]], of: str, size: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(samples_file, "_BATCH", size)
    monkeypatch.setattr(slices, "_HELD", 200)
    samples = samples_of(runs[of])
    ids = samples.ids(runs[of])
    samples_file.write_samples(runs[of], ids, tmp_path / "s.parquet")
    whole = samples.frame(runs[of], ids, [samples.tables(run) for run in runs[of]])
    assert pl.read_parquet(tmp_path / "s.parquet").equals(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]


@pytest.mark.slow
def test_a_row_has_what_each_judgment_of_its_sample_holds(runs: dict[str, list[Run]]) -> None:
    (run,) = runs["understanding"]
    judged = {(row["sample_id"], row["modality"]): row for row in run.judgments.to_dicts()}
    ids = [*dict.fromkeys(id_ for id_, _ in judged)][::-3]
    asked_of = {"gold": "expected", "gold_category": "expected_category"}
    for id_, row in zip(ids, sample_frame(run, ids).to_dicts(), strict=True):
        assert row["id"] == id_
        for modality in MODALITIES:
            found = judged[id_, modality]
            for name in ("gold", "gold_category", "predicted", "category", "outcome", "answer"):
                assert row[f"{modality}_{name}"] == found[asked_of.get(name, name)]


@pytest.mark.slow
@pytest.mark.parametrize("breaks", ["split", "part", "whole"])
def test_a_full_disk_leaves_the_report_that_stood_there(
    runs: dict[str, list[Run]], breaks: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(render, "SAMPLE_ROOM", 20_000)
    page = write_report(runs["understanding"], tmp_path / "r.html")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {"r.html", "r.samples.parquet"}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    where, name = {
        "split": (pl.DataFrame, "write_ipc_stream"),
        "part": (pl.DataFrame, "write_parquet"),
        "whole": (pl.LazyFrame, "sink_parquet"),
    }[breaks]
    monkeypatch.setattr(where, name, full)
    with pytest.raises(RunError, match="No space left on device"):
        write_report(runs["understanding"], page)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
