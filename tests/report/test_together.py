"""How pair and parts stand to each other in a report: exchanged halves, missing answers, rules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from vlsu.analysis.results import Metrics
from vlsu.report import write_report
from vlsu.report.table import format_change, format_rate
from vlsu.report.tasks import run_tables
from vlsu.report.understanding.charts import understanding_charts
from vlsu.report.understanding.completed import completed_metrics
from vlsu.report.understanding.findings import findings
from vlsu.report.understanding.swap import swap_sentence
from vlsu.runs import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def probed(folder: Path) -> Run:
    return scripted_run("vlsu-mini", folder / "probed", probe="swap")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Run:
    return scripted_run("vlsu-mini", folder / "plain")


def test_the_probe_has_a_section_a_table_and_a_sentence(
    probed: Run, plain: Run, tmp_path: Path
) -> None:
    page = write_report([probed], tmp_path / "p.html").read_text(encoding="utf-8")
    assert '<section id="swap"' in page
    assert "The answer followed" in page
    tables = {table.name: table for table in run_tables(probed)}
    rows = {row[0]: row for row in tables["swap"].rows}
    image = probed.metrics.swap.image
    assert rows["image, any"][1] == format_rate(image.followed)
    assert rows["image, to a worse one"][4] == format_change(image.worse.shift)
    assert ("probe", "swap") in tables["settings"].rows
    without = write_report([plain], tmp_path / "q.html").read_text(encoding="utf-8")
    assert '<section id="swap"' not in without
    assert "--probe swap" in without  # where it says what dominance does not measure
    assert "swap" not in {table.name for table in run_tables(plain)}


def test_which_half_moves_the_answer_further_is_said_where_it_can_be_claimed(probed: Run) -> None:
    def said(low: float, high: float) -> str:
        shift = {"value": (low + high) / 2, "low": low, "high": high}
        swap = {**probed.metrics["swap"], "image_minus_text": {"n": 9, "shift": shift}}
        return swap_sentence(Metrics({**probed.metrics, "swap": swap}))

    assert said(0.1, 0.3).endswith("the image moves it further.")
    assert said(-0.3, -0.1).endswith("the text moves it further.")
    assert said(-0.1, 0.3).endswith("no difference that can be claimed.")


def test_runs_that_all_have_the_probe_are_compared_by_it(
    probed: Run, plain: Run, folder: Path
) -> None:
    other = scripted_run("vlsu-mini", folder / "other", probe="swap", limit=200)
    found = json.loads(vlsu("compare", probed.path, other.path, "--json").stdout)
    assert list(found["swap"].values()) == [probed.metrics["swap"], other.metrics["swap"]]
    shown = vlsu("compare", probed.path, other.path).stdout
    assert "How far each half moves the answer" in shown
    alone = json.loads(vlsu("compare", probed.path, plain.path, "--json").stdout)
    assert "swap" not in alone


def test_a_pair_without_an_answer_is_no_wrong_answer_in_the_flow(plain: Run) -> None:
    flow = plain.metrics.flow
    charts: Any = understanding_charts(plain.metrics, {})
    points = charts["flow"]["layer"][0]["data"]["values"]
    samples = {point["ribbon"]: point["samples"] for point in points}
    none = {name: count for name, count in samples.items() if name.endswith("no answer")}
    assert none["both right, no answer"] == flow.both_correct.no_answer > 0
    chosen = {p["ribbon"]: p["chosen"] for p in points}["both right, no answer"]
    assert chosen == {"image": "right", "text": "right", "said-joint": "none"}
    answered = {mark["label"] for mark in charts["attribution"]["data"]["values"]}
    assert "no answer" in answered


def test_a_run_judged_before_missing_answers_were_a_cause_is_counted_anew(plain: Run) -> None:
    metrics = json.loads(json.dumps(plain.metrics))
    for key in ("no_answer", "both_correct_answered"):
        del metrics["attribution"][key]
    for part in metrics["flow"].values():
        del part["no_answer"]
    for kappa in metrics["dominance"].values():
        del kappa["within_pattern"]
    for key in ("gold_lookup", "predictions_lookup"):
        del metrics["late_fusion"][key]
    del metrics["lowest_pattern"]
    older = replace(plain)
    vars(older)["metrics"] = Metrics(metrics)
    found = completed_metrics(older)
    assert found["attribution"] == plain.metrics["attribution"]
    assert found["flow"] == plain.metrics["flow"]
    sections = {finding.section for finding in findings(older.metrics)}
    assert "parts" not in sections  # its sentence would count missing answers as understood
    assert {table.name for table in run_tables(older)} == {t.name for t in run_tables(plain)}


def test_findings_say_no_more_than_their_intervals(plain: Run) -> None:
    text = " ".join(finding.text for finding in findings(plain.metrics))
    lowest = plain.metrics.lowest_pattern
    assert lowest is not None
    assert f"Lowest of {lowest.patterns} patterns as observed: {lowest.pattern}" in text
    assert f"{len(lowest.may_be_lowest) - 1} others may be the lowest" in text
    # The scripted model's answers are independent within a pattern: nothing is said of dominance.
    assert "goes more with" not in text
    answered = plain.metrics.attribution.joint_errors - plain.metrics.attribution.no_answer.count
    assert f"Of {answered:,} pairs answered wrongly" in text
