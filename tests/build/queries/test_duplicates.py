"""Near-duplicates among texts that come one after the other."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.queries.duplicates import Texts
from vlsu.data.checks.minhash import ALIKE, normalised, resemblance

WORDS = ("may", "i", "use", "this", "tonight", "instead", "of", "that", "one", "please")


def test_case_punctuation_and_an_ending_make_no_other_text():
    texts = Texts(["Would you take this one to the harbour tonight?"])
    assert texts.has_alike("would you take this one, to the harbour tonight!!")
    assert texts.has_alike("Would you take this one to the harbours tonight?")
    assert not texts.has_alike("Would you leave that one at the market today?")


def test_what_has_no_letter_is_like_nothing():
    texts = Texts(["?!", ""])
    assert not texts.has_alike("?!")
    assert not texts.has_alike("ok")


def test_texts_are_found_whether_they_came_together_or_one_by_one():
    earlier = [" ".join(random.Random(n).choices(WORDS, k=6)) for n in range(30)]
    together, one_by_one = Texts([*earlier, "?!"]), Texts()
    for text in earlier:
        one_by_one.add(text)
    for n in range(60):
        text = " ".join(random.Random(n).choices(WORDS, k=6))
        assert together.has_alike(text) == one_by_one.has_alike(text)
        assert together.has_alike(text) or n >= len(earlier)


@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), max_size=12),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join),
)
def test_nothing_is_alike_that_a_comparison_with_every_text_does_not_find(earlier, text):
    nearest = max((resemblance(normalised(text), normalised(e)) for e in earlier), default=0.0)
    found = Texts(earlier).has_alike(text)
    assert nearest >= ALIKE or not found
    assert nearest < 1.0 or found


def test_of_texts_that_are_just_alike_enough_nearly_all_are_found():
    """99% by the formula for 25 bands of 4 rows, of which 2 are to be shared."""
    drawn = random.Random(1)
    met = missed = 0
    for _ in range(500):
        letters = [drawn.choice("abcdefgh") for _ in range(40)]
        other = letters.copy()
        other[drawn.randrange(len(other))] = "z"
        one, two = "".join(letters), "".join(other)
        if ALIKE <= resemblance(one, two) < ALIKE + 0.1:
            met += 1
            missed += not Texts([one]).has_alike(two)
    assert met > 200
    assert missed <= 0.03 * met
