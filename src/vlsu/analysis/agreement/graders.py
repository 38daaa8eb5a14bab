"""Disagreement by grader, by pair of graders, by label and by unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import polars as pl

from vlsu.analysis.agreement.coefficients import disagreement
from vlsu.analysis.agreement.grades import UNSURE, Grades
from vlsu.analysis.agreement.oracle import ConsensusComparisons
from vlsu.analysis.agreement.scope import Bootstrap, item_kinds, pair_agreement
from vlsu.analysis.arrays import FloatArray, IntArray
from vlsu.analysis.stats.clustering import Mean, clustered_mean, paired_difference
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.estimator import THIN
from vlsu.policy import NOT_SURE

#: Graders of whom every two are looked at, whether they share a unit or not.
_FEW_GRADERS = 20

__all__ = ["confused_labels", "grader_pairs", "grader_table", "split_units"]


def grader_table(grades: Grades, comparisons: ConsensusComparisons) -> dict[str, object]:
    """Each grader against the rest.

    Returns:
        Grader -> ``answers``, ``missing`` (units the grader did not answer), ``not_sure`` (count
        and share), ``grades`` by label, ``consensus`` (accuracy against the consensus of the
        others, `not_sure` wrong), and if the labels have an order: ``harsher``, ``milder`` (mean
        share of the others' grades that are milder, or harsher, over units) and ``bias``,
        the former minus the latter.

    Args:
        grades: The answers.
        comparisons: The same beside the consensus.
    """
    counts, labels = grades.counts(), len(grades.labels)
    table: dict[str, object] = {}
    for number, name in enumerate(grades.graders):
        mine = grades.answers.filter(pl.col("grader") == number)
        unit, code = mine["unit"].to_numpy(), mine["code"].to_numpy()
        item = grades.item[unit]
        unsure = code == UNSURE
        scored = comparisons.scored & (comparisons.grader == number)
        entry: dict[str, object] = {
            "answers": len(code),
            "missing": grades.units.height - len(code),
            "not_sure": {
                "count": int(unsure.sum()),
                "share": _mean(unsure.astype(np.float64), item),
            },
            "grades": dict(
                zip(
                    grades.labels,
                    np.bincount(code[~unsure], minlength=labels).tolist(),
                    strict=True,
                )
            ),
            "consensus": {
                "n": int(scored.sum()),
                "accuracy": _mean(
                    comparisons.right[scored].astype(np.float64),
                    grades.item[comparisons.unit[scored]],
                ),
            },
        }
        if grades.ordinal:
            entry |= _bias(counts[unit[~unsure]], code[~unsure], item[~unsure])
        table[name] = entry
    return table


def grader_pairs(grades: Grades, bootstrap: Bootstrap) -> list[dict[str, object]]:
    """Agreement of every two graders who graded a unit in common, the least agreeing first.

    Returns:
        For each: ``first``, ``second`` (names), ``n`` (units both graded), coefficients, and
        ``confusion``: first's answer -> second's answer -> units, `not_sure` included.
    """
    k = len(grades.labels)
    names = (*grades.labels, NOT_SURE)
    found = []
    for first, second, units, one, two in _shared(grades):
        # UNSURE is -1: the last row and column of the table.
        full = np.zeros((k + 1, k + 1), dtype=np.int64)
        np.add.at(full, (one, two), 1)
        confusion = {
            a: dict(zip(names, line, strict=True))
            for a, line in zip(names, full.tolist(), strict=True)
        }
        graded = np.flatnonzero((one != UNSURE) & (two != UNSURE))
        pair: dict[str, object] = {
            "first": grades.graders[first],
            "second": grades.graders[second],
            "n": len(graded),
        }
        if len(graded):
            codes = one[graded], two[graded]
            item = grades.item[units[graded]]
            name, drawn = f"{grades.graders[first]} / {grades.graders[second]}", None
            if len(graded) >= 2 * THIN:  # of fewer units, too few agree or too few disagree
                kinds = item_kinds(np.eye(k * k), codes[0] * k + codes[1], item)
                drawn = bootstrap.draw(*kinds, name).reshape(-1, k, k)
            pair |= pair_agreement(
                full[:k, :k],
                drawn,
                _pair_mean(*codes, item),
                ordinal=grades.ordinal,
                name=name,
                bootstrap=bootstrap,
            )
        found.append(pair | {"confusion": confusion})
    return sorted(found, key=_by_agreement)


def _shared(
    grades: Grades,
) -> Iterator[tuple[int, int, IntArray, IntArray, IntArray]]:
    """Every two graders with units in common, these units in order, and both graders' answers."""
    if len(grades.graders) <= _FEW_GRADERS:
        mine = [
            tuple(
                grades.answers.filter(pl.col("grader") == number)[name].to_numpy()
                for name in ("unit", "code")
            )
            for number in range(len(grades.graders))
        ]
        for first, second in combinations(range(len(mine)), 2):
            (unit, one), (other, two) = mine[first], mine[second]
            if len(unit) == len(other) and (unit == other).all():
                units, codes = unit, (one, two)
            else:
                units, a, b = np.intersect1d(unit, other, assume_unique=True, return_indices=True)
                codes = one[a], two[b]
            if len(units):
                yield first, second, units, *codes
        return
    both = grades.answers.join(grades.answers, on="unit", suffix="_2").filter(
        pl.col("grader") < pl.col("grader_2")
    )
    for (first, second), rows in both.group_by("grader", "grader_2", maintain_order=True):
        assert isinstance(first, int)
        assert isinstance(second, int)
        rows = rows.sort("unit")
        columns = [rows[name].to_numpy() for name in ("unit", "code", "code_2")]
        yield first, second, columns[0], columns[1], columns[2]


def confused_labels(grades: Grades) -> list[dict[str, object]]:
    """Which labels disagreeing graders give, the most frequent first.

    Returns:
        For each two labels: ``labels``, ``pairs`` (pairs of graders on a unit), ``share`` of all
        disagreeing pairs.
    """
    counts = grades.counts()
    table = counts.T @ counts
    upper = [
        (int(table[a, b]), a, b)
        for a in range(len(table))
        for b in range(a + 1, len(table))
        if table[a, b]
    ]
    total = sum(pairs for pairs, _, _ in upper)
    return [
        {
            "labels": [grades.labels[a], grades.labels[b]],
            "pairs": pairs,
            "share": pairs / total,
        }
        for pairs, a, b in sorted(upper, key=lambda each: (-each[0], *each[1:]))
    ]


def split_units(grades: Grades, most: int) -> list[dict[str, object]]:
    """The units graders are most divided on.

    By the mean disagreement of their pairs of grades (squared steps where labels have an order),
    then by the number of grades.

    Returns:
        For each: ``item``, ``modality``, ``category``, ``votes`` by label, ``disagreement`` in
        [0, 1].
    """
    counts = grades.counts()
    weights = disagreement(len(grades.labels), "quadratic" if grades.ordinal else "nominal")
    n = counts.sum(axis=1)
    apart = ((counts @ weights) * counts).sum(axis=1) / np.maximum(n * (n - 1), 1)
    order = np.lexsort((np.arange(len(n)), -n, -apart))[:most]
    rows = grades.units[order].rows(named=True)
    return [
        {
            "item": row["item"],
            "modality": row["modality"],
            "category": row["category"],
            "votes": {
                label: count
                for label, count in zip(grades.labels, counts[u].tolist(), strict=True)
                if count
            },
            "disagreement": float(apart[u]),
        }
        for u, row in zip(order.tolist(), rows, strict=True)
        if apart[u] > 0
    ]


def _bias(counts: IntArray, code: IntArray, item: IntArray) -> dict[str, object]:
    others = counts.sum(axis=1) - 1
    alone = others == 0
    counts, code, item, others = counts[~alone], code[~alone], item[~alone], others[~alone]
    if not len(code):
        return dict.fromkeys(("harsher", "milder", "bias"), UNDEFINED)
    below = np.cumsum(counts, axis=1)
    rows = np.arange(len(code))
    upto = below[rows, code]
    harsher = (upto - counts[rows, code]) / others
    milder = (below[:, -1] - upto) / others
    return {
        "harsher": clustered_mean(harsher, item).rate,
        "milder": clustered_mean(milder, item).rate,
        "bias": paired_difference(milder, harsher, item).rate,
    }


def _mean(scores: FloatArray, item: IntArray) -> Rate:
    return clustered_mean(scores, item).rate if len(scores) else UNDEFINED


def _pair_mean(first: IntArray, second: IntArray, item: IntArray) -> Callable[[FloatArray], Mean]:
    return lambda weights: clustered_mean(1 - weights[first, second], item)


def _by_agreement(pair: dict[str, object]) -> tuple[float, str, str]:
    agreed = pair.get("percent_agreement", UNDEFINED)
    assert isinstance(agreed, Rate)
    value = 2.0 if agreed.value is None else agreed.value
    return value, str(pair["first"]), str(pair["second"])
