"""The page of ``vlsu guards``: what it says, in words, tables and charts, and in a browser."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.report.test_hostile_reports import CONTROLS, HOSTILE
from tests.support.browser import chromium, new_page
from tests.support.guards import guard_of, samples_of
from vlsu.analysis.deployment.guards.choice import Wanted, choose_guard
from vlsu.analysis.deployment.guards.costs import Costs
from vlsu.errors import UsageError
from vlsu.report.guards.charts import guards_charts
from vlsu.report.guards.page import guards_page, write_guards
from vlsu.report.guards.tables import guards_markdown, guards_tables
from vlsu.report.guards.words import (
    enumerated,
    fine,
    notes,
    sentences,
    share_of_million,
    shown_threshold,
)

PATTERNS = ("S-S-S", "S-S-B", "U-S-B", "S-S-U", "U-U-U")


def result_of(
    names: tuple[str, ...] = ("maker/joint", "maker/apart", "maker/verdicts"),
    *,
    costs: bool = True,
    silent: float = 0.0,
) -> dict[str, Any]:
    """A result as `vlsu.runs.finished.guards.choose` makes it, of made-up guards."""
    rng = np.random.default_rng(1)
    patterns = rng.choice(PATTERNS, 400).tolist()
    samples = samples_of([name[-1] for name in patterns], patterns=patterns)
    noise = rng.standard_normal(400)
    seen = samples.gold - 1.2
    apart = np.where(np.array(patterns) == "S-S-U", -1.2, seen)
    p = [1 / (1 + np.exp(-(2 * z + noise))) for z in (seen, apart, 0.6 * seen)]
    p[0][: int(400 * silent)] = np.nan
    guards = [
        guard_of(p[0], names[0]),
        guard_of(p[1], names[1]),
        guard_of((p[2] >= 0.5).astype(float), names[2], scored=False),
    ]
    wanted = Wanted(0.1, 0.95, 0.02 if costs else None, Costs(0.02, 50, 1) if costs else None)
    tree = choose_guard(guards, samples, wanted)
    for each in tree["guards"]:
        each |= {"path": "runs/x", "model": each["name"], "note": None}
    tree["samples"]["ungraded"] = 0
    return {
        "dataset": {"name": "made", "version": "1", "content_hash": "sha256:0"},
        "modality": "joint",
        "event": "unsafe",
        "max_false_flags": 0.1,
        "prevalence": 0.02 if costs else None,
        "costs": {"missed": 50.0, "blocked": 1.0} if costs else None,
        "min_answered": 0.95,
        "confidence": 0.95,
        "seed": 0,
        **tree,
        "not_comparable": [{"name": "maker/text", "path": "t", "reason": "has no judgments"}],
        "differences_in_setup": [],
    }


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return result_of()


def test_the_choice_stands_first(result: dict[str, Any]) -> None:
    first, deploy, held, families, *rest = sentences(result)
    recall = result["guards"][0]["thresholds"]["max_false_flags"]["recall"]
    assert first.startswith(
        "With at most 10% of what is harmless flagged, maker/joint has the largest recall: "
        f"{recall['value']:.2f} ["
    )
    assert "It can be claimed over maker/apart" in first
    assert deploy.startswith("To deploy: maker/joint at p >= ")
    assert "held-out false-flag rate" in held
    assert families.startswith("Of the harmful pairs that are harmful only together (escalating)")
    assert any(said.startswith("Least cost at 2% harmful, 50 for one missed") for said in rest)
    assert notes(result) == ["maker/text has no judgments."]


def test_what_is_withheld_is_said_and_nothing_is_chosen() -> None:
    result = result_of(silent=0.5)
    first, *_ = sentences(result)
    assert first.startswith("No guard is chosen: maker/joint cannot be told: 50%")
    rows = {row[0]: row for row in guards_tables(result)["guards"].rows}
    assert rows["maker/joint"][1] == "cannot be told"
    assert rows["maker/apart"][1].startswith("p >= ")
    assert 'class="alert"' in guards_page(result)


def test_a_recall_that_no_half_can_tell_is_not_given(result: dict[str, Any]) -> None:
    deploy = sentences(result)[1]
    assert "To be sure at 95% that at most 10% are flagged: p >= " in deploy
    assert "with a recall of" in deploy
    few = copy.deepcopy(result)
    few["guards"][0]["thresholds"]["assured"]["halves"][1]["threshold"] = None
    assert sentences(few)[1].endswith("too few samples to choose one, so its recall is not known.")
    few["guards"][0]["thresholds"]["assured"]["deploy"] = None
    assert sentences(few)[1].endswith("there are too few samples.")


def test_tables_have_what_the_result_has(result: dict[str, Any]) -> None:
    tables = guards_tables(result)
    assert list(tables) == [
        *("guards", "families", "pairs", "million", "halves", "patterns", "missed"),
        *(["missed-samples"] if result["missed_by_all"]["n"] else []),
    ]
    assert [row[0] for row in tables["guards"].rows] == [g["name"] for g in result["guards"]]
    assert "recall, escalating" in tables["families"].columns
    assert len(tables["pairs"].rows) == 3 * 3
    brief = guards_tables(result, brief=True)
    # Of three pairs those of the chosen guard, without families.
    assert [row[1] for row in brief["pairs"].rows] == ["all", "all"]
    assert all("maker/joint" in row[0] for row in brief["pairs"].rows)
    assert "1 more with --out or --json" in brief["pairs"].note
    assert len(brief["million"].rows) == 2 * 2 + 1
    assert "million" not in guards_tables(result_of(costs=False))


def test_charts_are_data_and_one_chart_a_family(result: dict[str, Any]) -> None:
    charts = guards_charts(result)
    assert list(charts) == [
        *("curve", "curve-late-fusion", "curve-escalating", "patterns", "differences"),
        *("differences-late-fusion", "differences-escalating", "cost"),
    ]
    layers: Any = charts["curve"]["layer"]
    lines = layers[2]["data"]["values"]
    assert {row["guard"] for row in lines} == {"maker/joint", "maker/apart"}
    crosses = layers[-1]["data"]["values"]
    assert [row["guard"] for row in crosses] == ["maker/verdicts"]
    orjson.dumps(charts)


def test_files_by_suffix(result: dict[str, Any], tmp_path: Path) -> None:
    for suffix in ("html", "md", "json"):
        write_guards(result, tmp_path / "deep" / f"choice.{suffix}")
    assert orjson.loads((tmp_path / "deep" / "choice.json").read_bytes()) == orjson.loads(
        orjson.dumps(result)
    )
    assert (tmp_path / "deep" / "choice.md").read_text() == guards_markdown(result)
    with pytest.raises(UsageError, match=r"must end in \.html, \.md, \.json"):
        write_guards(result, tmp_path / "choice.pdf")


def test_the_page_is_one_file_without_texts(result: dict[str, Any]) -> None:
    page = guards_page(result)
    assert "Content-Security-Policy" in page
    assert "http:" not in page.split("<style>")[0]
    assert "default-src &#39;none&#39;" in page
    assert page.count("<script") == page.count("</script>")


def test_foreign_names_are_text() -> None:
    for text in HOSTILE:
        names = tuple(f"{text[:60]} {n}" for n in range(3))
        page = guards_page(result_of(names))
        assert not CONTROLS.search(page)
        assert "<script>window" not in page
        assert "<img src=x" not in page
        assert page.count("<script") == page.count("</script>")


def test_how_numbers_are_written() -> None:
    assert share_of_million({"value": 1234.5, "low": 0.0, "high": 98765.4}) == "1,230 [0, 98,800]"
    assert enumerated(["a", "b", "c"]) == "a, b and c"
    rate = {"value": 0.0123, "low": 0.004, "high": 0.03}
    assert fine(rate, 0.01) == "0.012 [0.004, 0.030]"
    assert fine(rate, 0.2) == "0.01 [0.00, 0.03]"


def test_a_threshold_as_shown_flags_what_the_threshold_flags() -> None:
    assert shown_threshold(0.99999) == "p >= 0.99999"
    assert shown_threshold(1.0) == "p >= 1.000"
    assert shown_threshold(None) == "no threshold"
    # Rounded to the nearest, 2/3 would be 0.667, which does not flag a score of 2/3.
    assert shown_threshold(2 / 3, 1 / 3) == "p >= 0.666"
    rng = np.random.default_rng(3)
    for scores in (rng.random(500), 1 - 10 ** -(8 * rng.random(500)), rng.integers(0, 4, 50) / 3):
        values = np.unique(scores)
        for above, threshold in pairwise(values.tolist()):
            shown = float(shown_threshold(threshold, above).removeprefix("p >= "))
            assert ((scores >= shown) == (scores >= threshold)).all()


def test_guards_that_are_alike_share_the_first_place(result: dict[str, Any]) -> None:
    twin = copy.deepcopy(result["guards"][0]) | {"name": "maker/twin"}
    choice = result["choice"] | {"open": ["maker/twin"]}
    first, *_ = sentences(
        result | {"guards": [*result["guards"], twin], "choice": choice, "cheapest": None}
    )
    assert "maker/joint and maker/twin have the same recall, the largest: " in first
    assert "maker/joint can be claimed over maker/apart" in first
    assert "cannot be claimed" not in first


def test_a_cost_is_held_against_having_no_guard(result: dict[str, Any]) -> None:
    def said(nothing: float) -> str:
        cheapest = result["cheapest"] | {"flag_nothing": nothing}
        return next(
            line
            for line in sentences(result | {"cheapest": cheapest})
            if line.startswith("Least cost")
        )

    name = result["cheapest"]["guard"]
    tree = next(tree for tree in result["guards"] if tree["name"] == name)
    rule = tree["thresholds"]["least_cost"] if tree["thresholds"] else tree["verdicts"]
    cost = rule["cost_per_million"]
    assert said(cost["high"] + 1e4).endswith("0.")
    assert said((cost["value"] + cost["high"]) / 2).endswith("that guard is cheaper is open.")
    assert said(cost["value"] - 1).endswith(": no guard is cheaper.")


def test_a_reason_is_given_once_and_what_to_do() -> None:
    first, second, *_ = sentences(result_of(silent=0.5))
    assert first.endswith("Without maker/joint one can be.")
    assert second == "Nor is the least cost told, for the same reason."


def test_a_curve_is_level_where_there_is_no_threshold() -> None:
    """Four scores: a straight line between them would show recalls that none of them reaches."""
    rng = np.random.default_rng(2)
    gold = rng.choice(list("SU"), 300).tolist()
    samples = samples_of(gold)
    scores = np.clip(
        np.round(samples.gold / 2 + rng.standard_normal(300) * 0.6, 0) / 3 + 1 / 3, 0, 1
    )
    tree = choose_guard([guard_of(scores, "few")], samples, Wanted(0.1, 0.95))
    points = tree["guards"][0]["curve"]
    rates = [point["false_flags"]["value"] for point in points]
    assert len(points) == len(np.unique(scores))
    full = result_of(costs=False) | tree
    layers: Any = guards_charts(full)["curve"]["layer"]
    line = layers[2]["data"]["values"]
    for first, second in pairwise(line):
        assert first["x"] == second["x"] or first["y"] == second["y"]
    assert [row["x"] for row in layers[3]["data"]["values"]] == rates


def test_long_names_stand_once_in_the_legend() -> None:
    """Colours, dashes and shapes are told by the same short names, or legends are not joined."""
    long = tuple(f"maker/{'a' * 60}-{n}" for n in range(3))
    layers: Any = guards_charts(result_of(long))["curve"]["layer"]
    scales = [
        layer["encoding"][channel]["scale"]["domain"]
        for layer in layers
        for channel in ("color", "strokeDash", "shape")
        if "scale" in layer["encoding"].get(channel, {})
    ]
    assert len(scales) > 5
    assert all(names == scales[0] for names in scales)
    assert all(len(name) <= 32 for name in scales[0])


def test_a_mix_of_the_harmless_is_spoken_of_where_there_is_one(result: dict[str, Any]) -> None:
    assert "divide into safe and borderline" in guards_tables(result)["million"].note
    rare = {**result, "prevalence": 0.0005}
    assert all(
        len(row[5].split()[0]) == len("0.01234") for row in guards_tables(rare)["million"].rows
    )
    counts = result["samples"] | {"by_severity": {"safe": 200, "unsafe": 200}}
    assert "borderline" not in guards_tables(result | {"samples": counts})["million"].note


def test_costs_are_read_in_full(result: dict[str, Any]) -> None:
    rows: Any = guards_charts(result)["cost"]["data"]
    assert {row["group"] for row in rows["values"]} == {
        *("within the bound", "least cost", "its verdicts"),
    }
    assert all(row["shown"].replace(",", "").isdigit() for row in rows["values"])


@pytest.fixture(scope="module")
def opened(result: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    file = tmp_path_factory.mktemp("page") / "choice.html"
    write_guards(result, file)
    with chromium() as browser:
        page = new_page(browser, viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        said: list[str] = []
        page.goto(file.as_uri())
        page.wait_for_selector("[data-charts=drawn]")
        assert said == []
        yield page


@pytest.mark.slow
def test_charts_are_drawn_without_a_word(opened: Page) -> None:
    drawn = opened.locator("[data-chart] svg").count()
    assert drawn == opened.locator("[data-chart]").count() == 8
    ticks = opened.locator("[data-chart=curve] svg text").all_text_contents()
    assert {"0%", "1%", "5%", "10%", "maker/verdicts"} <= set(ticks)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_the_page_can_be_read_by_all(opened: Page) -> None:
    found = Axe().run(opened)
    assert found.violations_count == 0, found.generate_report()
