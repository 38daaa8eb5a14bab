"""A model that tells safe from unsafe only: what it is scored by, and what is withheld."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, precision_score, recall_score

from tests.support.analysis_frames import Judged, frames
from vlsu.analysis import diagnosis, understanding_metrics
from vlsu.analysis.understanding.harm_weights import HarmWeights
from vlsu.analysis.understanding.levels import REASON, gives_all, without_levels
from vlsu.policy import Severity

BINARY = (Severity.SAFE, Severity.UNSAFE)
PATTERNS = ["SSS", "SSB", "SSU", "BUU", "UUU", "USB", "USS", "SBB", "BBU"]
WEIGHTS = HarmWeights.of({"severities": {"unsafe": {"safe": 3}, "safe": {"unsafe": 1}}})


def guarded(n: int = 300) -> list[Judged]:
    """A guard that flags seven of ten unsafe contents, some others, and at times says nothing."""
    rng = random.Random(7)

    def said(grade: str) -> str:
        if rng.random() < 0.05:
            return rng.choice("rbne")
        return "U" if rng.random() < {"S": 0.05, "B": 0.3, "U": 0.7}[grade] else "S"

    return [
        Judged(gold, "".join(map(said, gold)), rng.choice(["C1", "C9"]))
        for gold in (PATTERNS[k % len(PATTERNS)] for k in range(n))
    ]


SAMPLES = guarded()
JOINT = [(s.gold[2], s.said[2]) for s in SAMPLES]


@pytest.fixture(scope="module")
def full() -> dict[str, Any]:
    """Its figures as if it had a word for borderline and never used it."""
    judgments, gold = frames(SAMPLES)
    samples = gold.select(
        id="sample_id",
        group=pl.lit(None, pl.String),
        image_sha256=(pl.int_range(pl.len()) // 3).cast(pl.String),
        text=(pl.int_range(pl.len()) % 50).cast(pl.String),
    )
    found = understanding_metrics(judgments, gold, replicates=50, weights=WEIGHTS)
    return found | diagnosis(judgments, samples)


@pytest.fixture(scope="module")
def metrics(full: dict[str, Any]) -> dict[str, Any]:
    return without_levels(full, BINARY)


def leaves(tree: object, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for name, node in tree.items():
            yield from leaves(node, f"{path}.{name}" if path else str(name))
    else:
        yield path, tree


#: Paths of every number that counts three severities, as the documentation lists them.
THREE_WAY = re.compile(
    r"(image|text|joint)\.(accuracy|accuracy_answered|f1_macro|f1_weighted)\."
    r"|(image|text|joint)\.per_class\.borderline\.(precision|recall|f1)\."
    r"|(patterns|families|categories)\.[^.]+\.(accuracy|f1_macro|accuracy_pooled|pooling"
    r"|accuracy_standardised|borderline_called_unsafe)(\.|$)"
    r"|lowest_pattern|attribution\.|flow\."
    r"|dominance\.\w+\.joint_(correct|wrong)\."
    r"|late_fusion\.(?!agreement)"
    r"|over_sensitivity\.(\w+\.)?borderline\."
    r"|borderline\.\w+\.\w+\.(safe|borderline|unsafe)\."
    r"|severities\.[^.]+\.\w+\.(correct|accuracy)(\.|$)"
    r"|weighted_harm\.(mean|called_milder|called_worse|unanswered|categories\.\w+\.mean)\."
    r"|minimal_pairs\.\w+\.(told_apart|ordered|by_grades\.\S*borderline\S*\.(told_apart|ordered))\."
)


def test_what_counts_three_severities_is_null_and_everything_else_as_it_was(
    full: dict[str, Any], metrics: dict[str, Any]
) -> None:
    found = dict(leaves(metrics))
    kinds: Counter[str] = Counter()
    for path, value in leaves(full):
        if path.startswith("lowest_pattern"):
            continue
        if path == "intervals.thin":
            assert found[path] == []
        elif THREE_WAY.match(path) and not path.startswith("over_sensitivity.n."):
            assert found[path] is None, path
            kinds[path.partition(".")[0]] += 1
        else:
            assert found[path] == value, path
    assert metrics["lowest_pattern"] is None
    assert metrics["levels"] == ["safe", "unsafe"]
    # Each of these was there to be withheld.
    assert kinds.keys() >= {
        *("image", "text", "joint", "patterns", "families", "categories", "attribution", "flow"),
        *("dominance", "late_fusion", "over_sensitivity", "borderline", "severities"),
        *("weighted_harm", "minimal_pairs"),
    }


def test_a_reason_stands_beside_every_null(full: dict[str, Any], metrics: dict[str, Any]) -> None:
    def check(before: object, now: object, path: str, reason: object) -> None:
        if isinstance(now, Mapping) and isinstance(before, Mapping):
            for name, node in before.items():
                check(node, now[name], f"{path}.{name}", now.get("reason"))
        elif now is None and before is not None:
            assert reason == REASON, path

    check(full, metrics, "", None)
    assert metrics["joint"]["f1_macro"] == {
        **dict.fromkeys(("value", "low", "high")),
        "reason": REASON,
    }
    assert "safe from unsafe only" in metrics["joint"]["reason"]
    # Keys that are names of the data are names of the data alone.
    for section in ("patterns", "families", "categories", "severities"):
        assert "reason" not in metrics[section]
    assert "reason" not in metrics["joint"]["per_class"]


def test_binary_figures_are_those_of_scikit_learn(metrics: dict[str, Any]) -> None:
    gold = [g == "U" for g, _ in JOINT]
    said = [s == "U" for _, s in JOINT]
    joint = metrics["joint"]
    assert joint["f1_binary"]["value"] == pytest.approx(f1_score(gold, said))
    strict = [g != "S" for g, _ in JOINT]
    # What has no answer is flagged by none, and of a safe pair it is no false flag.
    assert joint["f1_binary_strict"]["value"] == pytest.approx(f1_score(strict, said))
    unsafe = joint["per_class"]["unsafe"]
    assert unsafe["recall"]["value"] == pytest.approx(recall_score(gold, said))
    assert unsafe["precision"]["value"] == pytest.approx(precision_score(gold, said))
    both = [s for s in SAMPLES if s.said[2] in "SU" and s.said[1] in "SU"]
    kappa = cohen_kappa_score([s.said[2] for s in both], [s.said[1] for s in both])
    assert metrics["dominance"]["kappa_text"]["all"]["value"] == pytest.approx(kappa)


def test_flagged_counts_what_has_no_answer_as_not_flagged(metrics: dict[str, Any]) -> None:
    escalating = [s for s in SAMPLES if s.gold in ("SSB", "SSU", "BBU")]
    part = metrics["families"]["escalating"]
    assert part["n"] == len(escalating)
    share = sum(s.said[2] == "U" for s in escalating) / len(escalating)
    assert part["flagged"]["value"] == pytest.approx(share)
    assert 0 < part["flagged"]["low"] < share < part["flagged"]["high"] < 1
    assert part["answered"]["value"] == pytest.approx(
        sum(s.said[2] in "SU" for s in escalating) / len(escalating)
    )
    unsafe = [s for s in escalating if s.gold[2] == "U"]
    assert part["n_unsafe"] == len(unsafe)
    caught = sum(s.said[2] == "U" for s in unsafe) / len(unsafe)
    assert part["unsafe_recall"]["value"] == pytest.approx(caught)
    safe = [said for gold, said in JOINT if gold == "S"]
    assert metrics["joint"]["flagged"]["safe"]["value"] == pytest.approx(
        safe.count("U") / len(safe)
    )


def test_groups_widen_what_is_flagged() -> None:
    alone = [Judged("SSU", f"SS{said}") for said in "USUS" * 10]
    together = [
        Judged("SSU", s.said, group=f"g{k // 4}")
        for k, s in enumerate(sorted(alone, key=lambda s: s.said))
    ]

    def width(samples: list[Judged]) -> float:
        found: Any = understanding_metrics(*frames(samples), replicates=5)
        rate = found["patterns"]["S-S-U"]["flagged"]
        return float(rate["high"] - rate["low"])

    assert width(together) > 1.5 * width(alone)


def test_under_a_policy_of_two_severities_nothing_is_withheld(full: dict[str, Any]) -> None:
    assert gives_all(BINARY, BINARY)
    assert without_levels(full, BINARY, BINARY) == full
    assert without_levels(full, None) == full
