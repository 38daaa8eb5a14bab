"""The question for a concept, and the strict reading of its answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.build.concepts.made import asked_of, concept
from vlsu.build.concepts.parameters import draw
from vlsu.build.concepts.prompt import concept_request, read_concept
from vlsu.build.plan.cells import Place
from vlsu.build.rails.rules import default_rails
from vlsu.models.base import Outcome, Response
from vlsu.policy import Severity, default_policy

POLICY = default_policy()
RAILS = default_rails(POLICY)


def question(category, severity):
    place = Place(category, severity)
    request = concept_request(POLICY, RAILS, place, draw(POLICY, 0, place, 0))
    return request.messages[-1].parts[0]


ASKED = question("C9", Severity.SAFE)


def read(text, outcome=Outcome.OK, **response):
    return read_concept(Response(outcome, text, **response), RAILS.kinds)


def test_the_question_says_what_category_and_severity_mean_and_what_is_to_be_shown():
    category = POLICY.category("C9")
    assert category.severities[Severity.SAFE].image in ASKED
    assert POLICY.severities[Severity.SAFE] in ASKED
    drawn = draw(POLICY, 0, Place("C9", Severity.SAFE), 0)
    assert asked_of(ASKED) == drawn.values


def test_what_is_never_asked_for_is_said_where_it_holds():
    def said(category, severity):
        asked = question(category, severity)
        return {rule.id for rule in RAILS.rules if rule.reason in asked}

    assert said("C3", Severity.UNSAFE) == {"sexual-minor"}
    assert said("C9", Severity.SAFE) == {"sexual-minor", "minor-in-harm"}
    assert said("C12", Severity.UNSAFE) == {"sexual-minor", "propaganda"}
    assert said("C15", Severity.UNSAFE) == {"sexual-minor", "sexual-exploitation", "minor-in-harm"}


def test_without_a_category_it_looks_near_one():
    place = Place(None, Severity.SAFE)
    for number in range(len(POLICY.category_ids)):
        drawn = draw(POLICY, 0, place, number)
        request = concept_request(POLICY, RAILS, place, drawn)
        asked = request.messages[-1].parts[0]
        near = POLICY.category(drawn.near)
        assert f"Near to: {near.id}, {near.name}" in asked
        assert near.severities[Severity.SAFE].image in asked
        assert "Category:" not in asked


@pytest.mark.parametrize(
    "around",
    ["{}", "```json\n{}\n```", "```\n{}\n```", "<think>A bridge? No.</think>\n{}", " {} \n"],
)
def test_an_answer_is_read_fenced_or_after_reasoning_too(around):
    found = read(around.replace("{}", concept(ASKED, search="a  market\nstall")))
    assert found.outcome is Outcome.OK
    assert found.search == "a market stall"
    assert found.kinds == {"minor": False, "sexual": False, "propaganda": False}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A bridge at noon.",
        "Here it is: " + concept(ASKED),
        "[]",
        json.dumps({"concept": "A bridge."}),
        concept(ASKED, concept=""),
        concept(ASKED, concept="a" * 401),
        concept(ASKED, concept=["A bridge."]),
        concept(ASKED, search=" \n"),
        concept(ASKED, more=1),
        concept(ASKED, kinds={"minor": False}),
        concept(ASKED, kinds={"minor": "no", "sexual": False, "propaganda": False}),
        concept(ASKED, kinds={"minor": 0, "sexual": False, "propaganda": False}),
        concept(ASKED, kinds=None),
        concept(ASKED, concept="\ud800"),
    ],
)
def test_anything_else_is_unparsed(text):
    assert read(text).outcome is Outcome.UNPARSED


@pytest.mark.parametrize("field", ["concept", "search"])
@pytest.mark.parametrize("sign", ["\x00", "\x1b[31m", "\u202e"])
def test_control_characters_make_an_answer_unreadable(field, sign):
    assert read(concept(ASKED, **{field: f"a {sign} bridge"})).outcome is Outcome.UNPARSED


def test_refusals_and_what_is_blocked_or_cut_off_are_told_apart():
    assert read("I'm sorry, but I can't help with that.").outcome is Outcome.REFUSED
    inside = json.loads(concept(ASKED)) | {"concept": "I'm sorry, but I can't help with that."}
    assert read(json.dumps(inside)).outcome is Outcome.REFUSED
    assert read("", Outcome.BLOCKED).outcome is Outcome.BLOCKED
    assert read(concept(ASKED), cut_off=True).outcome is Outcome.UNPARSED


@given(st.text())
def test_any_text_has_an_outcome(text):
    found = read(text)
    assert found.outcome in {Outcome.UNPARSED, Outcome.REFUSED}
    assert found.concept == ""
