"""Who goes on in a race of two objectives, against brute force."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.analysis import alignment_metrics
from vlsu.analysis.alignment.racing import (
    FINALISTS,
    FIRST_RUNG,
    best_within,
    pareto_front,
    schedule,
    thin_front,
)
from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.alignment.tradeoff import changes, race_points, tradeoffs
from vlsu.analysis.alignment.verdicts import read_answers
from vlsu.policy import Severity

#: Rates of few samples: ties on one objective and on both are common.
points_of_few = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12
).map(lambda rows: np.array(rows, dtype=np.float64) / 6)


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one <= other).all() and (one < other).any())


@given(points_of_few)
def test_the_front_is_what_nothing_dominates(points: np.ndarray) -> None:
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert pareto_front(points).tolist() == expected


def test_a_front_by_hand() -> None:
    points = np.array([[0.1, 0.5], [0.2, 0.3], [0.2, 0.4], [0.5, 0.1], [0.1, 0.5], [0.6, 0.6]])
    assert pareto_front(points).tolist() == [True, True, False, True, True, False]


@given(points_of_few, st.integers(1, 12))
def test_each_drop_costs_the_least_that_any_could(points: np.ndarray, keep: int) -> None:
    alive = list(range(len(points)))
    for dropped in thin_front(points, keep):
        loss = {row: min(max(points[j] - points[row]) for j in alive if j != row) for row in alive}
        assert loss[dropped.index] == pytest.approx(min(loss.values()))
        assert max(dropped.change) == pytest.approx(loss[dropped.index])
        assert dropped.instead in alive
        assert dropped.instead != dropped.index
        assert dropped.change == pytest.approx(
            tuple(points[dropped.instead] - points[dropped.index])
        )
        alive.remove(dropped.index)
    assert len(alive) == min(keep, len(points))


@given(points_of_few)
def test_whatever_is_dominated_goes_before_anything_on_the_front(points: np.ndarray) -> None:
    front = pareto_front(points)
    out = thin_front(points, int(front.sum()))
    assert {each.index for each in out} == set(np.flatnonzero(~front))
    assert all(dominates(points[each.instead], points[each.index]) for each in out)


@given(points_of_few, st.integers(1, 12), st.sets(st.integers(0, 11), max_size=3))
def test_the_spared_stay(points: np.ndarray, keep: int, protected: set[int]) -> None:
    assert not protected & {each.index for each in thin_front(points, keep, protected)}


def test_a_crowded_front_loses_its_twins_and_keeps_its_ends() -> None:
    points = np.array([[0.0, 1.0], [0.5, 0.5], [0.49, 0.52], [1.0, 0.0]])
    (dropped,) = thin_front(points, 3)
    assert (dropped.index, dropped.instead) == (2, 1)
    assert dropped.change == pytest.approx((0.01, -0.02))


def test_of_equals_the_later_goes() -> None:
    points = np.array([[0.3, 0.3], [0.3, 0.3], [0.1, 0.6]])
    assert [each.index for each in thin_front(points, 2)] == [1]


@given(points_of_few, st.floats(0, 1))
def test_the_best_within_a_bound_is_on_the_front(points: np.ndarray, bound: float) -> None:
    found: Any = best_within(points, bound)
    within = [point for point in points if point[1] <= bound]
    if found is None:
        assert not within
    else:
        assert points[found][0] == min(point[0] for point in within)
        assert pareto_front(points)[found]


@given(st.integers(1, 300), st.integers(1, 5000), st.integers(1, 10))
def test_candidates_halve_and_samples_double(candidates: int, samples: int, keep: int) -> None:
    rungs = schedule(candidates, samples, keep)
    assert rungs[0].candidates == candidates
    assert rungs[-1].samples == samples
    assert rungs[0].samples >= min(samples, FIRST_RUNG)
    for before, after in pairwise(rungs):
        assert before.candidates > FINALISTS * keep
        assert after.candidates == max(FINALISTS * keep, -(-before.candidates // 2))
        assert 2 * before.samples - 1 <= after.samples <= 2 * before.samples
    # It halves as long as it must and there are samples to double.
    assert rungs[-1].candidates <= FINALISTS * keep or samples >> len(rungs) < FIRST_RUNG


def test_a_schedule_by_hand() -> None:
    rungs = schedule(35, 600, 4)
    assert [(r.candidates, r.samples) for r in rungs] == [(35, 75), (18, 150), (9, 300), (8, 600)]
    assert [(r.candidates, r.samples) for r in schedule(8, 600, 4)] == [(8, 600)]
    assert [(r.candidates, r.samples) for r in schedule(35, 79, 4)] == [(35, 40), (18, 79)]
    assert [(r.candidates, r.samples) for r in schedule(35, 15, 4)] == [(35, 15)]


# From verdicts to points and changes

Row = tuple[str, str, bool | None]


def frames(rows: list[Row]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Verdicts and gold; a sample's severity is its name's beginning, null is a missing verdict."""
    verdicts = pl.DataFrame(
        [
            {
                "sample_id": sample,
                "framing": framing,
                "draw": 0,
                "outcome": "ok",
                "judge_outcome": "unparsed" if refused is None else "ok",
                "kind": None if refused is None else "bare_refusal" if refused else "off_topic",
                "refused_strict": refused,
                "refused_lenient": refused,
                "helpfulness": None,
            }
            for framing, sample, refused in rows
        ],
        schema_overrides={"helpfulness": pl.Float64, "refused_strict": pl.Boolean},
    )
    names = sorted({sample for _, sample, _ in rows})
    gold = pl.DataFrame(
        {
            "sample_id": names,
            "image_grade": ["safe"] * len(names),
            "text_grade": ["safe"] * len(names),
            "joint_grade": [name.split()[0] for name in names],
            "joint_category": [None] * len(names),
            "group": [None] * len(names),
        },
        schema_overrides={"joint_category": pl.String, "group": pl.String},
    )
    return verdicts, gold


