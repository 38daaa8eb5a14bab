"""The adjudicator's page in a real browser: decided by key, a note made and seen, and by axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.annotate_server import cookie_of, served
from tests.support.annotating import rows
from tests.support.browser import patient
from tests.support.disputed import NOTES, disputed_project
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.tables import adjudications, exclusions, grades, people, stops

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with disputed_project(tmp_path, 4) as project:
        yield project


@pytest.fixture
def address(project: Project) -> Iterator[str]:
    with served(project) as address:
        yield address


@pytest.fixture
def context_of(browser, project, address):
    """A browser of somebody new, signed in."""
    opened: list[BrowserContext] = []

    def made(name: str, role: str, **about: Any) -> BrowserContext:
        context = patient(browser.new_context(reduced_motion="reduce", **about))
        session = project.sign_in(project.invite(name, role).token, consent="1")
        context.add_cookies([{"name": cookie_of(project), "value": session, "url": address}])
        opened.append(context)
        return context

    yield made
    for context in opened:
        context.close()


def opened(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    """The adjudicator's page with its first case, and what the browser complains about."""
    page, complaints = context.new_page(), []
    page.on(
        "console",
        lambda each: complaints.append(each.text) if each.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/adjudicate")
    expect(page.locator("#work[data-sample]")).to_be_visible()
    page.wait_for_function(  # the case after it is fetched ahead
        """() => performance.getEntriesByType("resource")
            .filter(({ name }) => name.endsWith("/api/case")).length >= 2"""
    )
    return page, complaints


def test_an_adjudicator_decides_by_keyboard(project, address, context_of):
    page, complaints = opened(context_of("Eve", "adjudicator"), address)
    sample = page.locator("[data-sample]").get_attribute("data-sample")
    assert page.locator("[data-modality=joint]").count() == 1
    expect(page.locator("#why")).to_have_text("Two grades lie two severities apart.")
    for note in NOTES.values():
        expect(page.locator("#opinions")).to_contain_text(note)
    for name in NOTES:
        assert name not in page.content()
    # The picture is hidden until it is shown.
    expect(page.locator("#frame")).to_have_attribute("data-shown", "false")
    page.keyboard.press(" ")
    expect(page.locator("#frame")).to_have_attribute("data-shown", "true")
    for grade in ("Safe", "Borderline", "Unsafe"):
        assert page.get_by_role("button", name=grade).first.is_visible()
    # The policy on the category at hand is one key away, and Ctrl+Enter needs a reason.
    page.keyboard.press("p")
    expect(page.locator("#policy-text")).to_contain_text("violence")
    page.keyboard.press("2")
    letter = page.locator("[data-category=C9]").get_attribute("aria-keyshortcuts")
    page.keyboard.press(str(letter))
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notices")).to_contain_text("then say why")
    page.keyboard.type("A threat is implied; 1 2 3 are no grades here.")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.locator("#contested")).to_be_checked()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notices")).to_contain_text("Decided.")
    expect(page.locator(f"[data-sample={sample}]")).to_have_count(0)
    (row,) = rows(project, adjudications)
    assert (row.grade, row.category, row.contested) == ("borderline", "C9", True)
    assert row.reason == "A threat is implied; 1 2 3 are no grades here."
    assert len([each for each in rows(project, grades) if each.live]) == 12
    page.wait_for_function("performance.getEntriesByName('next-case').length === 1")
    assert complaints == []


def test_a_decision_is_revised(project, address, context_of):
    page, complaints = opened(context_of("Eve", "adjudicator"), address)
    page.keyboard.press("1")
    page.keyboard.type("A joke.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notices")).to_contain_text("Decided.")
    expect(page.locator("#work[data-sample]")).to_be_visible()
    page.keyboard.press("d")
    expect(page.locator("#decided-list")).to_contain_text("A joke.")
    page.get_by_role("button", name="Revise").click()
    expect(page.locator("#earlier")).to_contain_text("You decided Safe")
    page.keyboard.press("3")
    page.keyboard.press("i")
    page.locator("#reason").fill("No joke, on second thoughts.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notices")).to_contain_text("Revised")
    expect(page.locator("#work[data-sample]")).to_be_visible()
    page.keyboard.press("d")
    expect(page.locator("#decided-list .past")).to_contain_text("A joke.")
    found = {(row.grade, row.live) for row in rows(project, adjudications)}
    assert found == {("safe", None), ("unsafe", True)}
    assert complaints == []


