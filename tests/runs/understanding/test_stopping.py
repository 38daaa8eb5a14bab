"""When a draw stops: by widths that are planned, each half by what the other one shows."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.runs.understanding.test_sampling import SIZE, text_dataset
from tests.support.values import present
from vlsu.analysis.sampling.allocation import STRATA
from vlsu.analysis.sampling.precision import Precision
from vlsu.analysis.table.cells import Cells
from vlsu.policy import MODALITIES
from vlsu.runs.understanding.sampling import Sampling
from vlsu.runs.understanding.strata import Strata


def test_the_next_size_is_the_one_that_would_do():
    sampled, huge = np.zeros((2, STRATA), dtype=int), np.zeros((2, STRATA), dtype=int)
    ssu, sss = 2, 0  # numbers of the strata S-S-U and S-S-S
    sampled[:, [ssu, sss]], huge[:, [ssu, sss]] = [50, 450], 10**9
    wanted = Precision("joint.accuracy", 0.02)
    # A width of 0.03 at 1,000 of a huge dataset: 0.02 at 2,250, but at most twice as many.
    assert wanted.next_size(0.03, sampled, huge) == 2000
    assert wanted.next_size(0.025, sampled, huge) == 1563
    assert wanted.next_size(0.0201, sampled, huge) == 1100
    assert (
        wanted.next_size(0.025, sampled, huge // 10**6) < 1563
    )  # of a small one it shrinks faster
    assert wanted.next_size(None, sampled, huge) == 2000
    assert wanted.next_size(0.01, sampled, huge) in (250, 251)  # there are four times as many
    # What comes is of the one pattern: a quarter of the width at 16 times its 100 samples.
    alone = Precision("patterns.S-S-U.accuracy", 0.02)
    assert alone.next_size(0.04, sampled, huge) == 1300
    assert alone.next_size(0.08, sampled, huge) == 2000


def test_the_variance_that_is_planned_with_is_a_standard_error_larger():
    def planned(value: float, half_width: float) -> float | None:
        rate = {"value": value, "low": value - half_width, "high": value + half_width}
        return Precision("joint.accuracy", 0.02).planned_half_width_in(
            {"joint": {"accuracy": rate}}
        )

    # Half of 216 samples, of which 10% are errors: 10 errors, a variance known to 26%.
    n = 1.959964**2 * 0.09 / 0.04**2 / 2
    assert n == pytest.approx(108, abs=0.1)
    assert planned(0.9, 0.04) == pytest.approx(0.04 * (1 + 0.8 / (n * 0.09) ** 0.5) ** 0.5)
    assert planned(0.5, 0.04) == pytest.approx(0.04)  # a variance that does not depend on the share
    assert present(planned(1.0, 0.02)) > 1.3 * 0.02  # no error seen: far from known


def test_only_the_strata_of_a_pattern_or_family_concern_it():
    importance = Precision("patterns.S-S-U.accuracy", 0.1).importance
    assert importance.shape == (STRATA,)
    assert (importance == 1).sum() == 1
    assert (Precision("families.late-fusion.accuracy", 0.1).importance == 1).sum() == 9
    assert (Precision("text.f1_macro", 0.1).importance == 1).all()
    assert Precision("text.f1_macro", 0.1).modality == "text"
    assert Precision("attribution.both_correct.share", 0.1).modality == "joint"


def expected_hits(own: bool) -> tuple[Fraction, set[int]]:
    """Mean estimate over every order of 12 samples, 9 of them right, and the sizes it stops at.

    Args:
        own: Whether a half's size is decided by its own answers in place of the other half's.
    """
    population = np.zeros((2, STRATA), dtype=np.int64)
    population[:, 0] = 6
    places = {"id": [str(n) for n in range(12)], "half": [0, 1] * 6, "stratum": [0] * 12}
    strata = Strata(pl.DataFrame({**places, "place": np.arange(12) // 2}), population)
    sampling = Sampling(strata, "joint", until=Precision("joint.accuracy", 0.35))
    total, orders, stops = Fraction(0), 0, set()
    for right in combinations(range(12), 9):
        halves = np.isin(np.arange(12), right).reshape(6, 2).T
        drawing = sampling.drawing()
        sizes = next(drawing)[:, 0]
        while True:
            drawn = [half[:n] for half, n in zip(halves, sizes, strict=True)]
            cells = [
                answered(int(each.sum()), int((~each).sum())) for each in drawn[:: -1 if own else 1]
            ]
            try:
                sizes = drawing.send((cells[0], cells[1]))[:, 0]
            except StopIteration:
                break
        total += sum(Fraction(6 * int(each.sum()), len(each)) for each in drawn)
        stops.add(sum(map(len, drawn)))
        orders += 1
    return total / orders, stops


def answered(right: int, wrong: int) -> Cells:
    """Safe pairs, called safe or unsafe."""
    counts = [(said, n) for said, n in ((0, right), (2, wrong)) if n]
    return Cells(
        gold=np.zeros((len(counts), 3), dtype=np.int64),
        predicted=np.array([[said] * 3 for said, _ in counts]),
        category=np.full(len(counts), -1),
        count=np.array([n for _, n in counts]),
        categories=(),
        groups=None,
        outcomes={modality: {} for modality in MODALITIES},
    )


def test_stopping_by_the_other_half_is_unbiased():
    """Exactly so with two looks; a third one sees how far the first let the other half go."""
    crossed, stops = expected_hits(own=False)
    assert crossed == 9
    assert stops == {4, 5, 6}
    uncrossed, _ = expected_hits(own=True)
    assert abs(uncrossed - 9) > 0.2


def test_sizes_never_shrink_and_reach_all_where_the_width_cannot_be_had(tmp_path: Path):
    """Answers at random, so that the halves disagree about when to stop."""
    strata = Strata.of(text_dataset(tmp_path / "texts"), 0)
    rng = np.random.default_rng(0)
    for width in (0.03, 0.04, 0.0001):
        sampling = Sampling(strata, "joint", until=Precision("joint.accuracy", width))
        right = rng.random((2, SIZE)) < 0.9
        drawing = sampling.drawing()
        sizes, before = next(drawing), np.zeros_like(strata.population)
        while True:
            assert (sizes >= before).all()
            assert (sizes <= strata.population).all()
            drawn = [half[:n] for half, n in zip(right, sizes.sum(axis=1), strict=True)]
            before = sizes
            try:
                sizes = drawing.send(halves_of(strata, sizes, drawn))
            except StopIteration as end:
                result = end.value
                break
        assert result.reached
        assert sum(map(len, drawn)) == result.steps[-1]
        assert (width < 0.01) == (sizes == strata.population).all()


def halves_of(strata: Strata, sizes: Any, drawn: list[Any]) -> tuple[Cells, Cells]:
    """Cells of these sizes, whose answers about the pair are right where they are drawn so."""
    found = []
    for half, right in zip(sizes, drawn, strict=True):
        stratum = np.repeat(np.arange(STRATA), half)
        gold = np.stack([stratum // 16, stratum // 4 % 4, stratum % 4], axis=1)
        said = np.where(gold == 3, 0, gold)
        said[:, 2] = np.where(right, gold[:, 2], (gold[:, 2] + 1) % 3)
        found.append(
            Cells(
                gold=gold,
                predicted=said,
                category=np.full(len(gold), -1),
                count=np.ones(len(gold), dtype=np.int64),
                categories=(),
                groups=None,
                outcomes={modality: {} for modality in MODALITIES},
            )
        )
    return found[0], found[1]
