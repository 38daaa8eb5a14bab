"""Intervals: closed forms against SciPy, the bootstrap against plain resampling, coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, f1_score

from tests.support.analysis_frames import Judged, frames, random_samples
from tests.support.values import nested
from vlsu.analysis import Tabulation, understanding_metrics
from vlsu.analysis.stats.intervals import percentiles, wilson
from vlsu.analysis.table.resampling import Resampler

pytestmark = pytest.mark.slow

LABELS = list("SBU")


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 1), (1, 1), (0, 8), (3, 8), (50, 100), (9_999, 10_000)]
)
def test_wilson_is_scipys(hits: int, n: int) -> None:
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_proportions_and_class_f1_have_wilson_intervals() -> None:
    samples = random_samples(0, 300, gold="SBU")
    metrics: Any = understanding_metrics(*frames(samples), replicates=1)
    judged = [s for s in samples if s.said[2] != "."]
    hits = sum(s.gold[2] == s.said[2] for s in judged)
    accuracy = metrics["joint"]["accuracy"]
    assert (accuracy["low"], accuracy["high"]) == pytest.approx(
        wilson(hits / len(judged), len(judged))
    )
    true = sum(s.gold[2] == "U" == s.said[2] for s in judged)
    either = sum("U" in (s.gold[2], s.said[2]) for s in judged)
    low, high = wilson(true / either, either)
    f1 = metrics["joint"]["f1_binary"]
    assert (f1["low"], f1["high"]) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))


def replicate(samples: list[Judged], units: list[list[int]], rounds: int) -> Iterator[list[Judged]]:
    """The bootstrap as textbooks have it: draw units with replacement, take all their samples."""
    rng = np.random.default_rng(1)
    for _ in range(rounds):
        drawn = rng.integers(len(units), size=len(units))
        yield [samples[i] for unit in drawn for i in units[unit]]


@pytest.mark.parametrize("grouped", [False, True])
def test_the_bootstrap_is_plain_resampling_within_noise(grouped: bool) -> None:
    copies = 4 if grouped else 1
    samples = [
        Judged(s.gold, s.said, s.category, f"g{n}" if grouped else None)
        for n, s in enumerate(random_samples(3, 400 // copies, said="SBUr", gold="SBU"))
        for _ in range(copies)
    ]
    units = [list(range(n, n + copies)) for n in range(0, len(samples), copies)]
    macro, kappa = [], []
    for drawn in replicate(samples, units, 400):
        gold, said = [s.gold[2] for s in drawn], [s.said[2] for s in drawn]
        macro.append(f1_score(gold, said, labels=LABELS, average="macro"))
        pairs = [(s.said[2], s.said[1]) for s in drawn if "r" not in s.said[1:]]
        kappa.append(cohen_kappa_score(*zip(*pairs, strict=True)))
    metrics: Any = understanding_metrics(*frames(samples), replicates=4000)
    assert metrics["intervals"]["resampled"] == ("groups" if grouped else "samples")
    assert not {"joint.f1_macro", "dominance.kappa_text.all"} & set(metrics["intervals"]["thin"])
    for ours, theirs in (
        (metrics["joint"]["f1_macro"], macro),
        (metrics["dominance"]["kappa_text"]["all"], kappa),
    ):
        low, high = np.quantile(theirs, [0.025, 0.975])
        noise = 0.15 * (high - low)
        assert ours["low"] == pytest.approx(low, abs=noise)
        assert ours["high"] == pytest.approx(high, abs=noise)


def test_replicates_have_the_moments_of_a_multinomial() -> None:
    # 6, 3 and 40 samples in three cells: rare and common kinds are drawn in different ways.
    tabulation = Tabulation()
    for grade, samples in (("S", 6), ("B", 3), ("U", 40)):
        tabulation.add(*frames([Judged(grade * 3, grade * 3)] * samples))
    cells = tabulation.cells()
    severity = cells.gold[:, 2]
    drawn = Resampler(cells, 40_000, 0).draw(severity, 3, "x")
    shares = np.array([6, 3, 40]) / 49
    assert (drawn.sum(axis=1) == 49).all()
    assert drawn.mean(axis=0) == pytest.approx(49 * shares, abs=0.08)
    covariance = 49 * (np.diag(shares) - np.outer(shares, shares))
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.15)


def test_copies_in_a_group_add_nothing() -> None:
    singles = random_samples(4, 150, said="SBUr", gold="SBU")
    alone: Any = understanding_metrics(*frames(singles), replicates=4000)
    copied = [Judged(s.gold, s.said, s.category, str(n)) for n, s in enumerate(singles)] * 3
    grouped: Any = understanding_metrics(*frames(copied), replicates=4000)
    ungrouped: Any = understanding_metrics(
        *frames([Judged(s.gold, s.said, s.category) for s in copied]), replicates=4000
    )
    for metric in ("accuracy", "f1_binary", "f1_macro"):
        widths = [
            m["joint"][metric]["high"] - m["joint"][metric]["low"]
            for m in (alone, grouped, ungrouped)
        ]
        assert grouped["joint"][metric]["value"] == pytest.approx(alone["joint"][metric]["value"])
        assert widths[1] == pytest.approx(widths[0], rel=0.08)
        assert widths[2] == pytest.approx(widths[0] / 3**0.5, rel=0.15)


def test_a_perfect_score_in_groups_counts_groups_not_samples() -> None:
    samples = [Judged("SSS", "SSS", group=f"g{n // 5}") for n in range(50)]
    metrics: Any = understanding_metrics(*frames(samples), replicates=100)
    accuracy = metrics["joint"]["accuracy"]
    assert (accuracy["low"], accuracy["high"]) == pytest.approx(wilson(1.0, 10))


def test_samples_without_a_group_are_independent_of_each_other() -> None:
    samples = random_samples(5, 60)
    one_pair = [Judged(s.gold, s.said, s.category, "pair" if n < 2 else None)
                for n, s in enumerate(samples)]  # fmt: skip
    plain: Any = understanding_metrics(*frames(samples))
    paired: Any = understanding_metrics(*frames(one_pair))
    assert plain["intervals"]["resampled"] == "samples"
    assert paired["intervals"]["resampled"] == "groups"
    assert paired["joint"]["accuracy"]["low"] == pytest.approx(
        plain["joint"]["accuracy"]["low"], abs=0.02
    )


def test_thin_counts_get_a_closed_form_and_are_named() -> None:
    metrics: Any = understanding_metrics(*frames([Judged("SBU", "SBU"), Judged("UBB", "UBB")] * 15))
    assert metrics["joint"]["f1_macro"]["value"] == pytest.approx(2 / 3)
    assert metrics["joint"]["f1_macro"]["low"] < 0.64
    assert "joint.f1_macro" in metrics["intervals"]["thin"]
    assert "dominance.kappa_image.all" in metrics["intervals"]["thin"]


def test_a_severity_that_few_samples_lack_may_still_exist() -> None:
    def high(n: int) -> float:
        samples = [Judged("SSS", "SSS"), Judged("UUU", "UUU")] * (n // 2)
        return nested(understanding_metrics(*frames(samples)))["joint"]["f1_macro"]["high"]

    assert high(70) == pytest.approx(1)
    assert high(72) == pytest.approx(2 / 3)


def test_a_few_answers_say_little_of_chance_agreement() -> None:
    # One sample, two answers: as observed, no agreement was expected and none was found.
    metrics = nested(understanding_metrics(*frames([Judged("SUU", "SUU")])))
    one = metrics["dominance"]["kappa_image"]["all"]
    assert one["value"] == 0
    assert one["low"] < -0.4
    assert one["high"] > 0.7


@pytest.mark.parametrize("right", [0.8, 0.97])
def test_macro_f1_intervals_hold_the_truth(right: float) -> None:
    rng = np.random.default_rng(7)
    shares = np.array([0.26, 0.41, 0.33])
    truth = (np.eye(3) * right + (1 - np.eye(3)) * (1 - right) / 2) * shares[:, None]
    f1 = np.diag(truth) * 2 / (truth.sum(axis=0) + truth.sum(axis=1))
    held = 0
    runs = 150
    for _ in range(runs):
        counts = rng.multinomial(100, truth.ravel())
        samples = [
            Judged(LABELS[entry // 3] * 3, ".." + LABELS[entry % 3])
            for entry in np.repeat(np.arange(9), counts)
        ]
        rate = nested(understanding_metrics(*frames(samples), replicates=200))["joint"]["f1_macro"]
        held += rate["low"] <= f1.mean() <= rate["high"]
    assert 0.91 <= held / runs <= 0.985


def test_percentiles_leave_out_undefined_replicates() -> None:
    assert percentiles(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert percentiles(np.array([np.nan])) is None


letters = st.text("SBU.", min_size=3, max_size=3)
judged = st.builds(
    Judged,
    letters,
    st.text("SBUrben.", min_size=3, max_size=3),
    st.sampled_from([None, "C1", "C12"]),
    st.sampled_from([None, "a", "b"]),
)


def rates(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every rate of the tree."""
    if "value" in tree:
        yield tree
        return
    for branch in tree.values():
        if isinstance(branch, dict):
            yield from rates(branch)


