"""Personal data by form and check digit; the numbers are those of specifications and made up."""

import time

import pytest

from vlsu.data.checks.personal import KINDS, personal_data
from vlsu.data.checks.scripts import fits, script_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to erika.beispiel+x@mail.example.org.", "email"),
        ("Ä: jürgen@bücher.example", "email"),
        ("call +49 30 901820", "phone"),
        ("call 0049-30-901820", "phone"),
        ("(555) 010-4567", "phone"),
        ("555-010-4567", "phone"),
        ("Tel. 030 / 901820", "phone"),
        ("+1 (555) 010 4567", "phone"),
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "iban"),
        ("DE89370400440532013000", "iban"),
        ("4111 1111 1111 1111", "card"),
        ("378282246310005", "card"),
        ("078-05-1120", "ssn"),
        ("from 198.51.100.7 today", "ip"),
    ],
)
def test_what_has_the_form_is_told(text: str, kind: str) -> None:
    assert personal_data(text) == {kind}
    assert kind in KINDS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no digits here",
        "on 2026-01-02 at 10:30, 1999-2004",
        "it costs 10,000,000 or 1 234 567",
        "version 1.2.3.4 of 3.14",
        "the router at 192.168.0.1",
        "GB82 WEST 1234 5698 7654 33",  # the check digits are wrong
        "4111 1111 1111 1112",  # so is this one
        "1111 1111 1111 1111 1111 1111",
        "user @ home",
        "isbn 978-3-16-148410-0",
        "order 000-12-3456",
    ],
)
def test_what_only_looks_a_little_like_it_is_not(text: str) -> None:
    assert personal_data(text) == set()


def test_several_kinds_in_one_text() -> None:
    text = "a@b.example, +49 30 901820, DE89 3704 0044 0532 0130 00"
    assert personal_data(text) == {"email", "phone", "iban"}


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Guten Tag", "Latin"),
        ("Добрый день, Peter", "Cyrillic"),
        ("你好", "Han"),
        ("これは何ですか", "Kana"),
        ("日本語の漢字が多い文", "Kana"),
        ("안녕하세요", "Hangul"),
        ("नमस्ते", "Devanagari"),
        ("مرحبا", "Arabic"),
        ("Ὅμηρος", "Greek"),
        ("1 + 1 = 2", None),
        ("٣", None),
    ],
)
def test_scripts(text: str, script: str | None) -> None:
    assert script_of(text) == script


def test_a_language_and_its_scripts() -> None:
    assert fits("de", "Latin")
    assert not fits("de", "Cyrillic")
    assert fits("sr", "Latin")
    assert fits("sr", "Cyrillic")
    assert fits("ja-JP", "Han")
    assert fits("zh-Hant", "Han")
    assert not fits("ru", "Latin")
    assert fits("ru-Latn", "Latin")
    assert fits("tlh", "Latin"), "nothing is known of it"


@pytest.mark.parametrize("text", ["06 12 34 56 78", "1-800-555-0199", "1 415 555 0132"])
def test_telephone_numbers_in_pairs_and_with_the_long_distance_prefix(text: str) -> None:
    assert personal_data(f"Call {text} today.") == {"phone"}


def test_letters_of_full_width_are_letters() -> None:
    assert personal_data("max＠example．org") == {"email"}


@pytest.mark.parametrize(
    "text",
    ["0" * 200_000, "a@" * 50_000, "x" * 50_000 + "@" + "y." * 50_000, "a@b.co " * 20_000],
    ids=["one word of digits", "no domain", "a long domain", "many addresses"],
)
def test_a_long_text_takes_no_time(text: str) -> None:
    """The first took seven minutes when every place in a word was tried as a beginning."""
    begun = time.process_time()
    personal_data(text)
    assert time.process_time() - begun < 5
