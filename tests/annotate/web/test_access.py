"""Every endpoint by every role, without the page's token, and from another site.

What is expected stands here once more, so that a change of the table is noticed.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from tests.support.annotate_server import Browser, join
from vlsu.annotate.web.app import ENDPOINTS
from vlsu.annotate.web.endpoints import ANYBODY, STAFF, Endpoint
from vlsu.annotate.web.security import is_foreign
from vlsu.annotate.web.service import Site

#: Path -> who may use it; of all others in the table, those below the prefix.
WHO = {
    "GET /": "anybody",
    "GET /join/{token}": "anybody",
    "POST /join/{token}": "anybody",
    "GET /login": "anybody",
    "POST /login": "anybody",
    "GET /language": "anybody",
    "GET /static/{name}": "anybody",
    "GET /account": "everybody",
    "POST /account": "everybody",
    "POST /leave": "everybody",
    "GET /grade": "grader",
    "GET /api/me": "grader",
    "POST /api/next": "grader",
    "POST /api/extend": "grader",
    "POST /api/submit": "grader",
    "POST /api/take-back": "grader",
    "POST /api/skip": "grader",
    "POST /api/stop": "grader",
    "GET /image/{key}": "grader",
    "POST /api/opt-out": "grader",
    "POST /api/break": "grader",
    "POST /api/clock": "grader",
    "GET /adjudicate": "adjudicator",
    "POST /api/case": "adjudicator",
    "POST /api/extend-cases": "adjudicator",
    "POST /api/decide": "adjudicator",
    "POST /api/skip-case": "adjudicator",
    "POST /api/stop-case": "adjudicator",
    "POST /api/decided": "adjudicator",
    "POST /api/revise": "adjudicator",
    "GET /case-image/{key}": "adjudicator",
    "POST /api/notes": "adjudicator or lead",
    "POST /api/note-touches": "adjudicator or lead",
    "POST /api/note": "adjudicator or lead",
    "GET /lead": "lead",
}
#: Where the parts of the app have their paths, and for whom.
PREFIXES = (
    ("/api/adjudicate", "adjudicator"),
    ("/adjudicate", "adjudicator"),
    ("/api/lead", "lead"),
    ("/lead", "lead"),
    ("/api/care", "grader"),
    ("/care", "grader"),
)
ROLES = ("grader", "adjudicator", "lead")


def expected(endpoint: Endpoint) -> frozenset[str]:
    """Who may use an endpoint, by the list above."""
    name = f"{endpoint.method} {endpoint.path}"
    who = WHO.get(name) or next(
        (role for prefix, role in PREFIXES if endpoint.path.startswith(prefix)), None
    )
    assert who is not None, f"{name}: write here who may use it"
    groups = {"anybody": ANYBODY, "everybody": STAFF}
    return groups.get(who, frozenset(who.split(" or ")))


@dataclass
class People:
    """One of each role, and nobody, at a server."""

    nobody: Browser
    by_role: dict[str, Browser]


@pytest.fixture(scope="module")
def people(shared):
    project, address = shared
    return People(
        Browser(address), {role: join(project, address, role.title(), role) for role in ROLES}
    )


def path_of(endpoint: Endpoint) -> str:
    """A path of an endpoint, of nothing that exists."""
    parts = endpoint.path.replace("{name}", "annotate.css").split("/")
    return "/".join("x" if part.startswith("{") else part for part in parts)


def send(browser: Browser, endpoint: Endpoint, **headers: str):
    if endpoint.method == "GET":
        return browser.get(path_of(endpoint), **headers)
    return browser.post(path_of(endpoint), {}, **headers)


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


#: Last, since it ends the session.
ORDERED = sorted(ENDPOINTS, key=lambda each: each.path == "/leave")


def test_each_endpoint_is_there_once_and_is_known_here():
    names = list(map(named, ENDPOINTS))
    assert len(set(names)) == len(names)
    assert set(WHO) <= set(names)
    assert {each.method for each in ENDPOINTS} == {"GET", "POST"}
    for endpoint in ENDPOINTS:
        assert endpoint.roles == expected(endpoint), named(endpoint)


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ORDERED, ids=named)
def test_who_is_not_signed_in(people, endpoint):
    found = send(people.nobody, endpoint)
    if expected(endpoint) == ANYBODY:
        assert found.status in (200, 303, 400, 403, 404), found.text
    elif endpoint.page:
        assert (found.status, found.headers["location"]) == (303, "/login")
    else:
        assert (found.status, found.json) == (401, {"error": "you are not signed in"})


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("endpoint", ORDERED, ids=named)
def test_roles(people, endpoint, role):
    allowed = expected(endpoint)
    browser = people.by_role[role]
    if "/leave" in endpoint.path:
        browser = Browser(browser.address, dict(browser.cookies), "0" * 64)
    found = send(browser, endpoint)
    if role in allowed or allowed == ANYBODY:
        assert found.status in (200, 303, 400, 403, 404, 409), found.text
        if endpoint.path not in ("/login", "/leave", "/care/leave"):
            assert found.status != 403, found.text
    else:
        assert found.status == 403, found.text
        if not endpoint.page:
            assert found.json == {"error": "this is not for your role"}


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", [e for e in ORDERED if e.method == "POST"], ids=named)
def test_what_changes_something_needs_the_token_of_the_page(people, endpoint):
    allowed = expected(endpoint)
    if allowed == ANYBODY:
        pytest.skip("acts for nobody who is signed in; see where it may come from")
    for role in sorted(allowed):
        browser = people.by_role[role]
        other = people.by_role[ROLES[(ROLES.index(role) + 1) % 3]]
        for token in ("", "0" * 64, browser.csrf[:-1], other.csrf):
            found = send(browser, endpoint, X_CSRF_Token=token)
            assert found.status == 403, (role, token)
            assert "the page is too old" in found.text
        as_form = browser.send("POST", path_of(endpoint), b"what=password",
                               {"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
        assert as_form.status == 403


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://other.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("endpoint", [e for e in ORDERED if e.method == "POST"], ids=named)
def test_nothing_is_changed_from_another_site(people, endpoint, headers):
    for browser in (people.nobody, *people.by_role.values()):
        found = send(browser, endpoint, **headers)
        assert found.status == 403
        assert endpoint.page or "another site" in found.text


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", [e for e in ORDERED if e.method == "GET"], ids=named)
def test_another_site_may_link_to_pages_but_load_nothing(people, endpoint):
    """An image that another site tried to load would tell it who is signed in."""
    for browser in (people.nobody, *people.by_role.values()):
        loaded = send(browser, endpoint, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")
        assert loaded.status == 403
        linked = send(browser, endpoint, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
        assert linked.status == send(browser, endpoint).status


ORIGINS = ("https://grading.example", "http://grading.example", "http://127.0.0.1:8766", "null")
SITES = (None, "same-origin", "same-site", "cross-site", "none")


@given(
    origin=st.sampled_from((None, *ORIGINS, "https://evil.example", "https://grading.example.org")),
    fetched=st.sampled_from(SITES),
    host=st.sampled_from(("grading.example", "127.0.0.1:8766")),
)
def test_a_form_of_this_site_is_let_through_and_no_other(origin, fetched, host):
    site = Site(secure=True, origin="https://grading.example")
    given_ = {"Host": host, "Origin": origin, "Sec-Fetch-Site": fetched}
    headers = Headers({name: value for name, value in given_.items() if value is not None})
    foreign = is_foreign(headers, "POST", "http", site)
    if fetched in ("same-site", "cross-site") or "evil" in str(origin) or ".org" in str(origin):
        assert foreign
    if origin == "https://grading.example" and fetched in (None, "same-origin"):
        assert not foreign  # also where the proxy calls this server by its address


def test_a_browser_that_says_only_its_origin_is_believed():
    """As on plain HTTP, where browsers do not say which site a request is from."""
    for host, origin in itertools.product(("10.0.0.5:8766", "10.0.0.6:8766"), repeat=2):
        headers = Headers({"Host": host, "Origin": f"http://{origin}"})
        assert is_foreign(headers, "POST", "http", Site()) == (host != origin)
