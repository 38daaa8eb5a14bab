"""What ``--target`` is read as."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.plan.cells import wanted_by_cell
from vlsu.build.plan.targets import DEFAULT, MOST, Targets, parse_targets
from vlsu.errors import UsageError
from vlsu.policy import Pattern, Severity, default_policy

SSU, USS = Pattern.parse("S-S-U"), Pattern.parse("U-S-S")
PATTERNS = st.builds(Pattern, *[st.sampled_from(Severity)] * 3)
NUMBERS = st.integers(0, MOST)


def test_a_pattern_that_is_named_has_its_number_and_the_others_the_default():
    targets = parse_targets(["S-S-U=20"])
    assert targets.of(SSU) == 20
    assert targets.of(Pattern.parse("S-S-S")) == DEFAULT


def test_a_pattern_outside_the_17_has_none_unless_it_is_named():
    assert Targets().of(USS) == 0
    assert parse_targets(["u-s-s=3"]).of(USS) == 3


def test_one_value_may_hold_several_targets():
    assert parse_targets(["all=0, S-S-U=20", "S-S-U/c9=5"]).as_dict() == {
        "all": 0,
        "S-S-U": 20,
        "S-S-U/C9": 5,
    }


@pytest.mark.parametrize("id_", ["日本", "مرحبا", "Größe", "a b/c=d", "<b>A</b>", "İ"])
def test_a_category_of_a_policy_of_ones_own_can_be_named(id_):
    policy = default_policy()
    own = replace(policy, categories=(replace(policy.category("C9"), id=id_),))
    targets = parse_targets([f"S-S-U/{id_}=3,all=0"])
    assert parse_targets(f"{name}={n}" for name, n in targets.as_dict().items()) == targets
    wanted = wanted_by_cell(own, targets, ["en"], lambda _category, _severity: None)
    assert [cell.category for cell, number in wanted.items() if number] == [id_]


@given(
    NUMBERS,
    st.dictionaries(PATTERNS, NUMBERS, max_size=5),
    st.dictionaries(
        st.tuples(PATTERNS, st.sampled_from(["C1", "C9", "größe", "A/B=1"])), NUMBERS, max_size=5
    ),
)
def test_what_is_written_is_read_back(default, numbers, cells):
    targets = Targets(default, numbers, cells)
    assert parse_targets(f"{name}={n}" for name, n in targets.as_dict().items()) == targets


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((value, "write PATTERN=N") for value in ("", "S-S-U", "S-S-U=", "=3", "S-S-U=x", ",")),
        *((value, "write PATTERN=N") for value in ("S-S-U=-1", "S-S-U=1.5", "S-S-U=٣", "all/C1=2")),
        *((value, "PATTERN=N") for value in ("S-S-U=" + "9" * 5000, "S-S-U/=3", "a=b")),
        ("S-S=3", "is not a pattern"),
        ("S-S-X=3", "is not a severity"),
        ("S-S-U=1000001", "at most 1000000"),
        ("S-S-U=1,s-s-u=2", "given twice"),
        ("all=1,ALL=1", "given twice"),
        ("S-S-U/C9=1,S-S-U/c9=1", "given twice"),
    ],
)
def test_what_cannot_be_read_is_a_line_that_names_it(value, said):
    with pytest.raises(UsageError) as refused:
        parse_targets([value])
    assert said in str(refused.value) or "is not a pattern" in str(refused.value)
    assert str(refused.value).startswith("--target '")
    assert len(str(refused.value)) < 200
