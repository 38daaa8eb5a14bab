"""The grader's page by axe-core, in each of its states: three widths, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.support.browser import patient
from tests.support.grading_page import (
    grade,
    look,
    page_dataset,
    served_project,
    shown,
    until_saved,
)

Scheme = Literal["light", "dark"]

pytestmark = pytest.mark.slow


def faults(page: Page, state: str) -> list[str]:
    return [
        f"{state}: {violation['id']}: {node['html'][:150]}"
        for violation in Axe().run(page).response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820, 390])
def test_nothing_is_in_anybodys_way(
    browser: Browser, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    dataset = page_dataset(tmp_path / "d", ["Two loaves, please. " * 200])
    about: Any = {
        "viewport": {"width": width, "height": 1100},
        "color_scheme": scheme,
        "reduced_motion": "reduce",
        "has_touch": width < 1000,
        "is_mobile": width < 1000,
    }
    with served_project(browser, tmp_path / "p", dataset, context=about) as grader:
        page, found = grader.page, []
        stranger = patient(browser.new_context(**about))
        for context, path in (
            (stranger, f"join/{grader.project.invite('Ann', 'grader').token}"),
            (stranger, "join/none"),
            (grader.context, "account"),
        ):
            outside = context.new_page()
            outside.goto(f"{grader.address}/{path}")
            found += faults(outside, path[:7])
            outside.close()
        stranger.close()
        while shown(page)[1] != "joint":
            grade(page)
            until_saved(page)
        found += faults(page, "hidden")
        page.keyboard.press("1")
        found += faults(page, "unseen")
        look(page)
        page.keyboard.press("p")
        found += faults(page, "shown")
        page.keyboard.press("3")
        page.keyboard.press("n")
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowDown")
        found += faults(page, "category")
        page.keyboard.press("a")
        page.keyboard.press("1")
        found += faults(page, "because")
        # Everything is within the width of the screen.
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("?")
        found += faults(page, "help")
        page.keyboard.press("Escape")
        page.keyboard.press("!")
        found += faults(page, "stop")
        page.keyboard.press("Escape")
        page.keyboard.press("0")
        page.wait_for_selector("#rest:not([hidden])")
        found += faults(page, "finished")
        assert found == []


def test_what_a_finger_presses_is_large_enough(browser: Browser, tmp_path: Path) -> None:
    about = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "is_mobile": True}
    dataset = page_dataset(tmp_path / "d", ["Two loaves, please"])
    with served_project(browser, tmp_path / "p", dataset, context=about) as grader:
        page = grader.page
        shown(page)
        small = """[...document.querySelectorAll("main button, .top button")].filter((each) => {
            const { width, height } = each.getBoundingClientRect();
            return width && (height < 44 || width < 24);
        }).map((each) => each.id || each.textContent)"""
        assert page.evaluate(small) == []
        if shown(page)[1] == "image":
            look(page)
        page.get_by_role("button", name="Borderline", exact=True).tap()
        assert page.evaluate(small) == []
        before = shown(page)
        page.get_by_role("button", name="C2").tap()
        page.wait_for_function("name => work.dataset.modality !== name", arg=before[1])
