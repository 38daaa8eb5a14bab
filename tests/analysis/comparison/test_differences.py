"""Two runs on the same samples: their table, and differences against plain resampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest, norm, t
from sklearn.metrics import cohen_kappa_score, f1_score, precision_score
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests

from tests.support.analysis_frames import Judged, frames, random_samples
from tests.support.values import present
from vlsu.analysis import Tabulation, understanding_metrics
from vlsu.analysis.comparison.differences import Difference, PairedEstimator
from vlsu.analysis.comparison.understanding import understanding_comparison
from vlsu.analysis.stats.intervals import bonett_price
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.paired_cells import PairedCells, PairedTabulation
from vlsu.errors import RunError

pytestmark = pytest.mark.slow

LABELS = list("SBU")


def other_answers(samples: Sequence[Judged], seed: int, same: float = 0.5) -> list[Judged]:
    """The samples as another run might have answered them."""
    rng = np.random.default_rng(seed)
    return [
        s
        if rng.random() < same
        else Judged(s.gold, "".join(rng.choice(list("SBUr"), 3)), s.category, s.group)
        for s in samples
    ]


def tabulate(*runs: Sequence[Judged], chunks: int = 1) -> PairedCells:
    tabulation = PairedTabulation(len(runs))
    read = [frames(run) for run in runs]
    gold = read[0][1]
    for part in range(chunks):
        some = gold.filter(pl.int_range(pl.len()) % chunks == part)
        ids = some["sample_id"].implode()
        tabulation.add([j.filter(pl.col("sample_id").is_in(ids)) for j, _ in read], some)
    return tabulation.cells()


def in_both(cells: PairedCells) -> np.ndarray:
    return np.logical_and.reduce([(run.graded & run.asked)[:, 2] for run in cells.runs])


def joint_accuracy(cells: PairedCells) -> Difference:
    estimator = PairedEstimator(cells, 1, 0)
    first, second = (run.right[:, 2] for run in cells.runs)
    among = in_both(cells)
    return estimator.share(first & among, second & among, among)


def joint_f1(cells: PairedCells, *names: str) -> dict[str, Difference]:
    among = in_both(cells)
    first, second = (
        Confusion(np.where(among, run.gold[:, 2] * 4 + run.predicted[:, 2], -1))
        for run in cells.runs
    )
    return PairedEstimator(cells, 4000, 0).f1(first, second, "joint", *names)


def test_two_of_many_runs_are_as_if_tabulated_alone() -> None:
    samples = random_samples(1, 200)
    runs = [samples, *(other_answers(samples, seed) for seed in range(1, 12))]
    many, two = tabulate(*runs, chunks=3).pair(0, 11), tabulate(runs[0], runs[11]).pair(0, 1)
    for ours, alone in zip(many.runs, two.runs, strict=True):
        for name in ("gold", "predicted", "category", "count", "lost"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(alone, name))


def test_each_run_of_the_table_is_its_own_tabulation() -> None:
    samples = random_samples(1, 300)
    runs = (samples, other_answers(samples, 1), other_answers(samples, 2))
    cells: Any = tabulate(*runs)
    for run, of_run in zip(runs, cells.runs, strict=True):
        alone = Tabulation()
        alone.add(*frames(run))
        expected = alone.cells()
        assert of_run.outcomes == expected.outcomes
        assert of_run.categories == expected.categories
        assert _counted(of_run) == _counted(expected)


def _counted(cells: Any) -> dict[tuple[int, ...], int]:
    table: dict[tuple[int, ...], int] = {}
    rows = np.column_stack([cells.gold, cells.predicted, cells.category]).tolist()
    for row, count in zip(rows, cells.count.tolist(), strict=True):
        table[tuple(row)] = table.get(tuple(row), 0) + count
    return table


def test_the_table_does_not_depend_on_chunks_or_order() -> None:
    samples = [
        Judged(s.gold, s.said, s.category, f"g{n % 40}" if n % 3 else None)
        for n, s in enumerate(random_samples(2, 200, said="SBUr"))
    ]
    other = other_answers(samples, 3)
    whole, parts = tabulate(samples, other), tabulate(samples, other, chunks=7)
    for one, two in zip(whole.runs, parts.runs, strict=True):
        assert (one.predicted == two.predicted).all()
        assert (one.count == two.count).all()
        assert (present(one.groups).ways[0].alone == present(two.groups).ways[0].alone).all()
    accuracy: Any = joint_accuracy(whole)
    assert accuracy == joint_accuracy(parts)
    assert joint_f1(whole, "f1_macro") == joint_f1(parts, "f1_macro")


def test_a_pair_of_three_runs_is_the_table_of_those_two() -> None:
    samples = [
        Judged(s.gold, s.said, s.category, f"g{n % 50}")
        for n, s in enumerate(random_samples(4, 200, said="SBUr"))
    ]
    runs = (samples, other_answers(samples, 5), other_answers(samples, 6))
    pair, alone = tabulate(*runs).pair(2, 0), tabulate(runs[2], runs[0])
    assert len(pair.runs[0].count) == len(alone.runs[0].count)
    assert joint_accuracy(pair) == joint_accuracy(alone)
    assert joint_f1(pair, "f1_macro") == joint_f1(alone, "f1_macro")


def test_runs_of_several_framings_or_other_gold_are_refused() -> None:
    judgments, gold = frames(random_samples(0, 5, said="SBU", gold="SBU"))
    mixed = judgments.with_columns(framing=pl.Series(["a", "b"] * 7 + ["a"]))
    with pytest.raises(RunError, match="framings"):
        PairedTabulation(2).add([judgments, mixed], gold)
    other = judgments.with_columns(expected=pl.lit("safe"))
    with pytest.raises(RunError, match="expected"):
        PairedTabulation(2).add([judgments, other], gold)


def test_a_share_by_hand() -> None:
    # 30 both right, 12 the second alone, 4 the first alone, 14 neither; 5 outcomes are failures.
    said = [("SSS", "SSS")] * 30 + [("SSU", "SSS")] * 12 + [("SSS", "SSr")] * 4
    said += [("SSB", "SSU")] * 13 + [("SSe", "SSn")]
    cells = tabulate([Judged("SSS", a) for a, _ in said], [Judged("SSS", b) for _, b in said])
    found: Any = joint_accuracy(cells)
    assert (found.n, found.discordant, found.size) == (60, (4, 12), 60)
    assert (found.first.value, found.second.value) == pytest.approx((34 / 60, 42 / 60))
    assert found.difference.value == pytest.approx(8 / 60)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        bonett_price(8 / 60, 16 / 60, 60)
    )
    assert found.p == pytest.approx(binomtest(4, 16).pvalue)


def test_each_sides_rates_are_those_of_its_metrics() -> None:
    samples = random_samples(5, 300, said="SBUr", gold="SBU")
    other = other_answers(samples, 7)
    cells = tabulate(samples, other)
    own: Any = [understanding_metrics(*frames(run))["joint"] for run in (samples, other)]
    accuracy = joint_accuracy(cells)
    names: Any = ("f1_macro", "f1_weighted", "f1_binary", "f1_binary_strict")
    for name, found in {"accuracy": accuracy, **joint_f1(cells, *names)}.items():
        assert found.first.as_dict() == own[0][name]
        assert found.second.as_dict() == own[1][name]
        value = own[1][name]["value"] - own[0][name]["value"]
        assert found.difference.value == pytest.approx(value)


@pytest.mark.parametrize("grouped", [False, True])
def test_f1_differences_are_a_plain_paired_bootstraps_within_noise(grouped: bool) -> None:
    copies = 3 if grouped else 1
    samples = [
        Judged(s.gold, s.said, s.category, f"g{n}" if grouped else None)
        for n, s in enumerate(random_samples(8, 450 // copies, said="SBUr", gold="SBU"))
    ]
    other = other_answers(samples, 9)
    pairs = [pair for pair in zip(samples, other, strict=True) for _ in range(copies)]
    gold, *said = np.array([(a.gold[2], a.said[2], b.said[2]) for a, b in pairs]).T
    theirs = [f1_score(gold, s, labels=LABELS, average="macro") for s in said]
    observed = theirs[1] - theirs[0]
    assert observed == pytest.approx(macro_f1(gold, said[1]) - macro_f1(gold, said[0]))
    rng, drawn, flipped = np.random.default_rng(1), [], []
    units = np.arange(len(pairs)).reshape(-1, copies)
    for _ in range(1000):
        i = rng.choice(units, len(units)).ravel()
        drawn.append(macro_f1(gold[i], said[1][i]) - macro_f1(gold[i], said[0][i]))
        coins = np.repeat(rng.random(len(units)) < 0.5, copies)
        swapped = np.where(coins, said[1], said[0]), np.where(coins, said[0], said[1])
        apart = macro_f1(gold, swapped[1]) - macro_f1(gold, swapped[0])
        flipped.append(abs(apart) >= abs(observed))
    found = joint_f1(tabulate([a for a, _ in pairs], [b for _, b in pairs]), "f1_macro")["f1_macro"]
    low, high = np.quantile(drawn, [0.025, 0.975])
    noise = 0.1 * (high - low)
    assert found.difference.value == pytest.approx(observed)
    assert found.difference.low == pytest.approx(low, abs=noise)
    assert found.difference.high == pytest.approx(high, abs=noise)
    assert found.p == pytest.approx(np.mean(flipped), abs=0.05)


def macro_f1(gold: np.ndarray, said: np.ndarray) -> float:
    hits, both = gold == said, [(gold == k).sum() + (said == k).sum() for k in LABELS]
    scores = [2 * hits[gold == k].sum() / n for k, n in zip(LABELS, both, strict=True)]
    return float(np.mean(scores))


def test_copies_in_a_group_add_nothing() -> None:
    singles = random_samples(10, 120, said="SBUr", gold="SBU")
    other = other_answers(singles, 11)
    grouped = [
        [Judged(s.gold, s.said, s.category, str(n)) for n, s in enumerate(run) for _ in range(4)]
        for run in (singles, other)
    ]
    alone, copied = tabulate(singles, other), tabulate(*grouped)
    once, often = joint_accuracy(alone), joint_accuracy(copied)
    assert often.n == 4 * once.n
    # 120 groups, and Student's quantile of 119 degrees of freedom in place of the normal one.
    student = (norm.ppf(0.975) / t.ppf(0.975, 119)) ** 2
    assert often.size == pytest.approx(once.size * student * 119 / 120, rel=0.01)
    assert often.p == pytest.approx(once.p)
    assert often.difference.low == pytest.approx(once.difference.low, abs=2e-3)
    for name in ("f1_macro", "f1_binary"):
        one, many = joint_f1(alone, name)[name], joint_f1(copied, name)[name]
        assert many.p == pytest.approx(one.p, abs=0.03)
        width = present(one.difference.high) - present(one.difference.low)
        assert present(many.difference.high) - present(many.difference.low) == pytest.approx(
            width, rel=0.1
        )


def test_runs_that_answer_alike_differ_by_nothing_but_that_is_not_certain() -> None:
    samples = random_samples(12, 60, said="SBU", gold="SBU")
    cells = tabulate(samples, samples)
    for found in (joint_accuracy(cells), joint_f1(cells, "f1_macro")["f1_macro"]):
        assert found.difference.value == 0
        assert present(found.difference.low) < -0.01 < 0.01 < present(found.difference.high)
        assert found.p == 1


def test_a_class_without_samples_tells_nothing() -> None:
    cells = tabulate([Judged("SSB", "SSB")] * 20, [Judged("SSB", "SSS")] * 20)
    found = joint_f1(cells, "f1_binary", "f1_macro")
    assert found["f1_binary"].difference.as_dict() == {"value": 0, "low": -1, "high": 1}
    assert present(found["f1_macro"].p) < 1e-3


def test_precision_and_class_f1_are_scikit_learns_and_a_plain_paired_bootstraps() -> None:
    samples = random_samples(14, 600, said="SBUr", gold="SBU")
    other = other_answers(samples, 15)
    names = ("per_class.unsafe.precision", "per_class.borderline.f1")
    found = joint_f1(tabulate(samples, other), *names)
    gold, *said = np.array(
        [(a.gold[2], a.said[2], b.said[2]) for a, b in zip(samples, other, strict=True)]
    ).T

    def scores(rows: np.ndarray) -> np.ndarray:
        return np.array(
            [
                (
                    precision_score(gold[rows], run[rows], labels=["U"], average="macro"),
                    f1_score(gold[rows], run[rows], labels=["B"], average="macro"),
                )
                for run in said
            ]
        )

    rng = np.random.default_rng(2)
    drawn = [np.diff(scores(rng.integers(600, size=600)), axis=0)[0] for _ in range(300)]
    for number, name in enumerate(names):
        first, second = scores(np.arange(600))[:, number]
        row = found[name]
        assert (row.first.value, row.second.value) == pytest.approx((first, second))
        assert row.difference.value == pytest.approx(second - first)
        low, high = np.quantile([each[number] for each in drawn], [0.025, 0.975])
        assert row.difference.low == pytest.approx(low, abs=0.2 * (high - low))
        assert row.difference.high == pytest.approx(high, abs=0.2 * (high - low))


def test_of_a_class_that_a_run_never_names_precision_tells_nothing() -> None:
    name = "per_class.borderline.precision"
    cells = tabulate([Judged("SSB", "SSB")] * 20, [Judged("SSB", "SSS")] * 20)
    found = joint_f1(cells, name)[name]
    assert found.difference.as_dict() == {"value": -1, "low": -1, "high": 1}
    assert found.second.as_dict() == {"value": 0, "low": 0, "high": 1}


def test_no_samples_in_common_is_no_number() -> None:
    cells = tabulate([Judged("SSB", "SS.")] * 3, [Judged("SSB", "SSS")] * 3)
    found = joint_accuracy(cells)
    assert (found.n, found.p, found.difference.value) == (0, None, None)


def test_a_comparison_is_statsmodels_and_scikit_learns() -> None:
    # Without groups every share is tested by McNemar's exact test, and Holm's correction is over
    # the tests of a family in all three pairs of runs.
    samples = random_samples(11, 500, said="SBUr")
    runs = [samples, other_answers(samples, 12, same=0.7), other_answers(samples, 13, same=0.9)]
    names = ["a", "b", "c"]
    found: Any = understanding_comparison(tabulate(*runs), names, enough=0.0)
    families: dict[str, list[tuple[float, float]]] = {}
    for pair in found["pairs"]:
        first, second = (runs[names.index(pair[side])] for side in ("first", "second"))
        for path, row in pair["metrics"].items():
            kind, _, part = path.partition(".")
            if kind not in ("patterns", "categories") or path.endswith("f1_macro"):
                continue
            name = part.removesuffix(".accuracy")
            both = [
                (s, t)
                for s, t in zip(first, second, strict=True)
                if s.gold[2] != "." and s.said[2] != "."
                if (name == "-".join(s.gold) if kind == "patterns" else name == s.category)
            ]
            right = np.array([[s.gold[2] == each.said[2] for each in (s, t)] for s, t in both])
            table = [[np.sum((right == [x, y]).all(axis=1)) for y in (1, 0)] for x in (1, 0)]
            p = their_mcnemar(table, exact=True).pvalue
            assert row["p"] == pytest.approx(p)
            assert row["n"] == len(both)
            assert row["discordant"] == {"first": table[0][1], "second": table[1][0]}
            families.setdefault(kind, []).append((p, row["p_adjusted"]))
        agreement = next(
            each
            for each in found["agreement"]["joint"]["pairs"]
            if (each["first"], each["second"]) == (pair["first"], pair["second"])
        )
        said = [(s.said[2], t.said[2]) for s, t in zip(first, second, strict=True)]
        said = [(s, t) for s, t in said if s in "SBU" and t in "SBU"]
        assert agreement["n"] == len(said)
        kappa = cohen_kappa_score(*zip(*said, strict=True))
        assert agreement["kappa"]["value"] == pytest.approx(kappa)
        same = np.mean([s == t for s, t in said])
        assert agreement["agreement"]["value"] == pytest.approx(same)
    assert len(families["categories"]) == 9
    assert len(families["patterns"]) > 3 * 17
    for tests in families.values():
        p, adjusted = zip(*tests, strict=True)
        assert list(adjusted) == pytest.approx(list(multipletests(p, method="holm")[1]))
