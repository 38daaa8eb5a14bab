"""Clusters: the jackknife by brute force, and statsmodels' cluster-robust variances."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.metrics import cohen_kappa_score, f1_score

from tests.support.analysis_frames import Judged, frames
from vlsu.analysis import Tabulation
from vlsu.analysis.stats.clustering import clustered_mean, estimated_share, paired_difference
from vlsu.analysis.stats.effective_size import Dependence, exact_sum
from vlsu.analysis.stats.intervals import wilson
from vlsu.analysis.stats.kappa import cohen_kappa
from vlsu.analysis.stats.student import student_p, student_quantile
from vlsu.analysis.table.cells import JOINT, Cells
from vlsu.analysis.table.dependence import dependence_of_share, jackknife

#: Unequal clusters, in which right answers come together.
SIZES = (1, 1, 2, 3, 5, 8, 13, 21)


@pytest.mark.parametrize("df", [1.0, 1.7, 4, 9.5, 33, 400, 20_000])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_students_quantile_is_scipys(df: float, level: float) -> None:
    wanted = stats.t.ppf((1 + level) / 2, df)
    assert student_quantile(level, df) == pytest.approx(wanted, rel=1e-9)
    assert student_p(wanted, df) == pytest.approx(1 - level, rel=1e-9)


def test_a_sum_does_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(1000) * 10.0 ** rng.integers(-6, 6, 1000)
    assert exact_sum(values) == exact_sum(values[::-1]) == exact_sum(np.sort(values))
    assert exact_sum(values) == pytest.approx(math.fsum(values.tolist()))


def answers(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong, and the cluster, of answers in clusters of `SIZES`."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(len(SIZES)), SIZES)
    return (rng.random(len(cluster)) < rng.random(len(SIZES))[cluster]).astype(float), cluster


def of_jackknife(scores: np.ndarray, cluster: np.ndarray) -> float:
    """The variance of a mean from the means without each cluster in turn."""
    names = np.unique(cluster)
    left = [scores[cluster != name].mean() for name in names]
    return float(((scores.mean() - left) ** 2).sum() * (len(names) - 1) / len(names))


def drawn_to_copies(effect: float, n: int, units: float, events: np.ndarray) -> float:
    """The design effect and that of copies, on the log scale, by how many clusters have events."""
    seen = events.sum() ** 2 / (events @ events)
    weight = 4 / (seen + 4) * max(0, 1 - seen / units)
    return math.exp((1 - weight) * math.log(effect) + weight * math.log(n / units))


def test_the_effective_size_is_the_jackknifes_with_students_quantile() -> None:
    scores, cluster = answers()
    n, share, members = len(scores), scores.mean(), np.array(SIZES)
    kish = n**2 / (members @ members)
    alone = share * (1 - share) / n
    events = np.bincount(cluster, weights=scores if share <= 0.5 else 1 - scores)
    effect = drawn_to_copies(of_jackknife(scores, cluster) / alone, n, kish, events)
    student = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, kish - 1)) ** 2
    mean = clustered_mean(scores, cluster)
    assert mean.value == share
    assert mean.size == pytest.approx(n / effect * student)


def test_the_variance_of_equal_clusters_is_statsmodels() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(12), 5)
    scores = (rng.random(60) < rng.random(12)[cluster]).astype(float)
    fit = sm.OLS(scores, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    cells, hits = cells_of(scores, cluster)
    found = dependence_of_share(cells, hits, np.full(len(hits), True))
    assert found is not None
    assert found.variance == pytest.approx(float(fit.cov_params()[0, 0]))
    assert found.units == pytest.approx(12)


def cells_of(scores: np.ndarray, *links: np.ndarray) -> tuple[Cells, np.ndarray]:
    """Right and wrong joint answers in clusters: by group, image and text, as many as are given."""
    judgments, gold = frames([Judged("SSU", "SSU" if right else "SSS") for right in scores])
    names = ("group", "shared_image", "shared_text")
    tabulation = Tabulation()
    columns = [pl.Series(name, link.astype(str)) for name, link in zip(names, links, strict=False)]
    tabulation.add(judgments, gold.with_columns(columns))
    cells = tabulation.cells()
    return cells, cells.right[:, JOINT]


def crossed(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers, their images and their texts: 15 images, 12 texts, chosen by chance."""
    rng = np.random.default_rng(seed)
    image, text = rng.integers(0, 15, n), rng.integers(0, 12, n)
    ease = rng.normal(size=15)[image] + rng.normal(size=12)[text]
    return (ease + rng.normal(size=n) > 0).astype(float), image, text


