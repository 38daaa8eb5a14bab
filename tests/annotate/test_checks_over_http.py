"""Over HTTP a check looks like a slot: the same keys, the same fields, the same answers."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
import uvicorn

from tests.annotate.test_checks import FREE, TEXTS, gold
from tests.conftest import make_dataset
from tests.support.annotating import rows
from vlsu.annotate.plan.settings import Checks
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.tables import checks
from vlsu.annotate.web.app import annotate_app
from vlsu.annotate.web.keys import unseal
from vlsu.annotate.web.service import Site


@pytest.fixture
def project(new_project, tmp_path):
    dataset = make_dataset(tmp_path / "dataset", 40, apart=True)
    rules = Checks(training=2, gold=3, repeats=0)
    known = gold(*range(12), modality="text")
    return new_project(dataset, gold=known, graders=TEXTS, bounds=FREE, checks=rules)


class Page:
    """What a signed-in grader's page does, with its cookie and its token."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.opener = build_opener(HTTPCookieProcessor())
        self.csrf = ""

    def join(self, token: str) -> None:
        form = urlencode({"adult": "yes", "consent": "yes"}).encode()
        with self.opener.open(f"{self.address}/join/{token}", form) as answer:
            found = re.search(r'data-csrf="([^"]+)"', answer.read().decode())
        assert found is not None
        self.csrf = found[1]

    def post(self, path: str, **body: object) -> Any:
        request = Request(f"{self.address}/api/{path}", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("X-CSRF-Token", self.csrf)
        with self.opener.open(request) as answer:
            return json.load(answer)

    def refused(self, path: str, **body: object) -> int:
        with pytest.raises(HTTPError) as error:
            self.post(path, **body)
        error.value.close()
        return error.value.code


@pytest.fixture
def grader(project: Project) -> Iterator[Page]:
    """A signed-in grader on a real server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(
            uvicorn.Config(annotate_app(project, Site()), log_level="warning", access_log=False)
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            page = Page(f"http://127.0.0.1:{listener.getsockname()[1]}")
            page.join(project.invite("Ada", "grader").token)
            yield page
        finally:
            server.should_exit = True
            thread.join()


def test_a_check_cannot_be_told_from_a_slot(project, grader):
    secret = project.record.session_key
    items, receipts, kinds = [], [], []
    for number in range(20):
        item = grader.post("next", holds=[])["item"]
        assert grader.post("extend", holds=[item["key"]]) == {"held": [item["key"]]}
        receipt = grader.post(
            "submit", key=item["key"], client_id=f"c{number}", grade="safe", seconds=4
        )
        kinds.append(unseal(secret, item["key"]).kind)
        items.append(item)
        receipts.append(receipt)
    assert [item["training"] for item in items] == [True, True] + [False] * 18
    assert receipts[0]["feedback"] == {
        "correct": True,
        "grade": "safe",
        "category": None,
        "note": "",
    }
    assert kinds[:2] == ["check", "check"]
    assert set(kinds[2:]) == {"check", "slot"}
    # Nothing that is sent differs but what it shows.
    of = {
        kind: [
            ({name: type(value) for name, value in item.items()}, len(item["key"]), receipt)
            for item, receipt, each in zip(items[2:], receipts[2:], kinds[2:], strict=True)
            if each == kind
        ]
        for kind in ("check", "slot")
    }
    assert all(one == of["slot"][0] for one in of["check"] + of["slot"])
    hidden = [row for row in rows(project, checks) if row.kind == "gold"]
    assert len(hidden) == kinds[2:].count("check")


def test_a_check_is_taken_back_skipped_and_stopped_over_http(project, grader):
    secret = project.record.session_key

    def check(start: int) -> dict:
        for number in range(start, start + 40):
            item = grader.post("next", holds=[])["item"]
            if unseal(secret, item["key"]).kind == "check" and not item["training"]:
                return dict(item)
            grader.post("submit", key=item["key"], client_id=f"c{number}", grade="safe")
        raise AssertionError("no check came")

    item = check(0)
    grader.post("submit", key=item["key"], client_id="first", grade="safe")
    again = grader.post("take-back")["item"]
    assert again["sample"] == item["sample"]
    assert grader.refused("submit", key=item["key"], client_id="x", grade="safe") == 409
    assert grader.post("skip", key=again["key"]) == {"skipped": True}
    item = check(100)
    assert grader.post("stop", key=item["key"], kind="threat") == {"stopped": True}
    assert grader.refused("submit", key=item["key"], client_id="y", grade="safe") == 409
