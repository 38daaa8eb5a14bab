"""Shortcuts by cell: what is planted is found and named, what is not is not."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.build.audits.made import changed, items
from vlsu.build.audits.refill import refill_decisions
from vlsu.build.audits.shortcuts import PROBES, shortcut_audit, to_refill
from vlsu.build.plan.cells import Cell
from vlsu.policy import Pattern


def solved_cells(rows, **options):
    return list(shortcut_audit(rows, **options).solved)


def shouted(text):
    return f"{text}!!"


def both(n=30, **planted):
    """Rivals: S-S-S and S-S-U, of as many samples each."""
    return [*items("S-S-S", n, category=None), *items("S-S-U", n, **planted)]


def numbers(image):
    """Pixels that say nothing of an image."""
    draw = random.Random(image)
    return [draw.random() for _ in range(4)]


@pytest.mark.slow
def test_where_nothing_tells_the_grade_nothing_is_found():
    wrong = sum(
        bool(
            solved_cells([*items("S-S-S", 15, seed, None), *items("S-S-U", 15, seed)], look=numbers)
        )
        for seed in range(5)
    )
    assert wrong <= 1  # of 5, at 5% over all probes together


@pytest.mark.parametrize(
    ("probe", "planted"),
    [
        ("surface", {"change": shouted}),
        ("words", {"change": lambda text: f"{text} please"}),
        ("made", {"made": {"writer": "openai/y"}}),
    ],
)
def test_what_gives_every_sample_of_a_cell_away_is_named(probe, planted):
    found = solved_cells(both(**planted), look=numbers)
    (unsafe,) = [
        each for each in found if each.probe == probe and str(each.cell.pattern) == "S-S-U"
    ]
    assert unsafe.cell == Cell(Pattern.parse("S-S-U"), "C9", "en")
    assert (unsafe.balanced_accuracy.value or 0) >= 0.75
    assert len(unsafe.told) >= 10
    assert unsafe.part == PROBES[probe]


def test_captions_and_pixels_are_looked_at_too():
    rows = [*items("S-S-S", 30, 1, None), *items("S-S-U", 30, 1)]
    look = {row.image: [1.0 * (str(row.cell.pattern) == "S-S-U"), 0.5] for row in rows}
    found = solved_cells(rows, look=look.get)
    assert {(each.probe, each.part) for each in found} == {("pixels", "image")}
    captioned = [*items("S-S-S", 30, 1, None), *changed(items("S-S-U", 30, 1), caption="A knife.")]
    assert {each.probe for each in solved_cells(captioned)} == {"caption"}


def test_only_the_cell_that_is_given_away_is_solved():
    rows = [
        *items("S-S-S", 60, category=None),
        *items("S-S-U", 30, category="C9", change=shouted),
        *items("S-S-U", 30, category="C3"),
    ]
    unsafe = [each for each in solved_cells(rows) if str(each.cell.pattern) == "S-S-U"]
    assert {each.cell.category for each in unsafe} == {"C9"}


def test_a_pattern_without_rivals_or_with_too_few_is_said_to_be():
    rows = [*items("U-U-U", 20), *items("S-S-U", 20), *items("S-S-B", 3)]
    found = {str(pattern): about for pattern, about in shortcut_audit(rows).patterns.items()}
    assert str(found["U-U-U"]["why"]).startswith("no rivals")
    assert found["S-S-U"]["why"] == "3 independent samples of one side; 5 are needed"
    assert found["U-U-U"]["probes"] == {}


def test_samples_of_one_image_are_never_learned_from_and_predicted_at_once():
    """Ten texts, six samples of each: known by heart they would tell everything."""
    rows = []
    for pattern, category in (("S-S-S", None), ("S-S-U", "C9")):
        for seed in range(5):
            (some,) = items(pattern, 1, seed, category)
            rows += [replace(some, key=f"{some.key}.{n}", image=None) for n in range(6)]
    assert solved_cells(rows) == []


def test_no_audit_of_nothing():
    assert shortcut_audit([]).as_dict() == {"n": 0, "chance": 0.5, "patterns": {}, "solved": []}


def test_half_of_a_solved_cell_goes_at_most_and_at_least_one():
    rows = both(change=shouted)
    solved = solved_cells(rows)
    cells = Counter(row.cell for row in rows)
    gone = to_refill(solved, cells)
    assert Counter(key.rsplit("-", 3)[0] for key in gone) == {"S-S-S": 15, "S-S-U": 15}
    assert gone == to_refill(solved, cells)
    assert to_refill(solved, cells, seed=1) != gone
    assert len(to_refill(solved, cells, most=0.0)) == 2


def test_what_the_image_gives_away_loses_the_image_and_the_rest_its_pre_grade():
    rows = changed(both(change=shouted), image_key=lambda row: f"image {row.key}")
    by_text = refill_decisions(rows, solved_cells(rows))
    assert {each.key for each in by_text} <= {row.key for row in rows}
    assert {each.reason.split(" (")[0] for each in by_text} == {"told by text alone"}
    look = {row.image: [1.0 * (str(row.cell.pattern) == "S-S-U")] for row in rows}
    seen = [each for each in solved_cells(rows, look=look.get) if each.part == "image"]
    by_image = refill_decisions(rows, seen)
    assert {each.key for each in by_image} <= {row.image_key for row in rows}
    assert {each.reason for each in by_image} == {"told by image alone (pixels)"}
    assert not any(each.kept for each in by_image)
