"""What is claimed of two runs: roles, missing answers at their worst, margins."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score
from statsmodels.stats.weightstats import ztost

from tests.analysis.comparison.test_differences import tabulate
from tests.support.analysis_frames import Judged
from vlsu.analysis.comparison import claims
from vlsu.analysis.comparison.declared import Declared
from vlsu.analysis.comparison.differences import Difference
from vlsu.analysis.comparison.families import ComparedMetric
from vlsu.analysis.comparison.leaderboard import leaderboard
from vlsu.analysis.comparison.margins import NOT_WORSE, UNTOLD, WORSE, Margin, non_inferiority
from vlsu.analysis.comparison.understanding import understanding_comparison
from vlsu.analysis.comparison.worst_case import WorstCase
from vlsu.analysis.stats.intervals import Rate, bonett_price
from vlsu.errors import UsageError

HALF = Rate(0.5, 0.4, 0.6)


def found(value: float, p: float, reach: float = 0.05) -> Difference:
    return Difference(100, HALF, HALF, Rate(value, value - reach, value + reach), p, None, 100.0)


def metric(value: float, p: float, worst: WorstCase | None = None) -> ComparedMetric:
    return ComparedMetric("it", "it", 1, found(value, p), worst_case=worst)


def rows_of(*said: str) -> dict[str, Any]:
    """The rows of two runs on pairs of safe parts; of each the gold grade and both answers."""
    runs = [[Judged(f"SS{s[0]}", f"SS{s[k]}") for s in said] for k in (1, 2)]
    found: Any = understanding_comparison(tabulate(*runs), ["a", "b"])
    rows: dict[str, Any] = found["pairs"][0]["metrics"]
    return rows


# --- Roles


def test_only_what_is_declared_is_claimed_and_the_rest_is_marked() -> None:
    metrics = {name: metric(0.3, 0.001) for name in ("f1", "accuracy", "recall")}
    rows = claims.test_differences(
        {("a", "b"): metrics}, {}, primary=("f1",), secondary=("accuracy",)
    )["a", "b"]
    assert [rows[name]["role"] for name in rows] == ["primary", "secondary", "exploratory"]
    assert (rows["f1"]["better"], rows["accuracy"]["better"]) == ("b", "b")
    marked = rows["recall"]
    assert (marked["better"], marked["higher"], marked["marked"]) == (None, None, "b")
    assert "better" not in marked["text"]
    assert marked["text"].startswith("Marked, to be followed up: b is ahead of a on it by 30.0")
    assert rows["f1"]["q"] is rows["accuracy"]["q"] is rows["f1"]["marked"] is None


def test_a_secondary_metric_is_not_tested_before_the_primary_one_holds() -> None:
    metrics = {"f1": metric(0.1, 0.2), "accuracy": metric(0.3, 1e-9)}
    rows = claims.test_differences(
        {("a", "b"): metrics}, {}, primary=("f1",), secondary=("accuracy",)
    )["a", "b"]
    assert rows["accuracy"]["p_adjusted"] == 0.2
    assert rows["accuracy"]["better"] is None
    assert "tested only where all primary tests hold" in rows["accuracy"]["text"]


def test_ranks_are_open_where_nothing_can_be_claimed() -> None:
    names = ["a", "b", "c"]
    pairs = {
        pair: {"f1": metric(0.3, 1e-6), "recall": metric(0.3, 1e-6)}
        for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    }
    rows = claims.test_differences(pairs, {}, primary=("f1",), secondary=())
    boards: Any = leaderboard(rows, names, {"f1": 1, "recall": 1})
    assert {e["run"]: (e["rank"]["low"], e["rank"]["high"]) for e in boards["f1"]} == {
        "a": (3, 3),
        "b": (2, 2),
        "c": (1, 1),
    }
    assert {(e["rank"]["low"], e["rank"]["high"]) for e in boards["recall"]} == {(1, 3)}
    assert {e["role"] for e in boards["recall"]} == {"exploratory"}


def test_pairs_of_which_nothing_is_claimed_are_in_no_family() -> None:
    pairs = {("a", "b"): {"f1": metric(0.3, 0.04)}, ("a", "c"): {"f1": metric(0.3, 0.5)}}
    rows = claims.test_differences(
        pairs, {("a", "c"): "as other judges judged them"}, primary=("f1",), secondary=()
    )
    assert rows["a", "b"]["f1"]["tests"] == 1
    assert rows["a", "b"]["f1"]["better"] == "b"
    assert rows["a", "c"]["f1"]["p_adjusted"] is None


def test_a_metric_that_is_not_compared_cannot_decide() -> None:
    pairs = {("a", "b"): {"joint.f1_macro": metric(0.1, 0.2)}}
    with pytest.raises(UsageError, match=r"--primary joint.f1macro: .*did you mean joint.f1_macro"):
        Declared(("joint.f1macro",)).resolved(pairs, [])
    framings = {("a", "b"): {f"framings.{f}.over_blocking": metric(0, 1) for f in ("x", "y")}}
    assert Declared(("over_blocking",)).resolved(framings, []).primary == [
        "framings.x.over_blocking",
        "framings.y.over_blocking",
    ]


# --- Missing answers


def test_what_never_came_may_be_right_or_wrong() -> None:
    # Of 40 samples both are right on 20, the second alone on 12 and no run on 4; on 4 more the
    # first has no answer where the second is right.
    row = rows_of(*["SSS"] * 20, *["SBS"] * 12, *["SBB"] * 4, *["SeS"] * 4)["joint.accuracy"]
    assert row["difference"]["value"] == pytest.approx(16 / 40)
    worst = row["bounds"]["worst_case"]
    assert worst["missing"] == {"first": 4, "second": 0}
    # Manski's bounds by hand: the four are right of the first (12/40), or wrong (16/40).
    assert worst["region"] == {"low": pytest.approx(12 / 40), "high": pytest.approx(16 / 40)}
    low = bonett_price(12 / 40, 12 / 40, 40)[0]
    high = bonett_price(16 / 40, 16 / 40, 40)[1]
    assert worst["difference"] == {
        "value": pytest.approx(12 / 40),
        "low": pytest.approx(low),
        "high": pytest.approx(high),
    }
    assert worst["p"] == pytest.approx(2 * 0.5**12)


def test_a_refusal_is_the_models_own_and_wrong() -> None:
    row = rows_of(*["SSS"] * 39, "SrS")["joint.accuracy"]
    assert row["bounds"] == {}


def test_worst_f1s_are_those_of_all_completions() -> None:
    said = [*["SSS"] * 3, *["BBB"] * 3, *["UUU"] * 2, "SBS", "BUB", "SeS", "BSn", "UnU"]
    rows = rows_of(*said)
    known = [[s[0] for s in said], [s[1] for s in said], [s[2] for s in said]]
    gaps = [(k, i) for k in (1, 2) for i, one in enumerate(known[k]) if one in "en"]

    def f1(predicted: list[str], name: str) -> float:
        chosen = {"f1_macro": "macro", "f1_weighted": "weighted"}.get(name)
        labels = ["U"] if chosen is None else list("SBU")
        return float(
            f1_score(known[0], predicted, labels=labels, average=chosen or "macro", zero_division=0)
        )

    for name in ("f1_macro", "f1_weighted", "f1_binary"):
        reached = []
        for filled in product("SBU", repeat=len(gaps)):
            sides = [list(known[1]), list(known[2])]
            for (k, i), letter in zip(gaps, filled, strict=True):
                sides[k - 1][i] = letter
            reached.append(f1(sides[1], name) - f1(sides[0], name))
        region = rows[f"joint.{name}"]["bounds"]["worst_case"]["region"]
        assert region == {
            "low": pytest.approx(min(reached)),
            "high": pytest.approx(max(reached)),
        }, name


def test_a_claim_has_to_hold_at_worst() -> None:
    for lower, better in ((found(0.1, 0.001), "b"), (found(0.1, 0.3), None), (found(-0.1, 0.001), None)):  # fmt: skip  # noqa: E501
        worst = WorstCase(lower, found(0.4, 1e-6), (5, 0))
        row = claims.test_differences(
            {("a", "b"): {"f1": metric(0.3, 1e-6, worst)}}, {}, primary=("f1",), secondary=()
        )["a", "b"]["f1"]
        assert row["better"] == better
        assert "5 of a" in row["text"]
        assert row["p_adjusted"] == (0.001 if better else row["p_adjusted"])
        assert row["bounds"]["worst_case"]["region"]["high"] == 0.4


# --- Margins


def test_equivalence_is_two_one_sided_tests() -> None:
    rng = np.random.default_rng(0)
    verdicts = set()
    for n, apart in ((200, 0.05), (600, 0.05), (600, 0.3), (2_000, 0.1)):
        change = rng.choice([0, 1, -1], n, p=[1 - apart, apart / 2, apart / 2])
        bounds = bonett_price(change.mean(), (change**2).mean(), n, Margin(0.03).level)
        difference = Difference(
            n, HALF, HALF, Rate.within(change.mean(), *bounds), 1.0, None, float(n)
        )
        held: Any = Margin(0.03).row(
            ("a", "b"), ComparedMetric("it", "it", 1, difference), caution=None
        )
        # With the two samples that Bonett and Price add.
        p, *_ = ztost(np.append(change, [1, -1]), -0.03, 0.03, ddof=0)
        assert held["equivalent"] == (p < 0.05)
        assert (held["text"] is None) == (p >= 0.05)
        verdicts.add(held["equivalent"])
    assert verdicts == {True, False}


@pytest.mark.parametrize(
    ("low", "high", "good", "verdict"),
    [
        (-0.019, 0.03, 1, NOT_WORSE),
        (-0.019, -0.001, 1, NOT_WORSE),
        (-0.02, 0.03, 1, UNTOLD),
        (-0.05, -0.001, 1, WORSE),
        (-0.05, 0.019, -1, NOT_WORSE),
        (0.001, 0.05, -1, WORSE),
        (None, None, 1, UNTOLD),
    ],
)
def test_not_worse_by_more_than_two_points(
    low: float | None, high: float | None, good: int, verdict: str
) -> None:
    assert non_inferiority(low, high, 0.02, good) == verdict


def test_margins_over_several_tests_are_corrected() -> None:
    assert Margin(0.02).level == pytest.approx(0.9)
    assert Margin(0.02, tests=2).level == pytest.approx(0.95)
    with pytest.raises(UsageError, match=r"--margin 1\.5"):
        Declared(margin=1.5)


def test_what_is_missing_must_not_matter_to_a_margin() -> None:
    worst = WorstCase(found(-0.01, 1.0, 0.005), found(0.01, 1.0, 0.005), (2, 2))
    near = ComparedMetric("it", "it", 1, found(0.0, 1.0, 0.005), worst_case=worst)
    assert Margin(0.02).row(("a", "b"), near, None)["equivalent"] is True
    assert Margin(0.014).row(("a", "b"), near, None)["equivalent"] is False


def test_a_primary_metric_that_resembles_none_is_answered_with_some_that_there_are() -> None:
    paths: dict[str, Any] = dict.fromkeys(("joint.f1_macro", "joint.accuracy"))

    with pytest.raises(UsageError, match=r"--primary xyz: .*; they are by joint\.f1_macro, joint"):
        Declared(primary=["xyz"]).resolved({("a", "b"): paths}, ["joint.f1_macro"])
