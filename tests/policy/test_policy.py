"""Severity, pattern, family, policy."""

import re

import pytest
import yaml

from tests.support.two_severities import TWO_SEVERITIES
from vlsu.errors import PolicyError
from vlsu.policy import (
    PATTERNS,
    Family,
    Pattern,
    Severity,
    bundled_policy,
    default_policy,
    default_policy_text,
    known_policy,
    load_policy,
    parse_policy,
)


def test_severities_are_ordered_and_the_worse_is_the_maximum():
    assert Severity.SAFE < Severity.BORDERLINE < Severity.UNSAFE
    assert max(Severity.SAFE, Severity.BORDERLINE) is Severity.BORDERLINE


@pytest.mark.parametrize("text", ["unsafe", "UNSAFE", " Unsafe ", "u"])
def test_a_severity_is_read_in_any_letter_case(text):
    assert Severity.parse(text) is Severity.UNSAFE


@pytest.mark.parametrize("text", ["not_sure", "", "unsafe!", "saf"])
def test_anything_else_is_not_a_severity(text):
    with pytest.raises(PolicyError, match="not a severity"):
        Severity.parse(text)


def test_the_listed_patterns_are_the_seventeen_of_the_paper():
    text = """S-S-S S-S-B S-S-U B-S-S B-S-B B-S-U U-S-B U-S-U
              S-B-B S-B-U B-B-B B-B-U U-B-B U-B-U S-U-U B-U-U U-U-U"""
    assert {str(p) for p in PATTERNS} == set(text.split())
    assert len(PATTERNS) == 17


def test_families_partition_the_patterns():
    by_family = {f: {str(p) for p in PATTERNS if p.family is f} for f in Family}
    assert by_family[Family.ESCALATING] == {"S-S-B", "S-S-U", "B-S-U", "S-B-U", "B-B-U"}
    assert by_family[Family.DE_ESCALATING] == {"B-S-S", "U-S-B", "U-B-B"}
    assert len(by_family[Family.LATE_FUSION]) == 9


def test_an_unlisted_pattern_is_a_pattern_all_the_same():
    pattern = Pattern.parse("u-s-s")
    assert (str(pattern), pattern.listed, pattern.family) == ("U-S-S", False, Family.DE_ESCALATING)


def test_the_default_policy_describes_every_category_severity_and_modality():
    policy = default_policy()
    assert policy.category_ids == tuple(f"C{n}" for n in range(1, 16))
    seen = [
        words
        for category in policy.categories
        for severity in Severity
        for words in {category.severities[severity].image, category.severities[severity].text}
    ]
    assert (
        len(seen) == len(set(seen)) == 15 * (2 + 2 + 1)
    )  # what looks near and is safe is one line
    assert all(len(words) > 20 for words in seen)


def test_the_default_policy_says_what_it_does_not_cover_and_what_must_not_be_missed():
    policy = default_policy()
    hazards = {code for each in policy.not_covered for code in each.codes.get("mlcommons", ())}
    assert {"prv", "dfm", "ipv", "ncr"} <= hazards
    assert {each.category for each in policy.critical} == {"C4", "C10", "C12", "C15"}
    assert "point to help" in policy.at_risk
    assert policy.category("C5").codes["mlcommons"] == ()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            "critical: [{category: C99, harm: x}]",
            "critical[1].category: there is no category 'C99'",
        ),
        ("critical: [{category: C1}]", "critical[1].harm: expected a text"),
        ("critical: C1", "critical: expected a list"),
        ("not_covered: [privacy]", "not_covered[1]: expected a mapping"),
        ("at_risk: help", "at_risk: expected a mapping"),
    ],
)
def test_what_a_policy_says_beside_its_categories_is_checked(part, said):
    tree = yaml.safe_load(default_policy_text()) | yaml.safe_load(part)
    with pytest.raises(PolicyError, match=re.escape(said)):
        parse_policy(yaml.safe_dump(tree))


@pytest.mark.parametrize(
    ("words", "id_"),
    [
        ("C12: Terrorism and Violent Extremism", "C12"),
        ("c9", "C9"),
        (" C1 ", "C1"),
        ("C1 - Slurs", "C1"),
        ("interpersonal violence", "C9"),
        ("C16", None),
        ("C", None),
        ("", None),
    ],
)
def test_a_category_is_found_by_whole_string_identifier_or_name(words, id_):
    assert default_policy().find_category(words) == id_


def test_the_hash_is_of_content_not_layout():
    text = default_policy_text()
    assert parse_policy(text + "\n# a comment\n").hash == default_policy().hash
    assert parse_policy(text.replace("vlsu-default", "mine")).hash != default_policy().hash


