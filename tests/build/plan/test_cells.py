"""Which cells there are, and how a number is shared among them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlsu.build.plan.cells import Cell, closed_cells, patterns_in, wanted_by_cell
from vlsu.build.plan.targets import DEFAULT, Targets, parse_targets
from vlsu.errors import UsageError
from vlsu.policy import PATTERNS, Pattern, Severity, bundled_policy, default_policy

POLICY = default_policy()
OPEN = lambda category, severity: None  # noqa: E731
SSS, SSU = Pattern.parse("S-S-S"), Pattern.parse("S-S-U")


def no_c6(category, severity):
    return "not built" if (category, severity) == ("C6", Severity.UNSAFE) else None


def wanted(*targets, languages=("en",), closed=OPEN, policy=POLICY, seed=0):
    return wanted_by_cell(policy, parse_targets(targets), languages, closed, seed=seed)


def by_pattern(cells):
    return {
        pattern: sum(number for cell, number in cells.items() if cell.pattern == pattern)
        for pattern in dict.fromkeys(cell.pattern for cell in cells)
    }


def test_the_17_patterns_each_in_every_category_two_of_each():
    cells = wanted()
    assert by_pattern(cells) == dict.fromkeys(PATTERNS, DEFAULT)
    assert {n for cell, n in cells.items() if cell.category} == {2}
    assert len(cells) == 16 * 15 + 1


def test_what_is_safe_throughout_belongs_to_no_category():
    assert [cell for cell in wanted() if cell.pattern == SSS] == [Cell(SSS, None, "en")]
    # a safe pair with a borderline image does: its image has a category
    assert {cell.category for cell in wanted() if str(cell.pattern) == "B-S-S"} == set(
        POLICY.category_ids
    )


def test_a_policy_without_borderline_has_five_patterns():
    patterns = patterns_in(bundled_policy("binary"), Targets())
    assert set(map(str, patterns)) == {"S-S-S", "S-S-U", "S-U-U", "U-S-U", "U-U-U"}


def test_a_pattern_of_ones_own_is_built_too():
    cells = wanted("U-S-S=15")
    assert by_pattern(cells)[Pattern.parse("U-S-S")] == 15
    assert len(by_pattern(cells)) == 18


@given(
    total=st.integers(0, 400),
    languages=st.sampled_from([("en",), ("en", "de"), ("en", "de", "fr"), tuple("abcdef")]),
    closed=st.sampled_from([OPEN, no_c6]),
    seed=st.integers(0, 50),
)
@settings(max_examples=60)
def test_a_number_is_shared_evenly_and_nothing_is_lost(total, languages, closed, seed):
    target = f"S-U-U={total}"
    cells = wanted(target, "all=0", languages=languages, closed=closed, seed=seed)
    mine = {cell: n for cell, n in cells.items() if str(cell.pattern) == "S-U-U"}
    assert sum(mine.values()) == total == sum(cells.values())
    for part in ("category", "language"):
        counts: Counter[str] = Counter()
        for cell, n in mine.items():
            counts[getattr(cell, part)] += n
        assert max(counts.values()) - min(counts.values()) <= 1
    assert max(mine.values()) - min(mine.values()) <= 1
    assert any(cell.category == "C6" for cell in mine) == (closed is OPEN)


def test_the_seed_decides_where_the_rest_goes_and_the_same_seed_the_same():
    one = wanted("S-S-U=7", seed=1)
    assert one == wanted("S-S-U=7", seed=1)
    assert one != wanted("S-S-U=7", seed=2)
    # and not the same categories have one more in every pattern
    rest = {
        pattern: {c.category for c, n in wanted("all=7").items() if n and c.pattern == pattern}
        for pattern in PATTERNS[1:]
    }
    assert len(set(map(frozenset, rest.values()))) > 10


def test_a_category_with_a_number_of_its_own_takes_no_part_in_the_rest():
    cells = wanted("S-S-U=14", "S-S-U/c9=5", "all=0", languages=("en", "de"))
    of = {(c.category, c.language): n for c, n in cells.items() if c.pattern == SSU}
    assert of["C9", "en"] + of["C9", "de"] == 5
    assert {of[c, "en"] + of[c, "de"] for c in POLICY.category_ids if c != "C9"} == {1}


def test_closed_cells_are_named_with_their_reason():
    closed = closed_cells(POLICY, Targets(), no_c6)
    assert {category for _, category in closed} == {"C6"}
    assert {str(pattern) for pattern, _ in closed} == {
        *("S-U-U", "B-U-U", "U-U-U", "U-S-U", "U-B-U", "U-S-B", "U-B-B")
    }
    assert set(closed.values()) == {"not built"}


@pytest.mark.parametrize(
    ("target", "policy", "said"),
    [
        ("B-S-S=3", bundled_policy("binary"), "--target B-S-S: the policy has no borderline"),
        ("S-S-U/C99=3", POLICY, "has no category 'C99'"),
        ("S-S-S/C9=3", POLICY, "write S-S-S=N"),
        ("S-U-U/C6=3", POLICY, "--target S-U-U/C6=3: not built"),
    ],
)
def test_a_target_that_cannot_be_is_a_line(target, policy, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        wanted(target, policy=policy, closed=no_c6)


def test_a_pattern_whose_every_category_is_closed_is_a_line():
    with pytest.raises(UsageError, match="--target S-U-U=3: closed"):
        wanted("all=0", "S-U-U=3", closed=lambda _, s: "closed" if s else None)
