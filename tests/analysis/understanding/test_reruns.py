"""Figures of several draws, against scikit-learn and numerical derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score

from vlsu.analysis.understanding.metrics import understanding_metrics
from vlsu.analysis.understanding.reruns import rerun_metrics
from vlsu.errors import RunError

LABELS = ("safe", "borderline", "unsafe")


def tables(
    gold: np.ndarray[Any, Any], draws: np.ndarray[Any, Any], group: list[str | None] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Judgments of pairs, further draws and gold grades; a prediction of 3 is a refusal."""
    ids = [f"s{n}" for n in range(len(gold))]

    def judged(said: np.ndarray[Any, Any]) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "sample_id": ids,
                "modality": ["joint"] * len(ids),
                "predicted": [None if p == 3 else LABELS[p] for p in said],
                "outcome": ["refused" if p == 3 else "ok" for p in said],
                "request_key": ids,
            },
            schema_overrides={"predicted": pl.String},
        )

    reruns = pl.concat(
        judged(said).with_columns(draw=pl.lit(number, dtype=pl.Int64))
        for number, said in enumerate(draws[1:], start=1)
    )
    samples = pl.DataFrame(
        {
            "sample_id": ids,
            "image_grade": ["safe"] * len(ids),
            "text_grade": ["safe"] * len(ids),
            "joint_grade": [LABELS[g] for g in gold],
            "joint_category": pl.Series([None] * len(ids), dtype=pl.String),
            "group": pl.Series(group or [None] * len(ids), dtype=pl.String),
        }
    )
    return judged(draws[0]), reruns, samples


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    gold = rng.integers(3, size=200)
    draws = np.where(rng.random((3, 200)) < 0.75, gold, rng.integers(4, size=(3, 200)))
    return gold, draws


def test_values_are_those_of_scikit_learn_and_of_each_draw_alone(answers: Any) -> None:
    gold, draws = answers
    judgments, reruns, samples = tables(gold, draws)
    found: Any = rerun_metrics(judgments, reruns, samples, 3)
    macro = [f1_score(gold, said, labels=[0, 1, 2], average="macro") for said in draws]
    binary = [f1_score(gold == 2, said == 2) for said in draws]
    assert found["joint"]["f1_macro"]["values"] == pytest.approx(macro)
    assert found["joint"]["f1_binary"]["values"] == pytest.approx(binary)
    assert found["joint"]["f1_macro"]["value"] == pytest.approx(np.mean(macro))
    alone: Any = understanding_metrics(judgments, samples)
    assert found["joint"]["accuracy"]["values"][0] == alone["joint"]["accuracy"]["value"]
    assert found["flips"]["joint"]["count"] == sum(len(set(each)) > 1 for each in draws.T)


def test_f1_moves_by_its_derivative(answers: Any) -> None:
    gold, draws = answers
    found: Any = rerun_metrics(*tables(gold, draws), 3)

    def macro(weights: np.ndarray[Any, Any]) -> float:
        """Of the mean table, each answer with a weight."""
        table = np.zeros((3, 4))
        for said, weight in zip(draws, weights, strict=True):
            np.add.at(table, (gold, said), weight / 3)
        hits = np.diagonal(table)
        return float(np.mean(2 * hits / (table.sum(axis=1) + table[:, :3].sum(axis=0))))

    step, influence = 1e-6, np.zeros(draws.shape)
    for place in np.ndindex(*draws.shape):
        more = np.ones(draws.shape)
        more[place] += step
        influence[place] = 3 * (macro(more) - macro(np.ones(draws.shape))) / step
    within = influence.var(axis=0, ddof=1).sum()
    figure = found["joint"]["f1_macro"]
    reach = figure["value"] - figure["over_reruns"]["low"]
    # The one flip that is added to those seen makes it a little wider.
    least = 1.959964 * np.sqrt(within * (1 + 1 / 3))
    assert least < reach < 1.03 * least


def test_groups_widen_the_intervals_over_samples_alone(answers: Any) -> None:
    gold, draws = np.repeat(answers[0][:50], 4), np.repeat(answers[1][:, :50], 4, axis=1)
    apart: Any = rerun_metrics(*tables(gold, draws), 3)
    group: list[str | None] = [f"g{n // 4}" for n in range(200)]
    grouped: Any = rerun_metrics(*tables(gold, draws, group), 3)
    for name, wider in (("over_samples", True), ("both", True), ("over_reruns", False)):
        width = [
            each["joint"]["accuracy"][name]["high"] - each["joint"]["accuracy"][name]["low"]
            for each in (apart, grouped)
        ]
        assert (width[1] > 1.5 * width[0]) == wider


def test_draws_of_other_samples_are_refused(answers: Any) -> None:
    judgments, reruns, samples = tables(*answers)
    with pytest.raises(RunError, match="not of the samples that the first is of"):
        rerun_metrics(judgments, reruns.head(300), samples, 3)
    with pytest.raises(RunError, match="not of the samples that the first is of"):
        rerun_metrics(judgments, reruns, samples.head(10), 3)
    with pytest.raises(RunError, match="the further draws are not 1 to 1"):
        rerun_metrics(judgments, reruns, samples, 2)


def test_a_dataset_without_gold_grades_still_shows_what_flips(answers: Any) -> None:
    judgments, reruns, samples = tables(*answers)
    bare = samples.with_columns(pl.lit(None, dtype=pl.String).alias("joint_grade"))
    found: Any = rerun_metrics(judgments, reruns, bare, 3)
    assert found["joint"]["n"] == 0
    assert found["joint"]["accuracy"]["value"] is None
    assert found["joint"]["f1_macro"]["both"] == {"low": None, "high": None}
    assert found["flips"]["joint"]["n"] == 200
