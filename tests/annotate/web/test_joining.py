"""Invitations, sessions and passwords, over HTTP."""

from __future__ import annotations

import threading

import pytest

from tests.support.annotate_server import LONG_S, Browser, join
from tests.support.annotating import rows
from vlsu.annotate.projects.overview import audit_page
from vlsu.annotate.store.tables import audit, people, sessions

pytestmark = pytest.mark.slow

PASSWORD = "four words that are mine"


def actions(project) -> list[str]:
    return [row.action for row in rows(project, audit)]


def test_an_invitation_works_once(server):
    project, address = server
    token = project.invite("Ada", "grader").token
    scanner, ada, other = Browser(address), Browser(address), Browser(address)
    assert scanner.get(f"/join/{token}").status == 200  # uses nothing up
    incomplete = ada.form(f"/join/{token}", {"adult": "on"})
    assert incomplete.status == 400
    assert "Both boxes are needed." in incomplete.text
    joined = ada.form(f"/join/{token}", {"adult": "on", "consent": "on"})
    assert (joined.status, joined.headers["location"]) == (303, "/grade")
    assert ada.get("/grade").status == 200
    again = ada.get(f"/join/{token}")  # by Back, or from the mail it came in
    assert (again.status, again.headers["location"]) == (303, "/grade")
    assert other.get(f"/join/{token}").status == 404
    late = other.form(f"/join/{token}", {"adult": "on", "consent": "on"})
    assert late.status == 404
    assert not other.cookies
    assert actions(project) == ["invite", "join", "agree"]


def test_of_two_who_follow_one_link_at_once_one_is_in(server):
    project, address = server
    for attempt in range(5):
        token = project.invite(f"Ada {attempt}", "grader").token
        barrier = threading.Barrier(2)
        statuses: list[int] = []

        def follow(token=token, barrier=barrier, statuses=statuses) -> None:
            browser = Browser(address)
            barrier.wait()
            found = browser.form(f"/join/{token}", {"adult": "on", "consent": "on"})
            statuses.append(found.status)

        threads = [threading.Thread(target=follow) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG_S)
        assert sorted(statuses) == [303, 404]
    assert len(rows(project, sessions)) == 5


def test_a_cookie_is_for_this_server_alone_and_out_of_reach_of_scripts(server):
    project, address = server
    browser = Browser(address)
    token = project.invite("Lea", "lead").token
    given = browser.form(f"/join/{token}", {}).headers["set-cookie"]
    name, *about = (part.strip() for part in given.split(";"))
    assert name.startswith(f"vlsu-annotate-{project.record.id[:8]}=")
    assert {part.lower() for part in about} >= {"httponly", "samesite=lax", "path=/"}
    # The database has a hash of it.
    assert all(name.partition("=")[2] not in repr(row) for row in rows(project, sessions))


def test_a_password_brings_one_back(server):
    project, address = server
    ada, elsewhere = join(project, address, "Ada Byron"), Browser(address)
    page = ada.get("/account")
    assert "Ada Byron" in page.text
    done = ada.form("/account", {"what": "password", "password": PASSWORD, "again": PASSWORD})
    assert done.headers["location"] == "/account?done=password"
    stored = rows(project, people)[0].password_hash
    assert stored.startswith("$argon2id$")
    back = elsewhere.form("/login", {"name": " Ada  Byron ", "password": PASSWORD})
    assert (back.status, back.headers["location"]) == (303, "/")
    assert elsewhere.get("/").headers["location"] == "/grade"
    # A new one takes the old one, and signs out elsewhere.
    new = {"what": "password", "password": "another of at least twelve", "again": ""}
    new["again"] = new["password"]
    assert ada.form("/account", new).status == 403
    assert ada.form("/account", {**new, "current": PASSWORD}).status == 303
    assert ada.get("/grade").status == 200
    assert elsewhere.get("/grade").headers["location"] == "/login"
    # Without one, the link alone.
    # (A session that was left open is not enough to be rid of it, and then to set another.)
    assert ada.form("/account", {"what": "forget"}).status == 403
    assert ada.form("/account", {"what": "forget", "current": PASSWORD}).status == 403
    forget = {"what": "forget", "current": new["password"]}
    assert ada.form("/account", forget).status == 303
    wrong = Browser(address).form("/login", {"name": "Ada Byron", "password": new["password"]})
    assert wrong.status == 403
    assert actions(project)[3:] == [
        *("set_password", "sign_in", "set_password"),
        *("forget_password", "sign_in_failed"),
    ]


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaaa", "Ada Byron 123", "x" * 300, "  \N{CYRILLIC SMALL LETTER A}"],
)
def test_passwords_that_are_easy_to_guess_are_refused(server, password):
    project, address = server
    ada = join(project, address, "Ada Byron")
    found = ada.form("/account", {"what": "password", "password": password, "again": password})
    assert found.status == 400
    assert "not easy to guess" in found.text
    assert rows(project, people)[0].password_hash is None


