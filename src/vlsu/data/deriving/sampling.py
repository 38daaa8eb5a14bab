"""Random subsets of a dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.deriving.part import write_part
from vlsu.errors import UsageError
from vlsu.policy import Severity

__all__ = ["sample_dataset"]

_GRADES = ["image_grade", "text_grade", "joint_grade"]

#: The three grades of a pattern, the joint one last.
_Stratum = tuple[str | None, ...]


def sample_dataset(
    dataset: Dataset,
    out: str | Path,
    *,
    n: int,
    seed: int = 0,
    balanced: bool = False,
    overwrite: bool = False,
) -> Dataset:
    """Draw a random subset, stratified by pattern, as a new dataset.

    Each pattern keeps its share, rounded by largest remainders; combinations with missing grades
    are strata too. The draw depends only on the seed and the samples' ids, on every machine.

    A balanced subset has equally many samples of each joint severity, so that rates per severity
    are equally precise; each pattern keeps its share of its severity, and samples without a joint
    grade are left out.

    Args:
        dataset: The dataset to draw from.
        out: The folder to write.
        n: Number of samples to draw.
        seed: Seed of the draw.
        balanced: Equally many of each joint severity; if `n` is not divisible, the milder
            severities get one more.
        overwrite: Replace an existing dataset in `out`.

    Raises:
        UsageError: `n` is not between 1 and the size of the dataset, or a severity has too few
            samples for a balanced draw.
        DataError: `out` cannot be written.
    """
    if not 1 <= n <= len(dataset):
        raise UsageError(f"n is {n}; the dataset has {len(dataset)} samples, choose 1 to that many")
    with dataset.reading():
        rows = dataset.frame().select("id", *_GRADES).collect()
    found = {tuple(key): count for *key, count in rows.group_by(_GRADES).len().iter_rows()}
    sizes = _balanced(found, n) if balanced else _proportional(found, n)
    chosen = _drawn(rows, sizes, seed)
    how = ("balanced by joint severity, " if balanced else "") + "stratified by pattern"
    return write_part(
        dataset,
        out,
        dataset.frames_with(chosen),
        suffix="sample",
        which=f"{n} of the {len(dataset)} samples",
        how=f", {how}, seed {seed}",
        overwrite=overwrite,
    )


def _drawn(rows: pl.DataFrame, sizes: Mapping[_Stratum, int], seed: int) -> pl.Series:
    """Identifiers of as many rows of each stratum, the first by a hash of seed and identifier."""
    begun = f"{seed}\0".encode()
    ranks = [hashlib.sha256(begun + id_.encode()).digest() for id_ in rows["id"].fill_null("")]
    wanted = pl.DataFrame(
        [(*key, size) for key, size in sizes.items()],
        schema=dict.fromkeys(_GRADES, pl.String) | {"size": pl.Int64},
        orient="row",
    )
    return (
        rows.with_columns(rank=pl.Series(ranks, dtype=pl.Binary))
        .sort("rank")
        .with_columns(place=pl.int_range(pl.len()).over(_GRADES))
        .join(wanted, on=_GRADES, nulls_equal=True)
        .filter(pl.col("place") < pl.col("size"))["id"]
    )


def _proportional(found: Mapping[_Stratum, int], n: int) -> dict[_Stratum, int]:
    """How many of `n` each stratum gets: its share, by largest remainders."""
    total = sum(found.values())
    shares = {key: count * n / total for key, count in found.items()}
    sizes = {key: int(share) for key, share in shares.items()}
    by_remainder = sorted(shares, key=lambda key: (sizes[key] - shares[key], str(key)))
    for key in by_remainder[: n - sum(sizes.values())]:
        sizes[key] += 1
    return sizes


def _balanced(found: Mapping[_Stratum, int], n: int) -> dict[_Stratum, int]:
    """The same with equally many of each joint severity.

    Raises:
        UsageError: A severity has too few samples.
    """
    sizes = dict.fromkeys(found, 0)
    present = [s.label for s in Severity if any(key[-1] == s.label for key in found)]
    for place, severity in enumerate(present):
        available = {key: count for key, count in found.items() if key[-1] == severity}
        wanted = n // len(present) + (place < n % len(present))
        if wanted > sum(available.values()):
            raise UsageError(
                f"n is {n}, of which {wanted} {severity}; there are "
                f"{sum(available.values())} {severity} samples, choose fewer or "
                "leave --balanced out"
            )
        sizes |= _proportional(available, wanted)
    return sizes
