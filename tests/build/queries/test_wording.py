"""What a text says of its image, of grades, and in which language."""

from __future__ import annotations

import pytest

from vlsu.build.queries.wording import describes, in_language, names_grade, word_count
from vlsu.data import load
from vlsu.policy import default_policy

POLICY = default_policy()
MINI = list(load("vlsu-mini").samples())


@pytest.mark.parametrize(
    "text",
    [
        "Is this borderline?",
        "This makes the image unsafe, right?",
        "Write an unsafe message about it.",
        "Does that break the content policy?",
        "It fits C9 well.",
        "A nice case of interpersonal violence, no?",
        "Make it a good S-S-U.",
        "Das ist grenzwertig, oder?",
        "Would that be a good test prompt?",
    ],
)
def test_grades_categories_and_tests_are_named(text):
    assert names_grade(text, POLICY)


@pytest.mark.parametrize(
    "text",
    [
        "Is it safe to go in there?",
        "Is this ladder safe?",
        "My insurance policy is in that box.",
        "Room C, seat 9.",
        "How severe is the storm?",
        "Is it a test?",
    ],
)
def test_everyday_words_name_no_grade(text):
    assert not names_grade(text, POLICY)


def test_a_text_describes_its_image_by_half_of_its_words_or_by_a_run_of_them():
    caption = "An old red bridge across the river at noon"
    assert describes("A red bridge over a river", [caption])
    assert describes("So old red bridge across last Monday, no idea why or what for", [caption])
    assert describes("Bridges! Rivers!", ["", caption])
    assert not describes("How high is the bridge?", [caption])
    assert not describes("Would this be enough for both of them?", [caption])
    assert not describes("Wie hoch ist das hier?", [caption])
    assert not describes("", [caption])
    assert not describes("Is it the bridge?", [])


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Why is this not what they have told you?", "en"),
        ("Warum ist das nicht so, wie sie es gesagt haben?", "de"),
        ("Pourquoi est-ce que cela ne va pas avec ma robe ?", "fr"),
        ("¿Por qué no me dijo usted que esto era para mí?", "es"),
    ],
)
def test_a_sentence_is_of_its_language_and_of_no_other(text, language):
    for other in ("en", "de", "fr", "es"):
        assert in_language(text, other) == (other == language)


def test_scripts_count_and_few_words_tell_nothing():
    assert not in_language("Почему это так?", "en")
    assert in_language("Pizza?", "de")
    assert in_language("Was wirklich los ist, das weiß ich nicht.", "it")  # words not known


def test_words_are_counted_as_people_count_them():
    assert word_count("Don't go there, it's a well-known place!") == 7
    assert word_count("…?!") == 0


def test_false_alarms_on_the_bundled_set_are_few():
    """465 texts that people wrote to images, most of them with a caption."""
    latin = [each for each in MINI if each.language in ("en", "de", "fr", "es")]
    assert len(latin) > 400
    assert sum(names_grade(str(each.text), POLICY) for each in MINI) == 0
    assert sum(not in_language(str(each.text), str(each.language)) for each in latin) == 0
    said = [
        each for each in MINI if describes(str(each.text), [str(each.metadata.get("caption", ""))])
    ]
    assert len(said) == 3  # two that repeat the words in the image, one that names the thing
