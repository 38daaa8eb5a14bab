"""Cells gathered chunk by chunk are those of the whole run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.analysis_frames import Judged, frames, random_samples
from vlsu.analysis import Tabulation, cell_metrics, understanding_metrics
from vlsu.analysis.table.cells import GroupCounts
from vlsu.errors import DataError, RunError

pytestmark = pytest.mark.slow

Chunk = tuple[pl.DataFrame, pl.DataFrame]


def grouped(samples: list[Judged], groups: int, seed: int = 0) -> list[Judged]:
    """The samples in random groups; about every fourth is without one."""
    rng = np.random.default_rng(seed)
    names = [*(f"g{n}" for n in range(groups)), *[None] * (groups // 3)]
    return [replace(s, group=names[rng.integers(len(names))]) for s in samples]


def chunked(samples: list[Judged], chunk_of: list[int]) -> list[Chunk]:
    """The run's frames, parted by the chunk number of each sample."""
    judgments, gold = frames(samples)
    chunks = []
    for number in sorted(set(chunk_of)):
        ids = [f"s{n}" for n, chunk in enumerate(chunk_of) if chunk == number]
        inside = pl.col("sample_id").is_in(ids)
        chunks.append((judgments.filter(inside), gold.filter(inside)))
    return chunks


def tabulated(chunks: list[Chunk], *, watch_repeats: bool = False) -> Tabulation:
    tabulation = Tabulation(watch_repeats=watch_repeats)
    for chunk in chunks:
        tabulation.add(*chunk)
    return tabulation


judged = st.builds(
    Judged,
    st.text("SBU.", min_size=3, max_size=3),
    st.text("SBUrben.", min_size=3, max_size=3),
    st.sampled_from([None, "", "C1", "C2", "C12"]),
    st.sampled_from([None, "a", "b", "c"]),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(judged, st.integers(0, 5)), min_size=1, max_size=30), st.booleans())
def test_any_chunks_give_the_same_metrics(run: list[tuple[Judged, int]], watch: bool) -> None:
    samples, chunk_of = map(list, zip(*run, strict=True))
    whole = understanding_metrics(*frames(samples), replicates=20)
    cells = tabulated(chunked(samples, chunk_of), watch_repeats=watch).cells()
    assert cell_metrics(cells, replicates=20) == whole


@pytest.mark.parametrize("chunks", [1, 2, 7, 40])
def test_chunks_of_a_larger_run_in_groups(chunks: int) -> None:
    samples = grouped(random_samples(0, 600), 90)
    chunk_of = np.random.default_rng(chunks).integers(0, chunks, len(samples)).tolist()
    whole: Any = understanding_metrics(*frames(samples), replicates=200)
    assert whole["intervals"]["resampled"] == "groups"
    cells = tabulated(chunked(samples, chunk_of)).cells()
    assert cell_metrics(cells, replicates=200) == whole


def test_the_names_of_groups_do_not_matter() -> None:
    samples = grouped(random_samples(1, 300), 40)
    renamed = [replace(s, group=s.group and f"another {s.group[::-1]}") for s in samples]
    first, second = (understanding_metrics(*frames(s), replicates=100) for s in (samples, renamed))
    assert first == second


