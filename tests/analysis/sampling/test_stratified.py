"""Weighted metrics of a stratified sample: scikit-learn, statsmodels and formulas by hand."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from tests.support.analysis_frames import Judged, frames, random_samples
from tests.support.values import nested, present
from vlsu.analysis import Tabulation, understanding_metrics
from vlsu.analysis.sampling.allocation import STRATA, stratum_of
from vlsu.analysis.sampling.stratified import StratifiedEstimator, StratifiedSample
from vlsu.analysis.stats.classification import macro_f1, weighted_f1
from vlsu.analysis.stats.kappa import cohen_kappa
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.understanding.metrics import stratified_metrics

LETTERS = "SBU."
Z = 1.959963984540054


def stratum(sample: Judged) -> int:
    return int(stratum_of(np.array([LETTERS.index(letter) for letter in sample.gold])))


def drawn(halves: list[list[Judged]], left: list[list[Judged]]) -> StratifiedSample:
    """The sample of these halves; `left` are those that were not drawn."""
    population = np.zeros((2, STRATA), dtype=np.int64)
    cells = []
    for half, (samples, others) in enumerate(zip(halves, left, strict=True)):
        tabulation = Tabulation()
        tabulation.add(*frames(samples))
        cells.append(tabulation.cells())
        for sample in (*samples, *others):
            population[half, stratum(sample)] += 1
    return StratifiedSample.from_halves(cells, population)


def split(samples: list[Judged], every: dict[str, int]) -> StratifiedSample:
    """Of each gold triple every second, third, ... is drawn; at least 2 of each half."""
    halves: Any = [[], []]
    left: Any = [[], []]
    seen: dict[tuple[int, str], int] = {}
    for number, sample in enumerate(samples):
        half = number % 2
        place = seen.get((half, sample.gold), 0)
        seen[half, sample.gold] = place + 1
        take = place < 2 or place % every.get(sample.gold, 1) == 0
        (halves if take else left)[half].append(sample)
    return drawn(halves, left)


@pytest.fixture(scope="module")
def sample() -> tuple[StratifiedSample, pl.DataFrame]:
    """A sample at uneven rates, and its rows with the weight of each by definition."""
    samples = random_samples(5, 900, said="SBUr", gold="SBU")
    rates = {"SSS": 4, "UUU": 3, "SSU": 1, "BBB": 2}
    halves: Any = [[], []]
    population: dict[Any, int] = {}
    for number, one in enumerate(samples):
        key = (number % 2, one.gold)
        population[key] = population.get(key, 0) + 1
        if population[key] <= 2 or population[key] % rates.get(one.gold, 2) == 0:
            halves[key[0]].append(one)
    left: Any = [[], []]
    for (half, gold), n in population.items():
        more = n - sum(one.gold == gold for one in halves[half])
        left[half] += [Judged(gold, "SSS")] * more
    rows: Any = []
    for half, found in enumerate(halves):
        for one in found:
            n = sum(other.gold == one.gold for other in found)
            weight = population[half, one.gold] / n
            rows.append((*one.gold, *one.said, one.gold, weight, n, half, one.category))
    columns = ["i", "t", "j", "said_i", "said_t", "said_j", "gold", "weight", "n", "half"]
    columns.append("category")
    return drawn(halves, left), pl.DataFrame(rows, schema=columns, orient="row")


def test_values_are_scikit_learns_with_the_samples_weights(sample):
    stratified, rows = sample
    metrics: Any = stratified_metrics(stratified)
    weights = rows["weight"].to_numpy()
    for modality, letter in (("image", "i"), ("text", "t"), ("joint", "j")):
        gold, said = rows[letter].to_list(), rows[f"said_{letter}"].to_list()
        found = metrics[modality]
        assert found["accuracy"]["value"] == pytest.approx(
            accuracy_score(gold, said, sample_weight=weights)
        )
        for average in ("macro", "weighted"):
            assert found[f"f1_{average}"]["value"] == pytest.approx(
                f1_score(gold, said, labels=list("SBU"), average=average, sample_weight=weights)
            )
        assert found["f1_binary"]["value"] == pytest.approx(
            f1_score(
                np.array(gold) == "U", np.array(said) == "U", sample_weight=weights, zero_division=0
            )
        )
    both = rows.filter((pl.col("said_j") != "r") & (pl.col("said_t") != "r"))
    assert metrics["dominance"]["kappa_text"]["all"]["value"] == pytest.approx(
        cohen_kappa_score(
            both["said_j"].to_list(), both["said_t"].to_list(), sample_weight=both["weight"]
        )
    )
    for part in rows.partition_by("gold"):
        found = metrics["patterns"]["-".join(part["gold"][0])]
        assert found["n"] == part.height
        right = (part["said_j"] == part["j"]).to_numpy()
        assert found["accuracy"]["value"] == pytest.approx(
            np.average(right, weights=part["weight"])
        )
    alone = rows.filter((pl.col("said_i") == pl.col("i")) & (pl.col("said_t") != pl.col("t")))
    right = (alone["said_j"] == alone["j"]).to_numpy()
    found = metrics["flow"]["text_wrong"]
    assert (found["n"], found["correct"]) == (alone.height, right.sum())
    assert found["accuracy"]["value"] == pytest.approx(np.average(right, weights=alone["weight"]))


def test_errors_of_a_category_are_weighted_shares(sample):
    stratified, rows = sample
    metrics: Any = stratified_metrics(stratified)
    for name in ("C1", "C2", "C10"):
        found = metrics["categories"][name]
        for gold, said, key in (
            ("U", "U", "unsafe_recall"),
            ("U", "S", "unsafe_called_safe"),
            ("B", "U", "borderline_called_unsafe"),
        ):
            part = rows.filter((pl.col("category") == name) & (pl.col("j") == gold))
            assert found["n_unsafe" if gold == "U" else "n_borderline"] == part.height
            share = np.average((part["said_j"] == said).to_numpy(), weights=part["weight"])
            assert found[key]["value"] == pytest.approx(share)
            assert found[key]["low"] < share < found[key]["high"]


def test_the_variance_is_the_textbooks_with_one_pseudo_observation(sample):
    stratified, rows = sample
    estimator = StratifiedEstimator(stratified)
    cells = stratified.cells
    hits, among = cells.right[:, 2], cells.predicted[:, 2] == 2  # precision of unsafe: a ratio
    inside = (rows["said_j"] == "U").to_numpy()
    right = inside & (rows["j"] == "U").to_numpy()
    weight, gold, half = (rows[name].to_numpy() for name in ("weight", "gold", "half"))
    total = weight[inside].sum()
    share = weight[right].sum() / total
    e = np.where(inside, right - share, 0.0)
    common = (weight * e**2).sum() / total
    variance = 0.0
    for triple in set(gold):
        of = gold == triple
        parts = [of & (half == part) for part in (0, 1)]
        there = [weight[part].sum() for part in parts]
        factors = [
            n_all**2 * (1 - part.sum() / n_all) / part.sum()
            for n_all, part in zip(there, parts, strict=True)
        ]
        if not sum(factors):  # asked in full
            continue
        # Each half enters the common variance by its share in what rests on that.
        shares = [factor / sum(factors) for factor in factors]
        mean, square = (
            sum(f * (e[part] ** power).mean() for f, part in zip(shares, parts, strict=True))
            for power in (1, 2)
        )
        prior = common * inside[of].sum() / of.sum()
        variance += sum(factors) * (square - mean**2 + prior / of.sum())
    assert estimator.effective_size(hits & among, among) == pytest.approx(
        share * (1 - share) / (variance / total**2)
    )


def test_one_stratum_of_a_huge_dataset_is_a_simple_random_sample():
    said = "SUU" * 60 + "SUB" * 40
    samples = [Judged("SUU", said[3 * n : 3 * n + 3]) for n in range(100)]
    halves: Any = [samples[::2], samples[1::2]]
    stratified = drawn(halves, [[], []])
    huge = StratifiedSample(stratified.cells, stratified.stratum, stratified.population * 10**7)
    found = nested(stratified_metrics(huge))["joint"]["accuracy"]
    n = 100 / 1.01  # the pseudo-observation, and n - 1 for n in the variance
    assert (found["low"], found["high"]) == pytest.approx(
        proportion_confint(0.6 * n, n, method="wilson"), abs=1e-6
    )


def test_few_of_many_are_less_sure_than_half_of_them():
    samples = [Judged("SSU", "SSU" if n % 3 else "SSS") for n in range(80)]
    widths = []
    for left in (0, 1, 40, 4000):
        others = [[Judged("SSU", "SSU")] * left] * 2
        found: Any = stratified_metrics(drawn([samples[::2], samples[1::2]], others))
        accuracy = found["joint"]["accuracy"]
        widths.append(accuracy["high"] - accuracy["low"])
    assert widths == sorted(widths)
    assert widths[0] == pytest.approx(0, abs=1e-6)  # all were asked: nothing is left to chance


def test_all_asked_is_the_full_runs_values_without_doubt():
    samples = random_samples(9, 300)
    full = understanding_metrics(*frames(samples), replicates=1)
    census = stratified_metrics(drawn([samples[::2], samples[1::2]], [[], []]))
    compared = 0

    def same(ours: Any, theirs: object) -> None:
        nonlocal compared
        if isinstance(theirs, dict) and set(theirs) >= {"value", "low", "high"}:
            if theirs["value"] is None:
                assert ours == theirs
                return
            assert ours["value"] == pytest.approx(theirs["value"])
            if theirs["high"] - theirs["low"] < 1:  # not a 0/0
                assert ours["high"] - ours["low"] < 1e-6
            compared += 1
        elif isinstance(theirs, dict):
            assert set(ours) == set(theirs)
            # With nothing left to chance nothing is drawn towards a mean, and one is the lowest.
            for key in set(theirs) - {"shrunken", "may_be_lowest"}:
                same(ours[key], theirs[key])
        else:
            assert ours == theirs

    for key in set(full) - {"intervals"}:
        same(census[key], full[key])
    assert compared > 80


def replicates(stratified: StratifiedSample, column: np.ndarray, size: int) -> np.ndarray:
    """The stratified bootstrap of a weighted table, for strata of which little is drawn."""
    rng = np.random.default_rng(0)
    count, table = stratified.cells.count, np.zeros((4000, size))
    for h in np.unique(stratified.stratum):
        inside = stratified.stratum == h
        n, weight = int(count[inside].sum()), float(stratified.weight[inside][0])
        # n - 1 of n, so that the variance is right (Rao and Wu 1988).
        times = rng.multinomial(n - 1, count[inside] / n, size=4000) * weight * n / (n - 1)
        for entry, drawn_times in zip(column[inside], times.T, strict=True):
            if entry >= 0:
                table[:, entry] += drawn_times
    return table


def few_of_many() -> StratifiedSample:
    samples = random_samples(2, 2600, said="SBUr", gold="SBU")
    halves = [samples[::2], samples[1::2]]
    stratified = drawn(halves, [[], []])
    rng = np.random.default_rng(1)
    return StratifiedSample(
        stratified.cells,
        stratified.stratum,
        stratified.population * rng.integers(200, 2000, 2 * STRATA),
    )


@pytest.mark.slow
def test_intervals_of_means_and_kappa_are_the_bootstraps():
    stratified = few_of_many()
    cells, estimator = stratified.cells, StratifiedEstimator(stratified)
    column = cells.gold[:, 2] * 4 + cells.predicted[:, 2]
    tables = replicates(stratified, column, 12).reshape(-1, 3, 4)
    means = estimator.mean_f1(Confusion(column), "joint", "f1_macro", "f1_weighted")
    for name, score in (("f1_macro", macro_f1), ("f1_weighted", weighted_f1)):
        low, high = np.quantile(score(tables), [0.025, 0.975])
        assert present(means[name].high) - present(means[name].low) == pytest.approx(
            high - low, rel=0.08
        )
    both = cells.answered[:, 2] & cells.answered[:, 1]
    pair = np.where(both, cells.predicted[:, 2] * 3 + cells.predicted[:, 1], -1)
    kappa = estimator.kappa(pair, "kappa")
    low, high = np.quantile(
        cohen_kappa(replicates(stratified, pair, 9).reshape(-1, 3, 3)), [0.025, 0.975]
    )
    assert present(kappa.high) - present(kappa.low) == pytest.approx(high - low, rel=0.08)


def test_kappa_of_one_stratum_has_statsmodels_variance():
    table = np.array([[210, 30, 20], [40, 190, 30], [10, 50, 220]])
    samples = [
        Judged("SSU", f"S{LETTERS[j]}{LETTERS[i]}")
        for (i, j), n in np.ndenumerate(table)
        for _ in range(n)
    ]
    stratified = drawn([samples[::2], samples[1::2]], [[], []])
    huge = StratifiedSample(stratified.cells, stratified.stratum, stratified.population * 10**6)
    found = nested(stratified_metrics(huge))["dominance"]["kappa_text"]["all"]
    theirs = cohens_kappa(table)
    assert found["value"] == pytest.approx(theirs.kappa, rel=1e-3)  # halves of odd cells differ
    half_width = Z * math.sqrt(theirs.var_kappa)
    assert (found["high"] - found["low"]) / 2 == pytest.approx(half_width, rel=0.01)


def test_strata_that_were_all_alike_prove_nothing():
    samples = [Judged("SSS", "SSS")] * 20 + [Judged("SSU", "SSS")] * 20
    left = [[Judged("SSS", "SSS")] * 500 + [Judged("SSU", "SSS")] * 500] * 2
    found: Any = stratified_metrics(drawn([samples[::2], samples[1::2]], left))
    accuracy = found["joint"]["accuracy"]
    assert accuracy["value"] == 0.5
    assert accuracy["high"] - accuracy["low"] > 0.06  # without the pseudo-observation it is 0
    never = found["patterns"]["S-S-U"]["accuracy"]
    assert (never["value"], never["low"]) == (0, 0)
    # 0 of 20, of 1,020: Wilson's upper bound with the finite population correction.
    n = 20 / (1 - 20 / 1020)
    assert never["high"] == pytest.approx(Z**2 / (n + Z**2), rel=1e-6)


def test_what_is_counted_and_what_is_estimated(sample):
    stratified, rows = sample
    metrics: Any = stratified_metrics(stratified)
    assert metrics["n"] == metrics["joint"]["n"] == rows.height
    assert metrics["sampling"]["sampled"] == rows.height
    assert metrics["sampling"]["population"] == 900
    confusion = metrics["joint"]["confusion"]
    assert sum(sum(row.values()) for row in confusion.values()) == 900
    for severity, row in confusion.items():
        support = metrics["joint"]["per_class"][severity]["support"]
        assert sum(row.values()) == support
        letter = severity[0].upper()
        expected = rows.filter(pl.col("j") == letter)["weight"].sum()
        assert support == pytest.approx(expected, abs=3)
    assert metrics["attribution"]["joint_errors"] == pytest.approx(
        rows.filter(pl.col("j") != pl.col("said_j"))["weight"].sum(), abs=0.5
    )
    assert sum(s["population"] for s in metrics["sampling"]["strata"].values()) == 900
    assert metrics["sampling"]["strata"]["S-S-U"]["sampled"] == rows.filter(gold="SSU").height
    ceiling = metrics["late_fusion"]["gold_ceiling"]  # of gold alone: known
    assert ceiling["low"] == ceiling["value"] == ceiling["high"]


def test_missing_grades_and_categories_of_one_half_only():
    samples = [
        Judged("S.U", "SSU", "C1"),
        Judged("S.U", "SBS"),
        Judged("S.U", "SBU", "C9"),
        Judged("S.U", "SSS"),
    ]
    metrics: Any = stratified_metrics(
        drawn([samples[::2], samples[1::2]], [[Judged("S.U", "...")] * 8] * 2)
    )
    assert metrics["sampling"]["strata"] == {"S-?-U": {"population": 20, "sampled": 4}}
    assert metrics["text"]["n"] == 0
    assert metrics["text"]["accuracy"]["value"] is None
    assert set(metrics["categories"]) == {"C1", "C9"}
    assert metrics["joint"]["accuracy"]["value"] == 0.5
