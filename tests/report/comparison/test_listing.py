"""The samples of several runs: every run's judgments side by side, and where the runs disagree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from playwright.sync_api import expect

from tests.report.serve.test_view import expected_places
from tests.support.alignment_runs import alignment_run
from tests.support.browser import CHROMIUM, chromium, new_page
from tests.support.report_runs import scripted_run
from vlsu.report import write_report
from vlsu.report.comparison.judgment_listing import furthest_apart_first, shared_entries
from vlsu.report.comparison.tasks import samples_of
from vlsu.report.run_labels import run_labels, run_names
from vlsu.report.serve.sample_index import SampleIndex
from vlsu.report.serve.view import view_app
from vlsu.runs import Run, evaluate

pytestmark = pytest.mark.slow


SEVERITIES = ("safe", "borderline", "unsafe")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        scripted_run("vlsu-mini", folder / "scripted"),
        evaluate("vlsu-mini", model="baseline/majority", out=folder / "majority"),
        evaluate("vlsu-mini", model="baseline/random", out=folder / "random", limit=200),
    ]


@pytest.fixture(scope="module")
def alignments(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("alignments")
    return [
        alignment_run("vlsu-mini", folder / "first", failing=0.1),
        alignment_run(
            "vlsu-mini", folder / "second", failing=0.3, framings=["harmless", "helpful"]
        ),
    ]


@pytest.fixture(scope="module")
def page_file(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(runs, tmp_path_factory.mktemp("page") / "page.html")


def joint(run: Run) -> dict[str, Mapping[str, object]]:
    rows = run.judgments.filter(pl.col("modality") == "joint")
    return {row["sample_id"]: row for row in rows.iter_rows(named=True)}


def test_the_order_is_that_of_the_disagreement(runs: list[Run]) -> None:
    ids = furthest_apart_first(runs)
    judged = [joint(run) for run in runs]
    assert sorted(ids) == sorted(judged[0])

    def apart(id_: str) -> tuple[int, int]:
        rows = [each[id_] for each in judged if id_ in each]
        said = [SEVERITIES.index(r["predicted"]) for r in rows if r["outcome"] == "ok"]
        wrong = sum(r["predicted"] != r["expected"] for r in rows)
        return (max(said) - min(said) if said else 0), wrong

    keys = [apart(id_) for id_ in ids]
    assert keys == sorted(keys, reverse=True)
    assert keys[0][0] == 2
    assert keys[-1][0] == 0


def test_an_entry_holds_every_runs_judgments(runs: list[Run]) -> None:
    labels = run_labels(run_names(runs))
    ids = furthest_apart_first(runs)
    judged = [joint(run) for run in runs]
    for entry in shared_entries(runs, ids):
        rows: Any = [each.get(entry["id"]) for each in judged]
        asked = [row for row in rows if row]
        right = [row["predicted"] == row["expected"] for row in asked]
        standing = "all right" if all(right) else "some right" if any(right) else "all wrong"
        assert entry["facets"]["agreement"] == standing
        said = {row["predicted"] or "none" for row in asked}
        assert entry["facets"]["answers"] == ("same" if len(said) == 1 else "different")
        assert [part["run"] for part in entry["each"]] == [
            label for label, row in zip(labels, rows, strict=True) if row
        ]
        assert entry["grid"][0][0] == "gold"
        for part, row, (name, *cells) in zip(entry["each"], asked, entry["grid"][1:], strict=True):
            assert name == part["run"]
            assert cells[-1].get("severity") == row["predicted"]
            assert cells[-1]["mark"] == part["joint"]
        words = {who: text for who, text, _ in entry["said"]}
        assert words[f"{labels[0]}, joint"] == rows[0]["answer"]


def test_an_entry_holds_every_runs_answers(alignments: list[Run]) -> None:
    labels = run_labels(run_names(alignments))
    samples = samples_of(alignments)
    entries = list(samples.entries(alignments, samples.ids(alignments)))
    assert len(entries) == 465
    apart = []
    for entry in entries:
        framings = [(part["run"], part["framing"]) for part in entry["each"]]
        assert framings == [
            *((labels[0], name) for name in ("default", "harmless", "helpful")),
            *((labels[1], name) for name in ("harmless", "helpful")),
        ]
        shares = []
        for label in labels:
            known = [p["answered"] for p in entry["each"] if p["run"] == label and p["answered"]]
            if known:
                shares.append(known.count("as it should") / len(known))
        apart.append(round(max(shares) - min(shares), 9) if shares else 0.0)
    assert apart == sorted(apart, reverse=True)
    assert {entry["facets"].get("agreement") for entry in entries} >= {"all right", "some right"}


@pytest.mark.parametrize("task", ["understanding", "alignment"])
def test_the_index_finds_what_the_page_alone_finds(
    task: str, runs: list[Run], alignments: list[Run]
) -> None:
    them = runs if task == "understanding" else alignments
    index = SampleIndex(*them)
    entries = list(samples_of(them).entries(them, index.ids.to_list()))
    assert {"run", "agreement"} <= index.choices.keys()
    for name, values in index.choices.items():
        for value, count in values:
            expected = expected_places(entries, name, value)
            assert tuple(index.matching(((name, value),), "")) == expected, (name, value)
            assert count == len(expected)
    assert index.entries([3, 1]) == [entries[3], entries[1]]
    assert len(index.matching((), "no such words anywhere")) == 0


def test_what_is_redacted_is_nowhere(runs: list[Run], page_file: Path, tmp_path: Path) -> None:
    text = write_report(runs[:2], tmp_path / "r.html", redact=True).read_text(encoding="utf-8")
    plain = page_file.read_text(encoding="utf-8")
    assert "data:image/webp" in plain
    assert "data:image/webp" not in text
    entries = unpacked(text)
    assert len(entries) == 465
    assert all(not entry.keys() & {"text", "image", "said", "reason"} for entry in entries)
    assert not {entry["id"] for entry in entries} & {s.id for s in runs[0].dataset.samples()}


def unpacked(page: str) -> list[dict[str, object]]:
    import base64
    import gzip
    import re

    packed = re.search(r'id="sample-data">([^<]*)<', page)
    assert packed
    return orjson.loads(gzip.decompress(base64.b64decode(packed[1])))


def test_runs_of_other_samples_have_no_list(runs: list[Run], tmp_path: Path, dataset: Any) -> None:
    other = evaluate(dataset, model="baseline/majority", out=tmp_path / "other")
    page = write_report([runs[0], other], tmp_path / "page.html").read_text()
    assert 'id="filters"' not in page
    assert "Not compared sample by sample" in page
    starts = view_app([runs[0], other])
    assert starts is not None


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
def test_disagreements_are_found_in_a_browser(runs: list[Run], page_file: Path) -> None:
    labels = run_labels(run_names(runs))
    index = SampleIndex(*runs)
    complaints: list[str] = []
    with chromium() as browser:
        page = new_page(browser, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-charts=drawn][data-samples=listed]")
        matches = page.locator("#matches")
        page.locator("[name=agreement]").select_option("all wrong")
        wrong = len(index.matching((("agreement", "all wrong"),), ""))
        expect(matches).to_have_text(f"{wrong} of 465 match")
        page.locator("[name=agreement]").select_option("")
        page.locator("[name=run]").select_option(labels[1])
        page.locator("[name=joint]").select_option("right")
        right = len(index.matching((("run", labels[1]), ("joint", "right")), ""))
        expect(matches).to_have_text(f"{right} of 465 match")
        assert page.locator("#detail .cells tbody tr").count() == 1 + len(runs)
        cell = page.locator("[data-chart=models] .mark-rect path").first
        cell.click()
        assert page.locator("[name=pattern]").input_value() == "S-S-S"
        assert page.locator("[name=run]").input_value() == labels[0]
    assert complaints == []
