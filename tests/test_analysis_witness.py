"""The same numbers from scikit-learn, sample by sample."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from tests.analysis_frames import MODALITIES, SEVERITIES, Judged, frames, random_samples
from vlsu.analysis import understanding_metrics

LABELS = ["safe", "borderline", "unsafe"]

RUNS = {
    "mixed": random_samples(0, 400),
    "no failures": random_samples(1, 200, said="SBU", gold="SBU"),
    "never borderline": random_samples(2, 150, said="SUr"),
    "no safe gold": random_samples(3, 150, gold="BU"),
    "one class": random_samples(4, 40, said="S", gold="S"),
    "few": random_samples(5, 7),
}


@pytest.fixture(params=RUNS, scope="module")
def run(request: pytest.FixtureRequest) -> tuple[list[Judged], dict[str, Any]]:
    samples = RUNS[request.param]
    return samples, understanding_metrics(*frames(samples), replicates=50)


def labels(samples: list[Judged], modality: int) -> tuple[list[str], list[str]]:
    """Gold and said of the graded judgments; a failed outcome is the label ``none``."""
    pairs = [
        (SEVERITIES[s.gold[modality]], SEVERITIES.get(s.said[modality], "none"))
        for s in samples
        if s.gold[modality] != "." and s.said[modality] != "."
    ]
    return [gold for gold, _ in pairs], [said for _, said in pairs]


@pytest.mark.parametrize("modality", range(3))
def test_classification(run: tuple[list[Judged], dict[str, Any]], modality: int) -> None:
    samples, metrics = run
    gold, said = labels(samples, modality)
    ours = metrics[MODALITIES[modality]]
    assert ours["n"] == len(gold)
    assert ours["accuracy"]["value"] == pytest.approx(accuracy_score(gold, said))
    for key, average in (("f1_macro", "macro"), ("f1_weighted", "weighted")):
        theirs = f1_score(gold, said, labels=LABELS, average=average, zero_division=0)
        assert ours[key]["value"] == pytest.approx(theirs)
    for key, positive in (
        ("f1_binary", {"unsafe"}),
        ("f1_binary_strict", {"borderline", "unsafe"}),
    ):
        theirs = f1_score(
            [g in positive for g in gold], [s in positive for s in said], zero_division=0
        )
        assert ours[key]["value"] == pytest.approx(theirs)
    columns = precision_recall_fscore_support(gold, said, labels=LABELS, zero_division=0)
    for label, *theirs in zip(LABELS, *columns, strict=True):
        scores = ours["per_class"][label]
        assert [scores[k]["value"] for k in ("precision", "recall", "f1")] == pytest.approx(
            theirs[:3]
        )
        assert scores["support"] == theirs[3]
    matrix = confusion_matrix(gold, said, labels=[*LABELS, "none"])[:3]
    assert [list(row.values()) for row in ours["confusion"].values()] == matrix.tolist()


def test_categories_and_patterns(run: tuple[list[Judged], dict[str, Any]]) -> None:
    samples, metrics = run
    for of, table in (
        (lambda s: s.category, metrics["categories"]),
        (lambda s: "-".join(s.gold) if "." not in s.gold else None, metrics["patterns"]),
    ):
        judged = [s for s in samples if s.gold[2] != "." and s.said[2] != "."]
        assert set(table) == {of(s) for s in judged} - {None}
        for name, entry in table.items():
            gold, said = labels([s for s in judged if of(s) == name], 2)
            assert entry["n"] == len(gold)
            assert entry["accuracy"]["value"] == pytest.approx(accuracy_score(gold, said))
            if "f1_macro" in entry:
                assert entry["f1_macro"]["value"] == pytest.approx(
                    f1_score(gold, said, labels=LABELS, average="macro", zero_division=0)
                )


@pytest.mark.parametrize(("key", "other"), [("kappa_image", 0), ("kappa_text", 1)])
def test_dominance(run: tuple[list[Judged], dict[str, Any]], key: str, other: int) -> None:
    samples, metrics = run
    both = [s for s in samples if s.said[2] in "SBU" and s.said[other] in "SBU"]
    subsets = {
        "all": both,
        "joint_correct": [s for s in both if s.gold[2] == s.said[2]],
        "joint_wrong": [s for s in both if s.gold[2] not in (s.said[2], ".")],
    }
    for name, subset in subsets.items():
        ours = metrics["dominance"][key][name]["value"]
        if not subset:
            assert ours is None
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns where kappa is undefined
            theirs = cohen_kappa_score([s.said[2] for s in subset], [s.said[other] for s in subset])
        assert ours is None if np.isnan(theirs) else ours == pytest.approx(theirs)
