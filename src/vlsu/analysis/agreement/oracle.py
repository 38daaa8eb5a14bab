"""The human oracle: a single grader scored against the consensus of the others, as a model is."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl

from vlsu.analysis.agreement.grades import UNSURE, Grades
from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.stats.clustering import clustered_mean
from vlsu.analysis.stats.intervals import UNDEFINED
from vlsu.analysis.table.cells import ABSENT, FAILED, JOINT, NOT_ASKED
from vlsu.analysis.table.tabulation import Tabulation
from vlsu.analysis.understanding.metrics import cell_metrics
from vlsu.policy import MODALITIES, SEVERITY_CODES, Outcome

__all__ = [
    "CONSENSUS",
    "TIES",
    "Consensus",
    "ConsensusComparisons",
    "Ties",
    "compare_with_consensus",
    "oracle_metrics",
]

Consensus = Literal["others", "all"]
Ties = Literal["random", "worse", "drop"]

#: Whose majority a grader is compared with.
CONSENSUS: tuple[Consensus, ...] = ("others", "all")
#: What becomes of a majority that several labels have.
TIES: tuple[Ties, ...] = ("random", "worse", "drop")

#: Comparisons that are counted at once.
_CHUNK = 1 << 18
#: Code of a unit that the grader did not answer, where another modality of the item was.
_SILENT = -2
#: Code of a consensus that is not there.
_NONE = -1


@dataclass(frozen=True, slots=True)
class ConsensusComparisons:
    """Every grader beside the consensus, on every unit of the items the grader answered in part.

    Attributes:
        unit: Shape ``(N,)``, as are all.
        grader: Number of the grader.
        code: The grader's answer: a label's number, `UNSURE`, or below it for none.
        consensus: A label's number; below 0 where there is none.
        tied: Whether several labels had the most grades, whatever was made of it.
    """

    unit: IntArray
    grader: IntArray
    code: IntArray
    consensus: IntArray
    tied: BoolArray

    @property
    def answered(self) -> BoolArray:
        """Where the grader answered, `not_sure` included."""
        answered: BoolArray = self.code != _SILENT
        return answered

    @property
    def scored(self) -> BoolArray:
        """Where the grader answered and there is a consensus to compare with."""
        scored: BoolArray = self.answered & (self.consensus >= 0)
        return scored

    @property
    def right(self) -> BoolArray:
        """Where the grader's answer is the consensus."""
        right: BoolArray = self.scored & (self.code == self.consensus)
        return right


def compare_with_consensus(
    grades: Grades, *, consensus: Consensus = "others", ties: Ties = "random", seed: int = 0
) -> ConsensusComparisons:
    """Compare every answer with the majority of the others' grades (or of all).

    Args:
        grades: The answers; `not_sure` is no vote.
        consensus: ``"others"``: the grader's own grade is left out; ``"all"``: it is not, which
            flatters the grader, who is then compared in part with their own grade.
        ties: ``"random"``: one of the tied labels, by a draw that the seed, the item and the grader
            decide; ``"worse"``: the worst of them; ``"drop"``: there is no consensus.
        seed: Of the draws.
    """
    rows = grades.answers
    if grades.items < grades.units.height:  # else items are units
        items = grades.units.select(
            unit=pl.int_range(pl.len(), dtype=pl.Int64), item=pl.Series(grades.item)
        )
        rows = (
            rows.join(items, on="unit")
            .select("item", "grader")
            .unique()
            .join(items, on="item")
            .join(grades.answers, on=["unit", "grader"], how="left")
            .sort("unit", "grader")
        )
    unit, grader = rows["unit"].to_numpy(), rows["grader"].to_numpy()
    code = rows["code"].fill_null(_SILENT).to_numpy()
    votes = grades.counts()[unit]
    if consensus == "others":
        own = np.flatnonzero(code >= 0)
        votes[own, code[own]] -= 1
    most = votes.max(axis=1)
    top = votes == most[:, None]
    candidates = top.sum(axis=1)
    tied = (most > 0) & (candidates > 1)
    chosen = np.where(most > 0, top.argmax(axis=1), _NONE)
    if ties == "worse":
        chosen[tied] = votes.shape[1] - 1 - top[tied][:, ::-1].argmax(axis=1)
    elif ties == "drop":
        chosen[tied] = _NONE
    else:
        rows_tied = np.flatnonzero(tied)
        units = grades.units[unit[rows_tied]]
        begun = [f"{seed}/{name}/" for name in grades.graders]
        drawn = [
            _bits(f"{begun[who]}{of}/{item}") * n >> 64
            for who, of, item, n in zip(
                grader[rows_tied].tolist(),
                units["modality"].fill_null(""),
                units["item"],
                candidates[rows_tied].tolist(),
                strict=True,
            )
        ]
        # The drawn one of the candidates, counted from 0.
        before = top[rows_tied].cumsum(axis=1) - 1
        chosen[rows_tied] = (
            top[rows_tied] & (before == np.array(drawn, dtype=np.int64)[:, None])
        ).argmax(axis=1)
    return ConsensusComparisons(unit, grader, code, chosen, tied)


