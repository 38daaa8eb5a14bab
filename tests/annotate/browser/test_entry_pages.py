"""The ways in and out, in a browser."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.annotate_server import served
from tests.support.browser import patient

pytestmark = pytest.mark.slow
PASSWORD = "four words that are mine"


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "de")]
)
def test_in_by_a_link_out_and_in_again_by_a_password(new_project, browser, width, scheme, language):
    project = new_project()
    with served(project) as address:
        context = patient(
            browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language
            )
        )
        page = context.new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))

        def check() -> None:
            page.wait_for_load_state()
            found = Axe().run(page).response["violations"]
            assert [each["id"] for each in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width

        page.goto(f"{address}/join/{project.invite('Ada', 'grader').token}")
        check()
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.get_by_role("button").click()  # there is but one
        expect(page).to_have_url(f"{address}/grade")
        page.goto(f"{address}/account")
        page.fill("[name=password]", PASSWORD)
        page.fill("[name=again]", PASSWORD)
        page.click("main form button")
        expect(page.get_by_role("status")).to_be_visible()
        check()
        page.locator("form[action$=leave] button").last.click()
        expect(page).to_have_url(f"{address}/login")
        page.goto(f"{address}/grade")
        expect(page).to_have_url(f"{address}/login")
        check()
        page.fill("[name=name]", "Ada")
        page.fill("[name=password]", PASSWORD)
        page.click("main form button")
        expect(page).to_have_url(f"{address}/grade")
        assert not [text for text in refused if "Security Policy" in text or "Refused" in text]
        cookies = {each["name"]: each for each in context.cookies()}
        session = next(each for name, each in cookies.items() if name != "vlsu-annotate-language")
        assert session["httpOnly"]
        assert session["sameSite"] == "Lax"
        page.goto(f"{address}/nowhere")
        check()
        context.close()
