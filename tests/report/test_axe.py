"""The pages by axe-core: contrast, roles, names, headings; wide and narrow, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support.alignment_runs import alignment_run
from tests.support.binary_guards import guard_run
from tests.support.browser import CHROMIUM, chromium, drawn, new_page
from tests.support.report_runs import scripted_run, with_diagnostics
from vlsu.report import write_report

Scheme = Literal["light", "dark"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("axe")
    run = with_diagnostics(scripted_run("vlsu-mini", folder / "run"), folder / "diagnosed")
    guard = guard_run("vlsu-mini", folder / "guard")
    alignment = alignment_run("vlsu-mini", folder / "alignment", failing=0.05)
    return {
        "understanding": write_report([run], folder / "understanding.html"),
        "guard": write_report([guard], folder / "guard.html"),
        "compared": write_report([run, guard], folder / "compared.html"),
        "alignment": write_report([alignment], folder / "alignment.html"),
        "several": write_report([run, run], folder / "several.html"),
        "redacted": write_report([run], folder / "redacted.html", redact=True),
    }


def found(browser: Browser, page: Path, width: int, scheme: Scheme) -> list[str]:
    """What axe has to say, once with every table open and once with a sample open on a phone."""
    opened = new_page(
        browser,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    opened.goto(page.as_uri())
    drawn(opened)
    opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    responses = [Axe().run(opened).response]
    if width < 900 and opened.locator("#list").count():
        opened.locator(".row").first.click()
        responses.append(Axe().run(opened).response)
    opened.close()
    return [
        f"{violation['id']}: {node['html'][:150]}"
        for response in responses
        for violation in response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    "page", ["understanding", "guard", "compared", "alignment", "several", "redacted"]
)
def test_nothing_is_in_anybodys_way(
    browser: Browser, pages: dict[str, Path], page: str, width: int, scheme: Scheme
) -> None:
    assert found(browser, pages[page], width, scheme) == []


def test_a_fault_would_be_found(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    text = pages["several"].read_text(encoding="utf-8")
    faulty = tmp_path / "faulty.html"
    faulty.write_text(text.replace('<html lang="en">', "<html>"), encoding="utf-8")
    assert [line.split(":")[0] for line in found(browser, faulty, 1280, "light")] == [
        "html-has-lang"
    ]