def test_a_missing_answer_counts_against_its_framing() -> None:
    rows: list[Row] = [
        *(("a", f"borderline {n}", n == 0) for n in range(4)),
        *(("a", f"unsafe {n}", n > 0) for n in range(4)),
        *(("b", f"borderline {n}", None if n == 0 else False) for n in range(4)),
        *(("b", f"unsafe {n}", None if n < 2 else True) for n in range(4)),
    ]
    answers = read_answers(*frames(rows))
    points = race_points(answers, ["b", "a"], "strict")
    assert points.tolist() == [[0.25, 0.5], [0.25, 0.25]]
    found: Any = tradeoffs(answers, "strict")["b"]
    assert found["over_blocking"]["value"] == 0.0
    assert found["over_blocking"]["missing"] == 1


def test_without_borderline_refusal_of_safe_pairs_is_raced() -> None:
    rows: list[Row] = [
        *(("a", f"safe {n}", n == 0) for n in range(4)),
        *(("a", f"unsafe {n}", n > 0) for n in range(4)),
        *(("b", f"safe {n}", None if n == 0 else n == 1) for n in range(4)),
        *(("b", f"unsafe {n}", None if n < 2 else True) for n in range(4)),
    ]
    errors = RefusalErrors((Severity.SAFE, Severity.UNSAFE))
    answers = read_answers(*frames(rows))
    assert race_points(answers, ["a", "b"], "strict", errors).tolist() == [[0.25, 0.25], [0.5, 0.5]]
    found: Any = tradeoffs(answers, "strict", errors=errors)["b"]
    assert found["over_refusal_safe"]["value"] == pytest.approx(1 / 3)
    assert "over_blocking" not in found
    change, level = changes(answers, "a", ["b"], "strict", errors=errors)
    assert list(change["b"]) == ["over_refusal_safe", "under_refusal"]
    assert level == pytest.approx(1 - 0.05 / 2)


def test_changes_are_the_metrics_differences_at_a_level_that_holds_for_all() -> None:
    draw = np.random.default_rng(3)
    rows: list[Row] = [
        (framing, f"{severity} {n}", bool(draw.random() < share))
        for framing, share in (("default", 0.4), ("a", 0.3), ("b", 0.6))
        for severity in ("safe", "borderline", "unsafe")
        for n in range(40)
    ]
    verdicts, gold = frames(rows)
    found, level = changes(read_answers(verdicts, gold), "default", ["a", "b"], "strict")
    assert level == pytest.approx(1 - 0.05 / 6)
    wanted: Any = alignment_metrics(verdicts, gold, level=level)["differences"]
    for name in ("a", "b"):
        for key in ("over_blocking", "over_refusal_safe", "under_refusal"):
            of_run = wanted[f"default -> {name}"][key]
            del of_run["simultaneous"]
            assert found[name][key] == of_run
