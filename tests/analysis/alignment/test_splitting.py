"""A split that nothing leaks through, against connected components by SciPy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vlsu.analysis.alignment.splitting import LINKS, linked, split_samples

shared = st.one_of(st.none(), st.sampled_from("abcdefghijkl"))
rows_of_links = st.lists(st.tuples(shared, shared, shared, shared), min_size=1, max_size=40)


def samples_of(links: list[tuple[str | None, ...]], severity: str = "unsafe") -> pl.DataFrame:
    frame = pl.DataFrame(links, schema=dict.fromkeys(LINKS, pl.String), orient="row")
    return frame.with_columns(
        sample_id=pl.format("s{}", pl.int_range(pl.len())),
        severity=pl.lit(severity),
        pattern=pl.lit("safe-safe-unsafe"),
    )


@given(rows_of_links)
def test_lots_are_the_connected_components(links: list[tuple[str | None, ...]]) -> None:
    pairs = [
        (i, j)
        for i, one in enumerate(links)
        for j, other in enumerate(links)
        if any(a is not None and a == b for a, b in zip(one, other, strict=True))
    ]
    rows, columns = np.array(pairs or [(0, 0)]).T
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(links),) * 2)
    _, expected = connected_components(graph, directed=False)
    lots = linked(samples_of(links))
    same = lots[:, None] == lots[None, :]
    assert (same == (expected[:, None] == expected[None, :])).all()


@pytest.mark.slow
@given(rows_of_links, st.floats(0.1, 0.9), st.integers(0, 9))
def test_nothing_is_on_both_sides(
    links: list[tuple[str | None, ...]], share: float, seed: int
) -> None:
    samples = samples_of(links)
    split = split_samples(samples, share, seed)
    sides = samples.join(split.select("sample_id", "held_out"), on="sample_id", how="left")
    assert sides["held_out"].null_count() == 0
    for link in LINKS:
        both = sides.drop_nulls(link).group_by(link).agg(pl.col("held_out").n_unique())
        assert set(both["held_out"]) <= {1}


def test_a_chain_of_links_and_a_text_in_other_letters_keep_together() -> None:
    chain = samples_of(
        [
            ("g", "1", None, "x"),
            (None, "1", None, "Hello  there"),
            (None, "2", None, "hello there "),
        ]
    )
    assert set(linked(chain)) == {0}


def mixed(count: int) -> pl.DataFrame:
    """Alone and in twos and fives; three severities of two patterns each."""
    numbers = np.arange(count)
    sizes = np.where(
        numbers % 3 == 0, numbers, np.where(numbers % 3 == 1, numbers // 6, numbers // 15)
    )
    return pl.DataFrame(
        {
            "sample_id": [f"s{n}" for n in numbers],
            "severity": [("safe", "borderline", "unsafe")[n % 7 % 3] for n in numbers],
            "pattern": [f"p{n % 2}" for n in numbers],
            "group": [f"{n % 3} {size}" for n, size in zip(numbers, sizes, strict=True)],
            **{link: pl.Series([None] * count, dtype=pl.String) for link in LINKS[1:]},
        }
    )


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_both_sides_have_the_same_mix(share: float) -> None:
    samples = mixed(900)
    split = split_samples(samples, share, 0)
    with_pattern = split.join(samples.select("sample_id", "pattern"), on="sample_id")
    for names in (["severity"], ["severity", "pattern"]):
        for _, part in with_pattern.group_by(names):
            assert part["held_out"].mean() == pytest.approx(share, abs=4 / part.height)


@pytest.mark.slow
def test_the_seed_decides_and_every_sample_is_as_likely() -> None:
    samples = mixed(60)
    assert split_samples(samples, 0.5, 1).equals(split_samples(samples, 0.5, 1))
    assert split_samples(samples, 0.5, 1).equals(
        split_samples(samples.sample(fraction=1, shuffle=True, seed=5), 0.5, 1).with_columns(
            lot=split_samples(samples, 0.5, 1)["lot"]
        )
    )
    held = np.zeros(60)
    for seed in range(400):
        held += split_samples(samples, 0.5, seed).sort("sample_id")["held_out"].to_numpy()
    # Four standard errors of a share of one half in 400 draws.
    assert held / 400 == pytest.approx(np.full(60, 0.5), abs=0.1)


def test_the_first_of_any_number_have_the_patterns_in_their_shares() -> None:
    samples = samples_of([(None,) * 4] * 300).with_columns(
        pattern=pl.when(pl.int_range(pl.len()) % 3 == 0)
        .then(pl.lit("rare"))
        .otherwise(pl.lit("often"))
    )
    split = split_samples(samples, 0.5, 0).join(samples, on="sample_id")
    side = split.filter(~pl.col("held_out")).sort("place")
    assert side["place"].to_list() == list(range(side.height))
    share = int((side["pattern"] == "rare").sum()) / side.height
    for first in (20, 50, 100):
        found = int((side["pattern"][:first] == "rare").sum())
        assert abs(found - share * first) <= 1
