"""What one person grades of one sample."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.annotate.plan.seats import slots_of, wanted_grades
from vlsu.annotate.plan.settings import Bounds, Order, Plan, parse_graders
from vlsu.errors import UsageError

NUMBERS = st.fixed_dictionaries(
    {name: st.integers(0, 5) for name in ("image", "text", "joint")}
).filter(lambda numbers: any(numbers.values()))


@given(NUMBERS, st.booleans(), st.integers(0, 100))
def test_a_sample_has_the_slots_that_are_asked_for_and_every_seat_ends_with_the_pair(
    numbers, disjoint, seed
):
    plan = Plan(graders=numbers, disjoint=disjoint, seed=seed)
    slots = list(slots_of(plan, "s1", numbers))
    assert Counter(modality for modality, _, _ in slots) == Counter(
        {name: n for name, n in numbers.items() if n}
    )
    seats: dict[int, list[tuple[int, str]]] = {}
    for modality, seat, place in slots:
        seats.setdefault(seat, []).append((place, modality))
    for of_seat in seats.values():
        order = [modality for _, modality in sorted(of_seat)]
        assert [place for place, _ in sorted(of_seat)] == list(range(len(order)))
        assert len(set(order)) == len(order)
        if "joint" in order:
            assert order[-1] == "joint"
            assert not disjoint or order == ["joint"]


def test_in_half_of_the_seats_the_text_comes_first():
    wanted = {"image": 1, "text": 1, "joint": 1}
    first = Counter(next(iter(slots_of(Plan(), f"s{n}", wanted)))[0] for n in range(1000))
    assert 450 < first["text"] < 550


def test_a_share_of_the_samples_is_regraded_where_one_grader_is_asked_for():
    plan = Plan(graders={"image": 1, "text": 2, "joint": 3}, regrade=0.2)
    found = [wanted_grades(plan, f"s{n}", image=True, text=True) for n in range(5000)]
    again = [each for each in found if each["image"] == 3]
    assert {(each["text"], each["joint"]) for each in found} == {(2, 3)}
    assert 900 < len(again) < 1100  # 1000, four standard deviations of 28
    assert {each["image"] for each in found} == {1, 3}


@pytest.mark.parametrize(
    ("has", "wanted"),
    [
        ({"image": True, "text": False}, {"image": 1}),
        ({"image": False, "text": True}, {"text": 3}),
        ({"image": False, "text": False}, {}),
    ],
)
def test_what_a_sample_lacks_is_not_graded(has, wanted):
    assert wanted_grades(Plan(regrade=0), "s1", **has) == wanted


@pytest.mark.parametrize(
    "text", ["", "image", "image=", "image=x", "video=1", "image=1;text=2", "image=-1", "text=١"]
)
def test_graders_that_cannot_be_read_are_refused(text):
    with pytest.raises(UsageError, match="write image=1,text=3,joint=3"):
        parse_graders(text)


def test_a_modality_that_is_named_twice_is_refused():
    with pytest.raises(UsageError, match="names image twice"):
        parse_graders("image=1,text=3,image=2")


@pytest.mark.parametrize(
    ("about", "named"),
    [
        ({"graders": {"image": 0, "text": 0, "joint": 0}}, "nothing is graded"),
        ({"graders": {"image": 51}}, "image=51"),
        ({"regrade": 1.5}, "regrade is 1.5"),
        ({"order": Order(block=0)}, "block is 0"),
        ({"bounds": Bounds(spacing=-1)}, "spacing is -1"),
    ],
)
def test_a_plan_out_of_range_is_refused(about, named):
    with pytest.raises(UsageError, match=named):
        Plan(**about)
