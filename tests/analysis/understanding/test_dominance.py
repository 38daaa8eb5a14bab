"""Dominance within gold patterns, the look-up of two grades, and the lowest of several patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import proportion_confint

from tests.support.analysis_frames import Judged, frames
from vlsu.analysis import understanding_metrics
from vlsu.analysis.stats.stratified_kappa import stratified_kappa

PATTERNS = ("SSS", "SSU", "BSB", "UUU", "USB", "SUU")


def metrics(samples: list[Judged]) -> Any:
    return understanding_metrics(*frames(samples), replicates=50)


def independent(seed: int, n: int, right: float = 0.7, group: int = 0) -> list[Judged]:
    """Answers that depend on the gold grades alone, and so not on each other."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(n):
        gold = PATTERNS[rng.integers(len(PATTERNS))]
        said = "".join(g if rng.random() < right else rng.choice(list("SBU")) for g in gold)
        samples.append(Judged(gold, said, group=f"g{number // group}" if group else None))
    return samples


def test_independent_answers_agree_over_all_pairs_and_not_within_gold_patterns() -> None:
    kappa = metrics(independent(0, 3000))["dominance"]["kappa_text"]
    assert kappa["all"]["low"] > 0.1
    assert kappa["joint_correct"]["low"] > 0.1
    assert kappa["joint_wrong"]["high"] < 0  # by the selection of what is wrong alone
    assert kappa["within_pattern"]["low"] < 0 < kappa["within_pattern"]["high"]
    assert abs(kappa["within_pattern"]["value"]) < 0.03


def test_a_joint_answer_that_repeats_that_to_the_text_agrees_with_it_within_patterns() -> None:
    samples = [Judged(s.gold, s.said[:2] + s.said[1]) for s in independent(1, 400)]
    dominance = metrics(samples)["dominance"]
    assert dominance["kappa_text"]["within_pattern"]["value"] == 1.0
    assert 0.8 < dominance["kappa_text"]["within_pattern"]["low"] < 1
    image = dominance["kappa_image"]["within_pattern"]
    assert image["low"] < 0 < image["high"]


def test_copies_of_a_sample_widen_the_interval() -> None:
    samples = [Judged(s.gold, s.said, group=f"g{n}") for n, s in enumerate(independent(2, 200))]
    once = metrics(samples)["dominance"]["kappa_text"]["within_pattern"]
    many = metrics(samples * 4)["dominance"]["kappa_text"]["within_pattern"]
    plain = metrics([Judged(s.gold, s.said) for s in samples * 4])
    narrow = plain["dominance"]["kappa_text"]["within_pattern"]
    width = {name: r["high"] - r["low"] for name, r in (("1", once), ("4", many), ("n", narrow))}
    assert width["4"] == pytest.approx(width["1"], rel=0.1)
    assert width["n"] < 0.6 * width["4"]


def test_no_two_samples_of_a_pattern_say_nothing() -> None:
    kappa = metrics([Judged("SSS", "SSS"), Judged("SSU", "UBS")])["dominance"]["kappa_text"]
    assert kappa["within_pattern"] == {"value": None, "low": None, "high": None}


def test_of_two_classes_its_numerator_is_that_of_mantel_and_haenszel() -> None:
    rng = np.random.default_rng(3)
    tables = rng.multinomial(40, [0.4, 0.1, 0.2, 0.3], size=6).reshape(6, 2, 2)
    theirs = StratifiedTable(tables.transpose(1, 2, 0).astype(float))
    n, rows, columns = 40, tables.sum(axis=2), tables.sum(axis=1)
    # Cochran's numerator is the sum of a - E(a), and each n (p - e) is twice that.
    variance = (rows.prod(axis=1) * columns.prod(axis=1) / (n**2 * (n - 1))).sum()
    above = 2 * np.sqrt(theirs.test_null_odds().statistic * variance) * n / (n - 1)
    agreed = tables.trace(axis1=1, axis2=2)
    chance = ((rows * columns).sum(axis=1) - agreed) / (n * (n - 1))
    assert float(stratified_kappa(tables)) == pytest.approx(above / (n * (1 - chance)).sum())
    assert theirs.oddsratio_pooled > 1


def test_the_look_up_passes_the_worse_of_two_grades_where_most_pairs_are_milder() -> None:
    samples = [Judged("USB", "USB")] * 8 + [Judged("USU", "USU")] * 2 + [Judged("SSS", "SSS")] * 10
    fusion = metrics(samples)["late_fusion"]
    assert fusion["gold_ceiling"]["value"] == 12 / 20
    assert fusion["gold_lookup"]["value"] == fusion["gold_lookup"]["cross_fitted"] == 18 / 20


def test_the_cross_fitted_look_up_knows_no_sample_it_is_asked_about() -> None:
    # Of two samples each is looked up in the other; of the only one of its two grades, and of
    # copies in one group, the worse of the two is taken.
    two = metrics([Judged("USB", "USB"), Judged("USU", "USU")])["late_fusion"]["gold_lookup"]
    assert (two["value"], two["cross_fitted"]) == (0.5, 0.0)
    assert two["low"] == 0.0
    one = metrics([Judged("USU", "USU"), Judged("SSU", "SSU")])["late_fusion"]["gold_lookup"]
    assert (one["value"], one["cross_fitted"]) == (1.0, 0.5)
    copies = metrics([Judged("USB", "USB", group="g")] * 5)["late_fusion"]["gold_lookup"]
    assert (copies["value"], copies["cross_fitted"]) == (1.0, 0.0)


def test_a_model_is_measured_against_the_best_rule_from_its_own_two_answers() -> None:
    # It calls every image borderline where the pair is unsafe: its parts give the pair away.
    samples = [Judged("SSU", "BSS")] * 20 + [Judged("SSS", "SSS")] * 20
    fusion = metrics(samples)["late_fusion"]
    assert fusion["of_predictions"]["value"] == 0.5
    assert fusion["predictions_lookup"]["value"] == 1.0


def test_the_lowest_pattern_has_one_of_as_many_intervals_as_were_compared() -> None:
    samples = [
        Judged(gold, gold[:2] + (gold[2] if number < hits else "S" if gold[2] != "S" else "U"))
        for gold, hits in zip(PATTERNS, (9, 3, 7, 8, 6, 9), strict=True)
        for number in range(10)
    ]
    found = metrics([*samples, Judged("BBB", "BBS")])["lowest_pattern"]
    assert (found["pattern"], found["n"], found["patterns"]) == ("S-S-U", 10, 6)
    low, high = proportion_confint(3, 10, alpha=0.05 / 6, method="wilson")
    assert found["accuracy"]["value"] == 0.3
    assert (found["accuracy"]["low"], found["accuracy"]["high"]) == pytest.approx((low, high))
    assert 0.3 < found["shrunken"] < 0.7
    assert set(found["may_be_lowest"]) == {"-".join(gold) for gold in PATTERNS}


def test_one_pattern_is_not_the_lowest_of_any() -> None:
    assert metrics([Judged("SSU", "SSS")] * 9)["lowest_pattern"] is None
