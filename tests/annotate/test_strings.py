"""What pages say: each language says all of it, and the one that was chosen comes first."""

from __future__ import annotations

import re

import pytest

from vlsu.annotate.web.strings import LANGUAGES, language_of, strings_of


def parameters(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_a_language_says_what_english_says(language: str) -> None:
    english, other = strings_of("en"), strings_of(language)
    assert list(other) == list(english)
    assert {name: parameters(text) for name, text in other.items()} == {
        name: parameters(text) for name, text in english.items()
    }
    assert all(text.strip() for text in other.values())


@pytest.mark.parametrize(
    ("wanted", "chosen", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("fr,de;q=0.5", "", "de"),
        ("fr", "", "en"),
        ("", "", "en"),
        ("de", "en", "en"),
        ("de", "xx", "de"),
    ],
)
def test_what_somebody_chose_comes_before_what_the_browser_wants(
    wanted: str, chosen: str, language: str
) -> None:
    assert language_of(wanted, chosen) == language
