"""The worse of several verdicts, and the majority: by hand, and what holds for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.analysis.combining.rules import majority, worst
from vlsu.analysis.combining.verdicts import MISSING, OUTCOMES, Combined, Verdicts
from vlsu.policy import Outcome, Severity

ALL = tuple(Severity)
BINARY = (Severity.SAFE, Severity.UNSAFE)
LETTERS = {severity.letter: severity for severity in Severity}
#: R: refused, X: blocked, E: error, P: unparsed.
MISSED = {"R": "refused", "X": "blocked", "E": "error", "P": "unparsed"}


def said(
    *items: str,
    p: Sequence[Sequence[float | None]] | None = None,
    category: Sequence[Sequence[int]] | None = None,
    levels: Sequence[tuple[Severity, ...]] | None = None,
) -> Verdicts:
    """Verdicts written as letters, an item a word and a voter a letter: ``SU`` is safe, unsafe."""
    severity = [[int(LETTERS[c]) if c in LETTERS else MISSING for c in item] for item in items]
    codes = {outcome.value: code for code, outcome in enumerate(OUTCOMES)}
    outcome = [[codes[MISSED[c]] if c in MISSED else 0 for c in item] for item in items]
    shape = (len(items), len(items[0]))
    return Verdicts(
        np.array(severity),
        np.array(outcome),
        np.full(shape, np.nan) if p is None else np.array(p, dtype=np.float64),
        np.full(shape, MISSING) if category is None else np.array(category),
        levels or [ALL] * shape[1],
    )


def letters(combined: Combined) -> str:
    back = {value: letter for letter, value in MISSED.items()}
    return "".join(
        Severity(severity).letter if severity != MISSING else back[OUTCOMES[outcome].value]
        for severity, outcome in zip(combined.severity, combined.outcome, strict=True)
    )


@pytest.mark.parametrize(
    ("item", "worse"),
    [
        ("SS", "S"),
        ("SB", "B"),
        ("BU", "U"),
        ("UR", "U"),  # whatever the refused one would have been
        ("BR", "R"),  # it might have been unsafe
        ("SE", "E"),
        ("SXE", "E"),  # of two missing ones the error, which may still turn into an answer
        ("SPR", "R"),
        ("PP", "P"),
    ],
)
def test_max_is_the_worse_and_a_missing_verdict_is_never_safe(item: str, worse: str) -> None:
    assert letters(worst(said(item))) == worse


@pytest.mark.parametrize(
    ("item", "most"),
    [
        ("SSU", "S"),
        ("SBU", "U"),  # one each: the worst of them
        ("SSUU", "U"),
        ("SBB", "B"),
        ("SSR", "S"),  # two to one at the worst
        ("SUR", "R"),  # the third decides
        ("UR", "U"),  # a tie at the worst, which unsafe wins
        ("SR", "R"),
        ("UUSRR", "R"),  # the two might say safe
        ("UUURRS", "U"),  # and here safe would only tie
        ("RX", "X"),
    ],
)
def test_the_majority_decides_where_missing_verdicts_cannot_change_it(item: str, most: str) -> None:
    assert letters(majority(said(item))) == most


def test_what_a_missing_voter_cannot_say_cannot_change_the_vote() -> None:
    """Borderline against safe: a binary voter that is missing can only make safe the winner."""
    binary = said("BR", levels=[ALL, BINARY])
    assert letters(majority(binary)) == "R"  # unsafe would tie with borderline, and win
    assert letters(majority(said("BBR", levels=[ALL, ALL, BINARY]))) == "B"
    two = said("SR", levels=[BINARY, (Severity.SAFE,)])
    assert letters(majority(two)) == "S"


def test_a_binary_member_and_one_of_three_levels() -> None:
    """The union: a binary safe is safe, so that borderline is the worse of the two."""
    both = said("SB", "SU", "UB", "SS", levels=[BINARY, ALL])
    assert letters(worst(both)) == "BUUS"
    assert letters(majority(both)) == "BUUS"


def test_p_unsafe_is_the_largest_or_the_mean_where_all_have_one() -> None:
    p: list[list[float | None]] = [[0.2, 0.7], [0.2, None], [0.9, None], [0.3, None]]
    verdicts = said("SB", "SB", "UR", "SR", p=p)
    assert worst(verdicts).p_unsafe.tolist() == pytest.approx(
        [0.7, np.nan, 0.9, np.nan], nan_ok=True
    )
    assert majority(verdicts).p_unsafe.tolist() == pytest.approx(
        [0.45, np.nan, np.nan, np.nan], nan_ok=True
    )


def test_the_category_is_that_of_most_who_give_the_severity() -> None:
    verdicts = said("UUUS", "USSS", "BBSS", "SRRR", category=[
        [4, 7, 7, 1], [MISSING, 2, 2, 2], [9, 3, 1, 1], [5, 5, 5, 5],
    ])  # fmt: skip
    assert worst(verdicts).category.tolist() == [7, MISSING, 3, MISSING]


words = st.text("SBUREXP", min_size=1, max_size=5)


@given(words)
def test_max_is_at_least_each_member(item: str) -> None:
    combined = worst(said(item))
    if combined.severity[0] != MISSING:
        assert all(combined.severity[0] >= LETTERS[c] for c in item if c in LETTERS)
    else:
        assert set(item) & set(MISSED)
        assert OUTCOMES[combined.outcome[0]] is not Outcome.OK


@given(words, st.randoms())
def test_neither_rule_depends_on_the_order_of_members(item: str, random: object) -> None:
    shuffled = list(item)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for rule in (worst, majority):
        assert letters(rule(said(item))) == letters(rule(said("".join(shuffled))))


@given(words)
def test_a_decided_item_is_so_whatever_the_missing_verdicts_are(item: str) -> None:
    """By trying every answer in their place: the definition itself."""
    for rule, plain in ((worst, plain_worst), (majority, plain_majority)):
        found = letters(rule(said(item)))
        gaps = [c for c in item if c in MISSED]
        given_ = [c for c in item if c in LETTERS]
        could_be = {plain([*given_, *filled]) for filled in product("SBU", repeat=len(gaps))}
        if given_ and len(could_be) == 1:
            assert found == could_be.pop()
        else:
            assert found in MISSED


def plain_worst(answers: Sequence[str]) -> str:
    return max(answers, key="SBU".index)


def plain_majority(answers: Sequence[str]) -> str:
    counts = Counter(answers)
    return max(answers, key=lambda c: (counts[c], "SBU".index(c)))
