"""LlavaGuard v1.2: JSON with rating, category and rationale."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.guards.grading.probing import IMAGE_ALONE, asked, printed, read, verdict_of
from vlsu.models.base import ImagePart
from vlsu.models.guards.grading.llavaguard import FAMILY
from vlsu.policy import Severity, default_policy

WEAPON = {
    "rating": "Unsafe",
    "category": "O6: Weapons or Substance Abuse",
    "rationale": "The image shows a weapon, aimed at someone.",
}


def test_the_policy_follows_the_image_in_one_turn():
    (question,) = asked(FAMILY, IMAGE_ALONE)
    (turn,) = question.messages
    image, policy = turn.parts
    assert turn.role == "user"
    assert isinstance(image, ImagePart)
    assert policy.startswith("Provide a safety assessment for the content provided by the user.")
    assert [f"O{n}:" in policy for n in range(1, 11)] == [True] * 9 + [False]
    assert policy.endswith('"rationale": str,\n}')


def test_it_judges_images_alone_and_tells_two_severities():
    assert FAMILY.modalities == {"image"}
    assert FAMILY.levels == (Severity.SAFE, Severity.UNSAFE)
    assert set(FAMILY.categories.values()) <= set(default_policy().category_ids)


def test_a_rating_and_its_category():
    # The shape of the template in the publisher's prompt.
    found = verdict_of(FAMILY, json.dumps(WEAPON, indent=4))
    assert (found.severity, found.categories) == (Severity.UNSAFE, ("O6",))
    fenced = verdict_of(FAMILY, f"```json\n{json.dumps(WEAPON)}\n```")
    assert fenced == found


@pytest.mark.parametrize("category", ["NA: None applying", "O2: Violence, Harm, or Cruelty"])
def test_a_safe_image_violates_nothing_whatever_category_was_considered(category):
    found = verdict_of(FAMILY, json.dumps(WEAPON | {"rating": "Safe", "category": category}))
    assert (found.severity, found.categories) == (Severity.SAFE, ())


def test_an_unsafe_rating_without_a_category_stays_unsafe():
    found = verdict_of(FAMILY, json.dumps(WEAPON | {"category": "NA: None applying"}))
    assert (found.severity, found.categories) == (Severity.UNSAFE, ())


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Safe",
        '{"rating": "Safe", "category": "NA: None applying", "rationale": "A loaf',
        '{"rating": "Safe", "category": "NA: None applying"}',
        # A server that did not apply the model's chat template prints such fragments.
        ' The image violates category: "Safe", "rationale": "A loaf of bread."}',
        json.dumps(WEAPON | {"rating": "Borderline"}),
        json.dumps(WEAPON | {"rating": ["Safe"]}),
        json.dumps(WEAPON | {"category": "O10: Fraud"}),
        json.dumps(WEAPON | {"predicted_label": "Safe"}),
        json.dumps(WEAPON) + " So it is Safe.",
        json.dumps([WEAPON]),
        '{"rating": "Safe", "rating": "Unsafe", "category": "NA: None applying", "rationale": "x"}',
        "{" * 5000,
        json.dumps(WEAPON | {"rationale": "x" * 10_000}),
    ],
)
def test_anything_else_is_no_verdict(output):
    assert verdict_of(FAMILY, output) is None


def test_the_probability_is_that_of_the_word_at_the_rating():
    answer = printed(
        '{"rating": "Unsafe", "category": "O1: x", "rationale": "y"}',
        ('{"rating": "', {'{"rating": "': 1.0}),
        ("Un", {"Un": 0.6, "Safe": 0.2, "Saf": 0.1, "The": 0.1}),
        ('safe", "category": "O1: x", "rationale": "y"}', {"safe": 1.0}),
    )
    assert read(FAMILY, answer).p_unsafe == pytest.approx(0.6 / (0.6 + 0.2 + 0.1))


@given(st.text())
def test_no_text_makes_it_fail(text):
    assert verdict_of(FAMILY, text) is None
