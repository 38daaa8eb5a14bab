"""Parts of a dataset that share no group, image or text, each with every pattern's share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.writer import prepare_folder
from vlsu.data.deriving.part import rows_where, write_part
from vlsu.data.links import KEYS, components
from vlsu.errors import DataError, UsageError
from vlsu.policy import MODALITIES

__all__ = ["Part", "placed", "split_dataset"]

_Integers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a split.

    Attributes:
        wanted: Share of the samples that was asked for.
        groups: Groups of dependent samples, those of one sample included.
        largest: Samples of the largest of them, which cannot be divided.
        furthest: The greatest difference between a pattern's count and its share of the part.
    """

    name: str
    dataset: Dataset
    wanted: float
    groups: int
    largest: int
    furthest: float

    def to_dict(self) -> dict[str, object]:
        """The part as plain values, ready for JSON."""
        return {
            "name": self.name,
            "path": str(self.dataset.path),
            "samples": len(self.dataset),
            "wanted": self.wanted,
            "groups": self.groups,
            "largest": self.largest,
            "furthest": self.furthest,
            "content_hash": self.dataset.info.content_hash,
        }


def split_dataset(
    dataset: Dataset,
    out: str | Path,
    *,
    parts: Mapping[str, float],
    seed: int = 0,
    overwrite: bool = False,
) -> tuple[Part, ...]:
    """Split a dataset into parts without leakage, stratified by pattern.

    Samples that share a group, an image or a text, directly or through others, stay together.
    Groups of several samples are placed first, the largest first, each where its patterns are
    wanted most; single samples then fill every pattern up to its share. The split depends only on
    the seed and the samples, on every machine.

    Args:
        dataset: The dataset.
        out: The folder in which each part becomes a dataset folder of its name.
        parts: Name -> share; the shares are divided by their sum.
        seed: Seed of the order in which samples are placed.
        overwrite: Replace existing datasets in the folders of the parts.

    Raises:
        UsageError: Fewer than two parts, a name that is no plain folder name, a share that is not
            positive, or a part that would be empty.
        DataError: A part cannot be written.
    """
    shares = _shares(parts)
    with dataset.reading():
        keys = (
            pl.when(pl.col(key).is_not_null()).then(pl.col(key).hash()).alias(key) for key in KEYS
        )
        pattern = pl.concat_str(
            [pl.col(f"{m}_grade").fill_null("") for m in MODALITIES], separator="-"
        )
        frame = (
            dataset.frame()
            .select("id", *keys, stratum=pattern.rank("dense").cast(pl.Int64) - 1)
            .collect()
        )
    group = components(frame)
    strata = frame["stratum"].to_numpy()
    rank = np.array(
        [
            int.from_bytes(hashlib.sha256(f"{seed}\0{id_}".encode()).digest()[:7])
            for id_ in frame["id"]
        ],
        dtype=np.int64,
    )
    place = placed(group, strata, rank, np.array(list(shares.values())))
    for number, name in enumerate(shares):
        if not (place == number).any():
            largest = int(np.bincount(group).max(initial=0))
            raise UsageError(
                f"--parts {name}: would be empty; of {len(group)} samples {largest} depend on each "
                "other through a group, an image or a text, and stay together"
            )
    _prepare(out, shares, overwrite=overwrite)
    made = []
    for number, (name, share) in enumerate(shares.items()):
        mine = place == number
        sizes = np.unique(group[mine], return_counts=True)[1]
        made.append(
            Part(
                name=name,
                dataset=_written(dataset, Path(out) / name, name, mine, seed, overwrite),
                wanted=share,
                groups=len(sizes),
                largest=int(sizes.max(initial=0)),
                furthest=_furthest(strata, mine, share),
            )
        )
    return tuple(made)


def _shares(parts: Mapping[str, float]) -> dict[str, float]:
    if len(parts) < 2:
        raise UsageError("--parts: give two at least, such as --parts train=0.8,test=0.2")
    for name, share in parts.items():
        if not share > 0 or share == float("inf"):
            raise UsageError(f"--parts {name}={share:g}: a share must be above 0")
        if not name or Path(name).name != name or name.startswith("."):
            raise UsageError(f"--parts {name[:40]}: a name must be a plain folder name")
    total = sum(parts.values())
    return {name: share / total for name, share in parts.items()}


def _prepare(out: str | Path, names: Iterable[str], *, overwrite: bool) -> None:
    """Make sure that every part can be written before the first is.

    Raises:
        DataError: One cannot; no folder is left that was not there.
    """
    new = []
    try:
        for folder in (Path(out) / name for name in names):
            there = folder.exists()
            prepare_folder(folder, overwrite=overwrite)
            if not there:
                new.append(folder)
    except DataError:
        for folder in new:
            folder.rmdir()
        raise


def placed(
    group: _Integers, strata: _Integers, rank: _Integers, shares: np.ndarray[Any, Any]
) -> _Integers:
    """For each row the number of its part.

    Args:
        group: Of each row the number of the first row that it depends on, as `components` gives.
        strata: Of each row the number of its pattern, from 0.
        rank: Of each row its place in the order in which rows are placed.
        shares: Of each part; they sum to 1.
    """
    kinds = int(strata.max(initial=-1)) + 1
    sizes = np.bincount(group, minlength=len(group))
    missing = np.outer(shares, np.bincount(strata, minlength=kinds)).astype(float)
    place = np.full(len(group), -1, dtype=np.int64)
    several = np.flatnonzero(sizes[group] > 1)
    order = several[np.lexsort((several, group[several]))]
    members = np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(order) else []
    for rows in sorted(members, key=lambda each: (-len(each), int(rank[each[0]]))):
        found, counts = np.unique(strata[rows], return_counts=True)
        wanted = (missing[:, found] * counts).sum(axis=1)
        best = int(np.argmax(wanted))
        place[rows] = best
        missing[best, found] -= counts
    single = np.flatnonzero(sizes[group] == 1)
    single = single[np.lexsort((rank[single], strata[single]))]
    cuts = np.flatnonzero(np.diff(strata[single])) + 1
    carried = np.zeros(len(shares))
    for rows in np.split(single, cuts) if len(single) else []:
        wanted = np.maximum(missing[:, strata[rows[0]]], 0.0)
        exact = (wanted if wanted.sum() else shares) / (wanted.sum() or shares.sum()) * len(rows)
        whole = np.floor(exact + 1e-9).astype(int)
        left = len(rows) - whole.sum()
        # What a part lost to rounding in the strata before, it gets in this one: else every stratum
        # of one sample would go to the largest part.
        owed = np.where(exact - whole > 1e-9, carried + exact - whole, -np.inf)
        whole[np.argsort(-owed, kind="stable")[:left]] += 1
        carried += exact - whole
        place[rows] = np.repeat(np.arange(len(shares)), whole)
    return place


def _furthest(strata: _Integers, mine: np.ndarray[Any, Any], share: float) -> float:
    kinds = int(strata.max(initial=-1)) + 1
    everywhere = np.bincount(strata, minlength=kinds) * share
    here = np.bincount(strata[mine], minlength=kinds)
    return float(np.abs(here - everywhere).max(initial=0.0))


def _written(
    dataset: Dataset,
    folder: Path,
    name: str,
    mine: np.ndarray[Any, Any],
    seed: int,
    overwrite: bool,
) -> Dataset:
    return write_part(
        dataset,
        folder,
        rows_where(dataset, pl.Series(mine, dtype=pl.Boolean)),
        suffix=name,
        which=f"The part {name}",
        how=f", split by group and stratified by pattern, seed {seed}",
        overwrite=overwrite,
    )
