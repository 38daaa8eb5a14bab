"""The grader's page when lines drop, receipts are lost, people are signed out or have two tabs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Route, expect

from tests.support.annotating import check_invariants
from tests.support.browser import until
from tests.support.grading_page import (
    fetched,
    grade,
    look,
    on,
    page_dataset,
    served_project,
    shown,
    stored,
    until_saved,
)

pytestmark = pytest.mark.slow
TEXTS = [f"Saying number {n}" for n in range(8)]
TEXTS_ALONE = {"graders": {"image": 0, "text": 1, "joint": 0}}


def test_a_line_that_drops_loses_nothing_and_doubles_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        page = grader.page
        names = [grade(page)[0]]
        until_saved(page)
        fetched(page, 3)  # the next item is there
        grader.context.set_offline(True)
        names.append(grade(page, "2b")[0])
        expect(page.locator("#saved")).to_have_text("1 not saved yet, retrying")
        names.append(shown(page)[0])
        page.keyboard.press("3")
        page.keyboard.press("c")  # the last that the page has
        expect(page.locator("#saved")).to_have_text("2 not saved yet, retrying")
        expect(page.locator("#state")).to_contain_text("cannot be reached")
        # What is kept in the browser is without content.
        kept = page.evaluate("JSON.stringify({ ...sessionStorage })")
        assert "C2" in kept
        assert "Saying" not in kept
        # What was not sent yet is taken back here; what may have arrived, once the line is back.
        page.keyboard.press("z")
        expect(page.get_by_role("alert")).to_have_text(re.compile("you had graded Unsafe, C3"))
        expect(page.locator("#saved")).to_have_text("1 not saved yet, retrying")
        page.keyboard.press("z")
        expect(page.get_by_role("alert")).to_have_text(re.compile("once everything is saved"))
        page.keyboard.press("3")
        page.keyboard.press("c")
        grader.context.set_offline(False)
        until_saved(page)
        while not page.locator("#rest").is_visible():
            names.append(grade(page)[0])
            until_saved(page)
            page.wait_for_selector("#rest:not([hidden]), #work:not([hidden])")
        assert len(names) == len(set(names)) == 8
        found = stored(grader.project, live=False)
        assert [each.grade for each in found[:4]] == ["safe", "borderline", "unsafe", "safe"]
        assert len(found) == 8
        check_invariants(grader.project)


def test_an_answer_whose_receipt_is_lost_counts_once(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        page, answers = grader.page, []

        def lose(route: Route) -> None:
            answers.append(route.fetch().json())
            if len(answers) == 1:
                route.abort()  # stored, and the receipt is lost
            else:
                route.fulfill(json=answers[-1])

        page.route("**/api/submit", lose)
        grade(page)
        until_saved(page)
        assert [each["again"] for each in answers] == [False, True]
        assert len(stored(grader.project, live=False)) == 1


def test_answers_outlive_a_reload(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        page = grader.page
        warned: list[str] = []

        def leave(dialog: Dialog) -> None:
            warned.append(dialog.type)
            dialog.accept()

        page.on("dialog", leave)
        page.route("**/api/submit", lambda route: route.fulfill(status=503, json={"error": "away"}))
        answered = grade(page, "3a")
        expect(page.locator("#saved")).to_have_text("1 not saved yet, retrying")
        following = shown(page)
        page.reload()
        assert warned == ["beforeunload"]
        assert shown(page) == following  # the page goes on where it was
        assert shown(page) != answered
        page.unroute("**/api/submit")
        until_saved(page)
        [found] = stored(grader.project)
        assert (found.grade, found.category) == ("unsafe", "C1")


#: Keeps the titles of what is shown in the place of an item from now on.
TITLES = """() => {
    const titles = [];
    new MutationObserver(() => {
        const title = document.querySelector("#rest h2");
        if (title) titles.push(title.textContent);
    }).observe(document.getElementById("rest"), { childList: true });
    return titles;
}"""


def test_that_nothing_is_left_is_told_once_the_last_answer_is_stored(
    browser: Browser, tmp_path: Path
) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS[:1]), **TEXTS_ALONE
    ) as grader:
        page, held = grader.page, list[Route]()
        shown(page)
        fetched(page, 2)
        titles = page.evaluate_handle(TITLES)
        page.route("**/api/next", lambda route: held.append(route), times=1)
        page.keyboard.press("1")
        until(page, lambda: held)
        until_saved(page)
        held[0].fulfill(json={"item": None, "why": "wait"})  # it was asked before that
        expect(page.locator("#rest")).to_contain_text("You are done")
        assert titles.json_value() == ["You are done"]


def test_an_item_that_went_to_somebody_else_is_told(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        page = grader.page
        shown(page)
        fetched(page, 2)
        grader.project.pause(grader.person)
        grade(page)
        expect(page.get_by_role("alert")).to_have_text(re.compile("The last grade does not count"))
        grader.project.resume(grader.person)
        before = shown(page)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        on(page, before)
        expect(page.get_by_role("alert").last).to_have_text(re.compile("no longer yours"))
        grade(page)
        until_saved(page)
        assert len(stored(grader.project)) == 1
        check_invariants(grader.project)


def test_a_grader_who_is_paused_is_told(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        shown(grader.page)
        grader.project.pause(grader.person)
        grader.page.reload()
        expect(grader.page.locator("#rest")).to_contain_text("You are paused")
        grader.project.resume(grader.person)
        grader.page.get_by_role("button", name="Look again").click()
        shown(grader.page)


def test_who_is_signed_out_keeps_their_answers(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        page = grader.page
        shown(page)
        fetched(page, 2)
        cookies: Any = grader.context.cookies()
        grader.context.clear_cookies()
        grade(page, "2d")
        expect(page.get_by_role("alert")).to_contain_text("You are signed out")
        expect(page.locator("#saved")).to_have_text("1 not saved yet, kept on this page")
        with page.expect_response("**/api/me"):
            page.get_by_role("button", name="Load again").click()
        expect(page.get_by_role("alert")).to_be_visible()  # not before they have signed in
        grader.context.add_cookies(cookies)  # they sign in in another tab
        page.get_by_role("button", name="Load again").click()
        expect(page.get_by_role("alert")).to_have_count(0)
        until_saved(page)
        assert [each.category for each in stored(grader.project)] == ["C4"]


def test_of_two_tabs_the_last_goes_on(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        first = grader.page
        item = shown(first)
        second = grader.context.new_page()
        second.goto(f"{grader.address}/grade")
        expect(first.locator("#rest")).to_contain_text("another window")
        assert shown(second) == item
        grade(second)
        until_saved(second)
        first.get_by_role("button", name="Go on here").click()
        expect(second.locator("#rest")).to_contain_text("another window")
        names = [item]
        while not first.locator("#rest").is_visible():
            names.append(grade(first))
            until_saved(first)
            first.wait_for_selector("#rest:not([hidden]), #work:not([hidden])")
        assert len(set(names)) == len(names) == 8 == len(stored(grader.project, live=False))


def test_a_picture_that_does_not_come_is_asked_for_again(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser,
        tmp_path / "p",
        page_dataset(tmp_path / "d", TEXTS[:1]),
        graders={"image": 1, "text": 0, "joint": 0},
    ) as grader:
        page = grader.page
        page.route("**/image/**", lambda route: route.abort())
        page.reload()
        expect(page.locator("#frame")).to_contain_text("could not be loaded")
        page.unroute("**/image/**")
        page.locator("#frame").get_by_role("button", name="Try again").click()
        look(page)


def test_a_missing_file_is_for_who_runs_the_server(
    browser: Browser, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = page_dataset(tmp_path / "d", TEXTS[:1])
    for path in (tmp_path / "d" / "images").rglob("*.*"):
        path.unlink()
    plan = {"graders": {"image": 1, "text": 0, "joint": 0}}
    with served_project(browser, tmp_path / "p", dataset, **plan) as grader:
        page = grader.page
        expect(page.locator("#frame")).to_contain_text("could not be loaded")
        page.keyboard.press("s")
        expect(page.locator("#rest")).to_contain_text("You are done")
    said = f"vlsu annotate: a sample cannot be read; run vlsu data check {tmp_path / 'd'}"
    assert [text for text in caplog.messages if "vlsu annotate" in text] == [said]


def test_training_is_told_how_the_project_grades(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        page = grader.page

        def training(route: Route) -> None:
            found: Any = route.fetch().json()
            if found["item"]:
                found["item"]["training"] = True
            route.fulfill(json=found)

        def feedback(route: Route) -> None:
            found = route.fetch().json()
            given: Any = route.request.post_data_json
            project = {"grade": "unsafe", "category": "C9", "note": "Look at the last word."}
            found["feedback"] = {"correct": given["grade"] == "unsafe", **project}
            route.fulfill(json=found)

        page.route("**/api/next", training)
        page.route("**/api/submit", feedback)
        page.reload()
        expect(page.locator("#what")).to_have_text("Text · Training")
        first = shown(page)
        page.keyboard.press("1")
        rest = page.locator("#rest")
        expect(rest).to_contain_text("The project grades it otherwise")
        expect(rest).to_contain_text("Graded by the project: Unsafe, C9")
        expect(rest).to_contain_text("Look at the last word.")
        page.keyboard.press("Enter")
        assert shown(page) != first
        page.keyboard.press("3")
        page.keyboard.press("i")
        expect(rest).to_contain_text("As the project grades it")


def test_a_break_is_offered_and_is_no_lock(browser: Browser, tmp_path: Path) -> None:
    with served_project(
        browser, tmp_path / "p", page_dataset(tmp_path / "d", TEXTS), **TEXTS_ALONE
    ) as grader:
        page = grader.page

        def due(route: Route) -> None:
            route.fulfill(json={**route.fetch().json(), "break_due": True})

        page.route("**/api/me", due)
        page.reload()
        shown(page)
        expect(page.locator("#today")).to_contain_text("0 of 240 min")
        page.keyboard.press("1")
        expect(page.locator("#rest")).to_contain_text("Time for a break?")
        page.get_by_role("button", name="Later").click()
        grade(page)
        shown(page)  # not offered again at once
