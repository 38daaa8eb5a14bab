"""The page on which graders look after themselves, in a browser and over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.conftest import make_dataset
from tests.support.annotate_server import cookie_of, join, served
from tests.support.annotating import answer_to, join_graders, rows
from tests.support.browser import patient, until
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.folder import Care
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.store.tables import opt_outs, people
from vlsu.annotate.work.sessions import open_session

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path) -> Iterator[Project]:
    create(
        tmp_path / "p", make_dataset(tmp_path / "d", 12, apart=True), Plan(regrade=0),
        care=Care(support="Mara listens: room 4, 12 to 18", officer="Nia"),
        now=int(time.time() * 1000),
    )  # fmt: skip
    with open_project(tmp_path / "p") as opened:
        yield opened


def session_of(project: Project, person: int) -> str:
    return project.database.write(lambda c: open_session(c, person, project.clock()))


@pytest.fixture
def care(project, browser):
    """The page of a grader who has seen six items, and their number."""
    (ada,) = join_graders(project, "Ada")
    for _ in range(6):
        lease = project.next_item(ada)
        project.submit(ada, answer_to(lease, seconds=0))
    with served(project) as address:
        context = patient(browser.new_context(locale="en-GB", timezone_id="Asia/Tokyo"))
        context.add_cookies(
            [{"name": cookie_of(project), "value": session_of(project, ada), "url": address}]
        )
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.goto(f"{address}/care")
        yield page, ada
        context.close()
        assert problems == []


def test_a_grader_sees_what_they_have_seen_and_opts_out(project, care):
    page, ada = care
    expect(page.get_by_role("row", name=re.compile("^Items 6"))).to_be_visible()
    expect(page.get_by_text("Mara listens: room 4, 12 to 18")).to_be_visible()
    name = project.policy.categories[1].name
    page.get_by_role("checkbox", name=name).check()
    expect(page.get_by_text("Saved. You will not be given")).to_be_visible()
    assert project.opted_out(ada) == {project.policy.categories[1].id}
    page.reload()
    expect(page.get_by_role("checkbox", name=name)).to_be_checked()
    page.get_by_role("checkbox", name=name).uncheck()
    expect(page.get_by_text("again.")).to_be_visible()
    assert rows(project, opt_outs) == []
    # The browser told its clock.
    until(page, lambda: [row.utc_offset for row in rows(project, people)] == [9 * 60])


def test_a_break_counts_down(project, care):
    page, ada = care
    page.get_by_role("button", name="Take a break of 5 minutes").click()
    expect(page.get_by_role("timer")).to_have_text(re.compile("[45]:"))
    assert not project.break_due(ada)


def test_whoever_leaves_is_sure_and_is_out(project, care):
    page, _ = care
    page.locator("summary").click()
    page.get_by_role("button", name="Leave the project").click()
    assert page.url.endswith("/care")  # the browser asks for the tick first
    page.get_by_role("checkbox", name="I want to stop").check()
    page.get_by_role("button", name="Leave the project").click()
    expect(page.get_by_role("heading", name="You have left the project")).to_be_visible()
    assert rows(project, people)[0].paused_at is not None
    page.goto(page.url.replace("/care/leave", "/grade"))
    expect(page).to_have_url(re.compile("/login$"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_in_both_widths(care, scheme):
    page, _ = care
    page.emulate_media(color_scheme=scheme)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["target"]) for each in found] == []


def test_german_is_spoken(project, care):
    page, _ = care
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", name="Auf sich achten")).to_be_visible()


def test_the_server_deletes_what_is_to_be_forgotten(project):
    (ada,) = join_graders(project, "Ada")
    project.opt_out(ada, "C9")
    now = project.clock()
    project.clock = lambda: now + 31 * 86_400_000
    with served(project):
        end = time.monotonic() + 90
        while rows(project, opt_outs) and time.monotonic() < end:
            time.sleep(0.02)
    assert rows(project, opt_outs) == []


def test_what_is_wrong_is_refused(project):
    with served(project) as address:
        ada, lea = join(project, address, "Ada"), join(project, address, "Lea", "lead")
        assert ada.post("/api/opt-out", {"category": "C99", "out": True}).status == 400
        assert ada.post("/api/opt-out", {"category": "C9", "out": "yes"}).status == 400
        stranger = {"X-CSRF-Token": ""}
        right = {"category": "C9", "out": True}
        assert ada.post("/api/opt-out", right, **stranger).status == 403
        assert ada.post("/api/clock", {"utc_offset": 5000}).status == 400
        assert lea.get("/api/care").status == 403
        assert ada.get("/api/care").json["today"] == {"items": 0, "hard": 0, "minutes": 0}
        # Not sure: the page comes again.
        assert ada.form("/care/leave", {}).status == 400
    assert rows(project, opt_outs) == []
