"""The contingency table of several runs on the same samples, gathered chunk by chunk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, IntArray
from vlsu.analysis.table.cells import ABSENT, FAILED, NOT_ASKED, Cells
from vlsu.analysis.table.columns import Frame
from vlsu.analysis.table.grouping import GroupTally
from vlsu.analysis.table.matching import (
    match,
    read_gold,
    read_judgments,
    require_one_framing,
    require_severities,
)
from vlsu.data.links import LINKS
from vlsu.policy import MODALITIES, Outcome, Severity

__all__ = ["LOST", "TECHNICAL", "PairedCells", "PairedTabulation"]

#: In the numbers of predictions alone: one that has `FAILED` for a technical reason.
LOST = NOT_ASKED + 1
#: Outcomes that are one.
TECHNICAL = (Outcome.ERROR.value, Outcome.UNPARSED.value)

#: Whole numbers of any size, a row a sample or cell.
_Table = np.ndarray[Any, np.dtype[Any]]

_GRADES, _PREDICTIONS = (ABSENT + 1,) * 3, (LOST + 1,) * 3


@dataclass(frozen=True, slots=True)
class PairedCells:
    """Samples by gold grades, joint category, and what each of several runs predicted.

    Attributes:
        runs: A table for each run. Their cells are the same samples: gold grades, categories,
            counts and groups are shared, only predictions and outcomes differ.
        place: Of each cell of the table that these were taken from, its cell here: shape ``(C,)``.
            `None` if from none.
    """

    runs: tuple[Cells, ...]
    place: IntArray | None = None

    def pair(self, first: int, second: int) -> PairedCells:
        """Two of the runs; cells that differ only in the other runs are merged."""
        runs = [self.runs[first], self.runs[second]]
        lost = [_lost(run) for run in runs]
        table = np.column_stack(
            [runs[0].category, runs[0].gold, *(run.predicted for run in runs), *lost]
        )
        rows, cell, _ = _distinct(table)
        groups = runs[0].groups
        shared = replace(
            runs[0],
            gold=rows[:, 1:4],
            category=rows[:, 0],
            count=_sums(cell, runs[0].count, len(rows)),
            groups=None
            if groups is None
            else groups.mapped(
                lambda counts: replace(
                    counts,
                    cell=cell[counts.cell].astype(np.int32),
                    alone=_sums(cell, counts.alone, len(rows)),
                )
            ),
        )
        return PairedCells(
            (
                replace(shared, predicted=rows[:, 4:7], lost=rows[:, 10:13] == 1),
                replace(
                    shared,
                    predicted=rows[:, 7:10],
                    lost=rows[:, 13:] == 1,
                    outcomes=runs[1].outcomes,
                ),
            ),
            cell,
        )


class PairedTabulation:
    """Counts samples of several runs by cell as they come.

    What is kept: the cells, at most as many as samples; and 24 bytes for each group and cell it has
    samples in. Groups are identified as in `vlsu.analysis.Tabulation`.
    """

    def __init__(self, runs: int, severities: Sequence[Severity] = tuple(Severity)) -> None:
        """Start with no samples.

        Args:
            runs: How many, at least one.
            severities: Those of the policy.
        """
        self._severities = tuple(severities)
        self._numbers: dict[bytes, int] = {}  # of each cell, in order of appearance
        self._counts: list[int] = []
        self._categories: dict[str, int] = {}
        self._groups = GroupTally()
        self._outcomes: list[Counter[tuple[str, str]]] = [Counter() for _ in range(runs)]
        self._framings: list[frozenset[str]] = [frozenset()] * runs

    def add(self, judgments: Sequence[Frame], gold: Frame) -> None:
        """Count a chunk of samples.

        Args:
            judgments: Of each run all its judgments of these samples; see
                `vlsu.analysis.Tabulation.add`.
            gold: One row per sample; see there.

        Raises:
            RunError: The judgments of a run cannot be; see there.
            DataError: The gold grades cannot be.
        """
        samples = read_gold(gold)
        rows = samples.select("sample_id", row=pl.int_range(pl.len(), dtype=pl.Int64))
        grades, predicted, outcomes = None, [], []
        for number, frame in enumerate(judgments):
            asked = read_judgments(frame).join(rows, on="sample_id", how="left")
            framings = self._framings[number].union(asked["framing"].fill_null("").unique())
            require_one_framing(framings)
            self._framings[number] = framings
            grades, predictions = match(samples, asked)
            require_severities(grades, self._severities)
            technical = asked.filter(pl.col("outcome").is_in(TECHNICAL))
            predictions[technical["row"].to_numpy(), technical["modality_code"].to_numpy()] = LOST
            predicted.append(predictions)
            counted = asked.group_by("modality", "outcome").len()
            outcomes.append({(m, o): n for m, o, n in counted.iter_rows()})
        assert grades is not None
        links = [samples[name] for name in LINKS]
        self.count(grades, predicted, samples["joint_category"], links, outcomes)

    def count(
        self,
        gold: _Table,
        predicted: Sequence[_Table],
        category: pl.Series,
        links: Sequence[pl.Series],
        outcomes: Sequence[Mapping[tuple[str, str], int]],
    ) -> None:
        """Count samples whose severities are codes already, and checked.

        Args:
            gold: Gold grades by sample and modality, as in `Cells`; shape ``(n, 3)``.
            predicted: Predictions of each run, as in `Cells`, or `LOST`; shape ``(n, 3)``.
            category: Gold joint category of each sample, or null.
            links: What each sample shares, as for `vlsu.analysis.Tabulation.count`.
            outcomes: Of each run, modality and outcome -> judgments of these samples.
        """
        columns = [self._category_numbers(category), np.ravel_multi_index(tuple(gold.T), _GRADES)]
        for number, predictions in enumerate(predicted):
            columns.append(np.ravel_multi_index(tuple(predictions.T), _PREDICTIONS))
            self._outcomes[number].update(outcomes[number])
        table = np.column_stack(columns).astype(np.int32)
        found, cell, counts = _distinct(table)
        numbers = np.fromiter(map(self._number, map(bytes, found)), np.int64, len(found))
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self._counts[number] += count
        self._groups.add(links, numbers[cell])

    def cells(self) -> PairedCells:
        """The cells of all samples so far, in an order that depends on their content alone."""
        runs = len(self._outcomes)
        kept = np.frombuffer(b"".join(self._numbers), np.int32).reshape(-1, runs + 2)
        categories = sorted(self._categories)
        # Numbered by name in place of appearance; -1 is for none, and stands last here.
        named = [self._categories[name] for name in categories]
        number_of = np.full(len(categories) + 1, -1)
        number_of[named] = np.arange(len(categories))
        table: IntArray = np.column_stack([number_of[kept[:, 0]], kept[:, 1:]]).astype(np.int64)
        order = np.lexsort(table.T[::-1])
        table, counts = table[order], np.array(self._counts, dtype=np.int64)[order]
        first = Cells(
            gold=np.column_stack(np.unravel_index(table[:, 1], _GRADES)),
            predicted=np.zeros((0, 3), dtype=np.int64),
            category=table[:, 0],
            count=counts,
            categories=tuple(categories),
            groups=self._groups.counts(order, counts),
            outcomes={},
            severities=self._severities,
        )
        runs_of_cells = []
        for codes, seen in zip(table.T[2:], self._outcomes, strict=True):
            predicted = np.column_stack(np.unravel_index(codes, _PREDICTIONS))
            runs_of_cells.append(
                replace(
                    first,
                    predicted=np.where(predicted == LOST, FAILED, predicted),
                    lost=predicted == LOST,
                    outcomes={m: {o.value: seen[m, o.value] for o in Outcome} for m in MODALITIES},
                )
            )
        return PairedCells(tuple(runs_of_cells))

    def _number(self, cell: bytes) -> int:
        number = self._numbers.setdefault(cell, len(self._counts))
        if number == len(self._counts):
            self._counts.append(0)
        return number

    def _category_numbers(self, names: pl.Series) -> IntArray:
        for name in names.drop_nulls().unique().sort():
            self._categories.setdefault(name, len(self._categories))
        numbers: IntArray = names.replace_strict(
            self._categories, default=-1, return_dtype=pl.Int64
        ).to_numpy()
        return numbers


def _distinct(table: _Table) -> tuple[_Table, IntArray, IntArray]:
    """The distinct rows of whole numbers in order, the one of each row, and how often each occurs.

    As `numpy.unique` over rows, which sorts them as bytes: where they fit, each is one number.
    """
    if not len(table):
        return table, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    least = table.min(axis=0)
    sizes = [int(size) for size in table.max(axis=0) - least + 1]
    if math.prod(sizes) > np.iinfo(np.int64).max:
        rows, which, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
        return rows, which.reshape(-1), counts
    number = np.ravel_multi_index(tuple((table - least).T.astype(np.int64)), sizes)
    _, first, which, counts = np.unique(
        number, return_index=True, return_inverse=True, return_counts=True
    )
    return table[first], which.reshape(-1), counts


def _lost(run: Cells) -> BoolArray:
    none: BoolArray = np.zeros(run.predicted.shape, dtype=bool)
    return none if run.lost is None else run.lost


def _sums(cell: IntArray, counts: IntArray, size: int) -> IntArray:
    return np.bincount(cell, weights=counts, minlength=size).astype(np.int64)
