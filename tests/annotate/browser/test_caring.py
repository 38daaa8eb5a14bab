"""The page on which graders look after themselves, in a browser and over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect, sync_playwright

pytest.importorskip("uvicorn")

import uvicorn

from tests.conftest import make_dataset
from tests.support.annotate_server import cookie_of
from tests.support.annotating import answer_to, join_graders, rows
from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.folder import Care
from vlsu.annotate.projects.project import Project, open_project
from vlsu.annotate.store.tables import opt_outs, people
from vlsu.annotate.web.app import annotate_app
from vlsu.annotate.web.service import Site
from vlsu.annotate.work.sessions import open_session

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]


@contextlib.contextmanager
def served(project: Project) -> Iterator[str]:
    """The project's server on a free port; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(annotate_app(project, Site()), log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


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
        context = browser.new_context(locale="en-GB", timezone_id="Asia/Tokyo")
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
    assert [row.utc_offset for row in rows(project, people)] == [9 * 60]


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
    assert page.url.endswith("/login")


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
        end = time.monotonic() + 10
        while rows(project, opt_outs) and time.monotonic() < end:
            time.sleep(0.02)
    assert rows(project, opt_outs) == []


def test_what_is_wrong_is_refused(project):
    (ada,), (lea,) = join_graders(project, "Ada"), join_graders(project, "Lea", role="lead")
    with served(project) as address:
        host = address.removeprefix("http://")

        def request(method, path, body, headers):
            with contextlib.closing(http.client.HTTPConnection(host)) as connection:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()

        def ask(person, path, body=None, token=True):
            session = session_of(project, person)
            headers = {
                "Cookie": f"{cookie_of(project)}={session}",
                "Content-Type": "application/json",
            }
            if token:
                page = request("GET", "/care", None, headers)[1]
                found = re.search(r'data-csrf="(\w+)"', page)
                headers["X-CSRF-Token"] = found.group(1) if found else ""
            if body is None:
                return request("GET", path, None, headers)
            return request("POST", path, json.dumps(body), headers)

        assert ask(ada, "/api/opt-out", {"category": "C99", "out": True})[0] == 400
        assert ask(ada, "/api/opt-out", {"category": "C9", "out": "yes"})[0] == 400
        assert ask(ada, "/api/opt-out", {"category": "C9", "out": True}, token=False)[0] == 403
        assert ask(ada, "/api/clock", {"utc_offset": 5000})[0] == 400
        assert ask(lea, "/api/care")[0] == 403
        status, text = ask(ada, "/api/care")
        assert (status, json.loads(text)["today"]) == (200, {"items": 0, "hard": 0, "minutes": 0})
        # Not sure: the page comes again.
        assert ask(ada, "/care/leave", {})[0] == 400
    assert rows(project, opt_outs) == []
