"""Duplicates, conflicting labels and leaks: what the keys of joined rows have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import polars as pl

from vlsu.data.checks.rows import MAX_IDS
from vlsu.policy import MODALITIES

__all__ = ["MAX_LISTED", "conflicts", "duplicates", "leaks_between_splits", "leaks_into"]

#: Groups that are listed; all are counted.
MAX_LISTED = 1000
#: Parts of the data between which leaks are looked for, the largest.
_MAX_SPLITS = 8

_LISTED_LAST = {"identical": 2, "equal": 1, "near": 0}
#: What decides the grade of a modality.
_GRADED = {"image": ["image_equal"], "text": ["text_equal"], "joint": ["image_equal", "text_equal"]}


def duplicates(rows: pl.DataFrame) -> dict[str, object]:
    """Groups of samples that hold the same image, the same text, or both.

    Args:
        rows: Of one dataset; see `vlsu.data.checks.rows.joined_rows`.

    Returns:
        ``images``, ``texts`` and ``pairs``: the first `MAX_LISTED` groups, those that are least
        alike first, each with its ``kind``, the number of its samples and the first of their ids,
        and of images their hashes. ``counts``: of each, groups by kind.
    """
    found = {
        "images": _groups(rows, ["image_near"], ("image", "image_equal"), listed="image"),
        "texts": _groups(rows, ["text_near"], ("text", "text_equal")),
        "pairs": _groups(rows, ["image_equal", "text_equal"], ("image", "text")),
    }
    return {
        **{name: groups.head(MAX_LISTED).to_dicts() for name, groups in found.items()},
        "counts": {
            name: {
                kind: groups.filter(pl.col("kind") == kind).height
                for kind in ("identical", "equal", "near")
                if name != "pairs" or kind != "near"
            }
            for name, groups in found.items()
        },
    }


def _groups(
    rows: pl.DataFrame, keys: list[str], finer: tuple[str, str], listed: str | None = None
) -> pl.DataFrame:
    """Rows of one key, where there are several, those that are least alike first.

    Args:
        rows: The rows.
        keys: Columns whose values are equal in a group.
        finer: Columns with one value each in a group that is identical; of a single key, a group
            is equal where only the second has one value.
        listed: Column whose different values are listed too.
    """
    first, second = (pl.col(f"of_{name}") == 1 for name in finer)
    if len(keys) > 1:
        kind = pl.when(first & second).then(pl.lit("identical")).otherwise(pl.lit("equal"))
    else:
        near = pl.when(second).then(pl.lit("equal")).otherwise(pl.lit("near"))
        kind = pl.when(first).then(pl.lit("identical")).otherwise(near)
    values = pl.col(listed or keys[0]).unique(maintain_order=True).head(MAX_IDS)
    return (
        rows.filter(pl.all_horizontal(pl.col(keys).is_not_null()))
        .group_by(keys, maintain_order=True)
        .agg(
            pl.len().alias("samples"),
            pl.col("id").head(MAX_IDS).alias("ids"),
            *(pl.col(name).n_unique().alias(f"of_{name}") for name in finer),
            values.alias("images"),
        )
        .filter(pl.col("samples") > 1)
        .with_columns(kind.alias("kind"))
        .sort(pl.col("kind").replace_strict(_LISTED_LAST), maintain_order=True)
        .select("kind", "samples", "ids", *(["images"] if listed else []))
    )


def conflicts(rows: pl.DataFrame) -> tuple[list[dict[str, object]], int]:
    """Samples of the same image, text or pair that are graded differently in that modality.

    Returns:
        The first `MAX_LISTED` groups, each with its ``modality``, ``grades`` (grade -> samples) and
        ``ids``, one of each grade first; and how many there are.
    """
    found: list[dict[str, object]] = []
    total = 0
    for modality in MODALITIES:
        keys, grade = _GRADED[modality], f"{modality}_grade"
        known = pl.all_horizontal(pl.col([*keys, grade]).is_not_null())
        counted = (
            rows.filter(known)
            .group_by([*keys, grade], maintain_order=True)
            .agg(pl.len().alias("n"), pl.col("id").head(MAX_IDS))
            .group_by(keys, maintain_order=True)
            .agg(grade, "n", "id")
            .filter(pl.col("n").list.len() > 1)
        )
        total += counted.height
        for grades, counts, lists in counted.select(grade, "n", "id").head(MAX_LISTED).iter_rows():
            ids = [ids[0] for ids in lists] + [id_ for ids in lists for id_ in ids[1:]]
            by_grade = dict(zip(grades, counts, strict=True))
            found.append({"modality": modality, "grades": by_grade, "ids": ids[:MAX_IDS]})
    return found[:MAX_LISTED], total


def leaks_between_splits(rows: pl.DataFrame) -> list[dict[str, object]]:
    """What two parts of one dataset have in common, by ``split`` in the samples' metadata."""
    counts = rows["split"].drop_nulls().value_counts(sort=True)
    splits = sorted(counts["split"].head(_MAX_SPLITS).to_list())
    parts = {name: rows.filter(pl.col("split") == name) for name in splits}
    return [
        {"between": [one, other], **leak}
        for one, other in combinations(splits, 2)
        for leak in _leaks(parts[one], parts[other], group=True)
    ]


def leaks_into(rows: pl.DataFrame, names: Sequence[str]) -> list[dict[str, object]]:
    """What the first dataset has in common with each of the others.

    Args:
        rows: Of all datasets.
        names: Of the others.
    """
    first = rows.filter(pl.col("source") == 0)
    return [
        {"into": name, **leak}
        for number, name in enumerate(names, 1)
        for leak in _leaks(first, rows.filter(pl.col("source") == number))
    ]


def _leaks(
    left: pl.DataFrame, right: pl.DataFrame, *, group: bool = False
) -> Iterator[dict[str, object]]:
    """By what rows of one side are in the other: samples, and ids of some with their like."""
    kinds = [
        ("pair", "equal", ["image_equal", "text_equal"]),
        ("image", "equal", ["image_equal"]),
        ("image", "near", ["image_near"]),
        ("text", "equal", ["text_equal"]),
        ("text", "near", ["text_near"]),
        *([("group", "equal", ["group"])] if group else []),
    ]
    for by, kind, keys in kinds:
        shared = left.join(right, on=keys, how="semi")
        if kind == "near":
            shared = shared.join(right, on=f"{by}_equal", how="anti")
        if shared.height:
            like = right.unique(keys, keep="first", maintain_order=True)
            examples = shared.head(MAX_IDS).join(like, on=keys, how="left", maintain_order="left")
            yield {
                "by": by,
                "kind": kind,
                "samples": shared.height,
                "examples": examples.select("id", "id_right").rows(),
            }
