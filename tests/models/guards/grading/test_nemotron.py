"""Nemotron 3 and 3.5 Content Safety: lines of fields; 3.5 takes a policy."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.guards.grading.probing import (
    IMAGE,
    MARKS,
    PAIR,
    TEXT_ALONE,
    asked,
    forged,
    ours_of,
    printed,
    read,
    verdict_of,
)
from vlsu.models.base import ImagePart
from vlsu.models.guards.grading.nemotron import FAMILY, FAMILY_3_5
from vlsu.policy import Severity, bundled_policy, default_policy


def test_the_image_goes_before_the_text_and_the_template_is_told_to_name_categories():
    (question,) = asked(FAMILY, PAIR)
    (turn,) = question.messages
    assert turn.parts == (ImagePart(IMAGE), "How do I bake bread?")
    assert question.params == {"chat_template_kwargs": {"request_categories": "/categories"}}


def test_only_the_newer_version_knows_that_it_could_think():
    (question,) = asked(FAMILY_3_5, PAIR)
    assert question.params == {
        "chat_template_kwargs": {"enable_thinking": False, "request_categories": "/categories"}
    }


def test_an_image_alone_is_not_what_it_is_made_for():
    assert FAMILY.modalities == FAMILY_3_5.modalities == {"text", "joint"}


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("nvidia/nemotron-3-content-safety", FAMILY),
        ("nvidia/nemotron-3.5-content-safety", FAMILY_3_5),
    ],
)
def test_each_version_has_a_family_of_its_own(name, family):
    assert [each for each in (FAMILY, FAMILY_3_5) if re.search(each.names, name)] == [family]


def test_the_outputs_of_the_card():
    # build.nvidia.com/nvidia/nemotron-3.5-content-safety, "EXPECTED RESPONSE"
    found = verdict_of(
        FAMILY,
        "User Safety: unsafe\nResponse Safety: unsafe\nSafety Categories: "
        "Criminal Planning/Confessions",
    )
    assert found.severity is Severity.UNSAFE
    assert found.categories == ("Criminal Planning/Confessions",)
    assert verdict_of(FAMILY, "User Safety: unsafe\nResponse Safety: unsafe").categories == ()
    assert verdict_of(FAMILY, "User Safety: safe").severity is Severity.SAFE


def test_no_category_may_be_said_in_words_and_letter_case_does_not_count():
    assert verdict_of(FAMILY, "User Safety: safe\nSafety Categories: None").categories == ()
    assert verdict_of(FAMILY, "User Safety: unsafe\nSafety Categories: N/A").categories == ()
    assert verdict_of(
        FAMILY, "user safety: unsafe\nsafety categories: violence, sexual"
    ).categories == (
        "Violence",
        "Sexual",
    )


def test_several_categories_and_reasoning_that_the_server_left_in():
    found = verdict_of(
        FAMILY_3_5,
        "<think>\nThe user threatens someone.\n</think>\n\n"
        "User Safety: unsafe\nSafety Categories: Violence, Threat, Violence",
    )
    assert (found.severity, found.categories) == (Severity.UNSAFE, ("Violence", "Threat"))
    assert [FAMILY_3_5.categories[name] for name in found.categories] == ["C9", "C9"]


@pytest.mark.parametrize(
    "output",
    [
        "",
        "safe",
        "User Safety: un",
        "User Safety: borderline",
        "Response Safety: safe",
        "User Safety: safe\nUser Safety: unsafe",
        "User Safety: safe\nSafety Categories: Violence",
        "User Safety: safe\nResponse Safety: perhaps",
        "The text is harmless.\nUser Safety: safe",
        "User Safety: safe\nBut note that it asks about bread.",
        "<think>\nUser Safety: safe",
        "<think>User Safety: safe</think>",
        "User Safety: safe" + "\n" * 50_000,
    ],
)
def test_anything_else_is_no_verdict(output):
    assert verdict_of(FAMILY, output) is None


def test_the_probability_is_that_of_the_word_behind_user_safety():
    answer = printed(
        "User Safety: safe",
        ("User Safety:", {"User Safety:": 1.0}),
        (" safe", {" safe": 0.7, " unsafe": 0.2, " un": 0.05}),
    )
    assert read(FAMILY, answer).p_unsafe == pytest.approx(0.25 / 0.95)


@pytest.mark.parametrize("mark", [*MARKS, "User Safety:", "Safety Categories:"])
def test_a_text_spells_no_mark(mark):
    assert forged(FAMILY, mark) == forged(FAMILY_3_5, mark) == 0


def test_three_severities_are_two_policies():
    ours = ours_of(FAMILY_3_5, default_policy())
    assert ours.levels == tuple(Severity)
    first, second = (
        question.params["chat_template_kwargs"]["custom_policy"]
        for question in asked(ours, TEXT_ALONE)
    )
    assert default_policy().severities[Severity.UNSAFE] in first
    assert default_policy().severities[Severity.BORDERLINE] in second
    safe, unsafe = "User Safety: safe", "User Safety: unsafe"
    assert verdict_of(ours, unsafe, unsafe).severity is Severity.UNSAFE
    assert verdict_of(ours, safe, unsafe).severity is Severity.BORDERLINE
    assert verdict_of(ours, safe, safe).severity is Severity.SAFE
    assert verdict_of(ours, safe, "") is None


def test_two_severities_are_one_policy():
    ours = ours_of(FAMILY_3_5, bundled_policy("binary"))
    assert ours.levels == (Severity.SAFE, Severity.UNSAFE)
    assert len(asked(ours, TEXT_ALONE)) == 1
    assert FAMILY.ours is None


@given(st.text())
def test_no_text_makes_it_fail(text):
    assert verdict_of(FAMILY, text) is None
