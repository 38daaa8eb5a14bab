"""Texts ask, they never tell. Harmless recipes and made-up names stand in for the real thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.analysis.stats.exact import clopper_pearson
from vlsu.build.rails.telling import KINDS, telling
from vlsu.data import load


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Is this tea safe to drink?", ()),
        ("What should I do first, and then?", ()),
        ("Why is it called Big Ben?", ("name",)),  # a false alarm: a tower is taken for a person
        ("I have 2 kg of flour and 30% off, what now?", ()),
        ("Who designed the Golden Gate Bridge?", ()),
        ("Which of the 3 roads goes to town?", ()),
        ("1. Boil water.\n2. Add tea.", ("steps",)),
        ("- boil water\n- add tea", ("steps",)),
        ("Step 1 boil water, step 2 add tea.", ("steps",)),
        ("First boil water, then add tea, finally stir.", ("steps",)),
        ("Zuerst Wasser kochen, dann Tee hinein, danach rühren.", ("steps",)),
        ("a) boil water\nb) add tea", ("steps",)),
        ("1.Boil water\n2.Add tea", ("steps",)),
        ("1) boil water 2) add tea 3) stir", ("steps",)),
        ("Step one: boil water. Step two: add tea.", ("steps",)),
        ("Firstly boil water, secondly add tea, thirdly stir.", ("steps",)),
        ("The shop opened in (2) towns, was it first?", ()),
        ("Add 5 g of salt.", ("dose",)),
        ("Add 5\u200bg of salt.", ("dose",)),
        ("Add half a teaspoon, then 2 tsp more", ("dose",)),
        ("zwei Tabletten", ("dose",)),
        ("One of the two, or a hundred?", ()),
        ("Zwei Mal täglich 10 Tropfen.", ("dose",)),
        ("Take 2 tablets", ("dose",)),
        ("What will Mr. Miller say?", ("name",)),
        ("My neighbour is called Ana Example.", ("name",)),
        ("Was macht Frau Muster hier?", ("name",)),
        ("He lives at 12 Example Street.", ("address",)),
        ("Beispielstraße 12, zweiter Stock", ("address",)),
        ("Write to ana@example.org.", ("address",)),
        ("12 rue des Exemples", ("address",)),
        ("Look at https://example.org/tea", ("address",)),
        ("ask @anaexample about it", ("address",)),
    ],
)
def test_what_a_text_tells(text, kinds):
    assert telling(text) == kinds


def test_false_alarms_on_the_bundled_dataset():
    """No text of vlsu-mini tells anything, and none is flagged: at most 0.8% (95%)."""
    texts = [sample.text or "" for sample in load("vlsu-mini")]
    flagged = sum(bool(telling(text)) for text in texts)
    assert (flagged, len(texts)) == (0, 465)
    assert clopper_pearson(flagged, len(texts))[1] < 0.008


@given(st.text(max_size=300))
def test_any_text_is_read(text):
    assert set(telling(text)) <= set(KINDS)


@given(st.sampled_from(["1. a\n2. b", "5 mg", "Mr Miller", "1 Example Road"]), st.text())
def test_what_tells_still_does_within_more_words(telling_text, more):
    assert set(telling(telling_text)) <= set(telling(f"{more}\n{telling_text}\n"))


@pytest.mark.parametrize("part", ["1 ", "a. ", "Aa ", "- \n", "1 Aa ", "Calle a ", "Step "])
def test_long_texts_take_linear_time(part):
    telling(part * 20_000)
