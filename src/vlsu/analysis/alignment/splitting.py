"""Splitting samples in two so that nothing is on both sides, and in which order to use them."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from vlsu.analysis.arrays import BoolArray, IntArray

__all__ = ["LINKS", "linked", "split_samples"]

#: What links two samples when they have it in common.
LINKS = ("group", "image_sha256", "image_url", "text")


def split_samples(samples: pl.DataFrame, held_out: float, seed: int) -> pl.DataFrame:
    """Put linked samples on one side, with about the same mix of severities and patterns on both.

    Linked samples are placed whole, the largest lot first, each on the side that keeps the shares
    of every severity and pattern nearest to what is wanted. Lots of one size come in an order
    drawn by `seed`, and so does the lean at the start: over seeds, each sample is about as likely
    to be held out as any other.

    Args:
        samples: `sample_id`, `severity` (of the pair), `pattern` (or null), and `LINKS`.
        held_out: Share that is held out, in (0, 1).
        seed: Of the order.

    Returns:
        `sample_id`, `severity`, `lot` (number of the linked samples it belongs to), `held_out`, and
        `place`: from 0 within side and severity, such that the first of any number have the
        patterns in about their shares.
    """
    kinds = samples.select(
        "sample_id",
        "severity",
        pattern=pl.concat_str("severity", pl.col("pattern").fill_null("")),
        lot=pl.Series(linked(samples)),
        drawn=pl.Series([_drawn(seed, id_) for id_ in samples["sample_id"]], dtype=pl.UInt64),
    )
    sides = kinds.with_columns(held_out=pl.Series(_sides(kinds, held_out, seed)))
    side = ("held_out", "severity")
    rank = pl.col("drawn").rank("ordinal").over(*side, "pattern")
    among = (rank - 0.5) / pl.len().over(*side, "pattern")
    placed = sides.with_columns(among=among).sort("among", "drawn", "sample_id")
    return placed.select(
        "sample_id",
        "severity",
        "lot",
        "held_out",
        place=pl.int_range(pl.len()).over(*side),
    )


def linked(samples: pl.DataFrame) -> IntArray:
    """The number of the lot of each sample: those linked through any chain of `LINKS` are one.

    Texts that differ in case and white space alone are the same. A lot's number is its first row's.
    """
    words = pl.col("text").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    frame = samples.select(*(name for name in LINKS if name != "text"), text=words)
    codes = [
        frame.select(
            pl.when(pl.col(name) != "").then(pl.col(name)).rank("dense").cast(pl.Int64) - 1
        )
        .to_series()
        .fill_null(-1)
        .to_numpy()
        for name in LINKS
    ]
    lot = np.arange(samples.height)
    while True:
        before = lot.copy()
        for code in codes:
            has = code >= 0
            least = np.full(int(code.max(initial=-1)) + 1, len(lot))
            np.minimum.at(least, code[has], lot[has])
            lot[has] = least[code[has]]
        lot = lot[lot]
        if (lot == before).all():
            return lot


def _drawn(seed: int, id_: str) -> int:
    digest = hashlib.blake2b(f"split {seed}\x00{id_}".encode(), digest_size=8).digest()
    return int.from_bytes(digest)


def _sides(kinds: pl.DataFrame, share: float, seed: int) -> BoolArray:
    """Which samples are held out."""
    if kinds.is_empty():
        return np.zeros(0, dtype=np.bool_)
    lots = kinds["lot"].rank("dense").to_numpy().astype(np.int64) - 1
    sizes = np.bincount(lots)
    columns = []
    for name in ("severity", "pattern"):
        code = kinds[name].rank("dense").to_numpy().astype(np.int64) - 1
        counts = np.zeros((len(sizes), int(code.max(initial=-1)) + 1), dtype=np.int32)
        np.add.at(counts, (lots, code), 1)
        columns.append(counts)
    mix = np.hstack(columns)
    first = np.full(len(sizes), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, lots, kinds["drawn"].to_numpy())
    order = np.lexsort((first, -sizes))
    # Held out so far, less what should be, by severity and by pattern. It begins with up to half a
    # lot too many or too few, so that the largest are held out as often as any.
    excess = (_drawn(seed, "") / 2**64 - 0.5) * mix[order[0]]
    out = np.zeros(len(sizes), dtype=np.bool_)
    for lot in order:
        counts = mix[lot].astype(np.float64)
        # The squared excess is smaller with the lot held out than without it.
        out[lot] = (1 - 2 * share) * (counts @ counts) + 2 * (excess @ counts) < 0
        excess += counts * (float(out[lot]) - share)
    held: BoolArray = out[lots]
    return held