def test_attempts_are_bounded_by_name_even_at_once(server):
    project, address = server
    ada = join(project, address, "Ada")
    ada.form("/account", {"what": "password", "password": PASSWORD, "again": PASSWORD})
    statuses: list[int] = []

    def guess() -> None:
        for _ in range(3):
            found = Browser(address).form("/login", {"name": "ada", "password": "guess"})
            statuses.append(found.status)

    threads = [threading.Thread(target=guess) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    # A machine that is busy with something else may say 503 of those it lets through.
    assert statuses.count(429) == 8
    assert set(statuses) <= {403, 429, 503}
    late = Browser(address).form("/login", {"name": "Ada", "password": PASSWORD})
    assert late.status == 429
    assert int(late.headers["retry-after"]) > 60
    assert ada.get("/grade").status == 200  # who is in stays in


def test_a_new_invitation_ends_old_sessions_if_asked(server):
    project, address = server
    ada = join(project, address, "Ada")
    ada.form("/account", {"what": "password", "password": PASSWORD, "again": PASSWORD})
    project.invite("Ada", "grader")
    assert ada.get("/grade").status == 200
    project.invite("Ada", "grader", end_sessions=True)
    assert rows(project, sessions) == []
    found = Browser(address).form("/login", {"name": "Ada", "password": PASSWORD})
    assert found.status == 403


def test_who_leaves_is_out_and_the_browser_forgets_the_images(server):
    project, address = server
    ada = join(project, address, "Ada")
    kept = dict(ada.cookies)
    left = ada.form("/leave", {})
    assert left.headers["clear-site-data"] == '"cache"'
    assert not ada.cookies
    ada.cookies = kept
    assert ada.get("/grade").headers["location"] == "/login"
    assert ada.post("/api/next").status == 401


def test_a_second_invitation_in_the_same_browser_changes_who_it_is(server):
    project, address = server
    browser = join(project, address, "Ada")
    token = project.invite("Lea", "lead").token
    assert browser.form(f"/join/{token}", {}).status == 303
    assert browser.get("/grade").status == 403
    assert browser.get("/lead").status == 200
    assert len(rows(project, sessions)) == 1


def test_a_paused_grader_gets_nothing_and_their_answer_is_refused(server):
    project, address = server
    ada = join(project, address, "Ada")
    item = ada.next()
    assert item is not None
    person = rows(project, people)[0].id
    project.pause(person)
    assert ada.post("/api/next").json == {"item": None, "why": "paused"}
    assert ada.submit(item, "late").status == 409
    if item["image"]:
        assert ada.get(f"/{item['image']}").status == 404
    project.set_aside(person)
    assert ada.post("/api/next").json["why"] == "paused"
    project.resume(person)
    assert ada.next() is not None


def test_who_failed_to_sign_in_is_not_named_as_the_machine(server):
    project, address = server
    assert Browser(address).form("/login", {"name": "Ada", "password": "x"}).status == 403
    with project.database.read() as connection:
        (entry,) = audit_page(connection)["entries"]
    assert (entry["action"], entry["who"], entry["unnamed"]) == ("sign_in_failed", None, True)