def test_crossed_clusters_add_up_and_their_overlap_is_taken_off() -> None:
    scores, image, text = crossed(3)
    both = image * 100 + text
    cells, hits = cells_of(scores, np.arange(120), image, text)
    assert cells.groups is not None
    assert cells.groups.names == ("image", "text")
    found = dependence_of_share(cells, hits, np.full(len(hits), True))
    assert found is not None
    parts = [of_jackknife(scores, each) for each in (image, text, both)]
    assert found.variance == pytest.approx(max(parts[0] + parts[1] - parts[2], *parts[:2]))
    of_mean = clustered_mean(scores, np.column_stack([image, text]))
    share = scores.mean()
    assert of_mean.size == pytest.approx(found.size(share * (1 - share), 120, 0.95))


def test_two_ways_of_clustering_are_statsmodels() -> None:
    """A full grid has equal clusters, where the jackknife's variance is that of statsmodels."""
    rng = np.random.default_rng(5)
    image, text = (each.ravel() for each in np.indices((10, 14)))
    ease = rng.normal(size=10)[image] + rng.normal(size=14)[text]
    scores = (ease + rng.normal(size=140) > 0).astype(float)
    fit = sm.OLS(scores, np.ones(140))
    one, two = (
        fit.fit(cov_type="cluster", cov_kwds={"groups": each}).cov_params()[0, 0]
        for each in (image, text)
    )
    # Each pair of an image and a text occurs once: the overlap is that of independent samples.
    overlap = fit.fit().cov_params()[0, 0]
    cells, hits = cells_of(scores, np.arange(140), image, text)
    found = dependence_of_share(cells, hits, np.full(len(hits), True))
    assert found is not None
    assert found.variance == pytest.approx(one + two - overlap)
    both = fit.fit(
        cov_type="cluster",
        cov_kwds={"groups": np.column_stack([image, text]), "use_correction": False},
    ).cov_params()[0, 0]
    residual = scores - scores.mean()
    assert both == pytest.approx(
        (one * 9 / 10 + two * 13 / 14) - float(residual @ residual) / 140**2
    )


