"""Which candidate of an image is kept, by its pre-grades alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.build.grading.deciding import Grade, Grades, decide_candidates, drawn, reason_of
from vlsu.policy import Pattern, Severity

SSU = Pattern.parse("S-S-U")


def grades(pattern: str, category: str | None = None) -> Grades:
    """Pre-grades as a pattern; ``?`` stands for a refusal."""
    parts = (
        Grade(None, None, "refused") if each == "?" else Grade(Severity.parse(each), category)
        for each in pattern.split("-")
    )
    return Grades(*parts)


def decided(
    *patterns, unfiltered=0.0, draw=1.0, pick=0.0, closed_by=lambda category, severity: None
):
    candidates = [each if isinstance(each, Grades) else grades(each) for each in patterns]
    return decide_candidates(
        candidates, SSU, unfiltered=unfiltered, draw=draw, pick=pick, closed_by=closed_by
    )


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("S-S-U", None),
        ("S-S-B", "pair is borderline"),
        ("S-U-U", "text is unsafe"),
        ("U-U-S", "image is unsafe"),
        ("S-S-?", "not graded (refused)"),
        ("U-?-U", "not graded (refused)"),
    ],
)
def test_the_reason_names_the_first_that_is_not_as_wanted(pattern, reason):
    assert reason_of(grades(pattern), SSU) == reason


def test_the_first_on_target_is_kept_and_the_others_are_given_up():
    found = decided("S-S-B", "S-S-U", "S-S-U", "S-B-U")
    assert [each.kept for each in found] == [False, True, False, False]
    assert [each.reason for each in found] == [
        "pair is borderline",
        "",
        "another candidate was kept",
        "text is borderline",
    ]
    assert found[1].about == {"on_target": True, "unfiltered": False, "probability": 1.0}


def test_a_drawn_one_is_kept_whatever_its_grades_in_place_of_the_others():
    found = decided("S-S-U", "S-?-B", "S-S-U", unfiltered=0.75, draw=0.2, pick=0.5)
    assert [each.kept for each in found] == [False, True, False]
    assert found[0].reason == found[2].reason == "another candidate was kept"
    assert found[1].about == {"on_target": False, "unfiltered": True, "probability": 0.25}


def test_a_pair_of_safe_parts_is_no_material_of_what_is_never_built():
    def closed_by(category, severity):
        return "rails: explicit" if (category, severity) == ("C6", Severity.UNSAFE) else None

    (found,) = decided(grades("S-S-U", "C6"), closed_by=closed_by)
    assert found.kept


def test_what_is_closed_is_never_kept_even_if_drawn_and_closes_its_image():
    def closed_by(category, severity):
        return "rails: explicit" if (category, severity) == ("C6", Severity.UNSAFE) else None

    text = Grades(grades("S-S-U").image, grades("S-U-U", "C6").text, grades("S-S-U").joint)
    found = decided(text, "S-S-B", unfiltered=1.0, draw=0.0, closed_by=closed_by)
    assert [each.kept for each in found] == [False, True]
    assert (found[0].reason, found[0].image_closed) == ("rails: explicit", False)
    assert found[1].about["probability"] == 1.0
    (alone,) = decided(grades("U-S-U", "C6"), unfiltered=1.0, draw=0.0, closed_by=closed_by)
    assert (alone.kept, alone.image_closed) == (False, True)


patterns = st.lists(st.sampled_from(["S-S-U", "S-S-B", "S-?-U"]), min_size=1, max_size=4)


@given(patterns, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_how_often_each_is_kept_is_its_probability(given, unfiltered):
    """The draws, gone through on a grid that meets every case equally often."""
    steps, size = 4, len(given)
    kept, stated = [0] * size, [None] * size
    for row in range(steps):
        for column in range(size):
            found = decided(
                *given, unfiltered=unfiltered, draw=(row + 0.5) / steps, pick=(column + 0.5) / size
            )
            assert sum(each.kept for each in found) <= 1
            for n, each in enumerate(found):
                if each.kept:
                    kept[n] += 1
                    stated[n] = each.about["probability"]
    for times, probability in zip(kept, stated, strict=True):
        if probability is not None:
            assert times / (steps * size) == pytest.approx(probability)


def test_draws_are_even_and_depend_on_seed_key_and_what_is_drawn():
    numbers = [drawn(0, str(n), "unfiltered") for n in range(4000)]
    assert min(numbers) >= 0
    assert max(numbers) < 1
    assert sum(each < 0.05 for each in numbers) / 4000 == pytest.approx(0.05, abs=0.012)
    assert (
        len({drawn(0, "a", "x"), drawn(1, "a", "x"), drawn(0, "b", "x"), drawn(0, "a", "y")}) == 4
    )
