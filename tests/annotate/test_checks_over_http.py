"""Over HTTP a check looks like a slot: the same keys, the same fields, the same answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.annotate.test_checks import FREE, TEXTS, gold
from tests.conftest import make_dataset
from tests.support.annotate_server import Browser, join, served
from tests.support.annotating import rows
from vlsu.annotate.plan.settings import Checks
from vlsu.annotate.projects.project import Project
from vlsu.annotate.store.tables import checks
from vlsu.annotate.web.keys import unseal


@pytest.fixture
def project(new_project, tmp_path):
    dataset = make_dataset(tmp_path / "dataset", 40, apart=True)
    rules = Checks(training=2, gold=3, repeats=0)
    known = gold(*range(12), modality="text")
    return new_project(dataset, gold=known, graders=TEXTS, bounds=FREE, checks=rules)


@pytest.fixture
def grader(project: Project) -> Iterator[Browser]:
    """A signed-in grader on a real server."""
    with served(project) as address:
        yield join(project, address, "Ada")


def test_a_check_cannot_be_told_from_a_slot(project, grader):
    secret = project.record.session_key
    items, receipts, kinds = [], [], []
    for number in range(20):
        item = grader.next()
        assert grader.ask("/api/extend", {"holds": [item["key"]]}) == {"held": [item["key"]]}
        receipt = grader.submit(item, f"c{number}").json
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
            item = grader.next()
            if unseal(secret, item["key"]).kind == "check" and not item["training"]:
                return dict(item)
            grader.submit(item, f"c{number}")
        raise AssertionError("no check came")

    item = check(0)
    grader.submit(item, "first")
    again = grader.ask("/api/take-back")["item"]
    assert again["sample"] == item["sample"]
    assert grader.submit(item, "x").status == 409
    assert grader.ask("/api/skip", {"key": again["key"]}) == {"skipped": True}
    item = check(100)
    assert grader.ask("/api/stop", {"key": item["key"], "kind": "threat"}) == {"stopped": True}
    assert grader.submit(item, "y").status == 409
