"""Corrections over families of tests: false discovery rates, and one family behind another."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from vlsu.analysis.stats.false_discovery import false_discovery
from vlsu.analysis.stats.gatekeeping import gatekeeping
from vlsu.analysis.stats.holm import holm


@pytest.mark.parametrize(("any_dependence", "method"), [(False, "fdr_bh"), (True, "fdr_by")])
@pytest.mark.parametrize("tests", [1, 2, 17, 97])
def test_false_discovery_rates_are_statsmodels(
    tests: int, any_dependence: bool, method: str
) -> None:
    p = np.random.default_rng(tests).choice([0.0, 1e-4, 0.002, 0.02, 0.4, 1.0], tests).tolist()
    q = false_discovery(dict(enumerate(p)), any_dependence=any_dependence)
    assert list(q) == list(range(tests))
    assert list(q.values()) == pytest.approx(list(multipletests(p, method=method)[1]))


def test_a_second_family_waits_for_the_first() -> None:
    primary, secondary = {"f1": 0.03}, {"accuracy": 0.001, "recall": 0.02}
    # By hand: Holm of the second is 0.002 and 0.02, and neither may be below the gate's 0.03.
    assert gatekeeping(primary, secondary) == {"f1": 0.03, "accuracy": 0.03, "recall": 0.03}
    assert gatekeeping({"f1": 1e-6}, secondary) == {"f1": 1e-6, "accuracy": 0.002, "recall": 0.02}
    # One of two primary tests that is not rejected keeps the gate shut.
    assert gatekeeping({"f1": 1e-6, "other": 0.2}, {"accuracy": 1e-9})["accuracy"] == 0.2
    assert gatekeeping({}, secondary) == holm(secondary)


def test_both_families_together_err_in_five_percent() -> None:
    # The first test's null is false in half of the draws, all others are true; 4,000 draws.
    rng = np.random.default_rng(0)
    wrong = 0
    for draw in range(4_000):
        p = rng.random(5)
        real = draw % 2 == 0
        found = gatekeeping(
            {0: 1e-9 if real else p[0]}, dict(zip(range(1, 5), p[1:].tolist(), strict=True))
        )
        wrong += any(found[test] < 0.05 for test in range(real, 5))
    assert wrong / 4_000 == pytest.approx(0.05, abs=0.012)
