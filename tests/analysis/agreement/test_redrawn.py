"""Intervals with other graders: by hand, against krippendorff, and by simulation."""

from __future__ import annotations

from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from scipy.stats import t
from statsmodels.regression.linear_model import OLS

from tests.support.commands import vlsu
from vlsu.analysis import grader_agreement
from vlsu.analysis.agreement.coefficients import Votes, alpha, disagreement, gwet
from vlsu.analysis.agreement.grades import grades_from_frame
from vlsu.analysis.agreement.oracle import compare_with_consensus
from vlsu.analysis.agreement.redrawn import LeftOut, UnitAnswers
from vlsu.analysis.agreement.scope import Bootstrap, unit_agreement
from vlsu.errors import UsageError

LEVELS = ("safe", "borderline", "unsafe")
Codes = npt.NDArray[np.int64]


def codes_of(items: int, graders: int, rng: np.random.Generator, missing: float = 0.2) -> Codes:
    """Grades by item and grader, -1 where there is none; each grader errs at a rate of his own."""
    truth = rng.integers(3, size=items)
    finds = rng.random((items, graders)) < rng.beta(6, 2, graders)
    codes = np.where(finds, truth[:, None], rng.integers(3, size=(items, graders)))
    return np.where(rng.random((items, graders)) < missing, -1, codes)


def frame(codes: Codes) -> pl.DataFrame:
    rows = [
        {"item": f"i{item:04}", "grader": f"g{grader:02}", "grade": LEVELS[codes[item, grader]]}
        for item, grader in np.argwhere(codes >= 0).tolist()
    ]
    return pl.DataFrame(rows)


def counts_of(codes: Codes) -> Codes:
    return np.stack([(codes == label).sum(axis=1) for label in range(3)], axis=1)


def left_out(codes: Codes) -> LeftOut:
    grader, unit = np.nonzero((codes >= 0).T)
    return LeftOut.of(UnitAnswers(unit, grader, codes[unit, grader]), counts_of(codes))


def votes(codes: Codes) -> Votes:
    counts = counts_of(codes)
    return Votes.from_features(Votes.features(counts[counts.any(axis=1)]).sum(axis=0), 3)


def test_without_each_grader_it_is_as_if_he_had_not_graded() -> None:
    codes = codes_of(40, 5, np.random.default_rng(1), missing=0.5)
    found = alpha(left_out(codes).graders, ordinal=True).coefficient
    for grader in range(5):
        rest = np.delete(codes, grader, axis=1)
        table = np.where(rest < 0, np.nan, rest).T
        expected = krippendorff.alpha(table, level_of_measurement="ordinal")
        assert found[grader] == pytest.approx(expected)


def test_without_each_answer_it_is_as_if_it_had_not_been_given() -> None:
    codes = codes_of(8, 3, np.random.default_rng(2))
    apart = left_out(codes)
    weights = disagreement(3, "quadratic")
    by_kind = np.repeat(gwet(apart.answers, weights).coefficient, apart.times)
    one_by_one = []
    for item, grader in np.argwhere(codes >= 0):
        fewer = codes.copy()
        fewer[item, grader] = -1
        one_by_one.append(float(gwet(votes(fewer), weights).coefficient))
    np.testing.assert_allclose(np.sort(by_kind), np.sort(one_by_one))


def covered(graders: int, per_item: int | None, runs: int) -> tuple[float, float]:
    """How often both intervals of AC1 hold its value among 600 graders of these skills."""
    rng = np.random.default_rng(7)
    everyone = codes_of(600, 600, np.random.default_rng(8), missing=0.0)
    truth = float(gwet(votes(everyone), disagreement(3, "nominal")).coefficient)
    held = np.zeros(2)
    for _ in range(runs):
        codes = codes_of(80, graders, rng, missing=0.0)
        if per_item is not None:
            order = np.argsort(rng.random(codes.shape), axis=1)
            codes = np.where(order < per_item, codes, -1)
        grader, unit = np.nonzero((codes >= 0).T)
        answers = UnitAnswers(unit, grader, codes[unit, grader])
        for number, redrawn in enumerate((None, answers)):
            found: Any = unit_agreement(
                counts_of(codes),
                np.arange(80),
                ordinal=False,
                name="all",
                bootstrap=Bootstrap(200, 0),
                answers=redrawn,
            )
            rate = found["gwet_ac1"]
            held[number] += rate.low <= truth <= rate.high
    return held[0] / runs, held[1] / runs


@pytest.mark.slow
@pytest.mark.parametrize(("graders", "per_item"), [(3, None), (8, 3)])
def test_the_interval_holds_the_agreement_of_other_graders(
    graders: int, per_item: int | None
) -> None:
    over_items, over_both = covered(graders, per_item, 60)
    # 95% of 60 has a standard error of 2.8 points.
    assert over_both >= 0.86
    assert over_items < over_both


