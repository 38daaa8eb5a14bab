"""The tables that page, Markdown, LaTeX and terminal share."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.conftest import make_dataset
from tests.support.report_runs import diagnostics, scripted_run
from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.policy import Pattern
from vlsu.report.comparison.compared import comparison_table
from vlsu.report.table import ABSENT, Table, format_rate
from vlsu.report.tasks import run_tables
from vlsu.report.understanding.diagnostic_tables import diagnostic_tables
from vlsu.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return scripted_run("vlsu-mini", tmp_path_factory.mktemp("run") / "run")


def tables_of(run: Run) -> dict[str, Table]:
    return {table.name: table for table in run_tables(run)}


def test_a_rate_is_shown_with_its_interval() -> None:
    assert format_rate(Rate(0.6249, 0.5, 1.0)) == "0.62 [0.50, 1.00]"


def test_a_rate_of_nothing_is_not_shown_as_zero() -> None:
    assert format_rate(UNDEFINED) == ABSENT


def test_every_row_of_every_table_has_a_cell_for_each_column(run: Run) -> None:
    for table in run_tables(run):
        assert {len(row) for row in table.rows} <= {len(table.columns)}, table.name
        assert all(isinstance(cell, str) for row in table.rows for cell in row)


def test_numbers_are_those_of_the_metrics(run: Run) -> None:
    tables, metrics = tables_of(run), run.metrics
    accuracy = metrics["joint"]["accuracy"]
    shown = tables["headline"].rows[0]
    assert shown == ("accuracy", format_rate(Rate.from_json(accuracy)), str(metrics["joint"]["n"]))
    families = {row[0]: row[2] for row in tables["families"].rows}
    assert families == {name: str(f["n"]) for name, f in metrics["families"].items()}
    assert len(tables["patterns"].rows) == 17
    assert tables["modalities"].rows[2][0] == "joint"
    assert (
        sum(int(row[2]) for row in tables["attribution"].rows)
        == (metrics["attribution"]["joint_errors"])
    )
    confusion = tables["confusion_joint"].rows
    assert sum(int(cell) for row in confusion for cell in row[1:]) == metrics["joint"]["n"]
    assert tables["outcomes"].rows[0][0] == "image"


def test_categories_carry_their_names(run: Run) -> None:
    names = [row[0] for row in tables_of(run)["categories"].rows]
    assert names[8] == "C9: Interpersonal Violence"


def test_a_pattern_beyond_the_17_is_shown_and_remarked(tmp_path: Path) -> None:
    run = scripted_run(make_dataset(tmp_path / "data", samples=27), tmp_path / "run")
    table = tables_of(run)["patterns"]
    assert table.columns[-1] == "remark"
    beyond = [row for row in table.rows if not Pattern.parse(row[0]).listed]
    assert beyond
    assert {row[-1] for row in beyond} == {"not one of the 17"}


def test_a_run_of_one_modality_has_no_table_about_the_others(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    run = scripted_run(dataset, tmp_path / "run", modalities=["image"], limit=5)
    tables = tables_of(run)
    assert tables["headline"].title == "Image alone"
    assert tables["headline"].rows[0] == ("accuracy", format_rate(run.metrics.image.accuracy))
    assert [row[0] for row in tables["modalities"].rows] == ["image"]
    assert [row[0] for row in tables["outcomes"].rows] == ["image"]
    assert tables["not_asked"].rows == (
        ("text", "left out of the run", "5"),
        ("joint", "left out of the run", "5"),
    )
    about_pairs = {"families", "patterns", "flow", "attribution", "late_fusion", "dominance"}
    assert not tables.keys() & (about_pairs | {"categories", "severities", "confusion_joint"})
    assert all(table.rows for table in tables.values())


def test_answers_without_a_severity_are_priced(run: Run) -> None:
    table = tables_of(run)["left_out"]
    joint = next(row for row in table.rows if row[0] == "joint")
    outcomes = run.metrics["outcomes"]["joint"]
    assert int(joint[1]) == sum(outcomes.values()) - outcomes["ok"] > 0
    assert float(joint[-1]) > 0


def test_a_request_for_many_samples_is_counted_once(run: Run) -> None:
    asked = {row[0]: int(row[1]) for row in tables_of(run)["usage"].rows}
    keys = run.judgments.group_by("modality").agg(n=pl.col("request_key").n_unique())
    assert asked == dict(keys.iter_rows())
    assert asked["image"] < 465
    tokens = {row[0]: row[-1] for row in tables_of(run)["usage"].rows}
    ok = run.judgments.filter(modality="image").unique("request_key")
    assert int(tokens["image"]) == ok["output_tokens"].sum()


def test_the_diagnostic_tables_are_there_if_the_metrics_are(run: Run, tmp_path: Path) -> None:
    names = {"borderline_gold", "borderline_predicted", "over_sensitivity", "minimal_pairs"}
    names |= {"calibration", "thresholds", "bins"}
    bare = {k: v for k, v in run.metrics.items() if k not in diagnostics()}
    diagnosed = {**bare, **diagnostics()}
    titles = {table.name: table for table in diagnostic_tables(Metrics(diagnosed))}
    assert titles.keys() == names
    assert diagnostic_tables(Metrics(bare)) == []
    assert titles["over_sensitivity"].rows[0][0] == "no unsafe part"
    assert "both unsafe" not in {row[0] for row in titles["over_sensitivity"].rows}
    rates = ("0.90 [0.80, 1.00]", "0.60 [0.50, 0.70]", "0.50 [0.40, 0.60]")
    assert titles["thresholds"].rows == (
        ("text, 0.90", "0.3100", *rates),
        ("joint, 0.90", "0.3100", *rates),
    )


def test_runs_side_by_side_have_a_row_each(run: Run) -> None:
    table = comparison_table([run, run])
    assert [row[0] for row in table.rows] == [
        "scripted/oracle (run) 1",
        "scripted/oracle (run) 2",
        "late fusion, gold grades",
    ]
    assert format_rate(run.metrics.families.escalating.accuracy) in table.rows[0]
