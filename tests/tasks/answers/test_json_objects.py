"""Answers that are to be one JSON object, whatever a model puts around it."""

from __future__ import annotations

import pytest

from vlsu.models.base import Outcome, Response
from vlsu.tasks.answers.json_objects import read_object


def read(text, **about):
    return read_object(Response(Outcome.OK, text, **about), lambda tree: tree.get("a"))


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', ' ```json\n{"a": 1}\n```\n', '```\n{"a": 1}```', '<think>b?</think>\n{"a": 1}'],
)
def test_an_object_is_read_in_a_fence_and_after_reasoning(text):
    assert read(text) == (Outcome.OK, 1)


@pytest.mark.parametrize("text", ["", "[1]", '{"b": 1}', '{"a": 1} Done.', '{"a": 1', "[" * 9999])
def test_anything_else_is_not_read(text):
    assert read(text) == (Outcome.UNPARSED, None)


def test_a_refusal_is_one_and_what_was_cut_off_is_neither_read_nor_a_refusal():
    assert read("I'm sorry, but I can't help with that.") == (Outcome.REFUSED, None)
    assert read('{"a": 1}', cut_off=True) == (Outcome.UNPARSED, None)
    assert read_object(Response(Outcome.BLOCKED), lambda tree: tree) == (Outcome.BLOCKED, None)
