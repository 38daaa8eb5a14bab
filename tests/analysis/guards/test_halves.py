"""Choosing on one half and reporting on the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.guards import guard_of, noisy, samples_of
from vlsu.analysis.arrays import BoolArray, FloatArray
from vlsu.analysis.deployment.guards.halves import crossfit, crossfit_tree, flag_rates, halves
from vlsu.analysis.deployment.guards.samples import GuardSamples
from vlsu.analysis.deployment.guards.thresholds import within
from vlsu.analysis.stats.exact import clopper_pearson

rows = st.lists(
    st.tuples(
        st.sampled_from(["safe", "borderline", "unsafe"]),
        st.sampled_from([None, "g1", "g2", "g3"]),
        st.sampled_from([None, 1, 2, 3, 4]),
        st.sampled_from([None, 7, 8, 9, 10]),
    ),
    min_size=2,
    max_size=40,
)


def frame(drawn: Sequence[tuple[str, str | None, int | None, int | None]]) -> pl.DataFrame:
    severity, group, image, text = zip(*drawn, strict=True)
    return pl.DataFrame(
        {
            "sample_id": [f"s{n}" for n in range(len(drawn))],
            "severity": severity,
            "pattern": None,
            "group": group,
            "shared_image": image,
            "shared_text": text,
        },
        schema_overrides={
            "pattern": pl.String,
            "group": pl.String,
            "shared_image": pl.UInt64,
            "shared_text": pl.UInt64,
        },
    )


@given(rows, st.integers(0, 5))
@settings(deadline=None)
def test_nothing_is_shared_between_the_halves(
    drawn: list[tuple[str, str | None, int | None, int | None]], seed: int
) -> None:
    samples = frame(drawn)
    lot, half = halves(samples, seed)
    for name in ("group", "shared_image", "shared_text"):
        values = samples[name].to_list()
        for value in set(values) - {None}:
            assert len({half[n] for n, each in enumerate(values) if each == value}) == 1
    assert all(len(set(half[lot == number])) == 1 for number in lot)


def test_the_halves_are_those_of_their_seed_whatever_the_order() -> None:
    drawn = [(("safe", "unsafe")[n % 2], None, n // 3, None) for n in range(60)]
    samples = frame(drawn)
    lot, half = halves(samples, 4)
    other = samples.sample(fraction=1, shuffle=True, seed=1)
    by_id = dict(zip(other["sample_id"], halves(other, 4)[1], strict=True))
    assert [by_id[id_] for id_ in samples["sample_id"]] == half.tolist()
    assert not np.array_equal(half, halves(samples, 5)[1])
    unsafe = samples["severity"].to_numpy() == "unsafe"
    assert abs(int(half[unsafe].sum()) - 15) <= 2
    assert len(set(lot)) == 20


def bounded(samples: GuardSamples, bound: float):
    def choose(scores: FloatArray, among: BoolArray) -> float:
        return within(scores[among], samples.harmful[among], bound)

    return choose


def test_each_half_is_flagged_by_the_threshold_of_the_other() -> None:
    samples = samples_of("UUSSUUSS", half=[0] * 4 + [1] * 4)
    guard = guard_of([0.9, 0.5, 0.4, 0.3, 0.8, 0.7, 0.6, 0.1])
    fitted = crossfit(guard, samples, bounded(samples, 0.0))
    assert fitted.thresholds == (0.5, 0.7)
    # 0.5 lets the harmless 0.6 of the second half through; 0.7 misses the 0.5 of the first.
    assert fitted.flags.tolist() == [1, 0, 0, 0, 1, 1, 1, 0]
    tree, _ = crossfit_tree(guard, samples, bounded(samples, 0.0), 0.0)
    assert tree["deploy"] == 0.7
    assert (tree["recall"]["value"], tree["false_flags"]["value"]) == (0.75, 0.25)
    first, second = tree["halves"]
    assert (first["threshold"], first["recall"]["value"], first["false_flags"]["value"]) == (
        0.5,
        1.0,
        0.5,
    )
    assert (second["threshold"], second["recall"]["value"]) == (0.7, 0.5)
    assert tree["bound"] == {"max_false_flags": 0.0, "within": False, "verdict": "open"}


def test_missing_answers_are_counted_at_their_worst_and_shown_otherwise() -> None:
    samples = samples_of("UUUUSSSS")
    nan = math.nan
    guard = guard_of([0.9, 0.8, nan, 0.1, nan, 0.2, 0.1, 0.9])
    flags = (guard.worst(samples) >= 0.5).astype(float)
    best = (guard.best(samples) >= 0.5).astype(float)
    found = flag_rates(samples, flags, best, guard.missing)
    recall, false = found["recall"], found["false_flags"]
    assert (recall["value"], recall["if_missing_flagged"], recall["missing"]) == (0.5, 0.75, 1)
    assert (false["value"], false["if_missing_passed"], false["missing"]) == (0.5, 0.25, 1)


def test_safe_and_borderline_are_apart() -> None:
    samples = samples_of("USSBBBB")
    flags = np.array([1.0, 1, 0, 1, 1, 1, 0])
    found = flag_rates(samples, flags, flags, np.zeros(7, dtype=bool))
    assert found["false_flags"]["value"] == pytest.approx(4 / 6)
    assert found["false_flags_safe"]["value"] == 0.5
    assert found["false_flags_borderline"]["value"] == 0.75


def test_the_interval_holds_the_order_statistic_of_the_deployed_threshold() -> None:
    samples, (guard, _) = noisy(5, 500)
    tree, _ = crossfit_tree(guard, samples, bounded(samples, 0.1), 0.1)
    harmless = ~samples.harmful
    n = int(harmless.sum())
    hits = int((guard.score[harmless] >= tree["deploy"]).sum())
    low, high = clopper_pearson(hits, n)
    assert hits == int(0.1 * n)
    assert tree["false_flags"]["low"] <= low
    assert tree["false_flags"]["high"] >= high
    assert tree["bound"]["verdict"] == "open"