def _bits(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest())


def oracle_metrics(
    grades: Grades,
    *,
    modality: str = "joint",
    consensus: Consensus = "others",
    ties: Ties = "random",
    other_graders: bool = False,
    seed: int = 0,
    replicates: int = 2000,
    comparisons: ConsensusComparisons | None = None,
    references: bool = True,
) -> dict[str, object]:
    """Metrics of a single grader, in the shape of a model's `metrics.json`.

    Each grader of an item is a sample: the consensus is its gold grade, the answer its prediction,
    and `not_sure` an outcome other than `ok`: wrong in accuracy and a miss in F1. A value is so
    that of a grader taken at random. Answers to an item are a cluster, so that the intervals show
    how a value would vary with other items; and, if asked for, those of a grader are another
    (`vlsu.analysis.stats.effective_size`), so that they show it with other graders too.

    Returns:
        What `cell_metrics` returns if the labels are the severities (`not_sure` in place of the
        failures in ``outcomes``), otherwise ``n`` and ``accuracy`` by modality. Each modality has
        besides: ``items``, ``ties`` (answers whose consensus was tied) and ``no_consensus``
        (answers without a consensus to compare with, which are in no metric). ``consensus``,
        ``tie_rule`` and ``graders`` record what was used. ``references``, of pairs graded by
        severity: item -> for each grader the consensus and the grader's answer (`None`: not sure),
        for a model to be graded against the same (`vlsu.analysis.agreement.references`).

    Args:
        grades: The answers.
        modality: That of grades without one.
        consensus: See `compare_with_consensus`.
        ties: See `compare_with_consensus`.
        other_graders: Whether the intervals are over graders too.
        seed: Of ties and of the bootstrap.
        replicates: Bootstrap replicates.
        comparisons: What `compare_with_consensus` gives for all of these, if it is at hand.
        references: Whether to give ``references``, an entry an item.
    """
    if comparisons is None:
        comparisons = compare_with_consensus(grades, consensus=consensus, ties=ties, seed=seed)
    of_unit = grades.units["modality"].fill_null(modality)
    numbers = {name: number for number, name in enumerate(MODALITIES)}
    columns = of_unit.replace_strict(numbers, return_dtype=pl.Int8).to_numpy()[comparisons.unit]
    run: dict[str, object] = {}
    if grades.severities:
        run = _as_a_run(grades, comparisons, columns, seed, replicates, other_graders)
    sections = {}
    for number, name in enumerate(MODALITIES):
        inside = columns == number
        if not inside.any():
            continue
        scored = inside & comparisons.scored
        items = grades.item[comparisons.unit[scored]]
        right = comparisons.right[scored].astype(np.float64)
        clusters = items
        if other_graders:
            clusters = np.column_stack([items, comparisons.grader[scored]])
        accuracy = clustered_mean(right, clusters).rate if len(right) else UNDEFINED
        plain = {"n": len(right), "accuracy": accuracy.as_dict()}
        metrics = run.get(name, plain)
        assert isinstance(metrics, dict)
        sections[name] = metrics | {
            "items": len(np.unique(items)),
            "ties": int((comparisons.tied & comparisons.answered & inside).sum()),
            "no_consensus": int((comparisons.answered & inside & ~comparisons.scored).sum()),
        }
    used: dict[str, object] = {
        "consensus": consensus,
        "tie_rule": ties,
        "graders": len(grades.graders),
    }
    if references and grades.severities:
        used["references"] = _references(grades, comparisons, columns == JOINT)
    rest = {key: part for key, part in run.items() if key not in MODALITIES}
    return used | sections | rest


