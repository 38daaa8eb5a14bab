"""An answer is the JSON that was asked for, or an outcome."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.build.queries.made import NO_KINDS, answer
from vlsu._text import harmless
from vlsu.build.queries.reading import MAX_LENGTH, Candidate, read_queries
from vlsu.models.base import Outcome, Response

KINDS = tuple(NO_KINDS)


def read(text, count=3, **more):
    return read_queries(Response(Outcome.OK, text, **more), count, KINDS)


@pytest.mark.parametrize(
    "text",
    [
        answer("Is it open?"),
        f"```json\n{answer('Is it open?')}\n```",
        f"<think>They want one.</think>\n{answer('  Is it   open? ')}",
    ],
)
def test_plain_fenced_or_after_reasoning(text):
    found = read(text)
    assert found.outcome is Outcome.OK
    assert found.candidates == (Candidate("Is it open?", NO_KINDS),)


def test_more_than_were_asked_for_are_left_out():
    assert [each.text for each in read(answer("a", "b", "c"), count=2).candidates] == ["a", "b"]


@pytest.mark.parametrize(
    "tree",
    [
        [],
        {},
        {"queries": []},
        {"queries": ["Is it open?"]},
        {"queries": [{"text": "Is it open?"}]},
        {"queries": [{"text": "", "kinds": NO_KINDS}]},
        {"queries": [{"text": "x" * (MAX_LENGTH + 1), "kinds": NO_KINDS}]},
        {"queries": [{"text": "Is it open?", "kinds": {"minor": False}}]},
        {"queries": [{"text": "Is it open?", "kinds": {**NO_KINDS, "minor": "no"}}]},
        {"queries": [{"text": "Is it open?", "kinds": NO_KINDS, "why": "..."}]},
        {"queries": [{"text": "Is it open?", "kinds": NO_KINDS}], "note": "..."},
        {"queries": [{"text": "half \ud83d", "kinds": NO_KINDS}]},
        {"queries": [{"text": "a \x00 b", "kinds": NO_KINDS}]},
        {"queries": [{"text": "a \x1b[31m b", "kinds": NO_KINDS}]},
        {"queries": [{"text": "a \u202e b", "kinds": NO_KINDS}]},
        {"queries": [{"text": "Is it open?", "kinds": NO_KINDS}, None]},
    ],
)
def test_anything_else_cannot_be_read(tree):
    assert read(json.dumps(tree)).outcome is Outcome.UNPARSED


def test_refusals_blocked_answers_and_cut_off_ones():
    assert read("I'm sorry, but I can't help with that.").outcome is Outcome.REFUSED
    assert read("Es tut mir leid, das kann ich nicht.").outcome is Outcome.REFUSED
    assert read(answer(*["I'm sorry, but I can't help with that."] * 3)).outcome is Outcome.REFUSED
    assert read_queries(Response(Outcome.BLOCKED), 3, KINDS).outcome is Outcome.BLOCKED
    assert read(answer("Is it open?"), cut_off=True).outcome is Outcome.UNPARSED


def test_a_query_that_sounds_like_a_refusal_is_one_among_others():
    texts = "Sorry, I can't come tomorrow.", "Is it open?"
    assert [each.text for each in read(answer(*texts)).candidates] == [*texts]


@given(st.text())
def test_no_text_breaks_it(text):
    assert read(text).outcome in (Outcome.UNPARSED, Outcome.REFUSED, Outcome.OK)


_TEXT = st.text(min_size=1, max_size=50).filter(lambda text: harmless(text) == text)


@given(st.lists(_TEXT, min_size=1, max_size=5))
def test_what_is_written_is_read(texts):
    found = read(answer(*texts), count=5)
    if all(each.strip() for each in texts):
        assert [each.text.split() for each in found.candidates] == [each.split() for each in texts]
    else:
        assert found.outcome is Outcome.UNPARSED
