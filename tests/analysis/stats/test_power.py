"""How many samples tell two models apart: the plan, from numbers and from runs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar

from tests.runs.finished.test_compare import alignment, understanding
from tests.support.commands import vlsu
from tests.support.report_runs import scripted_run
from tests.support.values import nested
from vlsu.analysis.comparison.planning import Discordance, plan
from vlsu.analysis.stats.power import power
from vlsu.errors import UsageError
from vlsu.runs import Run
from vlsu.runs.finished.comparison import compare, seen_runs

pytestmark = pytest.mark.slow


@cache
def their_p(first: int, second: int) -> float:
    return float(mcnemar([[0, first], [second, 0]], exact=True).pvalue)


@pytest.mark.parametrize(
    ("margin", "accuracy", "alpha", "target_power"),
    [(0.1, 0.6, 0.05, 0.8), (0.05, 0.85, 0.05, 0.9), (0.2, 0.5, 0.01, 0.8)],
)
def test_two_simulated_models_are_told_apart_as_often_as_planned(
    margin: float, accuracy: float, alpha: float, target_power: float
) -> None:
    found: Any = plan(
        margin=margin,
        target_power=target_power,
        alpha=alpha,
        discordance=Discordance.independent(accuracy),
    )
    rng: Any = np.random.default_rng(0)
    n, claims, runs = found["samples"], 0, 2_000
    for _ in range(runs):
        worse, better = rng.random(n) < accuracy, rng.random(n) < accuracy + margin
        alone = int((worse & ~better).sum()), int((better & ~worse).sum())
        claims += alone[1] > alone[0] and their_p(*alone) <= alpha
    assert claims / runs == pytest.approx(target_power, abs=0.04)  # four standard errors and a step
    assert found["power"] == pytest.approx(target_power, abs=0.02)


def test_samples_by_hand() -> None:
    # Connor's (1987) formula: (1.96 sqrt(.2) + .8416 sqrt(.2 - .0009))^2 / .0009 = 1742.4, of the
    # test without continuity; the exact one takes about 2 / 0.03 more.
    found: Any = plan(margin=0.03, discordance=Discordance.given(0.2))
    assert found["solved"] == "samples"
    assert 1742 < found["samples"] <= 1742 + 2 / 0.03
    # All that differ fall to one side: 6 of them are the fewest with p < 0.05.
    found = plan(margin=0.5, samples=14, discordance=Discordance.given(0.5))
    assert (found["solved"], found["samples"]) == ("power", 14)
    assert found["power"] == pytest.approx(float(binom.sf(5, 14, 0.5)))


def test_the_three_questions_have_one_answer() -> None:
    given = Discordance.independent(0.7)
    samples: Any = plan(margin=0.06, discordance=given)["samples"]
    margin = plan(samples=samples, discordance=given)["margin"]
    assert margin == pytest.approx(0.06, rel=0.03)
    assert nested(plan(margin=0.06, samples=samples, discordance=given))["power"] >= 0.8
    assert plan(margin=0.06, target_power=0.95, discordance=given)["samples"] > samples
    assert plan(margin=0.06, tests=17, discordance=given)["samples"] > samples


def test_a_cautious_guess_where_nothing_is_known() -> None:
    found: Any = plan(margin=0.03)
    for accuracy in (0.2, 0.485, 0.5, 0.7, 0.9):
        known = plan(margin=0.03, discordance=Discordance.independent(accuracy))
        # Power rises in steps, and is nearly flat there.
        assert known["samples"] <= found["samples"] + 20
    assert [each["discordance"] for each in found["others"]] == [
        0.03,
        0.05,
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
    ]
    target_power = [each["samples"] for each in found["others"]]
    assert target_power == sorted(target_power)


def test_rare_differences_of_a_billion_samples_are_worked_out() -> None:
    # 100 discordant samples in expectation, Poisson; a fair coin falls 61 to 39 at most.
    found = power(10**9, 1e-7, 2e-8)
    same = power(10**6, 1e-4, 2e-5)
    assert found == pytest.approx(same, abs=1e-4)
    assert 0.4 < found < 0.6


def test_too_few_samples_show_nothing() -> None:
    found: Any = plan(samples=3)
    assert found["margin"] is found["power"] is None
    assert "no difference" in found["text"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give --margin"),
        ({"margin": 0.1, "samples": 10, "target_power": 0.9}, "give two of them"),
        ({"margin": 3.0}, "--margin 3: "),
        ({"margin": float("nan")}, "--margin nan: "),
        ({"margin": 0.1, "target_power": 80}, "--power 80: "),
        ({"margin": 0.1, "alpha": 0.0}, "--alpha 0: "),
        ({"margin": 0.1, "tests": 0}, "--tests 0: "),
        ({"samples": 0}, "--samples 0: "),
        ({"margin": 0.3, "discordance": Discordance.given(0.2)}, "differ on 20% of samples"),
        ({"margin": 0.3, "discordance": Discordance.independent(0.8)}, "at most 0.2 apart"),
    ],
)
def test_what_cannot_be_planned_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(**given)


def test_shares_out_of_range_are_named() -> None:
    for share in (0.0, 1.2, float("nan")):
        with pytest.raises(UsageError, match="--discordant"):
            Discordance.given(share)
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(UsageError, match="--accuracy"):
            Discordance.independent(share)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("power")
    return scripted_run("vlsu-mini", folder / "good"), understanding(folder / "fair", 0.25)


def test_two_runs_to_go_by(runs: tuple[Run, Run]) -> None:
    seen = seen_runs(*runs)
    row = compare(runs)["pairs"][0]["metrics"]
    # The plan is that of the one metric that decides, which was declared.
    declared = compare(runs, primary=["joint.accuracy"])["pairs"][0]["metrics"]["joint.accuracy"]
    alone = row["joint.accuracy"]["discordant"]
    found: Any = plan(seen=seen)
    assert (found["solved"], found["samples"]) == ("margin", row["joint.accuracy"]["n"])
    assert found["margin"] == pytest.approx(declared["detectable"], rel=0.01)
    assert found["f1_macro"]["margin"] == pytest.approx(row["joint.f1_macro"]["detectable"])
    found = plan(seen=seen, margin=0.02)
    assert found["discordance"] == sum(alone.values()) / 465
    assert found["f1_macro"]["samples"] > 465
    found = plan(seen=seen, margin=0.02, samples=found["f1_macro"]["samples"])
    assert found["f1_macro"]["power"] == pytest.approx(0.8, abs=0.002)


def test_the_command(tmp_path: Path, runs: tuple[Run, Run]) -> None:
    said = vlsu("power", "--margin", "0.03", "--accuracy", "0.7").stdout
    assert "samples show a difference of 3 points" in said
    tree = json.loads(vlsu("power", "--samples", "500", "--discordant", "0.2", "--json").stdout)
    assert tree["solved"] == "margin"
    assert tree["margin"] == pytest.approx(0.058, abs=0.002)
    two = ("--from", runs[0].path, runs[1].path)
    tree = json.loads(vlsu("power", *two, "--margin", "0.05", "--json").stdout)
    assert tree["samples"] > 465
    aligned = alignment(tmp_path / "aligned", limit=5)
    for arguments, message in (
        ((), "give --margin"),
        ((*two, "--accuracy", "0.5"), "give only one of them"),
        (("--margin", "0.1", "--dataset", tmp_path), "--dataset goes with --from"),
        (("--from", runs[0].path, tmp_path / "no"), "not a run"),
        (("--from", runs[0].path, aligned.path), "compare runs of one task"),
        (("--from", aligned.path, aligned.path), "given twice"),
    ):
        failed = vlsu("power", *arguments, expect=2)
        assert message in failed.stderr
        assert failed.stderr.count("\n") == 1
