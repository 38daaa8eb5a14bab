"""``vlsu build concepts`` on the command line, against a server that writes."""

from __future__ import annotations

import json

import pytest

from tests.build.concepts.made import concept
from tests.conftest import completion
from tests.support.commands import vlsu


@pytest.fixture
def server(chat_server):
    return chat_server(lambda body, number: completion(concept(body["messages"][-1]["content"])))


@pytest.fixture
def build(tmp_path):
    vlsu("build", "init", tmp_path / "b", "--target", "S-S-U/C9=4,U-S-U/C3=2,all=0")
    return tmp_path / "b"


def concepts(build, server, *more, **options):
    asked = ("--model", "openai/x", "--base-url", server.base_url)
    return vlsu("build", "concepts", build, *asked, *more, **options)


def test_it_writes_what_is_missing_and_names_the_next_command(build, server):
    done = concepts(build, server, "--price", "1,1")
    assert "concepts: 6 tries, 6 made, 6 kept" in done.stdout
    assert f"next: vlsu build images {build}" in done.stderr
    assert "market" not in done.stdout + done.stderr  # no concept is shown
    assert len(server.requests) == 6
    status = json.loads(vlsu("build", "status", build, "--json").stdout)
    assert status["calls"] == 6
    assert status["cost"]["total"] == pytest.approx(6 * 18e-6)


def test_bounded_it_goes_on_with_the_same_command(build, server):
    first = json.loads(concepts(build, server, "--max-requests", "2", "--json").stdout)
    assert (first["tries"], first["kept"]) == (2, 2)
    assert first["stopped"]
    then = json.loads(concepts(build, server, "--number", "3", "--json").stdout)
    assert (then["tries"], then["stopped"]) == (3, None)
    assert json.loads(concepts(build, server, "--json").stdout)["tries"] == 1
    assert len(server.requests) == 6


def test_a_server_that_is_down_is_a_line(build):
    asked = ("--model", "openai/x", "--base-url", "http://127.0.0.1:9/v1", "--timeout", "1")
    done = vlsu("build", "concepts", build, *asked, expect=None)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "--model", "openai/x"), "no build; make one with vlsu build init"),
        (("b", "--model", "nobody/x"), "nobody"),
        (("b", "--model", "baseline/majority"), "grades and does not write"),
    ],
)
def test_what_cannot_be_is_a_line(build, arguments, said):
    done = vlsu("build", "concepts", *arguments, expect=2, cwd=build.parent)
    assert said in done.stderr
