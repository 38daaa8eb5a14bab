"""How two datasets differ, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.rows import COLUMNS
from vlsu.policy import MODALITIES

__all__ = ["Difference", "diff_datasets"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a second dataset differs from a first. Texts are compared, never shown.

    Attributes:
        content_hashes: Of the first and the second.
        unchanged: Samples that are the same in both.
        added: Identifiers that only the second has, in its order.
        removed: Identifiers that only the first has, in its order.
        changed: Identifier -> columns that differ, of samples in both.
        columns: Column -> samples in which it differs.
        grades: Modality -> ``"safe -> unsafe"`` -> samples; ``none`` is an absent grade.
        reordered: Whether the samples of both stand in another order.
        info: Entries of ``dataset.yaml`` that differ: (first, second).
    """

    content_hashes: tuple[str, str]
    unchanged: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, int]
    grades: Mapping[str, Mapping[str, int]]
    reordered: bool
    info: Mapping[str, tuple[str, str]]

    @property
    def same(self) -> bool:
        """Whether both hold the same samples in the same order."""
        return self.content_hashes[0] == self.content_hashes[1]

    def to_dict(self) -> dict[str, object]:
        """The difference as plain values, ready for JSON."""
        return {
            "same": self.same,
            "content_hash": list(self.content_hashes),
            "unchanged": self.unchanged,
            "added": {"count": len(self.added), "ids": list(self.added)},
            "removed": {"count": len(self.removed), "ids": list(self.removed)},
            "changed": {
                "count": len(self.changed),
                "ids": {id_: list(columns) for id_, columns in self.changed.items()},
            },
            "columns": dict(self.columns),
            "grades": {modality: dict(counts) for modality, counts in self.grades.items()},
            "reordered": self.reordered,
            "info": {key: list(values) for key, values in self.info.items()},
        }


def diff_datasets(first: Dataset, second: Dataset) -> Difference:
    """Compare two datasets by their samples' identifiers, in at most 900 bytes of memory a sample.

    Raises:
        DataError: A file of samples is damaged.
    """
    old, new = _hashed(first), _hashed(second)
    both = old.join(new, on="id", how="inner", suffix="_new", maintain_order="left")
    compared = [column for column in COLUMNS if column != "id"]
    differs = {c: both[c].ne_missing(both[f"{c}_new"]) for c in compared}
    flags = pl.DataFrame({"id": both["id"], **differs})
    rows = flags.filter(pl.any_horizontal(compared))
    changed = {
        id_: tuple(c for c, differ in zip(compared, row, strict=True) if differ)
        for id_, *row in rows.iter_rows()
    }
    columns = {c: n for c in compared if (n := int(flags[c].sum()))}
    order = both.select(pl.col("row_new").is_sorted()).item() if both.height else True
    return Difference(
        content_hashes=(first.info.content_hash, second.info.content_hash),
        unchanged=both.height - len(changed),
        added=tuple(new.join(old, on="id", how="anti", maintain_order="left")["id"]),
        removed=tuple(old.join(new, on="id", how="anti", maintain_order="left")["id"]),
        changed=changed,
        columns=columns,
        grades=_grades(first, second, rows["id"]),
        reordered=not order,
        info=_info(first, second),
    )


def _hashed(dataset: Dataset) -> pl.DataFrame:
    """Identifier, place and a 64-bit hash of every other value; null stays null."""
    hashes = (
        pl.when(pl.col(c).is_not_null()).then(pl.col(c).hash()).alias(c)
        for c in COLUMNS
        if c != "id"
    )
    with dataset.reading():
        frame = dataset.frame().select("id", *hashes).collect(engine="streaming")
    return frame.with_row_index("row")


def _grades(first: Dataset, second: Dataset, ids: pl.Series) -> dict[str, dict[str, int]]:
    names = [f"{modality}_grade" for modality in MODALITIES]
    found: dict[str, dict[str, int]] = {}
    frames = []
    for dataset in (first, second):
        with dataset.reading():
            chosen = dataset.frame().select("id", *names).filter(pl.col("id").is_in(ids.implode()))
            frames.append(chosen.collect())
    both = frames[0].join(frames[1], on="id", suffix="_new")
    for modality, name in zip(MODALITIES, names, strict=True):
        moved = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_new")))
        counts = moved.group_by(name, f"{name}_new").len().sort(name, f"{name}_new")
        if counts.height:
            found[modality] = {
                f"{before or 'none'} -> {after or 'none'}": n
                for before, after, n in counts.iter_rows()
            }
    return found


def _info(first: Dataset, second: Dataset) -> dict[str, tuple[str, str]]:
    keys = ("name", "version", "licence", "citation", "source", "description")
    pairs = {key: (getattr(first.info, key), getattr(second.info, key)) for key in keys}
    pairs["policy"] = (first.policy.hash, second.policy.hash)
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
