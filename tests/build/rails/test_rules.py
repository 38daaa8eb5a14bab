"""What is refused whatever a plan wants: mild examples only, by category, severity and kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.rails.rules import UNDECLARED, Proposal, default_rails
from vlsu.data import load
from vlsu.errors import UsageError
from vlsu.policy import Severity, bundled_policy, default_policy, parse_policy

POLICY = default_policy()
RAILS = default_rails(POLICY)
SAFE, BORDERLINE, UNSAFE = Severity
NO_MINORS = ("C4", "C6", "C7", "C9", "C11", "C15")


def refused(text="a street", category="C1", severity=BORDERLINE, language="en", kinds=()):
    found = RAILS.refusal(
        Proposal(text=text, category=category, severity=severity, language=language, kinds=kinds)
    )
    return None if found is None else found.rule


@pytest.mark.parametrize("category", POLICY.category_ids)
def test_one_pair_of_category_and_severity_is_closed_as_a_whole(category):
    for severity in Severity:
        closed = RAILS.closed(category, severity)
        assert (closed is not None) == ((category, severity) == ("C6", UNSAFE))


@pytest.mark.parametrize("category", POLICY.category_ids)
@pytest.mark.parametrize("severity", Severity)
def test_no_apparent_minor_in_six_categories_by_word_or_by_declaration(category, severity):
    if (category, severity) == ("C6", UNSAFE):
        return
    expected = "minor-in-harm" if category in NO_MINORS else None
    assert refused("two children at a table", category, severity) == expected
    assert refused("two people at a table", category, severity, kinds={"minor"}) == expected
    assert refused("two people at a table", category, severity) is None


@pytest.mark.parametrize("category", [None, *POLICY.category_ids])
def test_nothing_sexual_about_a_minor_in_any_category(category):
    assert refused(category=category, severity=SAFE, kinds={"minor", "sexual"}) == "sexual-minor"
    # an age word is enough, and so is silence about what is shown
    assert refused("a boy", category, SAFE, kinds={"sexual"}) == "sexual-minor"
    silent = refused("a boy", category, SAFE, kinds=None)
    assert silent in (UNDECLARED, "minor-in-harm")


def test_an_ordinary_picture_of_a_child_is_no_harm():
    assert refused("children on a swing", None, SAFE) is None
    assert refused("children on a swing", "C3", SAFE) is None


def test_sexual_exploitation_and_propaganda_are_closed_and_the_rest_of_their_category_is_not():
    assert refused(category="C15", severity=UNSAFE, kinds={"sexual"}) == "sexual-exploitation"
    assert refused(category="C15", severity=UNSAFE) is None
    assert refused(category="C12", severity=UNSAFE, kinds={"propaganda"}) == "propaganda"
    assert refused(category="C12", severity=BORDERLINE, kinds={"propaganda"}) is None


def test_what_nobody_has_declared_is_refused_where_a_rule_asks_for_it():
    for category in (*NO_MINORS, "C12"):
        assert refused(category=category, severity=UNSAFE, kinds=None) in (UNDECLARED, "explicit")
    assert refused(category="C1", severity=UNSAFE, kinds=None) is None
    assert refused(category=None, severity=SAFE, kinds=None) is None


@given(
    st.sampled_from(POLICY.category_ids),
    st.sampled_from(Severity),
    st.sets(st.sampled_from(sorted(RAILS.kinds))),
    st.sampled_from(["a desk", "a child", "an adult"]),
)
def test_declaring_more_never_opens_what_was_refused(category, severity, kinds, text):
    proposal = Proposal(text=text, category=category, severity=severity, kinds=kinds)
    if RAILS.refusal(proposal) is not None:
        for kind in RAILS.kinds:
            assert RAILS.refusal(replace(proposal, kinds={*kinds, kind})) is not None
    if RAILS.refusal(replace(proposal, kinds=None)) is None:
        assert RAILS.refusal(replace(proposal, kinds=())) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        *(("en", text) for text in ("a Teenager", "16-year-old", "aged twelve", "SCHOOLGIRLS")),
        *(("en", text) for text in ("newborn", "ｋｉｄｓ", "a boy's bike", "a 17 yo")),
        *(("de", text) for text in ("Zwei Mädchen", "ein 12-jähriger", "16 Jahre alt", "Schüler")),
        *(("fr", text) for text in ("deux enfants", "elle a 15 ans", "un lycéen")),
        *(("es", text) for text in ("dos niñas", "tiene 9 años", "un menor de edad")),
        *(("en", text) for text in ("a 15yo", "15 y/o", "15yr-old", "at the age of 15", "a minor")),
        *(("en", text) for text in ("10 months old", "a sixth youngster", "someone under 18")),
        *(("de", text) for text in ("ein Enkelkind", "Schulmädchen", "14 Jahre jung", "Mädels")),
        *(("fr", text) for text in ("un mineur", "des gosses", "dix-sept ans")),
        *(("es", text) for text in ("un menor", "la nena", "quince añitos")),
    ],
)
def test_age_words_in_each_language(language, text):
    assert refused(text, "C9", SAFE, language) == "minor-in-harm"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        *(("en", text) for text in ("an 18-year-old", "a kidney", "minor damage", "117 years old")),
        *(("en", text) for text in ("thirty-five years old", "infantry", "two kind men", "a 40yo")),
        *(("en", text) for text in ("mankind", "a hundred and five years old", "Nina", "x1 y2")),
        *(("de", text) for text in ("zwei Männer", "40 Jahre alt", "18-jährig")),
        *(("fr", text) for text in ("un problème mineur", "40 ans", "trente-cinq ans")),
        *(("fr", text) for text in ("soixante-dix-sept ans", "vingt et un ans")),
        *(("es", text) for text in ("menor riesgo", "40 años", "treinta y cinco años")),
    ],
)
def test_adults_are_not_taken_for_minors(language, text):
    assert refused(text, "C9", SAFE, language) is None


@pytest.mark.parametrize(
    "text",
    [
        *("t\u0435enager", "ch\u200bild", "ch\u00adild", "chi\u0301ld", "𝓬𝓱𝓲𝓵𝓭", "BOУ", "g1rl"),
        *("t33n", "t e e n", "c.h.i.l.d", "１５-year-old", "\u0661\u0665 years old"),
    ],
)
def test_an_odd_spelling_hides_no_age_word(text):
    assert refused(f"a {text} here", "C9", SAFE) == "minor-in-harm"


@pytest.mark.parametrize("language", RAILS.languages)
@pytest.mark.parametrize(
    "text", ["a boy", "drei Maedchen", "Mädchen", "deux ecoliers", "un niño", "dieciseis anos"]
)
def test_a_word_of_another_language_says_it_too(language, text):
    assert refused(text, "C9", SAFE, language) == "minor-in-harm"


def test_age_words_raise_no_false_alarm_on_the_bundled_dataset():
    """No text or caption of vlsu-mini is of a minor, and none is taken for it."""
    texts = [str(t) for s in load("vlsu-mini") for t in (s.text, s.metadata["caption"])]
    assert len(texts) == 930
    assert [t for t in texts if RAILS.ages["en"].found(t)] == []


def test_a_reason_repeats_nothing_of_what_it_refuses():
    found = RAILS.refusal(Proposal(text="a toddler", category="C9", severity=SAFE))
    assert found is not None
    assert "toddler" not in found.reason


def test_categories_of_other_policies_are_known_by_name_or_code_and_else_all_rules_on_kinds_hold():
    assert default_rails(bundled_policy("binary")).counterparts == RAILS.counterparts
    own = parse_policy(
        POLICY.text.replace("- id: C7\n    name: Adult Racy Material", "- id: X\n    name: Other")
        .replace("- id: C11\n    name: Gore and Graphic Content", "- id: Y\n    name: Beasts")
        .replace('version: "1.1"', 'version: "2"')
    )
    rails = default_rails(own)
    assert rails.counterparts["X"] == {"C6", "C7"}
    assert rails.counterparts["Y"] == frozenset()
    for kinds in ({"minor"}, {"sexual"}, {"propaganda"}):
        found = rails.refusal(Proposal(text="-", category="Y", severity=UNSAFE, kinds=kinds))
        assert found is not None
    assert rails.closed("Y", UNSAFE) is None


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"kinds": {"robots"}}, "kind 'robots' is none of minor, sexual, propaganda"),
        ({"language": "tlh"}, "texts can be built in en, de, fr, es"),
        ({"category": "C99"}, "the policy has no category 'C99'"),
    ],
)
def test_what_is_unknown_is_an_error_and_never_let_through(about, said):
    with pytest.raises(UsageError, match=said):
        refused(**about)


def test_the_rules_on_kinds_are_those_that_hold_for_the_category():
    assert [each.id for each in RAILS.on_kinds(None, SAFE)] == ["sexual-minor"]
    assert [each.id for each in RAILS.on_kinds("C9", SAFE)] == ["sexual-minor", "minor-in-harm"]
    assert "propaganda" in [each.id for each in RAILS.on_kinds("C12", UNSAFE)]
    assert "propaganda" not in [each.id for each in RAILS.on_kinds("C12", BORDERLINE)]
