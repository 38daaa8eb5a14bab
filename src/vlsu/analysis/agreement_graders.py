"""Who disagrees with whom, and on what."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import polars as pl

from vlsu.analysis.agreement_coefficients import disagreement
from vlsu.analysis.agreement_grades import UNSURE, Grades
from vlsu.analysis.agreement_scope import Bootstrap, item_kinds, pair_agreement
from vlsu.analysis.cells import FloatArray, IntArray
from vlsu.analysis.clustering import Mean, clustered_mean, paired_difference
from vlsu.analysis.estimates import THIN
from vlsu.analysis.intervals import UNDEFINED, Rate
from vlsu.analysis.oracle import Comparisons
from vlsu.policy import NOT_SURE

#: Stands for no answer in a table of answers.
_NO_ANSWER = -2

__all__ = ["confused_labels", "grader_pairs", "grader_table", "split_units"]


def grader_table(grades: Grades, held: Comparisons) -> dict[str, object]:
    """Each grader against the rest.

    Returns:
        Grader -> ``answers``, ``missing`` (units without an answer of his), ``not_sure`` (count
        and share), ``grades`` by label, ``consensus`` (accuracy against the consensus of the
        others, `not_sure` wrong), and if the labels have an order: ``harsher``, ``milder`` (mean
        share of the others' grades that are milder, harsher than his, over units) and ``bias``,
        the former minus the latter.

    Args:
        grades: The answers.
        held: The same beside the consensus.
    """
    counts, labels = grades.counts(), len(grades.labels)
    table: dict[str, object] = {}
    for number, name in enumerate(grades.graders):
        mine = grades.answers.filter(pl.col("grader") == number)
        unit, code = mine["unit"].to_numpy(), mine["code"].to_numpy()
        item = grades.item[unit]
        unsure = code == UNSURE
        scored = held.scored & (held.grader == number)
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
                    held.right[scored].astype(np.float64), grades.item[held.unit[scored]]
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
    answers = grades.answers
    given = np.full((len(grades.graders), grades.units.height), _NO_ANSWER)
    given[answers["grader"].to_numpy(), answers["unit"].to_numpy()] = answers["code"].to_numpy()
    names = (*grades.labels, NOT_SURE)
    found = []
    for first, second in combinations(range(len(grades.graders)), 2):
        unit = np.flatnonzero((given[first] != _NO_ANSWER) & (given[second] != _NO_ANSWER))
        if not len(unit):
            continue
        one, other = given[first, unit], given[second, unit]
        # UNSURE is -1: the last row and column of the table.
        place = (one % (k + 1)) * (k + 1) + other % (k + 1)
        full = np.bincount(place, minlength=(k + 1) ** 2).reshape(k + 1, k + 1)
        confusion = {
            a: dict(zip(names, line, strict=True))
            for a, line in zip(names, full.tolist(), strict=True)
        }
        graded = (one != UNSURE) & (other != UNSURE)
        codes, item = (one[graded], other[graded]), grades.item[unit[graded]]
        pair: dict[str, object] = {
            "first": grades.graders[first],
            "second": grades.graders[second],
            "n": len(item),
        }
        if len(item):
            name, drawn = f"{grades.graders[first]} / {grades.graders[second]}", None
            if len(item) >= 2 * THIN:  # of fewer units, too few agree or too few disagree
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
    rows = grades.units.rows(named=True)
    return [
        {
            "item": rows[u]["item"],
            "modality": rows[u]["modality"],
            "category": rows[u]["category"],
            "votes": {
                label: count
                for label, count in zip(grades.labels, counts[u].tolist(), strict=True)
                if count
            },
            "disagreement": float(apart[u]),
        }
        for u in order.tolist()
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
    known: dict[bytes, Mean] = {}

    def mean(weights: FloatArray) -> Mean:
        of = weights.tobytes()
        if of not in known:
            known[of] = clustered_mean(1 - weights[first, second], item)
        return known[of]

    return mean


def _by_agreement(pair: dict[str, object]) -> tuple[float, str, str]:
    agreed = pair.get("percent_agreement", UNDEFINED)
    assert isinstance(agreed, Rate)
    value = 2.0 if agreed.value is None else agreed.value
    return value, str(pair["first"]), str(pair["second"])