def _as_a_run(
    grades: Grades,
    comparisons: ConsensusComparisons,
    columns: np.ndarray,
    seed: int,
    replicates: int,
    other_graders: bool,
) -> dict[str, object]:
    """Metrics of a run whose samples are the graders of the items, in clusters by item."""
    item = grades.item[comparisons.unit]
    outcomes = {}
    for number, name in enumerate(MODALITIES):
        code = comparisons.code[columns == number]
        if len(code):
            answered = {"ok": int((code >= 0).sum()), "not_sure": int((code == UNSURE).sum())}
            outcomes[name] = answered
    tabulation = Tabulation()
    # Items stand together, and none is in two chunks.
    starts = np.unique(np.searchsorted(item, item[np.arange(0, len(item), _CHUNK)]))
    for start, end in pairwise([*starts.tolist(), len(item)]):
        chunk = slice(start, end)
        _count(grades, comparisons, item[chunk], columns[chunk], chunk, other_graders, tabulation)
    none = np.zeros((0, len(MODALITIES)), dtype=np.int64)
    tabulation.count(
        none,
        none,
        pl.Series([], dtype=pl.String),
        [],
        {(m, Outcome.OK.value): counts["ok"] for m, counts in outcomes.items()}
        | {(m, Outcome.UNPARSED.value): counts["not_sure"] for m, counts in outcomes.items()},
    )
    metrics = cell_metrics(tabulation.cells(), seed=seed, replicates=replicates)
    intervals = metrics["intervals"]
    assert isinstance(intervals, dict)
    if clusters := intervals.get("clusters"):
        clusters["by"] = ["item", "grader"][: len(clusters["by"])]
    return metrics | {"outcomes": outcomes}


def _count(
    grades: Grades,
    comparisons: ConsensusComparisons,
    item: IntArray,
    column: np.ndarray,
    chunk: slice,
    other_graders: bool,
    tabulation: Tabulation,
) -> None:
    """Count the samples of some comparisons: an item's grader is one.

    Args:
        grades: The answers.
        comparisons: Of these.
        item: Of each comparison in the chunk.
        column: Its modality.
        chunk: Which comparisons.
        other_graders: Whether samples share their grader too.
        tabulation: Counts them.
    """
    unit, code = comparisons.unit[chunk], comparisons.code[chunk]
    samples, row = np.unique(
        item * len(grades.graders) + comparisons.grader[chunk], return_inverse=True
    )
    # A last severity for a consensus, or an answer, that is none.
    codes = np.array([*(SEVERITY_CODES[label] for label in grades.labels), ABSENT])
    gold = np.full((len(samples), len(MODALITIES)), ABSENT)
    gold[row, column] = codes[np.maximum(comparisons.consensus[chunk], _NONE)]
    predicted = np.full(gold.shape, NOT_ASKED)
    answered = code != _SILENT
    answer = np.where(code >= 0, codes[code], FAILED)
    predicted[row[answered], column[answered]] = answer[answered]
    pairs = np.flatnonzero(column == JOINT)
    pair = np.full(len(samples), -1)
    pair[row[pairs]] = unit[pairs]
    there = pl.Series(pair).to_frame("pair").select(pl.when(pl.col("pair") >= 0).then("pair"))
    tabulation.count(
        gold,
        predicted,
        grades.units["category"].gather(there.to_series()),
        [
            pl.Series(each).cast(pl.String)
            for each in np.divmod(samples, len(grades.graders))[: 1 + other_graders]
        ],
        {},
    )


def _references(
    grades: Grades, comparisons: ConsensusComparisons, inside: BoolArray
) -> dict[str, list[list[str | None]]]:
    """What each grader was compared with, by item, in the order of the graders.

    Args:
        grades: The answers.
        comparisons: Of these.
        inside: Of `comparisons`, those of one modality.
    """
    rows = np.flatnonzero(inside & comparisons.scored)
    labels = (*grades.labels, None)  # UNSURE is -1: the last
    # Items of equal answers share one list: of a million items few are different.
    pair = [[[of, said] for said in labels] for of in grades.labels]
    kept: dict[bytes, list[list[str | None]]] = {}
    unit = comparisons.unit[rows]
    reference = comparisons.consensus[rows].astype(np.int16)
    said = comparisons.code[rows].astype(np.int16)
    codes = np.column_stack([reference, said])
    bounds = np.flatnonzero(np.diff(unit, prepend=-1, append=-1))
    first = bounds[:-1]
    found: dict[str, list[list[str | None]]] = {}
    for item, start, end in zip(
        grades.units["item"].gather(unit[first]), first.tolist(), bounds[1:].tolist(), strict=True
    ):
        key = codes[start:end].tobytes()
        if (answers := kept.get(key)) is None:
            answers = kept[key] = [pair[of][code] for of, code in codes[start:end].tolist()]
        found[item] = answers
    return found
