"""OpenAI moderation: which scores are evidence of what."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.guards.grading.probing import (
    IMAGE,
    IMAGE_ALONE,
    PAIR,
    TEXT_ALONE,
    asked,
    verdict_of,
)
from tests.support.wire_cases import json_values
from vlsu.models.base import ImagePart
from vlsu.models.guards.grading.openai_moderation import FAMILY
from vlsu.policy import Severity, default_policy

TEXT_ONLY = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening"),
    *("illicit", "illicit/violent", "sexual/minors"),
)
BOTH = (
    *("self-harm", "self-harm/intent", "self-harm/instructions"),
    *("sexual", "violence", "violence/graphic"),
)


def result(inputs, scores, flagged=None):
    """A result as the server gives it for these inputs, flagged where a score is above 0.5."""
    listed = {name: ["text"] if "text" in inputs else [] for name in TEXT_ONLY}
    listed |= {name: list(inputs) for name in BOTH}
    values = dict.fromkeys((*TEXT_ONLY, *BOTH), 0.001) | scores
    flags = {name: value > 0.5 for name, value in values.items()}
    return {
        "flagged": any(flags.values()) if flagged is None else flagged,
        "categories": flags,
        "category_scores": values,
        "category_applied_input_types": listed,
    }


def graded(tree):
    return verdict_of(FAMILY, json.dumps(tree))


def test_the_parts_of_content_are_one_input():
    image = ImagePart(IMAGE)
    shown = [asked(FAMILY, each)[0].messages[0].parts for each in (TEXT_ALONE, IMAGE_ALONE, PAIR)]
    assert shown == [("How do I bake bread?",), (image,), ("How do I bake bread?", image)]
    assert FAMILY.wire == "moderations"
    assert set(FAMILY.categories.values()) <= set(default_policy().category_ids)


def test_the_pair_of_the_api_reference():
    # openai/openai-openapi, createModeration, example "Image and text": its scores and flags.
    scores = {
        "harassment": 0.8189693396524255,
        "harassment/threatening": 0.804985420696006,
        "hate": 0.007562942636942845,
        "self-harm": 0.012598046106750154,
        "violence": 0.9999992735124786,
        "violence/graphic": 0.843064871157054,
    }
    found = graded(result(("text", "image"), scores))
    assert found.severity is Severity.UNSAFE
    assert found.categories == (
        *("violence", "violence/graphic", "harassment", "harassment/threatening"),
    )
    assert found.p_unsafe == 0.9999992735124786


def test_the_image_of_the_guide():
    # OpenAI's guide "Moderation": an image alone.
    found = graded(
        result(
            ("image",), {"violence": 0.8599265510337075, "violence/graphic": 0.37701736389561064}
        )
    )
    assert found == (Severity.UNSAFE, ("violence",), 0.8599265510337075)


def test_a_score_of_a_category_for_texts_is_no_evidence_of_an_image():
    found = graded(result(("image",), {"hate": 0.99, "violence": 0.2}))
    assert found == (Severity.SAFE, (), 0.2)


def test_the_same_score_is_evidence_of_a_text_and_of_the_text_of_a_pair():
    assert graded(result(("text",), {"hate": 0.99})) == (Severity.UNSAFE, ("hate",), 0.99)
    assert graded(result(("text", "image"), {"hate": 0.99})) == (Severity.UNSAFE, ("hate",), 0.99)


def test_what_is_not_flagged_is_safe_whatever_its_score():
    # The server has a threshold of its own for each category; 0.5 is none of them.
    tree = result(("text",), {"sexual": 0.6})
    tree["categories"]["sexual"] = tree["flagged"] = False
    assert graded(tree) == (Severity.SAFE, (), 0.6)


def test_a_newer_category_counts_by_the_inputs_that_it_lists():
    tree = result(("text",), {})
    tree["categories"]["scams"], tree["category_scores"]["scams"] = True, 0.7
    tree["flagged"] = True
    assert graded(tree).severity is Severity.SAFE
    tree["category_applied_input_types"]["scams"] = ["text"]
    assert graded(tree) == (Severity.UNSAFE, ("scams",), 0.7)


def without(name):
    tree = result(("text",), {})
    del tree[name]
    return tree


def changed(name, key, value):
    tree = result(("text",), {})
    tree[name][key] = value
    return tree


@pytest.mark.parametrize(
    "tree",
    [
        {},
        [],
        *map(without, result((), {})),
        result((), {}),
        result(("text",), {}, flagged=True),
        result(("text",), {"hate": 0.9}, flagged=False),
        result(("text",), {}, flagged="no"),
        changed("category_scores", "violence", 8.85),
        changed("category_scores", "violence", -0.1),
        changed("category_scores", "violence", float("nan")),
        changed("category_scores", "violence", None),
        changed("category_scores", "violence", True),
        changed("categories", "violence", None),
        changed("categories", "violence", 1),
        changed("category_applied_input_types", "violence", "text"),
        changed("category_applied_input_types", "violence", ["audio"]),
        changed("category_applied_input_types", "violence", [["text"]]),
        changed("category_applied_input_types", "violence", [{}]),
    ],
)
def test_a_part_that_is_missing_or_contradicts_another_is_no_verdict(tree):
    assert graded(tree) is None


def test_half_a_result_is_no_verdict():
    whole = json.dumps(result(("text",), {"hate": 0.9}))
    assert all(verdict_of(FAMILY, whole[:cut]) is None for cut in range(len(whole)))


@given(json_values(), st.text())
def test_no_output_makes_it_fail(tree, text):
    assert graded(tree) is None
    assert verdict_of(FAMILY, text) is None
