"""What is known of single runs from one pair to the next is what each pair alone would find."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pytest

from vlsu.analysis.comparison.metrics import PairedMetrics
from vlsu.analysis.comparison.single_runs import Known, SingleRun
from vlsu.analysis.table.confusion import Confusion
from vlsu.analysis.table.estimator import Estimator
from vlsu.analysis.table.paired_cells import LOST, PairedCells, PairedTabulation
from vlsu.analysis.table.resampling import Resampler
from vlsu.policy import MODALITIES, Outcome

RUNS = 3


def runs_of(samples: int, ways: int) -> PairedCells:
    """Random grades and answers, some lost; samples that share something in so many ways."""
    rng = np.random.default_rng(ways)
    gold = rng.integers(0, 3, (samples, 3))
    said = [
        np.where(rng.random((samples, 3)) < 0.6, gold, rng.integers(0, LOST + 1, (samples, 3)))
        for _ in range(RUNS)
    ]
    none = pl.Series([None] * samples, dtype=pl.String)
    links = [pl.Series(rng.integers(0, samples // 3, samples).astype(str)) for _ in range(ways)]
    category = pl.Series(rng.choice(["C1", "C2"], samples))
    found = PairedTabulation(RUNS)
    outcomes = {(m, Outcome.OK.value): samples for m in MODALITIES}
    found.count(gold, said, category, [*links, *[none] * (3 - ways)], [outcomes] * RUNS)
    return found.cells()


@pytest.mark.parametrize("ways", [0, 1, 2])
def test_pairs_find_with_what_is_known_what_they_find_without(ways: int) -> None:
    cells, known = runs_of(150, ways), Known()
    for a, b in combinations(range(RUNS), 2):
        pair = cells.pair(a, b)
        alone = PairedMetrics(pair, 2, 0, 0.99)
        shared = replace(alone, known=known.at(pair.place))
        only = ("joint.accuracy", "joint.f1_macro", "joint.f1_binary", "categories.C1.f1_macro",
                "image.per_class.unsafe.f1", "outcomes.text.ok")  # fmt: skip
        assert shared.metrics(only) == alone.metrics(only)


@pytest.mark.parametrize("ways", [0, 1])
def test_a_run_is_estimated_as_by_its_own_table(ways: int) -> None:
    cells, known = runs_of(150, ways), Known()
    for a, b in pairwise((0, 1, 2, 0)):
        pair = cells.pair(a, b)
        own = Resampler(pair.runs[0], 200, 0)
        plain, single = Estimator(own), SingleRun(own, known=known.at(pair.place))
        for modality in range(3):
            among = pair.runs[0].judged[:, modality]
            right = pair.runs[0].right[:, modality]
            confusion = Confusion.from_cells(pair.runs[0], modality, among)
            # Twice: the second time it is known.
            for _ in range(2):
                assert single.proportion(right, among) == plain.proportion(right, among)
                assert single.f1(confusion, 2) == plain.f1(confusion, 2)
                means = (confusion, MODALITIES[modality], "f1_macro", "f1_weighted")
                assert single.mean_f1(*means) == plain.mean_f1(*means)


def test_what_is_known_is_not_found_again() -> None:
    cells = runs_of(150, 1)
    known, calls = Known(), []

    def find() -> int:
        calls.append(1)
        return len(calls)

    for other in (1, 2):
        pair = cells.pair(0, other)
        here = known.at(pair.place)
        assert here.once(find, "right", pair.runs[0].right[:, 2]) == 1
    assert here.once(find, "right", pair.runs[0].right[:, 1]) == 2
    assert here.once(find, "wrong", pair.runs[0].right[:, 2]) == 3