def test_cells_can_be_had_between_chunks() -> None:
    samples = grouped(random_samples(2, 200), 30)
    chunks = chunked(samples, [n // 50 for n in range(200)])
    tabulation = Tabulation()
    for n, chunk in enumerate(chunks, 1):
        tabulation.add(*chunk)
        so_far = understanding_metrics(*frames(samples[: n * 50]), replicates=20)
        assert cell_metrics(tabulation.cells(), replicates=20) == so_far


def test_a_rejected_chunk_leaves_no_trace() -> None:
    judgments, gold = frames([Judged("SSU", "SSU", "C1", "a"), Judged("SSS", "SSB", "C2", "a")])
    tabulation = Tabulation(watch_repeats=True)
    with pytest.raises(RunError, match="unknown outcome"):
        tabulation.add(judgments.with_columns(outcome=pl.lit("fine")), gold)
    tabulation.add(judgments, gold)
    metrics = cell_metrics(tabulation.cells(), replicates=20)
    assert metrics == understanding_metrics(judgments, gold, replicates=20)


def test_a_sample_in_two_chunks_is_named_where_repeats_are_watched() -> None:
    chunks = chunked([Judged("SSS", "SSS")] * 40, [n // 4 for n in range(40)])
    tabulation = tabulated(chunks, watch_repeats=True)
    for judgments, gold in chunks:
        again = gold["sample_id"][2]
        with pytest.raises(DataError, match=f"'{again}' is in more than one chunk"):
            tabulation.add(judgments.clear(), gold[2:])
    assert tabulation.cells().count.sum() == 40
    unwatched = tabulated(chunks + chunks[:1])
    assert unwatched.cells().count.sum() == 44


def test_framings_are_compared_across_chunks() -> None:
    judgments, gold = frames([Judged("SSS", "SSS")])
    tabulation = Tabulation()
    tabulation.add(judgments.with_columns(framing=pl.lit("default")), gold)
    with pytest.raises(RunError, match=r"2 framings \('default', 'helpful'\)"):
        tabulation.add(judgments.with_columns(framing=pl.lit("helpful")), gold)


def test_expected_is_checked_where_it_is_given() -> None:
    judgments, gold = frames([Judged("SSU", "SSU"), Judged("UUU", "UUU")])
    graded_since = judgments.with_columns(
        expected=pl.when(pl.col("sample_id") == "s0").then("expected")
    )
    Tabulation().add(graded_since, gold)
    with pytest.raises(RunError, match="'s0', image: expected 'safe' but the gold grade is None"):
        Tabulation().add(judgments, gold.with_columns(image_grade=pl.lit(None, pl.String)))


def test_groups_hold_every_sample_that_shares_one_and_the_rest_are_alone() -> None:
    samples = [Judged("SSS", "SSS", group=g) for g in ("a", "b", "a", None, "c", "c", "c")]
    groups = tabulated(chunked(samples, [0, 1, 2, 0, 1, 2, 0])).cells().groups
    assert groups is not None
    assert groups.names == ("group",)
    assert sorted(groups.ways[0].count.tolist()) == [2, 3]
    assert groups.ways[0].alone.tolist() == [2]  # b, and the sample without a group
    assert tabulated(chunked(samples[1:5], [0, 0, 1, 1])).cells().groups is None


def test_tables_come_in_blocks_and_miss_no_group() -> None:
    rng = np.random.default_rng(0)
    entries = rng.integers(1, 5, size=60_000)  # 150,000 in all: several blocks
    cell = rng.integers(0, 7, size=entries.sum()).astype(np.int32)
    count = rng.integers(1, 4, size=entries.sum()).astype(np.int32)
    start = np.concatenate([[0], np.cumsum(entries)])
    groups = GroupCounts(start, cell, count, np.zeros(7, dtype=np.int64))
    column = np.array([0, -1, 1, 2, 0, -1, 1])
    blocks = list(groups.tables(column, 3))
    group = np.repeat(np.arange(len(entries)), entries)
    expected = np.zeros((len(entries), 3), dtype=np.int64)
    inside = column[cell] >= 0
    np.add.at(expected, (group[inside], column[cell][inside]), count[inside])
    assert len(blocks) > 1
    assert (np.concatenate(blocks) == expected[expected.any(axis=1)]).all()
    added = np.array([[1, 0, 5, 2, 1, 0, 3], [0, 1, -1, 0, 1, 1, -1], [1_000_000] * 7])
    sums = [np.bincount(group, weights=each[cell] * count).astype(np.int64) for each in added]
    np.testing.assert_array_equal(groups.sums(added), sums)
    np.testing.assert_array_equal(groups.sums(added[:1]), sums[:1])


def test_groups_that_are_alike_are_kept_once_with_how_many_there_are() -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 4, size=6000)
    start = np.concatenate([[0], np.cumsum(sizes)])
    cell = np.concatenate([np.sort(rng.permutation(4)[:size]) for size in sizes]).astype(np.int32)
    count = rng.integers(1, 3, size=len(cell)).astype(np.int32)
    groups = GroupCounts(start, cell, count, np.zeros(4, dtype=np.int64))
    kinds, repeats = groups.kinds

    def of(each: GroupCounts) -> list[tuple[tuple[int, int], ...]]:
        pairs = list(zip(each.cell.tolist(), each.count.tolist(), strict=True))
        return [tuple(pairs[a:b]) for a, b in pairwise(each.start.tolist())]

    assert dict(zip(of(kinds), repeats.tolist(), strict=True)) == Counter(of(groups))
    few = GroupCounts(start[:11], cell[: start[10]], count[: start[10]], groups.alone)
    assert few.kinds[0] is few
    assert few.kinds[1].tolist() == [1] * 10
