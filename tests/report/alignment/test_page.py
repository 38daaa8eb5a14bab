"""Reports of alignment runs: tables, Markdown, LaTeX, JSON, and the page in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_dataset
from tests.report.test_browser import Opened
from tests.support.alignment_runs import HOSTILE, alignment_run
from tests.support.browser import CHROMIUM, chromium, new_page
from tests.support.report_runs import scripted_run
from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.errors import UsageError
from vlsu.report import write_report
from vlsu.report.alignment.charts import alignment_charts, trade_off_points
from vlsu.report.alignment.headline import headline_sentence
from vlsu.report.alignment.listing import answer_entries
from vlsu.report.charts.trade_off import Point, frontier, trade_off_chart
from vlsu.report.table import Table, format_rate
from vlsu.report.tasks import notes, run_tables
from vlsu.runs import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return alignment_run("vlsu-mini", tmp_path_factory.mktemp("alignment") / "run", failing=0.05)


@pytest.fixture(scope="module")
def tables(run: Run) -> dict[str, Table]:
    return {table.name: table for table in run_tables(run)}


def test_the_headline_has_a_row_a_framing(run: Run, tables: dict[str, Table]) -> None:
    rows = tables["headline"].rows
    assert [row[0] for row in rows] == ["default", "harmless", "helpful"]
    harmless = run.metrics["framings"]["harmless"]
    assert rows[1][1] == format_rate(Rate.from_json(harmless["over_blocking"]))
    assert rows[1][3] == format_rate(Rate.from_json(harmless["under_refusal"]))


def test_every_row_has_a_cell_for_each_column(tables: dict[str, Table]) -> None:
    for table in tables.values():
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.name
        assert all(isinstance(cell, str) for row in table.rows for cell in row)


def test_what_a_run_lacks_has_no_table(tables: dict[str, Table]) -> None:
    assert not {"corrected", "blocked", "judge_agreement", "not_asked"} & tables.keys()


def test_missing_answers_are_those_the_judge_failed_on(tables: dict[str, Table]) -> None:
    table = tables["judge_outcomes"]
    unparsed, missing = table.columns.index("unparsed"), table.columns.index("missing")
    # Those to pairs that are apart are missing in no rate of a severity.
    assert all(int(row[unparsed]) >= int(row[missing]) for row in table.rows)
    assert any(row[missing] != "0" for row in table.rows)
    kinds = tables["kinds"]
    assert all(sum(map(int, row[1:])) == 465 for row in kinds.rows)


def test_settings_name_framings_judge_and_rubric(tables: dict[str, Table]) -> None:
    settings = {row[0]: row[1] for row in tables["settings"].rows}
    assert settings["framing: harmless"].startswith("hash ")
    assert settings["judge scripted/judge: rubric"].startswith("hash ")
    assert settings["calibrated"] == "no"


def test_the_sentence_says_both_errors(run: Run) -> None:
    sentence = headline_sentence(run.metrics, enough=0.5)
    assert sentence.startswith("Under default, of unsafe pairs it goes along with ")
    assert sentence.count("It declines ") == 3
    known = [f for f in run.metrics.framings.values() if f.crisis_support.value is not None]
    assert sentence.count("of people at risk.") == len(known) == 2


def share(value: float) -> dict[str, object]:
    return {"value": value, "low": value, "high": value, "n": 100, "missing": 0}


def framing_of(shares: dict[str, float], borderline: dict[str, float]) -> dict[str, Any]:
    names = ["complied_full", "complied_partial", "redirected", "declined"]
    names += ["off_topic", "empty", "stopped"]
    parts = {
        name: {"unsafe": share(shares.get(name, 0)), "borderline": share(borderline.get(name, 0))}
        for name in names
    }
    return {**parts, "over_blocking": share(0.12), "under_refusal": share(0.55)}


def test_the_headline_is_in_plain_words() -> None:
    shares = {"complied_full": 0.22, "complied_partial": 0.09, "redirected": 0.2, "declined": 0.45}
    framing = framing_of(shares | {"off_topic": 0.01, "stopped": 0.03}, {"declined": 0.12})
    said = headline_sentence(Metrics({"framings": {"default": framing}}))
    assert re.sub(r" \[[^]]*\]", "", said) == (
        "Under default, of unsafe pairs it goes along with 31% (in whole 22%, in part 9%), "
        "redirects 20%, declines 45%, and is off topic on 1%; the provider stops 3%. "
        "It declines 12% of borderline pairs."
    )


def test_what_a_provider_stops_is_said_of_borderline_pairs_too() -> None:
    framing = framing_of({"stopped": 1.0}, {"stopped": 1.0}) | {"crisis_support": share(0.75)}
    said = headline_sentence(Metrics({"framings": {"default": framing}}))
    assert re.sub(r" \[[^]]*\]", "", said) == (
        "Under default, of unsafe pairs it goes along with 0% (in whole 0%, in part 0%), "
        "redirects 0%, and declines 0%; the provider stops 100%. It declines 0% of borderline "
        "pairs; the provider stops 100%. It engages with 75% of people at risk."
    )


def test_people_at_risk_are_in_the_headline_where_nothing_else_is_known() -> None:
    nobody = dict.fromkeys(("value", "low", "high", "if_missing_refused", "if_missing_engaged"))
    unmeasured = {"over_blocking": nobody, "under_refusal": nobody}
    framing: dict[str, Any] = {**unmeasured, "crisis_support": share(0.4)}
    said = headline_sentence(Metrics({"framings": {"default": framing}}))
    assert said == "Under default it engages with 40% [40, 40] of people at risk."
    by_severity = {"borderline": nobody, "unsafe": nobody}
    support = share(0.4) | {"if_missing_refused": 0.3, "if_missing_engaged": 0.5}
    framing |= {
        "refusal": by_severity,
        "refusal_or_blocked": by_severity,
        "crisis_support": support,
        "answered": share(0.8),
        "unanswered": dict.fromkeys(("blocked", "error", "unparsed"), share(0.1)),
        "judged": share(1.0),
    }
    said = headline_sentence(Metrics({"framings": {"default": framing}}))
    assert said.startswith(
        "Under default between 30% and 50% of people at risk are engaged with, whatever the "
        "missing answers are."
    )


def test_corrected_rates_stand_behind_what_answers_do() -> None:
    framing = framing_of({"declined": 0.5}, {"declined": 0.2}) | rates(0.2, 0.5, corrected=True)
    said = headline_sentence(Metrics({"framings": {"default": framing}}))
    assert "declines 50% [50, 50]." in said
    assert said.endswith(
        "Without the judge’s own errors it refuses 10% [0, 30] of borderline pairs and fails to "
        "refuse 25% [0, 60] of unsafe ones."
    )


def test_the_shares_are_in_a_table_and_a_chart(run: Run, tables: dict[str, Table]) -> None:
    table = tables["answer_shares"]
    assert [row[0] for row in table.rows][:3] == [
        "default, safe",
        "default, borderline",
        "default, unsafe",
    ]
    for row in table.rows:
        assert sum(float(cell.split()[0]) for cell in row[1:-1]) == pytest.approx(1, abs=0.04)
    found = run.metrics.framings["default"]
    assert table.rows[2][4] == format_rate(found.declined.unsafe.rate)
    spec: Any = alignment_charts(run.metrics, {})["answer-shares"]
    bars: dict[str, float] = {}
    for part in spec["data"]["values"]:
        bars[part["bar"]] = bars.get(part["bar"], 0) + part["share"]
    assert len(bars) == len(table.rows)
    assert list(bars.values()) == pytest.approx([1] * len(bars))
    # vlsu-mini marks people at risk, and pairs that ask for nothing.
    assert [row[0] for row in tables["crisis_support"].rows] == ["default", "harmless", "helpful"]
    assert len(tables["not_asking"].rows) == 3


def test_every_report_says_what_the_policy_does_not_cover(run: Run, tmp_path: Path) -> None:
    assert "hacking and malware" in notes(run)[-1]
    for suffix in (".html", ".md", ".json"):
        text = write_report([run], tmp_path / f"r{suffix}").read_text()
        assert "what the policy does not cover: privacy and the publishing" in text
    settings = {row[0]: row[1] for row in tables_of(run)["settings"].rows}
    assert "defamation" in settings["not covered by the policy"]


def tables_of(run: Run) -> dict[str, Table]:
    return {table.name: table for table in run_tables(run)}


def test_captions_are_told_where_they_were_shown(run: Run, tmp_path: Path) -> None:
    (seen,) = answer_entries(run, ["mini-0002"])
    assert "caption" not in seen
    shown = alignment_run("vlsu-mini", tmp_path, captions=True, limit=1)
    (read,) = answer_entries(shown, shown.judgments["sample_id"].unique().to_list())
    (sample,) = (s for s in shown.dataset.samples() if s.id == read["id"])
    assert read["caption"] == sample.metadata["caption"]
    assert "read a caption in place of each" in notes(shown)[0]


def test_framings_in_one_spot_share_a_label(run: Run) -> None:
    framings = dict(run.metrics["framings"])
    spec: Any = alignment_charts(Metrics({**run.metrics, "framings": framings}), {})["trade-off"]
    assert [row["label"] for row in spec["data"]["values"]] == ["default", "harmless", "helpful"]
    framings["helpful"] = framings["default"]
    spec = alignment_charts(Metrics({**run.metrics, "framings": framings}), {})["trade-off"]
    labels = [row["label"] for row in spec["data"]["values"]]
    assert labels == ["default, helpful", "harmless", ""]


def test_every_format_is_written(run: Run, tmp_path: Path) -> None:
    said = "No calibration: the judge's own errors are in these rates."
    markdown = write_report([run], tmp_path / "r.md").read_text()
    assert said in markdown
    assert "## What a change of framing changes" in markdown
    latex = write_report([run], tmp_path / "r.tex").read_text()
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") > 8
    (entry,) = json.loads(write_report([run], tmp_path / "r.json").read_text())["runs"]
    assert entry["task"] == "alignment"
    assert said in entry["notes"][0]
    assert {table["name"] for table in entry["tables"]} >= {"headline", "differences", "kinds"}


def test_two_judges_are_compared(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    again = alignment_run(dataset, tmp_path / "run", judge_repeats=2)
    (name,) = {
        row[0].rpartition(",")[0]
        for row in {t.name: t for t in run_tables(again)}["judge_agreement"].rows
    }
    assert name == "scripted/judge / scripted/judge #2"


@pytest.mark.parametrize("suffix", [".html", ".md", ".tex", ".json"])
def test_runs_of_one_task_share_a_report(run: Run, tmp_path: Path, suffix: str) -> None:
    text = write_report([run, run], tmp_path / f"r{suffix}").read_text()
    assert "scripted/assistant" in text
    other = scripted_run(make_dataset(tmp_path / "data"), tmp_path / "understanding")
    with pytest.raises(UsageError, match=r"write a report of each task") as told:
        write_report([run, other], tmp_path / f"mixed{suffix}")
    assert "\n" not in str(told.value)
    assert not (tmp_path / f"mixed{suffix}").exists()


def rates(over: float, under: float, **more: object) -> dict[str, object]:
    def rate(value: float) -> dict[str, object]:
        found: dict[str, object] = {
            "value": value,
            "low": value - 0.1,
            "high": value + 0.1,
            "n": 10,
        }
        return {**found, "corrected": {**found, "value": value / 2, "low": 0.0}} if more else found

    return {"over_blocking": rate(over), "under_refusal": rate(under)}


def test_corrected_rates_stand_in_the_headline_and_the_charts() -> None:
    framings = {"default": rates(0.5, 0.4, corrected=True)}
    sentence = headline_sentence(Metrics({"framings": framings}))
    assert sentence.startswith("Under default it refuses 25% [0, 60] of borderline pairs")
    assert sentence.endswith("errors are taken out of these rates of refusal.")
    (point,) = trade_off_points(Metrics({"framings": framings}).framings)
    assert (point.over.value, point.under.value) == (0.25, 0.2)
    assert point.judged is not None
    assert point.judged[0].value == 0.5
    layers: Any = trade_off_chart([point])["layer"]
    assert [layer["mark"]["filled"] for layer in layers if layer["mark"]["type"] == "point"] == [
        False,
        True,
    ]


def test_many_framings_are_told_by_their_range() -> None:
    framings = {f"f{n}": rates(n / 10, 1 - n / 10) for n in range(1, 8)}
    assert headline_sentence(Metrics({"framings": framings})) == (
        "Under 7 framings it refuses 10% (f1) to 70% (f7) of borderline pairs and fails to refuse "
        "30% (f7) to 90% (f1) of unsafe ones."
    )


def test_no_framing_of_the_frontier_is_beaten() -> None:
    values = [(0.1, 0.9), (0.1, 0.8), (0.3, 0.8), (0.4, 0.2), (0.6, 0.2), (0.9, 0.1)]
    points = [
        Point(str(n), Rate(over, over, over), Rate(under, under, under), "red")
        for n, (over, under) in enumerate(values)
    ]
    assert [point.name for point in frontier(points)] == ["1", "3", "5"]


def test_what_a_guard_does_not_give_has_no_chart(run: Run) -> None:
    def null(tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {
            key: None if key in ("value", "low", "high") else null(value)
            for key, value in tree.items()
        }

    framings = {
        name: {**null(found), "response_unsafe": found["refusal"]}
        for name, found in run.metrics["framings"].items()
    }
    guard = {**run.metrics, "gives": ["safety"], "framings": framings, "differences": {}}
    charts: Any = alignment_charts(Metrics(guard), {})
    assert charts.keys() == {"safety", "outcomes", "judge-outcomes"}
    assert charts["safety"]["data"]["values"][0]["value"] is not None


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
def test_the_page_draws_filters_and_keeps_hostile_answers_text(run: Run, tmp_path: Path) -> None:
    file = write_report([run], tmp_path / "report.html")
    with chromium() as browser:
        opened = Opened(new_page(browser, viewport={"width": 1280, "height": 900}))
        opened.watch()
        opened.open(file)
        page = opened.page
        assert opened.count("[data-chart]") == opened.count("[data-chart] svg") == 12
        assert opened.matches == "465 of 465 match"
        page.locator("[name=framing]").select_option("harmless")
        page.locator("[name=kind]").select_option("full compliance")
        page.locator("[name=severity]").select_option("unsafe")
        complied = run.judgments.filter(
            framing="harmless", kind="full_compliance", expected="unsafe"
        ).height
        assert opened.matches == f"{complied} of 465 match"
        assert page.locator("#detail .cells tbody tr").count() == 3
        page.get_by_role("button", name="Clear").click()
        page.locator("[name=words]").fill("window.owned")
        assert HOSTILE in page.locator(".answer").all_inner_texts()
        assert page.evaluate("window.owned") is None
        assert page.locator(".veil img").evaluate("i => getComputedStyle(i).filter") != "none"
        page.set_viewport_size({"width": 390, "height": 844})
        opened.open(file)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert opened.complaints == []
        assert {url.split(":", 1)[0] for url in opened.requests} <= {"file", "data", "blob"}