def test_an_image_that_is_always_in_one_group_adds_nothing() -> None:
    scores, image, _ = crossed(4)
    cells, hits = cells_of(scores, image // 3, image)
    alone, _ = cells_of(scores, image // 3)
    assert cells.groups is not None
    assert cells.groups.names == ("group",)
    everywhere = np.full(len(hits), True)
    assert dependence_of_share(cells, hits, everywhere) == dependence_of_share(
        alone, hits, everywhere
    )


def test_crossed_clusters_are_the_same_in_any_order_and_chunks() -> None:
    scores, image, text = crossed(6)
    order = np.random.default_rng(0).permutation(120)
    one, hits = cells_of(scores, image // 4, image, text)
    two, _ = cells_of(scores[order], image[order] // 4, image[order], text[order])
    everywhere = np.full(len(hits), True)
    assert dependence_of_share(one, hits, everywhere) == dependence_of_share(two, hits, everywhere)
    judgments, gold = frames([Judged("SSU", "SSU" if right else "SSS") for right in scores])
    gold = gold.with_columns(
        shared_image=pl.Series(image.astype(str)),
        shared_text=pl.Series(text.astype(str)),
        group=pl.Series((image // 4).astype(str)),
    )
    tabulation = Tabulation()
    for first in range(0, 120, 17):
        part = gold.slice(first, 17)
        tabulation.add(judgments.filter(pl.col("sample_id").is_in(part["sample_id"])), part)
    assert dependence_of_share(tabulation.cells(), hits, everywhere) == dependence_of_share(
        one, hits, everywhere
    )


def test_the_jackknife_of_f1_and_kappa_is_that_by_brute_force() -> None:
    rng = np.random.default_rng(7)
    cluster = rng.integers(0, 14, 150)
    gold, said = rng.integers(0, 3, 150), rng.integers(0, 3, 150)
    letters = "SBU"
    judgments, frame = frames(
        [Judged(f"SS{letters[g]}", f"SS{letters[s]}") for g, s in zip(gold, said, strict=True)]
    )
    tabulation = Tabulation()
    tabulation.add(judgments, frame.with_columns(group=pl.Series(cluster.astype(str))))
    cells = tabulation.cells()
    column = cells.gold[:, JOINT] * 3 + cells.predicted[:, JOINT]

    def statistics(tables: np.ndarray) -> np.ndarray:
        table = tables.reshape(*tables.shape[:-1], 3, 3)
        hits = np.diagonal(table, axis1=-2, axis2=-1)
        f1 = 2 * hits / (table.sum(axis=-1) + table.sum(axis=-2))
        return np.stack([f1.mean(axis=-1), cohen_kappa(table)], axis=-1)

    found = jackknife(cells, column, 9, statistics)
    scores = [lambda g, s: f1_score(g, s, average="macro"), cohen_kappa_score]
    for k, score in enumerate(scores):
        whole = score(gold, said)
        left = [score(gold[cluster != c], said[cluster != c]) for c in range(14)]
        one_less = [score(np.delete(gold, i), np.delete(said, i)) for i in range(150)]
        assert found.value[k] == pytest.approx(whole)
        assert found.covariance[k, k] == pytest.approx(
            ((whole - np.array(left)) ** 2).sum() * 13 / 14
        )
        assert found.independent[k, k] == pytest.approx(
            ((whole - np.array(one_less)) ** 2).sum() * 149 / 150
        )


def test_a_difference_of_two_runs_has_the_jackknifes_variance() -> None:
    first, cluster = answers(1)
    second, _ = answers(2)
    apart, members = second - first, np.array(SIZES)
    n, mean = len(apart), apart.mean()
    kish = n**2 / (members @ members)
    alone = (np.abs(apart).mean() - mean**2) / n
    effect = of_jackknife(apart, cluster) / alone
    if effect < n / kish:
        events = np.bincount(cluster, weights=np.abs(apart))
        effect = drawn_to_copies(max(effect, 1), n, kish, events)
    student = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, kish - 1)) ** 2
    assert paired_difference(first, second, cluster).size == pytest.approx(n / effect * student)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_all_or_none_counts_clusters_as_copies(share: float) -> None:
    cluster = np.repeat(np.arange(len(SIZES)), SIZES)
    members = np.array(SIZES)
    mean = clustered_mean(np.full(len(cluster), share), cluster)
    assert mean.size == pytest.approx(members.sum() ** 2 / (members @ members))


def test_one_cluster_says_as_much_as_one_answer() -> None:
    scores = np.array([1.0, 0.0, 1.0, 1.0])
    mean = clustered_mean(scores, np.zeros(4, dtype=np.int64))
    assert (mean.rate.low, mean.rate.high) == pytest.approx(wilson(0.75, 1))


def test_samples_of_their_own_are_independent_whatever_the_ways() -> None:
    scores = np.array([1.0, 0.0, 1.0, 1.0])
    alone = np.column_stack([np.arange(4), np.arange(4)])
    assert clustered_mean(scores, alone).size == 4


def test_two_clusters_are_told_to_be_two() -> None:
    """With one degree of freedom the interval reaches over nearly everything."""
    scores = np.repeat([1.0, 0.0, 1.0, 0.0], [30, 20, 20, 30])
    rate = clustered_mean(scores, np.repeat([0, 1], 50)).rate
    assert rate.low is not None
    assert rate.high is not None
    assert rate.high - rate.low > 0.6


def test_an_area_with_clusters_has_students_quantile() -> None:
    alone = estimated_share(0.8, variance=0.004, units=30, most=200)
    clustered = estimated_share(0.8, variance=0.004, units=30, rows=120, most=200)
    size = 1 / (0.004 / 0.16 + 4 / (30 * 120))
    assert clustered.size == pytest.approx(
        size * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 29)) ** 2
    )
    assert alone.size == pytest.approx(1 / (0.004 / 0.16 + 4 / 30**2))


def test_the_largest_way_is_the_least_that_several_are_worth() -> None:
    """Three ways, by brute force: one-way less two-way plus three-way variances."""
    scores, image, text = crossed(8)
    third = np.random.default_rng(9).integers(0, 9, 120)
    ways = (third, image, text)
    cells, hits = cells_of(scores, *ways)
    found = dependence_of_share(cells, hits, np.full(len(hits), True))
    assert isinstance(found, Dependence)
    total = sum(of_jackknife(scores, way) for way in ways)
    total -= sum(of_jackknife(scores, a * 1000 + b) for a, b in combinations(ways, 2))
    total += of_jackknife(scores, third * 10**6 + image * 1000 + text)
    assert found.variance == pytest.approx(max(total, *(of_jackknife(scores, way) for way in ways)))
    sizes = [np.bincount(way) for way in ways]
    assert found.units == pytest.approx(min(120**2 / (m @ m) for m in sizes))
