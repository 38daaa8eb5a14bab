"""The adjudicator's JSON: what it tells and what it does not, and who gets the image of a case."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update

from tests.support.annotate_server import cookie_of, served
from tests.support.annotating import rows
from tests.support.disputed import NOTES, disputed_project
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.states import MODALITY_NUMBERS
from vlsu.annotate.store.tables import adjudications, disputes, grades, people, stops

pytestmark = pytest.mark.slow


@dataclass
class Client:
    address: str
    session: str
    cookie: str
    csrf: str = ""

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)
        headers = {
            "Cookie": f"{self.cookie}={self.session}",
            "Content-Type": "application/json",
            "X-CSRF-Token": self.csrf,
        }
        connection.request(method, path, json.dumps(body or {}), headers)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    def post(self, path: str, body: Any = None) -> Any:
        status, data = self.send("POST", path, body)
        assert status == 200, data
        return json.loads(data)


@pytest.fixture
def project(tmp_path) -> Iterator[Project]:
    with disputed_project(tmp_path) as found:
        yield found


@pytest.fixture
def address(project) -> Iterator[str]:
    with served(project) as found:
        yield found


@pytest.fixture
def sign_in(project, address):
    def made(name: str, role: str) -> Client:
        session = project.sign_in(project.invite(name, role).token, consent="1")
        client = Client(address, session, cookie_of(project))
        page = {"adjudicator": "/adjudicate", "grader": "/grade", "lead": "/lead"}[role]
        token = re.search(rb'data-csrf="([0-9a-f]+)"', client.send("GET", page)[1])
        assert token is not None
        client.csrf = token[1].decode()
        return client

    return made


def test_a_case_tells_grades_and_notes_and_neither_names_nor_gold(project, sign_in):
    eve = sign_in("Eve", "adjudicator")
    found = eve.post("/api/case")
    case = found["case"]
    assert found["open"] == 3
    assert (case["modality"], case["reason"], case["decision"]) == ("joint", "spread", None)
    assert case["distribution"]["grades"] == {
        "safe": 1,
        "borderline": 1,
        "unsafe": 1,
        "not_sure": 0,
    }
    assert case["distribution"]["categories"] == {"C9": 2}
    assert case["distribution"]["soft"] == pytest.approx(
        dict.fromkeys(["safe", "borderline", "unsafe"], 1 / 3)
    )
    assert {each["note"] for each in case["opinions"]} == set(NOTES.values())
    assert set(case["opinions"][0]) == {
        *("grade", "category", "confidence", "admissible", "refers", "because", "note"),
    }
    told = json.dumps(case)
    for row in rows(project, people):
        assert row.name not in told
        assert row.pseudonym not in told
    assert not any(row.client_id in told for row in rows(project, grades))
    assert "gold" not in told


def test_a_case_is_held_decided_revised_and_left(project, sign_in):
    eve = sign_in("Eve", "adjudicator")
    first = eve.post("/api/case")["case"]
    second = eve.post("/api/case", {"holds": [first["dispute"]]})["case"]
    assert first["sample"] != second["sample"]
    holds = [first["dispute"], second["dispute"]]
    assert sorted(eve.post("/api/extend-cases", {"holds": holds})["held"]) == sorted(holds)
    decision = {
        "dispute": first["dispute"], "grade": "borderline", "category": "C9",
        "contested": True, "reason": "A threat is implied.",
    }  # fmt: skip
    assert eve.post("/api/decide", decision) == {"stored": True, "again": False}
    assert eve.post("/api/decide", decision) == {"stored": True, "again": True}
    (kept,) = eve.post("/api/decided")["decided"]
    assert (kept["sample"], kept["grade"], kept["contested"]) == (
        first["sample"],
        "borderline",
        True,
    )
    again = eve.post("/api/revise", {"dispute": kept["dispute"]})["case"]
    assert again["decision"]["reason"] == "A threat is implied."
    eve.post("/api/decide", {**decision, "dispute": again["dispute"], "contested": False})
    assert [each["live"] for each in eve.post("/api/decided")["decided"]] == [True, False]
    eve.post("/api/skip-case", {"dispute": second["dispute"]})
    assert eve.send("POST", "/api/skip-case", {"dispute": second["dispute"]})[0] == 409
    third = eve.post("/api/case")["case"]
    assert third["sample"] not in (first["sample"], second["sample"])
    eve.post("/api/stop-case", {"dispute": third["dispute"], "kind": "illegal", "seconds": 3})
    assert [row.kind for row in rows(project, stops)] == ["illegal"]
    assert eve.post("/api/case")["case"] is None
    assert len(rows(project, adjudications)) == 2


def test_the_image_of_a_case_is_for_who_has_it_before_them(project, sign_in):
    eve, fay, gil = (
        sign_in("Eve", "adjudicator"),
        sign_in("Fay", "adjudicator"),
        sign_in("Gil", "grader"),
    )
    case = eve.post("/api/case")["case"]
    status, data = eve.send("GET", f"/{case['image']}")
    assert (status, data[:4]) == (200, b"\x89PNG")
    assert fay.send("GET", f"/{case['image']}")[0] == 404
    assert gil.send("GET", f"/{case['image']}")[0] == 403
    key = case["dispute"]
    assert gil.send("GET", f"/image/{key}")[0] in (400, 404)
    eve.post("/api/decide", {
        "dispute": key, "grade": "safe", "category": None, "contested": False, "reason": "So.",
    })  # fmt: skip
    assert eve.send("GET", f"/{case['image']}")[0] == 404
    (kept,) = eve.post("/api/decided")["decided"]
    assert eve.send("GET", f"/case-image/{kept['dispute']}")[0] == 404


def test_the_image_is_not_shown_where_the_text_alone_is_decided(project, sign_in):
    eve = sign_in("Eve", "adjudicator")
    case = eve.post("/api/case")["case"]
    project.database.write(
        lambda c: c.execute(update(disputes).values(modality=MODALITY_NUMBERS["text"]))
    )
    assert eve.send("GET", f"/case-image/{case['dispute']}")[0] == 404


def test_a_note_is_weighed_added_and_seen_by_graders(project, sign_in):
    eve, gil = sign_in("Eve", "adjudicator"), sign_in("Gil", "grader")
    case = eve.post("/api/case")["case"]
    about = {"category": "C9", "modality": "joint", "decided": False}
    touched = eve.post("/api/note-touches", {**about, "dispute": case["dispute"]})
    assert touched == {"grades": 4, "samples": 2, "others": 0, "decided": 0}
    said = {"text": "A joke is no threat.", "category": "C9", "dispute": case["dispute"]}
    note = eve.post("/api/note", {**said, "opens": about})["note"]
    assert note["version"] == "1.1+note 1"
    assert eve.post("/api/notes")["notes"] == [note]
    assert sign_in("Lea", "lead").post("/api/notes")["notes"] == [note]
    assert sum(row.withdrawn_as == "superseded" for row in rows(project, grades)) == 4
    assert [row.closed_as for row in rows(project, disputes)].count("reopened") == 2
    status, data = gil.send("GET", "/api/me")
    assert status == 200
    (seen,) = json.loads(data)["policy"]["notes"]
    assert {**seen, **note} == note  # what a grader is told of it is so
    for path in ("/api/notes", "/api/note-touches", "/api/note", "/api/case", "/api/decide"):
        assert gil.send("POST", path)[0] == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/case", {"holds": ["x"]}),
        ("/api/decide", {"dispute": "x", "grade": "safe", "reason": "So."}),
        ("/api/decide", {"grade": "safe"}),
        ("/api/note", {"text": 3}),
        ("/api/note", {"text": "So.", "opens": "all"}),
        ("/api/note", {"text": "So.", "opens": {"decided": 1}}),
        ("/api/note-touches", {"modality": "sound"}),
        ("/api/revise", {"dispute": None}),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(sign_in, path, body):
    eve = sign_in("Eve", "adjudicator")
    status, data = eve.send("POST", path, body)
    assert status == 400
    assert json.loads(data)["error"]
    assert eve.post("/api/notes")["notes"] == []