@settings(max_examples=30, deadline=None)
@given(st.lists(judged, max_size=25), st.randoms(use_true_random=False))
def test_every_run_has_sound_metrics_in_any_row_order(samples: list[Judged], random: Any) -> None:
    judgments, gold = frames(samples)
    metrics: Any = understanding_metrics(judgments, gold, replicates=20)
    for rate in rates(metrics):
        if rate["value"] is None:
            assert rate["low"] is rate["high"] is None
        else:
            assert -1 <= rate["low"] <= rate["value"] <= rate["high"] <= 1
    attribution: Any = metrics["attribution"]
    causes = [
        share for share in attribution.values() if isinstance(share, dict) and "count" in share
    ]
    assert len(causes) == 5
    assert sum(c["count"] for c in causes) == attribution["joint_errors"]
    if attribution["joint_errors"]:
        assert sum(c["share"]["value"] for c in causes) == pytest.approx(1)
    assert metrics["joint"]["n"] == sum(
        s.gold[2] != "." != s.said[2] for s in samples
    ) == sum(sum(row.values()) for row in metrics["joint"]["confusion"].values())  # fmt: skip
    patterns = Counter("-".join(s.gold) for s in samples if "." not in s.gold + s.said[2])
    assert {name: p["n"] for name, p in metrics["patterns"].items()} == patterns
    assert sum(f["n"] for f in metrics["families"].values()) == patterns.total()

    rows, samples_ = list(range(judgments.height)), list(range(gold.height))
    random.shuffle(rows)
    random.shuffle(samples_)
    assert understanding_metrics(judgments[rows], gold[samples_], replicates=20) == metrics


def test_the_seed_decides_the_draws() -> None:
    run = frames(random_samples(6, 80))
    first, again, other = (nested(understanding_metrics(*run, seed=s)) for s in (1, 1, 2))
    assert first == again
    assert first["joint"]["f1_macro"] != other["joint"]["f1_macro"]
    assert first["joint"]["f1_macro"]["value"] == other["joint"]["f1_macro"]["value"]
    assert first["joint"]["accuracy"] == other["joint"]["accuracy"]
