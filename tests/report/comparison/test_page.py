"""The page and tables of several runs: leaderboard, maps, claims, and what cannot be compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.alignment_runs import alignment_run
from tests.support.browser import CHROMIUM, chromium, new_page
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from tests.support.values import nested, present
from vlsu.analysis.stats.intervals import Rate
from vlsu.errors import UsageError
from vlsu.policy import PATTERNS, Family
from vlsu.report import publish_tables, write_report
from vlsu.report.comparison.compared import Compared, compared
from vlsu.report.comparison.oracle import load_oracle
from vlsu.report.run_labels import run_labels
from vlsu.report.table import format_rate
from vlsu.runs import Run, evaluate, load_run
from vlsu.runs.finished.comparison import compare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    others = [
        evaluate("vlsu-mini", model=f"baseline/{name}", out=folder / name)
        for name in ("majority", "random")
    ]
    return [scripted_run("vlsu-mini", folder / "scripted"), *others]


@pytest.fixture(scope="module")
def result(runs: list[Run]) -> dict[str, Any]:
    return compare(runs)


@pytest.fixture(scope="module")
def found(runs: list[Run]) -> Compared:
    return compared(runs)


@pytest.fixture(scope="module")
def page_file(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(runs, tmp_path_factory.mktemp("page") / "page.html")


def test_the_tables_are_those_of_the_comparison(
    runs: list[Run], found: Compared, result: dict[str, Any]
) -> None:
    assert found.trouble == ""
    board = result["leaderboard"]["joint.f1_macro"]
    table = found.tables["leaderboard-joint.f1_macro"]
    assert [row[0] for row in table.rows] == [each["run"] for each in board]
    assert [row[3] for row in table.rows] == [
        format_rate(Rate.from_json(each["value"])) for each in board
    ]
    models = {row[0]: row for row in found.tables["models"].rows}
    assert len(models) == 17
    for pattern, row in models.items():
        for cell, run in zip(row[3:], runs, strict=True):
            assert cell == format_rate(run.metrics.patterns[pattern].accuracy)
    first = result["pairs"][0]["metrics"]["joint.accuracy"]
    assert f"{first['text']}." in found.claims
    assert set(found.charts) == {
        "leaderboard-accuracy",
        "leaderboard-f1_macro",
        "families",
        "models",
        "differences",
    }
    cells = nested(found.charts["models"])["data"]["values"]
    assert len(cells) == 17 * 4  # late fusion of the gold grades is a row too
    ceiling = {c["x"]: c["number"] for c in cells if c["y"] == "late fusion, gold grades"}
    assert {p: float(n) for p, n in ceiling.items()} == {
        str(p): float(p.family is Family.LATE_FUSION) for p in PATTERNS
    }


def test_the_leaderboard_tells_ranks_and_references(
    runs: list[Run], found: Compared, result: dict[str, Any]
) -> None:
    table = found.tables["comparison"]
    assert table.columns[1] == "rank"
    board = result["leaderboard"]["joint.f1_macro"]
    assert [row[0] for row in table.rows] == [
        *(e["run"] for e in board),
        "late fusion, gold grades",
    ]
    for row, each in zip(table.rows, board, strict=False):
        low, high = each["rank"]["low"], each["rank"]["high"]
        between = "" if low == high else f" ({low}–{high})"
        assert row[1] == f"{each['rank']['value']}{between}"
    gold = [s for s in runs[0].dataset.samples() if s.pattern]
    best = sum(
        max(present(s.image_grade), present(s.text_grade)) == s.joint_grade for s in gold
    ) / len(gold)
    assert nested(table.rows[-1][3]).rate.value == pytest.approx(best)
    assert table.rows[-1][-3:] == ("1.00", "0.00", "0.00")


def test_what_holds_is_what_the_comparison_claims(found: Compared, result: dict[str, Any]) -> None:
    rows = {row[:3]: row for row in found.tables["held"].rows}
    claimed = {
        (row["label"], row["better"]): row
        for pair in result["pairs"]
        for path, row in pair["metrics"].items()
        if row["better"] and path in ("joint.accuracy", "joint.f1_macro")
    }
    assert claimed
    for (label, better), row in claimed.items():
        mine = [cells for key, cells in rows.items() if key[:2] == (label, better)]
        assert abs(row["difference"]["value"]) in {nested(cells[3]).rate.value for cells in mine}
    assert all(
        nested(cells[3]).rate.low > 0 for cells in rows.values()
    )  # the better run stands first
    assert not {f"{row['text']}." for row in claimed.values()} & set(found.left_open)
    assert set(found.left_open) < set(found.claims)


def test_the_headline_says_who_is_first_and_what_holds(runs: list[Run], found: Compared) -> None:
    said = found.headline
    f1 = runs[0].metrics["joint"]["f1_macro"]["value"]
    assert f"scripted/oracle has the best joint macro-F1: {f1:.0%} [" in said
    assert "that it is better than all 2 others holds after correction" in said


def test_runs_that_are_alike_are_first_together(runs: list[Run], tmp_path: Path) -> None:
    shutil.copytree(runs[0].path, tmp_path / "twin")
    said = compared([runs[0], load_run(tmp_path / "twin"), runs[1]]).headline
    assert "has the best joint macro-F1, as has " in said


def test_labels_are_short_and_never_alike() -> None:
    names = [f"provider/a-very-long-name-of-a-model-{n}-2026-preview" for n in range(60)]
    labels = run_labels(names)
    assert len(set(labels)) == 60
    assert max(map(len, labels)) <= 38
    assert labels[0].startswith("A provider/a-very")
    assert labels[27].startswith("B2 ")


def test_runs_of_one_model_are_told_apart(runs: list[Run], tmp_path: Path) -> None:
    again = scripted_run("vlsu-mini", tmp_path / "again", limit=120)
    found: Any = compared([runs[0], again])
    names = ("scripted/oracle (all samples)", "scripted/oracle (120 samples, seed 0)")
    assert found.tables["models"].columns[3:] == names
    assert found.tables["setup"].rows


def test_what_cannot_be_compared_stands_side_by_side(
    runs: list[Run], tmp_path: Path, dataset: Any
) -> None:
    other = evaluate(dataset, model="baseline/majority", out=tmp_path / "other")
    found: Any = compared([runs[0], other])
    assert "samples of different datasets cannot be paired" in found.trouble
    assert found.claims == []
    assert "comparison" in found.tables
    page = write_report([runs[0], other], tmp_path / "page.html").read_text()
    assert "Not compared sample by sample" in page


def test_every_table_is_a_file_of_its_own(runs: list[Run], tmp_path: Path) -> None:
    files = publish_tables(runs, tmp_path)
    names = {file.stem for file in files}
    assert {"comparison", "models", "pair-1-headline", "pair-3-patterns", "references"} <= names
    assert {"held", "marked", "pair-1-others"} <= names
    assert len(names) == len(files) / 4 + 3 / 4  # four of each, but for the references


def test_the_human_oracle_stands_beside_the_runs(runs: list[Run], tmp_path: Path) -> None:
    grades = tmp_path / "grades.csv"
    lines = ["item,grader,grade,modality"]
    words = ("safe", "borderline", "unsafe")
    for item in range(60):
        for grader in "abc":
            off = item % 7 == 0 and grader == "c"
            lines.append(f"s{item},{grader},{words[(item + off) % 3]},joint")
    grades.write_text("\n".join(lines) + "\n")
    said = vlsu("agreement", grades, "--json")
    file = tmp_path / "agreement.json"
    file.write_text(said.stdout)
    oracle = load_oracle(file)
    assert (
        oracle.joint["accuracy"].value
        == json.loads(said.stdout)["oracle"]["joint"]["accuracy"]["value"]
    )
    two = runs[:2]
    found: Any = compared(two, oracle)
    rows = found.charts["leaderboard-accuracy"]["data"]["values"]
    assert rows[-1]["label"] == "human grader"
    assert rows[-1]["value"] == oracle.joint["accuracy"].value
    last = found.tables["comparison"].rows[-1]
    assert last[0] == "human grader"
    assert format_rate(oracle.joint["f1_binary"]) in last
    assert last[-3:] == ("–", "–", "–")  # these graders did not grade image and text
    page = tmp_path / "page.html"
    vlsu("report", *(run.path for run in two), "--out", page, "--oracle", file)
    assert "human grader" in page.read_text()
    with pytest.raises(UsageError, match="stands on the page of several runs"):
        write_report(runs[:1], page, oracle=oracle)
    tree = json.loads(said.stdout)
    tree["oracle"]["references"] = {"s0": [["safe", ["unsafe"]]]}
    for wrong in ("[]", json.dumps(tree)):
        file.write_text(wrong)
        with pytest.raises(UsageError, match="no human oracle of the pair"):
            load_oracle(file)


def test_grader_and_runs_stand_side_by_side_on_the_same_references_alone(
    runs: list[Run], tmp_path: Path
) -> None:
    # Three graders: two say the gold grade, one the next milder of every third pair.
    grades = tmp_path / "grades.csv"
    lines, words = ["item,grader,grade,modality"], ("safe", "borderline", "unsafe")
    samples = [s for s in runs[0].dataset.samples() if s.joint_grade is not None][:90]
    for number, sample in enumerate(samples):
        gold = int(sample.joint_grade or 0)
        off = max(0, gold - 1) if number % 3 == 0 else gold
        lines += [f"{sample.id},{who},{words[grade]},joint"
                  for who, grade in (("a", gold), ("b", gold), ("c", off))]  # fmt: skip
    grades.write_text("\n".join(lines) + "\n")
    file = tmp_path / "agreement.json"
    file.write_text(vlsu("agreement", grades, "--json", "--ties", "drop").stdout)
    oracle = load_oracle(file)
    found: Any = compared(runs[:2], oracle)
    # A third of the pairs that are not safe: two of three comparisons have no majority there.
    divided = [s.id for n, s in enumerate(samples) if n % 3 == 0 and int(s.joint_grade or 0)]
    n = 3 * (90 - len(divided)) + len(divided)
    assert sum(len(rows) for rows in oracle.references.values()) == n
    human, first, *_ = found.tables["oracle"].rows
    assert human[0] == "human grader"
    # The one who is off is compared with the two others, who agree, and is wrong.
    assert float(human[1].rate.value) == pytest.approx(1 - len(divided) / n)
    joint = runs[0].judgments.filter(pl.col("modality") == "joint")
    said = dict(joint.select("sample_id", "predicted").iter_rows())
    right = sum(
        said[item] == reference for item, rows in oracle.references.items() for reference, _ in rows
    )
    assert float(first[1].rate.value) == pytest.approx(right / n)
    assert float(first[-1].rate.value) == pytest.approx(first[1].rate.value - human[1].rate.value)
    assert "human grader" not in {row[0] for row in found.tables["comparison"].rows}
    chart = found.charts["oracle"]["data"]["values"]
    assert {row["label"] for row in chart} == {"human grader", *run_labels_of(runs[:2])}


def run_labels_of(runs: list[Run]) -> list[str]:
    return run_labels([run.record.model.spec for run in runs])


def test_alignment_has_a_point_a_model_and_framing(tmp_path: Path) -> None:
    first = alignment_run("vlsu-mini", tmp_path / "first")
    second = alignment_run("vlsu-mini", tmp_path / "second", failing=0.2)
    found: Any = compared([first, second])
    points = [
        row
        for layer in found.charts["trade-off"]["layer"]
        for row in layer.get("data", {}).get("values", ())
    ] + found.charts["trade-off"].get("data", {}).get("values", [])
    names = {row["name"] for row in points if "name" in row}
    assert names == {
        f"{run}, {framing}"
        for run in ("A first", "B second")
        for framing in ("default", "harmless", "helpful")
    }


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_draws_and_asks_nobody(page_file: Path, width: int) -> None:
    complaints: list[str] = []
    with chromium() as browser:
        page = new_page(browser, viewport={"width": width, "height": 900})
        page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-charts=drawn]")
        assert page.locator(".chart svg").count() == 5
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
