"""The page of ``vlsu data check``."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.data.checks.test_full import made
from tests.report.test_hostile_reports import CONTROLS, HOSTILE
from tests.support.browser import CHROMIUM, chromium, new_page
from vlsu.data import Dataset, Sample, full_check, write_dataset
from vlsu.report.data_check import check_page, write_check


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return made(tmp_path_factory.mktemp("made"))


def test_the_page_shows_what_was_found_and_nothing_personal(dataset: Dataset) -> None:
    page = check_page(full_check(dataset), dataset)
    assert "not sound" in page
    assert "old apple tree with red apples" in page
    assert "e-mail address" in page
    assert "beispiel" not in page
    assert page.count("data:image/webp;base64,") >= 3
    assert "http:" not in page.split("<style>")[0]
    assert "Grades told from one modality" not in page


def test_what_classifiers_found_is_shown_if_anybody_looked(dataset: Dataset) -> None:
    rate = {"value": 0.71, "low": 0.6, "high": 0.8}
    none = {"value": None, "low": None, "high": None}
    told = {"text": rate, "image": none, "apart": rate, "majority": rate}
    page = check_page(replace(full_check(dataset), text_only=told), dataset)
    assert "Grades told from one modality" in page
    assert "0.71 [0.60, 0.80]" in page


def test_foreign_text_is_text(tmp_path: Path) -> None:
    rows = [
        Sample(
            f"{n} {text[:40]}".encode("utf-8", "replace").decode(),
            (text + " and some more words").encode("utf-8", "replace").decode() + "!" * (n % 2),
            language=text[:20].encode("utf-8", "replace").decode(),
            metadata={"split": ("<b>one</b>", "two")[n % 2]},
        )
        for n, text in enumerate(text for text in HOSTILE for _ in range(2))
    ]
    about = dict.fromkeys(("version", "licence", "citation", "source"), "<i>")
    dataset = write_dataset(tmp_path, rows, name="<script>alert(1)</script>", **about)  # type: ignore[arg-type]
    page = check_page(full_check(dataset), dataset)
    assert not CONTROLS.search(page)
    assert "<script>window" not in page
    assert "<img src=x" not in page
    assert "<b>one</b>" not in page
    assert page.count("<script") == page.count("</script>")


@pytest.fixture(scope="module")
def opened(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    file = tmp_path_factory.mktemp("page") / "check.html"
    write_check(full_check(dataset), dataset, file)
    with chromium() as browser:
        page = new_page(browser)
        page.goto(file.as_uri())
        yield page


def blurred(page: Page) -> list[bool]:
    filters = page.eval_on_selector_all(
        ".reveal img", "all => all.map(e => getComputedStyle(e).filter)"
    )
    return [name != "none" for name in filters]


@pytest.mark.slow
def test_images_are_blurred_until_asked_for(opened: Page) -> None:
    assert blurred(opened)
    assert all(blurred(opened))
    opened.locator(".reveal").first.click()
    assert [blurred(opened)[0], all(blurred(opened)[1:])] == [False, True]
    opened.locator("#unblur").check()
    assert not any(blurred(opened))
    opened.locator("#unblur").uncheck()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(opened: Page, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    violations = Axe().run(opened).response["violations"]
    assert [each["id"] for each in violations] == []
