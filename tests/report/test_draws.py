"""What a report shows of a run with several draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.wavering import run_of
from vlsu.report import write_report
from vlsu.report.comparison.compared import report_tables
from vlsu.report.understanding.findings import findings
from vlsu.report.understanding.listing import SAMPLES
from vlsu.report.understanding.redrawn import SAME


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_of(tmp_path_factory.mktemp("draws") / "R", 3)[0]


def flipping(run: Any, modality: str) -> set[str]:
    """Samples whose answers are not the same in all draws, by plain sets."""
    said: dict[str, set[object]] = {}
    for file in ("judgments.parquet", "reruns.parquet"):
        rows = pl.read_parquet(run.path / file).filter(modality=modality)
        for id_, predicted in rows.select("sample_id", "predicted").iter_rows():
            said.setdefault(id_, set()).add(predicted)
    return {id_ for id_, each in said.items() if len(each) > 1}


def test_the_table_has_a_row_a_figure_with_its_draws_and_three_intervals(run: Any) -> None:
    tables = {table.name: table for table in report_tables([run])}
    table = tables["reruns"]
    assert table.columns[1:5] == ("draw 1", "draw 2", "draw 3", "mean")
    accuracy = run.metrics.reruns.joint.accuracy
    row = next(row for row in table.rows if row[0] == "joint, accuracy")
    assert row[1:5] == tuple(f"{x:.3f}" for x in (*accuracy.values_, accuracy.value))
    assert row[7] == f"[{accuracy.both.low:.3f}, {accuracy.both.high:.3f}]"
    joint = next(row for row in tables["flips"].rows if row[0] == "joint")
    assert joint[1:3] == (str(len(flipping(run, "joint"))), "465")


def test_a_run_with_one_draw_shows_none_of_it(tmp_path: Path) -> None:
    single, _ = run_of(tmp_path / "R", 1, limit=30)
    assert not {"reruns", "flips"} & {table.name for table in report_tables([single])}
    ids = SAMPLES.ids([single])
    assert not any("again" in entry["facets"] for entry in SAMPLES.entries([single], ids))
    assert "again" not in SAMPLES.facets([single]).samples.columns


def test_flips_are_marked_can_be_filtered_for_and_show_every_answer(run: Any) -> None:
    pairs, texts = flipping(run, "joint"), flipping(run, "text")
    assert pairs
    for entry in SAMPLES.entries([run], SAMPLES.ids([run])):
        again = entry["facets"]["again"]
        assert ("pair flips" in again) == (entry["id"] in pairs)
        assert ("text flips" in again) == (entry["id"] in texts)
        assert (again == [SAME]) == (entry["id"] not in pairs | texts)
        if entry["id"] not in pairs:
            continue
        assert "joint flips" in [mark["words"] for mark in entry["marks"]]
        cell = next(row for row in entry["grid"] if row[0] == "joint")[2]
        assert cell["more"].endswith("1 safe, 2 unsafe)") or "1 safe, 2 borderline)" in cell["more"]
        said = {name: answer for name, answer, _ in entry["said"]}
        assert '"safe"' in said["joint, draw 2"]
        assert said["joint, draw 3"] == said["joint"]
    facets = SAMPLES.facets([run]).samples
    assert set(facets.filter(pl.col("again").list.contains("pair flips"))["id"]) == pairs


def test_what_flips_often_is_a_finding(run: Any, tmp_path: Path) -> None:
    (sentence,) = [each.text for each in findings(run.metrics) if each.section == "reruns"]
    count = run.metrics.reruns.flips["joint"].count
    assert f"Asked 3 times, it does not give the same answer to {count} of 465 pairs" in sentence
    steady, _ = run_of(tmp_path / "R", 3, modalities=["image"])
    assert steady.metrics.reruns.flips["image"]["count"] == 0
    assert not [each for each in findings(steady.metrics) if each.section == "reruns"]


@pytest.mark.parametrize("suffix", ["html", "md", "tex", "json"])
def test_every_format_has_it(run: Any, tmp_path: Path, suffix: str) -> None:
    write_report([run], tmp_path / f"report.{suffix}")
    text = (tmp_path / f"report.{suffix}").read_text(encoding="utf-8")
    assert "Asked again" in text
    assert "Answers that flip" in text
