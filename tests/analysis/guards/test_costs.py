"""A million requests, by hand and against `vlsu project`."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.support.guards import guard_of, noisy, samples_of
from vlsu.analysis import project, read_traffic
from vlsu.analysis.deployment.guards.costs import Costs, cost_difference, per_million
from vlsu.analysis.deployment.guards.samples import GuardSamples


def test_counts_and_cost_by_hand() -> None:
    # 3 of 4 harmful flagged; 1 of 2 safe and 1 of 4 borderline.
    samples = samples_of("UUUUSSBBBB")
    flags = np.array([1.0, 1, 1, 0, 1, 0, 1, 0, 0, 0])
    costs = Costs(prevalence=0.01, missed=50, blocked=2)
    found = per_million(samples, guard_of(flags), flags, 0.01, costs, seed=0)
    counts = {name: rate["value"] for name, rate in found["per_million"].items()}
    assert counts["missed_harm"] == pytest.approx(1e6 * 0.01 / 4)
    assert counts["wrong_blocks"] == pytest.approx(1e6 * 0.99 * 2 / 6)
    assert counts["wrong_blocks_safe"] == pytest.approx(1e6 * 0.99 * 1 / 6)
    assert counts["wrong_blocks_borderline"] == pytest.approx(1e6 * 0.99 * 1 / 6)
    assert counts["no_verdict"] == 0
    assert found["precision"]["value"] == pytest.approx(0.0075 / (0.0075 + 0.33))
    assert found["cost_per_million"]["value"] == pytest.approx(2500 * 50 + 330_000 * 2)


def test_the_same_as_a_projection() -> None:
    samples, (guard, _) = noisy(1, 600)
    flags = (guard.score >= 0.5).astype(float)
    found = per_million(samples, guard, flags, 0.002, None, seed=0)
    rows = pl.DataFrame(
        {
            "gold": samples.gold,
            "pattern": pl.Series([None] * 600, dtype=pl.String),
            "category": pl.Series([None] * 600, dtype=pl.String),
            "decision": np.where(flags > 0, "flagged", "passed"),
            "cluster": samples.lot,
        }
    )
    other = project(rows, read_traffic({"harm_prevalence": 0.002}))
    for name, rate in found["per_million"].items():
        for part, value in rate.items():
            expected = other["per_million"][name][part]  # type: ignore[index]
            assert value == pytest.approx(expected, rel=0.03, abs=1.0), (name, part)


def test_a_cheaper_guard_has_a_difference_below_zero() -> None:
    samples, (weak, strong) = noisy(2, 1500, (0.8, 2.0))
    costs = Costs(0.05, 20, 1)
    flags = [(guard.score >= 0.6).astype(float) for guard in (weak, strong)]
    found = cost_difference(samples, flags[0], flags[1], costs)
    totals = [
        per_million(samples, guard, each, 0.05, costs, 0)["cost_per_million"]["value"]
        for guard, each in zip((weak, strong), flags, strict=True)
    ]
    assert found.value == pytest.approx(totals[1] - totals[0])
    assert found.high is not None
    assert found.high < 0
    back = cost_difference(samples, flags[1], flags[0], costs)
    assert (back.low, back.high) == pytest.approx((-found.high, -(found.low or 0.0)))


def test_the_interval_of_a_difference_is_that_of_the_bootstrap() -> None:
    samples, (weak, strong) = noisy(3, 900, (1.0, 1.3))
    costs = Costs(0.05, 20, 1)
    flags = [(guard.score >= 0.6).astype(float) for guard in (weak, strong)]
    found = cost_difference(samples, flags[0], flags[1], costs)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(800):
        rows = rng.integers(0, samples.n, samples.n)
        again = samples_of("".join("SBU"[code] for code in samples.gold[rows]))
        drawn.append(plain_difference(again, [each[rows] for each in flags], costs))
    width = np.quantile(drawn, 0.975) - np.quantile(drawn, 0.025)
    assert found.high is not None
    assert found.low is not None
    assert found.high - found.low == pytest.approx(width, rel=0.12)


def plain_difference(samples: GuardSamples, flags: list[np.ndarray], costs: Costs) -> float:
    missed, blocked = (
        [float(value) for value in values]
        for values in (
            [1 - each[samples.harmful].mean() for each in flags],
            [each[~samples.harmful].mean() for each in flags],
        )
    )
    harm, rest = costs.prevalence * costs.missed, (1 - costs.prevalence) * costs.blocked
    return 1e6 * (harm * (missed[1] - missed[0]) + rest * (blocked[1] - blocked[0]))
