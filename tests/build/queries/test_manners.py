"""Style and length are drawn so that no pattern has more of one than another."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.folder.records import Try
from vlsu.build.plan.cells import Cell
from vlsu.build.queries.manners import LENGTHS, STYLES, Manners, read_manners
from vlsu.errors import UsageError
from vlsu.policy import Pattern

CELL = Cell(Pattern.parse("S-S-U"), "C9", "en")

subsets = st.lists(st.sampled_from(list(STYLES)), min_size=1, unique=True)
of_lengths = st.lists(st.sampled_from(list(LENGTHS)), min_size=1, unique=True)


@given(subsets, of_lengths, st.integers(0, 9), st.integers(1, 60))
def test_each_value_is_as_frequent_as_the_others_and_pairs_are_spread(styles, lengths, seed, n):
    manners = read_manners(styles, lengths, seed)
    drawn = [manners.of(CELL, place) for place in range(n)]
    for names, values in ((styles, [m.style for m in drawn]), (lengths, [m.length for m in drawn])):
        counts = Counter(values)
        assert max(counts[each] for each in names) - min(counts[each] for each in names) <= 1
    pairs = Counter(drawn[: len(styles) * len(lengths)])
    assert set(pairs.values()) == {1}


def test_cells_and_seeds_begin_elsewhere():
    cells = [CELL, Cell(Pattern.parse("S-S-B"), "C9", "en"), Cell(CELL.pattern, "C3", "de")]
    firsts = {tuple(Manners(seed=seed).of(each, 0)) for seed in range(4) for each in cells}
    assert len(firsts) > 4


def test_a_try_keeps_its_manner_whatever_is_planned_after_it():
    tries = [Try("queries", CELL, f"image {n}", 0) for n in range(9)]
    manners = Manners(seed=3)
    few, all_ = manners.by_try(tries[:4]), manners.by_try(tries)
    assert few == {key: all_[key] for key in few}


@pytest.mark.parametrize(
    ("styles", "lengths", "said"),
    [(["ode"], [], "--styles 'ode'"), ([], ["tiny"], "--lengths 'tiny'")],
)
def test_unknown_names_are_refused(styles, lengths, said):
    with pytest.raises(UsageError, match=said):
        read_manners(styles, lengths)
