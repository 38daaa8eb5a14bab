"""What captions in several languages are searched by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.search.words import MOST_CHARACTERS, described, words_of
from vlsu.build.sources.base import Candidate


def test_a_long_word_also_stands_for_its_other_forms():
    assert list(words_of("Kitchens")) == ["kitchens", "kitch~"]
    assert set(words_of("kitchen")) & set(words_of("kitchens")) == {"kitch~"}
    assert set(words_of("Küche")) & set(words_of("Küchen")) == set()  # five letters: no other form


def test_case_width_and_accents_do_not_matter():
    assert list(words_of("CAFÉ")) == list(words_of("cafe")) == ["cafe"]
    assert list(words_of("ｃａｆｅ")) == ["cafe"]
    assert list(words_of("Straße")) == list(words_of("STRASSE"))


def test_unspaced_scripts_are_read_in_pairs():
    assert list(words_of("東京タワー")) == ["東京", "京タ", "タワ", "ワー"]
    assert list(words_of("猫")) == ["猫"]
    assert set(words_of("부엌에서")) & set(words_of("부엌")) == {"부엌"}


def test_punctuation_and_underscores_separate():
    assert list(words_of("red_car-01.jpg")) == ["red", "car", "01", "jpg"]


def test_titles_and_tags_describe_an_image_addresses_do_not():
    candidate = Candidate(
        id="1",
        source="folder:x",
        caption="A lamp",
        page="https://example.org/lamp",
        about={
            "tags": ["light", {"name": "desk"}],
            "thumbnail": "https://example.org/secret.jpg",
            "sha1": "0123456789abcdef0123",
            "views": 7,
        },
    )
    assert described(candidate) == "A lamp\nlight\ndesk"


def test_a_page_of_text_is_cut():
    long = Candidate(id="1", source="x", caption="word " * MOST_CHARACTERS)
    assert len(described(long)) == MOST_CHARACTERS


@given(st.text(max_size=200))
def test_any_text_gives_words_that_give_themselves(text):
    for word in words_of(text):
        if not word.endswith("~"):
            assert word in set(words_of(word))
