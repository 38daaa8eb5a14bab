"""What the grades of units say: agreement, splits, and models beside the majority."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.agreement.coefficients import disagreement
from vlsu.analysis.agreement.scope import Bootstrap, unit_agreement
from vlsu.analysis.arrays import IntArray
from vlsu.analysis.table.patterns import natural_order
from vlsu.annotate.consensus.estimation import Answers, Estimate, dawid_skene, mace
from vlsu.policy import MODALITIES, NOT_SURE, Severity

__all__ = ["MODELS", "agreement", "estimates", "splits"]

_LABELS = [severity.label for severity in Severity]
#: Beside the majority.
MODELS: dict[str, Callable[[Answers], Estimate]] = {"dawid_skene": dawid_skene, "mace": mace}


def agreement(grades: pl.DataFrame, *, replicates: int = 500, seed: int = 0) -> dict[str, Any]:
    """Agreement by modality, and in it by category.

    An item's category is the one it was built for or graded as in the dataset, so that no
    disagreement decides where it is counted; where none is known, the one that most graders gave.

    Args:
        grades: `item`, `modality`, `grade`, `category`, `stratum`.
        replicates: Of the bootstrap over items.
        seed: Of it.

    Returns:
        Modality -> ``{alpha, ac2, paired, by_category{category: {alpha, ac2, paired}}}`` with
        Krippendorff's ordinal alpha, Gwet's AC2 (quadratic weights), both as
        `vlsu.analysis.stats.intervals.Rate`, and the units that have two grades or more.
    """
    bootstrap = Bootstrap(replicates, seed)
    found: dict[str, Any] = {}
    for modality in MODALITIES:
        units = _units(grades.filter(pl.col("modality") == modality))
        if units.is_empty():
            continue
        counts = units.select(_LABELS).to_numpy().astype(np.int64)
        found[modality] = _coefficients(counts, modality, bootstrap)
        by_category = {}
        for category in sorted(units["group"].drop_nulls().unique(), key=natural_order):
            inside = units["group"].eq_missing(category).to_numpy()
            by_category[category] = _coefficients(
                counts[inside], f"{modality}.{category}", bootstrap
            )
        found[modality]["by_category"] = by_category
    return found


def splits(grades: pl.DataFrame, most: int = 20) -> list[dict[str, Any]]:
    """The units that graders are most divided on, first those furthest apart.

    Args:
        grades: `item`, `modality`, `grade`, `category`, `stratum`.
        most: How many at most.

    Returns:
        ``item``, ``modality``, ``grades{severity: how many}`` and ``disagreement``, the mean
        squared distance of two of its grades, from 0 to 1.
    """
    units = _units(grades)
    counts = units.select(_LABELS).to_numpy().astype(np.int64)
    n = counts.sum(axis=1)
    weights = disagreement(len(_LABELS), "quadratic")
    apart = ((counts @ weights) * counts).sum(axis=1) / np.maximum(n * (n - 1), 1)
    order = np.lexsort((np.arange(len(n)), -n, -apart))[:most]
    rows = units.rows(named=True)
    return [
        {
            "item": rows[unit]["item"],
            "modality": rows[unit]["modality"],
            "grades": {label: rows[unit][label] for label in _LABELS if rows[unit][label]},
            "disagreement": float(apart[unit]),
        }
        for unit in order.tolist()
        if apart[unit] > 0
    ]


def estimates(grades: pl.DataFrame) -> dict[str, Any]:
    """Dawid-Skene and MACE beside the majority; neither decides anything.

    Each modality is a model of its own: graders err otherwise on images than on texts, and the
    severities have other shares.

    Args:
        grades: `item`, `modality`, `grader`, `grade`.

    Returns:
        Model -> ``differences`` (``item``, ``modality``, ``majority``, `None` on a tie,
        ``estimate``, its ``probability``; the most certain first) and ``reliability`` (grader ->
        modality -> from 0 to 1; see `vlsu.annotate.consensus.estimation.Estimate`).
    """
    sure = grades.filter(pl.col("grade") != NOT_SURE)
    found: dict[str, Any] = {name: {"differences": [], "reliability": {}} for name in MODELS}
    for modality in MODALITIES:
        part = sure.filter(pl.col("modality") == modality)
        if part["grader"].n_unique() < 2 or not part["item"].is_duplicated().any():
            continue
        items, graders = (part[name].unique().sort().to_list() for name in ("item", "grader"))
        answers = Answers.of(
            _numbers(part["item"], items),
            _numbers(part["grader"], graders),
            _numbers(part["grade"], _LABELS),
            len(_LABELS),
        )
        votes = np.zeros((len(items), len(_LABELS)), dtype=np.int64)
        np.add.at(votes, (answers.item, answers.label), 1)
        for name, model in MODELS.items():
            estimate = model(answers)
            found[name]["differences"] += _differences(items, modality, votes, estimate)
            for grader, reliability in zip(graders, estimate.competence.tolist(), strict=True):
                found[name]["reliability"].setdefault(grader, {})[modality] = reliability
    for tree in found.values():
        tree["differences"].sort(key=lambda each: -each["probability"])
    return found


def _units(grades: pl.DataFrame) -> pl.DataFrame:
    """A row a unit: `item`, `modality`, votes by severity, and `group`, its category."""
    given = pl.col("category").drop_nulls()
    category = given.mode().sort().first()
    known = pl.when(pl.col("stratum") != "none").then(pl.col("stratum"))
    return (
        grades.group_by("item", "modality")
        .agg(
            *((pl.col("grade") == label).sum().alias(label) for label in _LABELS),
            group=pl.coalesce(known.first(), category),
        )
        .sort("item", "modality")
    )


def _coefficients(counts: IntArray, name: str, bootstrap: Bootstrap) -> dict[str, Any]:
    """Of units of one modality, so that each is an item of its own."""
    tree: dict[str, Any] = unit_agreement(
        counts, np.arange(len(counts)), ordinal=True, name=name, bootstrap=bootstrap
    )
    return {
        "alpha": tree["krippendorff_alpha_ordinal"],
        "ac2": tree["gwet_ac2"],
        "paired": tree["paired"],
    }


def _differences(
    items: list[str], modality: str, votes: IntArray, estimate: Estimate
) -> list[dict[str, Any]]:
    most = votes.max(axis=1)
    tied = (votes == most[:, None]).sum(axis=1) > 1
    majority, labels = votes.argmax(axis=1), estimate.labels
    return [
        {
            "item": items[unit],
            "modality": modality,
            "majority": None if tied[unit] else _LABELS[majority[unit]],
            "estimate": _LABELS[labels[unit]],
            "probability": float(estimate.probabilities[unit, labels[unit]]),
        }
        for unit in np.flatnonzero(tied | (majority != labels)).tolist()
    ]


def _numbers(values: pl.Series, names: list[str]) -> list[int]:
    at = {name: number for number, name in enumerate(names)}
    return [at[value] for value in values]