def test_the_oracle_has_items_and_graders_as_crossed_clusters() -> None:
    """Its accuracy against statsmodels' variances clustered by item and by grader (CR0)."""
    codes = codes_of(60, 8, np.random.default_rng(6), missing=0.0)
    rows = frame(codes)
    alone: Any = grader_agreement(rows, replicates=20)["oracle"]
    both: Any = grader_agreement(rows, over="graders,items", replicates=20)["oracle"]
    assert both["joint"]["accuracy"]["value"] == alone["joint"]["accuracy"]["value"]
    assert both["intervals"]["clusters"]["by"] == ["item", "grader"]
    assert alone["intervals"]["clusters"]["by"] == ["item"]
    comparisons = compare_with_consensus(grades_from_frame(rows), consensus="others", seed=0)
    right = comparisons.right[comparisons.scored].astype(float)
    clusters = np.column_stack([comparisons.unit, comparisons.grader])[comparisons.scored]
    fitted = OLS(right, np.ones(len(right))).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    reach = t.ppf(0.975, 7) * fitted.bse[0]
    rate = both["joint"]["accuracy"]
    assert rate["value"] == pytest.approx(fitted.params[0])
    # The jackknife's variance is a few percent above that without corrections, over 8 graders.
    assert rate["high"] - rate["low"] == pytest.approx(2 * reach, rel=0.2)
    narrow = alone["joint"]["accuracy"]
    assert narrow["high"] - narrow["low"] < 0.7 * (rate["high"] - rate["low"])


def test_two_graders_say_nothing_of_others() -> None:
    rows = frame(codes_of(30, 2, np.random.default_rng(3)))
    with pytest.raises(UsageError, match="2 graders do not show how others would agree"):
        grader_agreement(rows, over="graders,items")


def test_agreement_of_all_is_no_more_than_three_graders_are_worth() -> None:
    """Wilson's bound of 3 of 3: whether a fourth would agree, three have shown."""
    codes = np.tile(np.arange(60)[:, None] % 3, (1, 3))
    found: Any = grader_agreement(frame(codes), over="graders,items")
    rate = found["overall"]["percent_agreement"]
    assert (rate["value"], rate["high"]) == (1, 1)
    assert rate["low"] == pytest.approx(0.4385, abs=1e-4)
    assert "overall.gwet_ac1" in found["intervals"]["thin"]


def test_a_part_that_two_graders_graded_is_left_open() -> None:
    codes = codes_of(60, 6, np.random.default_rng(4), missing=0.0)
    rows = frame(codes).with_columns(
        category=pl.when(pl.col("item") < "i0020").then(pl.lit("C1")).otherwise(pl.lit("C2"))
    )
    rows = rows.filter((pl.col("category") == "C2") | (pl.col("grader") < "g02"))
    found: Any = grader_agreement(rows, over="graders,items")
    narrow = found["categories"]["C2"]["gwet_ac1"]
    open_ = found["categories"]["C1"]["gwet_ac1"]
    assert (open_["low"], open_["high"]) == (-1, 1)
    assert -1 < narrow["low"] < narrow["value"] < narrow["high"] < 1


def test_a_grader_who_alone_disagrees() -> None:
    """Without him all agree, which has no logarithm."""
    codes = np.tile(np.arange(60)[:, None] % 3, (1, 4))
    codes[:20, 3] = (codes[:20, 3] + 1) % 3
    found: Any = grader_agreement(frame(codes), over="graders,items")
    rate = found["overall"]["krippendorff_alpha_nominal"]
    assert -1 < rate["low"] < rate["value"] < rate["high"] <= 1


@pytest.mark.parametrize("labels", [[0], [0, 2], [1, 2]])
def test_a_severity_that_nobody_gave(labels: list[int]) -> None:
    """AC1 has three labels all the same, and its interval the value that it has over items."""
    rng = np.random.default_rng(6)
    codes = np.array(labels)[rng.integers(len(labels), size=(40, 4))]
    redrawn: Any = grader_agreement(frame(codes), over="graders,items")
    over_items: Any = grader_agreement(frame(codes))
    rate = redrawn["overall"]["gwet_ac1"]
    assert rate["value"] == over_items["overall"]["gwet_ac1"]["value"]
    assert -1 < rate["low"] < rate["value"] <= rate["high"] <= 1


def test_the_command(tmp_path: Any) -> None:
    file = tmp_path / "grades.csv"
    frame(codes_of(50, 4, np.random.default_rng(5))).write_csv(file)
    shown = vlsu("agreement", file, "--over", "items, graders", "--replicates", "200").stdout
    assert "with other items and other graders" in " ".join(shown.split())
    wrong = vlsu("agreement", file, "--over", "graders", expect=2)
    assert wrong.stderr.strip().endswith("--over 'graders': use items or graders,items")
