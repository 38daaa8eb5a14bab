"""What a page says of money, in a real browser: drawn, legible, and in nobody's way."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

import vlsu
from tests.conftest import chat_servers, grade, make_dataset
from tests.support.browser import CHROMIUM, chromium, new_page
from vlsu.policy import Severity
from vlsu.report import write_report
from vlsu.report.cost import cost_sentence, money, run_ledger
from vlsu.runs import Limits, Price, load_run
from vlsu.runs.folder import RunFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs of one dataset, at prices a hundredfold apart."""
    folder = tmp_path_factory.mktemp("priced")
    data = make_dataset(folder / "data", samples=90, apart=True)

    def respond(body: dict[str, Any], n: int) -> dict[str, Any]:
        severity = random.Random(str(body)).choice(list(Severity)).label
        read = {"prompt_tokens_details": {"cached_tokens": 3000}}
        usage = {"prompt_tokens": 4000, "completion_tokens": 20, **read}
        return grade(severity) | {"usage": usage}

    with chat_servers() as start:
        server = start(respond)
        for name, factor in (("large", 1.0), ("middle", 0.1), ("small", 0.01)):
            price = Price(5 * factor, 25 * factor, "ours", cached=0.5 * factor, currency="USD")
            vlsu.evaluate(
                data,
                model=f"openai/{name}",
                base_url=server.base_url,
                out=folder / name,
                limits=Limits(price=price),
            )
    return [folder / name for name in ("large", "middle", "small")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_money_is_shown_wide_and_narrow_light_and_dark(
    browser: Browser,
    runs: list[Path],
    width: int,
    scheme: Literal["light", "dark"],
    tmp_path: Path,
) -> None:
    complaints: list[str] = []
    for page, opened_runs in (("one.html", runs[:1]), ("several.html", runs)):
        file = write_report([load_run(run) for run in opened_runs], tmp_path / page)
        opened = new_page(
            browser,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(file.as_uri())
        opened.wait_for_selector("html[data-charts=drawn]")
        section = opened.locator("#cost")
        assert section.locator("table").count() == (2 if page == "one.html" else 1)
        assert opened.locator("nav a[href='#cost']").count() == 1
        if page == "several.html":
            for name in ("spending-cost", "spending-latency"):
                marks = opened.locator(f"[data-chart={name}] svg .mark-symbol path").count()
                assert marks >= len(runs)
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        violations = Axe().run(opened, context="#cost").response["violations"]
        assert [each["id"] for each in violations] == []
        assert complaints == []
        opened.close()


def test_a_run_whose_responses_are_gone_shows_what_its_record_says(runs: list[Path]) -> None:
    run = load_run(runs[1])
    whole = run_ledger(run)
    store = runs[1] / "responses.sqlite"
    store.rename(runs[1] / "elsewhere.sqlite")
    try:
        recorded = run_ledger(run)
    finally:
        (runs[1] / "elsewhere.sqlite").rename(store)
    assert whole is not None
    assert recorded is not None
    assert (recorded.total, recorded.listed, recorded.lines) == (whole.total, whole.listed, ())
    assert cost_sentence(recorded) == cost_sentence(whole)
    assert "of the list price" in cost_sentence(whole)


def test_a_record_of_an_earlier_version_which_kept_no_prices_shows_its_total(
    runs: list[Path], tmp_path: Path
) -> None:
    former = tmp_path / "former"
    shutil.copytree(runs[2], former)
    record = {name: part for name, part in load_run(former).record.items() if name != "cost"}
    RunFolder(former).write_record({**record, "cost": 1.5})
    found = run_ledger(load_run(former))
    assert found is not None
    assert (found.total, found.saved, found.currency) == (1.5, {}, None)
    assert cost_sentence(found) == "It cost 1.50, 16.67 for 1,000 samples."
    page = write_report([load_run(former)], tmp_path / "former.html").read_text()
    assert 'id="cost"' in page


def test_amounts_have_three_digits_that_count() -> None:
    amounts = (1234.5, 12.3, 1.0, 0.5, 0.0123, 0.00000004, 0.0, None)
    shown = ["1,234.50", "12.30", "1.00", "0.500", "0.0123", "<0.000001", "0.00", "–"]
    assert [money(amount) for amount in amounts] == shown
    assert money(2.5, "EUR") == "2.50 EUR"
