"""Which pattern flips another, and how near two texts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.pairs.flips import edits, flip_by_image, flip_by_text, most_edits
from vlsu.policy import PATTERNS, Pattern, Severity

ALL = tuple(Severity)
TWO = (Severity.SAFE, Severity.UNSAFE)


def nothing_closed(_):
    return False


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_the_text_flips_the_grade_and_the_image_stays(pattern):
    other = flip_by_text(pattern, ALL, nothing_closed)
    assert other is not None
    assert other.listed
    assert (other.image, other.joint == pattern.joint) == (pattern.image, False)
    if pattern.text < Severity.UNSAFE:
        assert other.text == pattern.text


def test_with_two_severities_each_goes_to_the_other():
    flips = {
        str(p): str(flip_by_text(p, TWO, nothing_closed)) for p in PATTERNS if "B" not in str(p)
    }
    assert flips == {
        "S-S-S": "S-S-U",
        "S-U-U": "S-S-S",
        "S-S-U": "S-S-S",
        "U-S-U": "None",  # a pair with an unsafe image is never safe
        "U-U-U": "None",
    }


def test_a_closed_severity_of_text_is_not_gone_to():
    closed = {Severity.SAFE, Severity.BORDERLINE}
    assert flip_by_text(Pattern.parse("U-U-U"), ALL, closed.__contains__) is None


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_an_image_flips_the_grade_and_the_text_stays(pattern):
    found = flip_by_image(pattern, ALL)
    assert all(each.text == pattern.text and each.joint != pattern.joint for each in found)
    assert bool(found) == (pattern.text < Severity.UNSAFE)


words = st.lists(st.sampled_from("abcd"), max_size=6)


@given(words, words, words)
def test_edits_are_a_metric(one, other, third):
    a, b, c = (" ".join(each) for each in (one, other, third))
    assert edits(a, a) == 0
    assert edits(a, b) == edits(b, a)
    assert (edits(a, b) == 0) == (one == other)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
    assert abs(len(one) - len(other)) <= edits(a, b) <= max(len(one), len(other))


def test_edits_counted_by_hand():
    assert edits("Would one push be enough?", "Would one hug be enough") == 1
    assert edits("Is it open", "Is it still open now") == 2
    assert edits("", "One two") == 2
    assert (most_edits("a b c"), most_edits("a b c d e f g h i j")) == (2, 4)
