"""Every endpoint, given JSON of odd kinds by somebody who may use it: refused, never a failure.

The names of fields are read from the source of each part of the app, so that new endpoints are
tried with the names that they know.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import make_dataset
from tests.support.annotate_server import Browser, join, served
from vlsu.annotate.plan.settings import Bounds, Plan
from vlsu.annotate.projects.creating import create
from vlsu.annotate.projects.project import open_project
from vlsu.annotate.web.app import ENDPOINTS
from vlsu.annotate.web.endpoints import ANYBODY, Endpoint
from vlsu.annotate.web.limiting import Limit

pytestmark = pytest.mark.slow

_FIELD = re.compile(r'(?:body\.get|call\.\w+|_or_none)\((?:call, )?"(\w+)"')
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 2**31, 2**53, 2**63, -(2**70), 0.5, -0.0, 1e300, 1e-300),
    *("", " ", "x", "safe", "unsafe", "C9", "not_sure", "illegal", "image", "x" * 5000, "\x1f"),
    *("%s{0}", "'; drop table slots; --", "\u202eRTL", "🙂" * 300, "٣", "0" * 49, "a/../b"),
    *([], {}, [[]], [None], ["safe", "safe"], ["x"] * 101, {"a": {"b": []}}),
)
JSON = st.recursive(
    st.sampled_from(ODD) | st.text(max_size=20) | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@dataclass
class Target:
    """A server, and who sends."""

    address: str
    people: dict[str, Browser]
    sent: int = 0


def fields_of(endpoint: Endpoint) -> list[str]:
    """Names that the module of an endpoint reads from bodies."""
    source = inspect.getsource(sys.modules[endpoint.answer.__module__])
    return sorted(set(_FIELD.findall(source)))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    plan = Plan(regrade=0.0, bounds=Bounds(minutes_a_day=0, hard_a_day=0))
    now = time.time_ns() // 1_000_000
    create(folder / "p", make_dataset(folder / "d", 150, apart=True), plan, now=now)
    limits = {kind: Limit(3, 900) for kind in ("name", "address", "all")}
    with open_project(folder / "p") as project, served(project, None, limits) as address:
        roles = ("grader", "adjudicator", "lead")
        yield Target(address, {role: join(project, address, role, role) for role in roles})


def path_of(endpoint: Endpoint, odd: str) -> str:
    return re.sub(r"\{\w+(:\w+)?\}", quote(odd, safe=""), endpoint.path)


def valid(grader: Browser, number: int) -> dict[str, Any]:
    """What a grader's page would send about an item that it has now."""
    item = grader.next()
    key = {} if item is None else {"key": item["key"], "holds": [item["key"]]}
    return {
        **key,
        "client_id": f"c{number}",
        "grade": "unsafe",
        "category": "C9",
        "confidence": 2,
        "admissible": ["safe"],
        "refers": "part",
        "because": "help",
        "revealed": True,
        "note": "a note",
        "seconds": 3.5,
        "kind": "threat",
    }


@pytest.mark.parametrize(
    "endpoint",
    [each for each in ENDPOINTS if each.path not in ("/leave", "/care/leave", "/static/{name}")],
    ids=lambda each: f"{each.method} {each.path}",
)
def test_nothing_that_is_sent_makes_the_server_fail(target, endpoint, caplog):
    names = fields_of(endpoint)
    roles = [None] if endpoint.roles == ANYBODY else sorted(endpoint.roles)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        role=st.sampled_from(roles),
        odd=st.dictionaries(st.sampled_from(names) if names else st.just("x"), JSON, max_size=4),
        whole=st.booleans(),
        text=st.sampled_from([each for each in ODD if isinstance(each, str) and each]),
    )
    def send(role, odd, whole, text):
        browser = Browser(target.address) if role is None else target.people[role]
        path = path_of(endpoint, text)
        if endpoint.method == "GET":
            found = browser.get(
                f"{path}?{'&'.join(f'{n}={quote(str(v))}' for n, v in odd.items())}"
            )
        else:
            target.sent += 1
            body = {**(valid(browser, target.sent) if whole and role == "grader" else {}), **odd}
            found = browser.post(path, body)
        assert found.status < 500, (found.status, found.text[:300], odd)
        if found.status >= 400 and not endpoint.page:
            assert list(found.json) == ["error"]
            assert "\n" not in found.json["error"]
        assert b"Traceback" not in found.body

    with caplog.at_level(logging.WARNING):
        send()
    assert "defect" not in caplog.text
    assert "Traceback" not in caplog.text


def test_the_fields_are_found():
    by_path = {each.path: fields_of(each) for each in ENDPOINTS}
    assert {"key", "client_id", "grade", "confidence", "holds"} <= set(by_path["/api/submit"])
    assert {"name", "password", "adult"} <= set(by_path["/login"])
    assert json.dumps(ODD)
