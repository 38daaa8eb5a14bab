"""Near-duplicates are found without a miss, as a comparison with every text finds them."""

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


@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), max_size=12),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join),
)
def test_it_finds_what_a_comparison_with_every_text_finds(earlier, text):
    expected = any(resemblance(normalised(text), normalised(each)) >= ALIKE for each in earlier)
    assert Texts(earlier).has_alike(text) == expected


def test_just_so_much_alike_is_found_each_time():
    """Seven of ten runs shared, the least that counts: the prefix has no room to spare."""
    drawn = random.Random(1)
    met = 0
    for _ in range(800):
        letters = [drawn.choice("abcdefgh") for _ in range(40)]
        other = letters.copy()
        other[drawn.randrange(len(other))] = "z"
        one, two = "".join(letters), "".join(other)
        if ALIKE <= resemblance(one, two) < ALIKE + 0.1:
            met += 1
            assert Texts([one]).has_alike(two)
    assert met > 300
