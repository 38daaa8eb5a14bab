"""The lead's page in a real browser, on a project that six graders have worked on for some days."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Response, Route, expect

from tests.support.annotate_server import served
from tests.support.annotating import answer_to, rows
from tests.support.browser import new_page, patient, until
from tests.support.leading import Busy, busy_project
from vlsu.annotate.store.tables import grades, people, stops
from vlsu.annotate.work.leasing import Lease

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    made = busy_project(tmp_path_factory.mktemp("leading") / "project")
    yield made
    made.project.close()


@pytest.fixture(scope="module")
def address(busy: Busy) -> Iterator[str]:
    with served(busy.project) as address:
        yield address


@pytest.fixture(scope="module")
def signed_in(busy: Busy, address: str, browser: Browser) -> Any:
    """Cookies of the lead."""
    page = new_page(browser, locale="en")
    page.goto(f"{address}/join/{busy.project.invite('Lea', 'lead').token}")
    page.locator("main form button").last.click()
    page.wait_for_url("**/lead", wait_until="commit")
    state = page.context.storage_state()
    page.close()
    return state


@pytest.fixture
def page(browser: Browser, address: str, signed_in: Any) -> Iterator[Page]:
    """The page, opened; what the console complains of fails the test."""
    context = patient(
        browser.new_context(
            storage_state=signed_in,
            viewport={"width": 1280, "height": 900},
            locale="en",
            reduced_motion="reduce",
        )
    )
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(f"{address}/lead")
    opened.wait_for_selector("html[data-charts=drawn]")
    yield opened
    context.close()
    expected = ("400 (Bad Request)", "ERR_INTERNET_DISCONNECTED")
    assert [text for text in complaints if not any(each in text for each in expected)] == []


#: Keeps the states that somebody's row has from now on, one after the other.
STATES = """(name) => {
    const table = document.getElementById("persons"), seen = { states: [] };
    const state = () => [...table.tBodies[0].rows]
        .find((row) => row.cells[0].textContent === name).querySelector(".dot").textContent;
    let last = state();
    new MutationObserver(() => {
        if (state() !== last) seen.states.push(last = state());
    }).observe(table, { childList: true, subtree: true });
    return seen;
}"""


def row(page: Page, table: str, name: str) -> Locator:
    return page.locator(f"#{table} tbody tr").filter(has=page.get_by_role("rowheader", name=name))


def choose(page: Page, name: str, choice: str) -> None:
    row(page, "persons", name).get_by_role("button").click()
    page.locator("#person").get_by_role("button", name=choice).click()


def person(busy: Busy, name: str) -> Any:
    return next(row for row in rows(busy.project, people) if row.name == name)


def test_what_there_is_to_know_is_there(page: Page, busy: Busy) -> None:
    live = [row for row in rows(busy.project, grades) if row.live]
    done = sum(row.person_id == busy.people["Ada"] for row in live)
    expect(row(page, "persons", "Ada").locator("td").nth(3)).to_have_text(str(done))
    expect(page.locator("#tile-end")).to_contain_text("2026")
    assert page.locator("#slots tbody tr").count() == 3
    for chart in ("alpha", "ac2"):
        assert page.locator(f"[data-chart={chart}] svg path").count() > 10
    assert page.locator("#agreements tbody tr").count() == 3
    assert page.locator("#cases tbody tr").count() > 0
    assert page.locator("#stopped tbody tr").count() == 2
    expect(page.locator("#urgent")).to_contain_text("2")


def test_health_data_is_of_nobody(page: Page, address: str) -> None:
    """Dan opted out and skipped, and Eve stopped two items: neither is said of them anywhere."""
    expect(page.locator("#care")).to_contain_text("fewer than 5")
    page.locator("#log-more").click()
    expect(page.locator("#entries tbody tr").first).to_be_visible()
    for word in ("skip", "opt", "C9"):
        entries = page.locator("#entries tbody tr").filter(has_text="Dan").all_inner_texts()
        assert entries
        assert not any(word in entry.lower() for entry in entries)
    stopped = page.locator("#entries tbody tr").filter(has_text="stopped an item")
    assert stopped.count() == 2
    assert all("Not named" in text for text in stopped.all_inner_texts())
    assert "Eve" not in page.locator("#stopped").inner_text()
    told = page.request.get(f"{address}/api/lead").json()
    assert {"id", "name", "role", "languages", "state", "joined_at", "active_at", "sessions",
            "done", "pace"} == set(told["people"][0])  # fmt: skip


def test_it_is_live(page: Page, busy: Busy) -> None:
    page.clock.install()
    page.reload()
    page.wait_for_selector("html[data-charts=drawn]")
    before = row(page, "persons", "Ben").locator("td").nth(3).inner_text()
    lease = busy.project.next_item(busy.people["Ben"])
    assert isinstance(lease, Lease)
    busy.project.submit(busy.people["Ben"], answer_to(lease))
    page.clock.fast_forward(10_000)
    expect(row(page, "persons", "Ben").locator("td").nth(3)).to_have_text(str(int(before) + 1))


def test_quality_is_a_question_and_never_about_pay(page: Page, busy: Busy) -> None:
    expect(page.locator("#quality-some")).to_be_visible()
    assert page.locator("#qualities tbody tr").count() == 7
    expect(page.locator("#quality .notice")).to_contain_text("It never touches pay")
    page.get_by_text("Items that split the graders").click()
    split = page.locator("#splits tbody tr").first
    expect(split).to_contain_text("safe 1, unsafe 1")
    page.get_by_text("Agreement by category").click()
    expect(page.locator("#categories tbody tr").first).to_contain_text("C9")


def test_an_invitation_is_shown_once(page: Page, busy: Busy, address: str) -> None:
    page.get_by_role("button", name="Invite somebody").click()
    dialog = page.get_by_role("dialog", name="Invite somebody")
    dialog.get_by_label("Name").fill("Lea")
    dialog.get_by_role("button", name="Make a link").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is lead already")
    dialog.get_by_label("Name").fill("Hana")
    dialog.get_by_label("Languages they read").fill("de, EN")
    dialog.get_by_role("button", name="Make a link").click()
    link = page.get_by_role("dialog", name="Link for Hana").get_by_role("textbox")
    url = link.input_value()
    assert url.startswith(f"{address}/join/")
    assert busy.project.invited_as(url.rpartition("/")[2]) == "grader"
    assert person(busy, "Hana").languages == "de,en"
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.locator("#link-text")).to_have_value("")
    expect(row(page, "persons", "Hana")).to_contain_text("Invited")
    choose(page, "Hana", "New link")
    expect(page.locator("#link")).to_be_visible()
    newer = page.locator("#link-text").input_value()
    assert newer != url
    assert busy.project.invited_as(url.rpartition("/")[2]) is None


def test_a_pause_and_its_end(page: Page, busy: Busy) -> None:
    session = busy.project.sign_in(busy.project.invite("Cleo", "grader").token, consent="1")
    page.reload()
    choose(page, "Cleo", "Pause")
    expect(row(page, "persons", "Cleo")).to_contain_text("Paused")
    assert person(busy, "Cleo").paused_at is not None
    choose(page, "Cleo", "Resume")
    expect(row(page, "persons", "Cleo")).to_contain_text("Taking part")
    choose(page, "Cleo", "End sessions")
    expect(page.locator("#person")).to_be_hidden()
    row(page, "persons", "Cleo").get_by_role("button").click()
    expect(page.locator("#person")).not_to_contain_text("End sessions")
    assert session


def test_an_open_dialog_follows_what_others_change(page: Page, busy: Busy) -> None:
    """It offers what is possible now, not what was when it was opened."""
    session = busy.project.sign_in(busy.project.invite("Dan", "grader").token, consent="1")
    page.reload()
    row(page, "persons", "Dan").get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="Dan")
    expect(dialog.get_by_role("button", name="End sessions")).to_be_visible()
    busy.project.end_sessions(busy.people["Dan"])
    expect(dialog).not_to_contain_text("End sessions")
    expect(dialog.get_by_role("button", name="Pause")).to_be_visible()
    assert session


def test_an_overtaken_answer_is_not_shown(page: Page, busy: Busy) -> None:
    """Two requests for the figures can be under way: the older may come last."""
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    older = page.request.get(f"{page.url}/../api/lead").text()
    page.route("**/api/lead", hold_the_first)
    page.evaluate("document.dispatchEvent(new Event('changed'))")
    until(page, lambda: held)
    choose(page, "Eve", "Pause")
    expect(row(page, "persons", "Eve")).to_contain_text("Paused")
    seen = page.evaluate_handle(STATES, "Eve")
    with page.expect_event("requestfinished", lambda request: request == held[0].request):
        held[0].fulfill(body=older, content_type="application/json")
    choose(page, "Ben", "Pause")
    expect(row(page, "persons", "Ben")).to_contain_text("Paused")
    assert seen.evaluate("({ states }) => states") == []
    for name in ("Ben", "Eve"):
        choose(page, name, "Resume")
        expect(row(page, "persons", name)).to_contain_text("Taking part")


def test_a_button_that_is_pressed_is_not_drawn_anew(page: Page, busy: Busy) -> None:
    row(page, "persons", "Cleo").get_by_role("button").hover()
    page.mouse.down()
    busy.project.invite("Ida", "grader")
    with page.expect_response("**/api/lead") as figures:
        page.evaluate("document.dispatchEvent(new Event('changed'))")
    figures.value.finished()
    page.mouse.up()
    expect(page.get_by_role("dialog", name="Cleo")).to_be_visible()
    expect(page.locator("#persons")).to_contain_text("Ida")


def test_an_export_that_was_begun_is_told_of_whatever_was_asked_before(page: Page) -> None:
    """What was asked when the page was opened may be answered after the export has begun."""
    held: list[Route] = []
    page.route("**/api/lead/export", lambda route: held.append(route), times=1)
    page.reload()
    until(page, lambda: held)
    older = page.request.get(f"{page.url}/../api/lead/export").text()
    assert "none" in older
    page.locator("#export-begin").click()
    expect(page.locator("#export-state")).to_be_visible()
    held[0].fulfill(body=older, content_type="application/json")
    expect(page.locator("#export-state")).to_contain_text("Exported")


def test_grades_are_set_aside_in_two_steps(page: Page, busy: Busy) -> None:
    femi = busy.people["Femi"]
    mine = [row for row in rows(busy.project, grades) if row.person_id == femi and row.live]
    choose(page, "Femi", "Set grades aside")
    dialog = page.get_by_role("dialog", name="Set aside the grades of Femi")
    expect(dialog).to_contain_text(f"{len(mine)} grades")
    dialog.get_by_role("button", name="Set aside").click()  # not yet sure
    assert [row for row in rows(busy.project, grades) if row.person_id == femi and row.live]
    dialog.get_by_label("The grades are to count no longer.").check()
    dialog.get_by_role("button", name="Set aside").click()
    expect(row(page, "persons", "Femi").locator("td").nth(3)).to_have_text("0")
    expect(page.locator("#said")).to_contain_text(f"{len(mine)} grades were set aside")
    aside = [row for row in rows(busy.project, grades) if row.withdrawn_as == "set_aside"]
    assert {row.id for row in mine} == {row.id for row in aside}


def test_a_stop_is_reported_and_another_lifted(page: Page, busy: Busy) -> None:
    first, second = rows(busy.project, stops)
    samples = page.locator("#stopped tbody th").all_inner_texts()
    page.get_by_role("button", name=f"Report…: {samples[1]}").click()
    dialog = page.get_by_role("dialog", name=f"Item {samples[1]} was reported")
    dialog.get_by_label("To whom").fill("the hotline")
    dialog.get_by_label("Reference number").fill("4711")
    dialog.get_by_role("button", name="Report").click()
    expect(row(page, "stopped", samples[1])).to_contain_text("the hotline (4711)")
    page.get_by_role("button", name=f"False alarm…: {samples[0]}").click()
    dialog = page.get_by_role("dialog", name=f"Item {samples[0]} is a false alarm")
    dialog.get_by_label("Why").fill("A line of a song.")
    dialog.get_by_role("button", name="False alarm").click()
    expect(row(page, "stopped", samples[0])).to_contain_text("A line of a song.")
    expect(page.locator("#urgent")).to_be_hidden()
    first, second = rows(busy.project, stops)
    assert (first.reported_to, second.lifted_because) == ("the hotline", "A line of a song.")


def test_what_is_wrong_is_said(page: Page, address: str) -> None:
    token = str(page.locator("html").get_attribute("data-csrf"))
    for path, body, message in (
        ("pause", {"person": 99}, "no such person"),
        ("pause", {"person": "1"}, "a number is expected"),
        ("pause", {}, "a number from the page"),
        ("lift", {"stop": 1, "reason": ""}, "reason: give 1 to 2000"),
        ("report", {"stop": 99, "to": "x"}, "unknown, or was lifted"),
        ("invite", {"name": "", "role": "grader"}, "--name"),
        ("set-aside", {"person": 1}, "pause first"),
    ):
        found = page.request.post(
            f"{address}/api/lead/{path}", data=body, headers={"X-CSRF-Token": token}
        )
        assert (found.status, message in found.json()["error"]) == (400, True), found.text()


def test_it_tells_when_the_server_is_away_and_comes_back(page: Page) -> None:
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('changed'))")
    expect(page.locator("#away")).to_be_visible()
    page.context.set_offline(False)
    page.evaluate("document.dispatchEvent(new Event('changed'))")
    expect(page.locator("#away")).to_be_hidden()


def test_the_page_speaks_german(browser: Browser, address: str, signed_in: Any) -> None:
    context = patient(browser.new_context(storage_state=signed_in, locale="de"))
    opened = context.new_page()
    response = opened.goto(f"{address}/lead")
    assert isinstance(response, Response)
    opened.wait_for_selector("html[data-charts=drawn]")
    assert opened.locator("h1").inner_text() == "Projekt leiten"
    assert opened.locator("#agreements tbody tr").first.locator("th").inner_text() == "Bild"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_in_anybodys_way(
    browser: Browser, address: str, signed_in: Any, width: int, scheme: Any
) -> None:
    context = patient(
        browser.new_context(
            storage_state=signed_in,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
    )
    page = context.new_page()
    page.goto(f"{address}/lead")
    page.wait_for_selector("html[data-charts=drawn]")
    page.locator("#log-more").click()
    page.locator("#entries tbody tr").first.wait_for()
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = [Axe().run(page).response]
    row(page, "persons", "Femi").get_by_role("button").click()
    found.append(Axe().run(page).response)
    page.keyboard.press("Escape")
    page.locator("#invite-open").click()
    found.append(Axe().run(page).response)
    assert [
        f"{violation['id']}: {node['html'][:150]}"
        for response in found
        for violation in response["violations"]
        for node in violation["nodes"]
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_an_export_is_one_button(page: Page, busy: Busy) -> None:
    with page.expect_response(lambda each: each.request.method == "POST") as begun:
        page.locator("#export-begin").click()
    name = begun.value.json()["folder"]
    state = page.locator("#export-state")
    expect(state.locator("code")).to_have_text(name)  # another test's export was shown before
    expect(state).to_contain_text("Exported")
    expect(page.locator("#export-figures")).to_be_visible()
    folder = busy.project.folder.parent / name
    assert (folder / "dataset" / "dataset.yaml").is_file()
    assert page.locator("#export-rows tbody tr").count() == 3
    assert Axe().run(page).response["violations"] == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the grades").click()
    assert download.value.suggested_filename == "grades.csv"


@pytest.mark.parametrize("name", ["W" * 80, "Ada " * 19])
def test_a_long_name_covers_no_button_on_a_phone(page: Page, busy: Busy, name: str) -> None:
    busy.project.invite(name, "grader")
    page.set_viewport_size({"width": 390, "height": 850})
    page.reload()
    page.wait_for_selector("html[data-charts=drawn]")
    row(page, "persons", name.strip()).get_by_role("button").click()
    expect(page.locator("#person-title")).to_have_text(name.strip())