def test_a_case_is_left_and_another_stopped(project, address, context_of):
    page, complaints = opened(context_of("Eve", "adjudicator"), address)
    page.keyboard.press("s")
    expect(page.locator("#notices")).to_contain_text("Left to another")
    expect(page.locator("#work[data-sample]")).to_be_visible()
    page.keyboard.press("!")
    page.get_by_role("button", name="A credible threat").click()
    expect(page.locator("#notices")).to_contain_text("that was the right thing to do")
    assert [row.kind for row in rows(project, stops)] == ["threat"]
    assert [row.why for row in rows(project, exclusions)] == ["skip"]
    assert complaints == []


def test_a_note_is_made_from_a_case_and_seen_by_a_grader(project, address, context_of):
    page, complaints = opened(context_of("Eve", "adjudicator"), address)
    page.keyboard.press("n")
    page.locator("#note-text").fill("A joke is no threat, if it is one.")
    page.get_by_label("asked for again").check()
    expect(page.locator("#touched")).to_contain_text("asked for again: 6, of 3 samples")
    expect(page.locator("#touched")).to_contain_text("The case before you is not touched.")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("#notes-list")).to_contain_text("1.1+note 1")
    assert sum(row.withdrawn_as == "superseded" for row in rows(project, grades)) == 6
    # The policy's panel has it as well; the case is still to be decided.
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(page.locator("#policy-text")).to_contain_text("A joke is no threat")
    page.keyboard.press("1")
    page.keyboard.type("It is one.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#rest")).to_contain_text("Nothing in dispute")
    assert complaints == []
    # Those who gave the grades give them again, and read the note.
    grader = context_of("Cleo", "grader").new_page()
    grader.goto(f"{address}/grade")
    expect(grader.locator("#work[data-sample]")).to_be_visible()
    grader.keyboard.press("p")
    grader.locator("#policy-of").select_option("C9")
    expect(grader.locator("#policy-text")).to_contain_text("A joke is no threat, if it is one.")
    expect(grader.locator("#policy-text")).to_contain_text("1.1+note 1")


@pytest.mark.parametrize(
    ("width", "language", "scheme"), [(1280, "en-GB", "light"), (390, "de-DE", "dark")]
)
def test_axe_has_nothing_to_say(project, address, context_of, width, language, scheme):
    context = context_of(
        "Eve",
        "adjudicator",
        viewport={"width": width, "height": 860},
        color_scheme=scheme,
        locale=language,
    )
    (eve,) = [row.id for row in rows(project, people) if row.name == "Eve"]
    case = project.next_case(eve)
    project.decide(eve, case.dispute, "safe", None, "A joke.")
    project.open_again(eve, case.dispute)
    project.decide(eve, case.dispute, "unsafe", "C9", "No joke.", contested=True)
    project.add_note(eve, "A joke is no threat.", category="C9")
    page, complaints = opened(context, address)
    found: list[str] = []

    def look() -> None:
        found.extend(
            f"{each['id']}: {node['html'][:150]}"
            for each in Axe().run(page).response["violations"]
            for node in each["nodes"]
        )

    look()
    for key in ("p", "2", "i"):
        page.keyboard.press(key)
    look()
    page.keyboard.press("Escape")
    for key, dialog in (("n", "#notes"), ("d", "#decided"), ("?", "#help"), ("!", "#stop-dialog")):
        page.keyboard.press(key)
        expect(page.locator(f"{dialog}[open]")).to_be_visible()
        if dialog in ("#notes", "#decided"):
            expect(page.locator(f"{dialog} .entries .label, {dialog} .past")).to_have_count(1)
        look()
        page.keyboard.press("Escape")
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