def _tree():
    return yaml.safe_load(default_policy_text())


def _without_description(tree):
    del tree["categories"][3]["borderline"]["text"]


def _twice(tree):
    tree["categories"][1]["id"] = "c1"


def _unknown_level(tree):
    tree["severities"]["terrible"] = {"description": "x", "response": "y"}


def _no_categories(tree):
    tree["categories"] = []


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_without_description, r"mine.yaml: category C4.borderline.text: expected a text"),
        (_twice, r"categories: 'c1' is listed twice"),
        (_unknown_level, r"severities.terrible"),
        (_no_categories, r"categories: expected a list"),
    ],
)
def test_a_broken_policy_is_named_by_file_and_part(tmp_path, break_it, message):
    tree = _tree()
    break_it(tree)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PolicyError, match=message) as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)


def test_invalid_yaml_names_the_line(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("name: x\n  bad: [\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"p.yaml, line \d+: not valid YAML"):
        load_policy(path)


def test_a_policy_of_ones_own_in_another_language_works(tmp_path):
    path = tmp_path / "eigene.yaml"
    level = "{description: 'Beschreibung', response: 'Antwort'}"
    path.write_text(
        "name: eigene\nversion: 2\nlanguage: de\nseverities:\n"
        f"  safe: {level}\n  borderline: {level}\n  unsafe: {level}\n"
        "categories:\n  - {id: X1, name: Betrug, safe: a, borderline: b, unsafe: c}\n",
        encoding="utf-8",
    )
    policy = load_policy(path)
    assert (policy.name, policy.version, policy.category_ids) == ("eigene", "2", ("X1",))
    assert policy.categories[0].severities[Severity.UNSAFE].image == "c"


def test_a_policy_may_have_two_severities_and_is_shown_with_these():
    policy = parse_policy(TWO_SEVERITIES)
    assert tuple(policy.severities) == (Severity.SAFE, Severity.UNSAFE)
    assert tuple(policy.category("H1").severities) == (Severity.SAFE, Severity.UNSAFE)
    assert policy.identity["severities"] == ["safe", "unsafe"]
    assert "borderline" not in str(policy.to_dict())
    assert "severities" not in default_policy().identity


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "unsafe: Some of it.}",
            "unsafe: Some of it., borderline: Near it.}",
            "category H1.borderline: the policy's severities have no borderline; remove it here",
        ),
        (
            "  unsafe: {desc",
            "  borderline: {description: Near harm., response: Take care.}\n  unsafe: {desc",
            "category H1.borderline: expected a mapping, found nothing",
        ),
        ("  unsafe: {description: Harms someone., response: Decline.}\n", "", "severities.unsafe:"),
    ],
)
def test_a_severity_is_everywhere_or_nowhere_and_only_borderline_may_be_left_out(old, new, message):
    text = TWO_SEVERITIES.replace(old, new)
    assert text != TWO_SEVERITIES
    with pytest.raises(PolicyError, match=message):
        parse_policy(text)


def test_the_binary_policy_has_the_categories_of_the_default_one_at_two_severities():
    binary, default = load_policy("binary"), load_policy("default")
    assert default is default_policy()
    assert tuple(binary.severities) == (Severity.SAFE, Severity.UNSAFE)
    assert [(c.title, c.codes) for c in binary.categories] == [
        (c.title, c.codes) for c in default.categories
    ]
    assert (binary.critical, binary.not_covered) == (default.critical, default.not_covered)
    content = yaml.safe_dump(binary.to_dict())
    assert "borderline" not in content.lower()
    for mine, theirs in zip(binary.categories, default.categories, strict=True):
        # What is unsafe is the same; what was borderline is safe.
        assert mine.severities[Severity.UNSAFE] == theirs.severities[Severity.UNSAFE]
        safe = mine.severities[Severity.SAFE]
        assert safe.image != safe.text
        assert theirs.severities[Severity.SAFE].image in safe.image
    assert len(binary.boundary) == len(default.boundary)
    assert known_policy(binary.hash) is binary
    assert known_policy("0" * 64) is None


def test_a_file_of_a_policys_name_is_given_with_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_text(TWO_SEVERITIES)
    assert load_policy("binary").name == "vlsu-binary"
    assert load_policy("./binary").name == "two"
    with pytest.raises(PolicyError, match="give a policy file, or default or binary"):
        load_policy("binry")
    with pytest.raises(PolicyError, match="no policy is called 'binry'"):
        bundled_policy("binry")
