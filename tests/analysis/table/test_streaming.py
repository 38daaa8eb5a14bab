"""Judgments and samples by the hundred thousand: read, joined and counted a part at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.support.values import nested
from vlsu.analysis import minimal_pairs, probability_metrics
from vlsu.analysis.table.streaming import (
    collect_in_slices,
    graded_judgments,
    hash_columns,
    join_partitioned,
    partition_count,
)

pytestmark = pytest.mark.slow

NAMES = ("safe", "borderline", "unsafe")
#: More than are read together, and than are joined together.
MANY = 450_001


def made(copies: int, each: int = 90) -> tuple[pl.DataFrame, pl.DataFrame]:
    """So many copies of the same judgments, with images, texts and groups of their own."""
    rng = np.random.default_rng(0)
    gold, said = (rng.choice(NAMES, each) for _ in range(2))
    one = pl.DataFrame(
        {
            "id": [f"s{n}" for n in range(each)],
            "image_sha256": [f"i{n}" for n in rng.integers(0, 9, each)],
            "text": [f"t{n}" for n in rng.integers(0, 40, each)],
            "group": [f"g{n}" if n < 12 else None for n in rng.integers(0, 15, each)],
            "expected": gold,
            "predicted": said,
            "p_unsafe": rng.integers(0, 50, each) / 50,
        }
    )
    copy = pl.Series("copy", range(copies)).cast(pl.String)
    names = ("id", "image_sha256", "text", "group")
    rows = one.join(copy.to_frame(), how="cross").with_columns(
        pl.concat_str(pl.col(names[0]), pl.lit("/"), "copy").alias(names[0]),
        *(pl.col(name) + "/" + pl.col("copy") for name in names[1:]),
    )
    judgments = rows.select(
        "expected",
        "predicted",
        "p_unsafe",
        sample_id="id",
        modality=pl.lit("joint"),
        outcome=pl.lit("ok"),
    )
    return judgments, rows.select(names)


def test_a_frame_is_collected_in_its_order_whatever_its_size(tmp_path: Path) -> None:
    for rows in (0, 1, 100_000, MANY):
        frame = pl.DataFrame({"n": range(rows)}, schema={"n": pl.Int64})
        file = tmp_path / f"{rows}.parquet"
        frame.write_parquet(file, row_group_size=30_000)
        wanted = frame.filter(pl.col("n") % 3 == 1).select(twice=pl.col("n") * 2)
        for given in (frame, pl.scan_parquet(file)):
            found: Any = collect_in_slices(
                given, lambda part: part.filter(pl.col("n") % 3 == 1).select(twice=pl.col("n") * 2)
            )
            assert_frame_equal(found, wanted)


@pytest.mark.parametrize("how", ["inner", "left"])
def test_frames_are_joined_as_polars_joins_them(how: Literal["inner", "left"]) -> None:
    sample = pl.Series(range(MANY)).hash()
    left = pl.DataFrame({"sample": sample, "one": range(MANY)})
    right = pl.DataFrame({"sample": sample[::2], "two": range(len(sample[::2]))})
    found: Any = join_partitioned(left, right, how)
    assert_frame_equal(found, left.join(right, on="sample", how=how), check_row_order=False)


def test_shares_are_as_many_as_needed() -> None:
    assert [partition_count(rows) for rows in (0, 1, 200_000, 200_001)] == [1, 1, 1, 2]


def test_many_samples_have_the_metrics_of_one_copy(tmp_path: Path) -> None:
    copies = MANY // 90
    one, many = made(1), made(copies)
    for name, frame in zip(("judgments", "samples"), many, strict=True):
        frame.write_parquet(tmp_path / name, row_group_size=30_000)
    few_pairs, pairs = nested(minimal_pairs(*one)), nested(minimal_pairs(*many))
    few_p, p = (nested(probability_metrics(*frames))["joint"] for frames in (one, many))
    for part in ("same_image", "same_text"):
        assert pairs[part]["pairs"] == copies * few_pairs[part]["pairs"] > 0
        assert pairs[part]["clusters"] == copies * few_pairs[part]["clusters"]
        for rate in ("told_apart", "ordered"):
            assert pairs[part][rate]["value"] == pytest.approx(few_pairs[part][rate]["value"])
    for name in ("auroc", "average_precision", "brier", "base_rate"):
        assert p[name]["value"] == pytest.approx(few_p[name]["value"])
        widths = [found[name]["high"] - found[name]["low"] for found in (few_p, p)]
        assert widths[1] < widths[0] / 20
    scans = [pl.scan_parquet(tmp_path / name) for name in ("judgments", "samples")]
    assert minimal_pairs(*scans) == pairs
    assert probability_metrics(*scans)["joint"] == p


def test_narrow_columns_are_hashes_and_codes() -> None:
    judgments, samples = made(1)
    narrow = graded_judgments(judgments, ("joint",)).collect()
    assert narrow.schema == {"sample": pl.UInt64, "gold": pl.Int8, "predicted": pl.Int8}
    assert set(hash_columns(samples, ("text",)).collect()["sample"]) == set(narrow["sample"])
