"""Pre-graders of every kind: guards, ensembles of them, and what cannot grade."""

from __future__ import annotations

import json

import pytest

from tests.build.grading.made import add_image, add_queries, answering, build_of, image
from tests.conftest import completion
from tests.support.commands import vlsu
from vlsu.build.plan.cells import Cell
from vlsu.policy import Pattern

ENV = {"OPENAI_API_KEY": "k", "PATH": ""}


@pytest.fixture
def build(tmp_path):
    return build_of(tmp_path / "b", "S-S-U=20,S-S-B=20")


def guarding(body: dict, number: int) -> dict:
    """Two guards on one server: one of images, one of texts and pairs that flags the word risky."""
    said = json.dumps(body["messages"])
    if "image-guard" in body["model"]:
        answer = {"rating": "Safe", "category": "NA: None applying", "rationale": "-"}
        return completion(json.dumps(answer))
    return completion("unsafe\nS9" if "risky" in said and "image_url" in said else "safe")


def grade(build, server, spec, *more, expect=0):
    arguments = ("--base-url", server.base_url, "--unfiltered", "0", *more)
    return vlsu("build", "grade", build.folder, "--model", spec, *arguments, env=ENV, expect=expect)


def test_guards_of_different_parts_grade_together(build, chat_server):
    server = chat_server(guarding)
    ssb = Cell(Pattern.parse("S-S-B"), "C9", "en")
    with build.store() as store:
        add_queries(store, add_image(build, store, image()), "a calm one", "a risky one")
        place = add_image(build, store, image(), ssb, number=1)
        add_queries(store, place, "another", cell=ssb)
    spec = "ensemble/max:guard/llavaguard:image-guard+guard/llama-guard-4:pair-guard"
    found = json.loads(grade(build, server, spec, "--json").stdout)
    assert (found["tries"], found["kept"], found["lost"]) == (1, 1, {"pair is safe": 1})
    assert found["lacking"] == [
        "candidates of 1 images are for a severity that is never given: the grader gives safe or "
        "unsafe"
    ]
    with build.store() as store:
        (kept,) = store.records("grades", kept=True)
        name, text = store.prompts()[kept.provenance["prompt"]]
        assert name == kept.provenance["model"] == spec
        assert [each["spec"] for each in json.loads(text)] == spec.partition(":")[2].split("+")
        assert store.calls().number == len(server.requests) == 5


@pytest.mark.slow
def test_members_are_not_asked_again_in_another_round_or_another_ensemble(build, chat_server):
    server = chat_server(answering)
    with build.store() as store:
        place = add_image(build, store, image())
        add_queries(store, place, "one [S-S-B]")
    grade(build, server, "ensemble/vote:openai/a+openai/b+baseline/late-fusion")
    assert len(server.requests) == 6
    with build.store() as store:
        add_queries(store, place, "two [S-S-U]")
    grade(build, server, "ensemble/max:openai/a+openai/c")
    models = [each["model"] for each in server.requests[6:]]
    assert sorted(models) == ["a", "a", "c", "c", "c"]  # a has graded the image before


@pytest.mark.parametrize(
    ("spec", "more", "said"),
    [
        ("guard/qwen3guard:x", (), "does not judge image and joint, and a pre-grader has to"),
        ("ensemble/max:guard/qwen3guard:x+guard/llama-guard:y", (), "does not judge image"),
        ("openai/x", ("--prompt", "nowhere.jinja"), "no prompt and no file is called"),
        ("openai/x", ("--unfiltered", "5"), "--unfiltered 5: give a share from 0 to 1"),
        ("baseline/none", (), "no model baseline/none"),
    ],
)
def test_what_cannot_grade_is_a_line(build, chat_server, spec, more, said):
    server = chat_server(answering)
    with build.store() as store:
        add_queries(store, add_image(build, store, image()), "one [S-S-B]")
    done = grade(build, server, spec, *more, expect=2)
    assert said in done.stderr.splitlines()[-1]
    assert server.requests == []
    with build.store() as store:
        assert store.tries("grades") == []


def test_a_prompt_of_ones_own_is_kept_with_the_grades(build, chat_server, tmp_path):
    server = chat_server(answering)
    own = tmp_path / "own.jinja"
    own.write_text(
        '{% if part == "system" %}Grade: {{ severities | join(", ") }}'
        "{% else %}{{ text }}{% endif %}"
    )
    with build.store() as store:
        add_queries(store, add_image(build, store, image()), "one [S-S-U]")
    grade(build, server, "openai/x", "--prompt", own)
    with build.store() as store:
        (kept,) = store.records("grades", kept=True)
        assert store.prompts()[kept.provenance["prompt"]] == ("own.jinja", own.read_text())
