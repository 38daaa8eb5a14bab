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


def duplicates(rows: pl.DataFrame) -> dict[str, object]:
    """Groups of samples that hold the same image, the same text, or both.

    Args:
        rows: Of one dataset; see `vlsu.data.checks.rows.joined_rows`.

    Returns:
        ``images``, ``texts`` and ``pairs``: the groups, each with its ``kind``, the number of its
        samples and the first of their ids. ``counts``: of each, groups by kind.
    """
    both = pl.col("image_equal").is_not_null() & pl.col("text_equal").is_not_null()
    found = {
        "images": _groups(rows, ["image_near"], ("image", "image_equal"), listed="image"),
        "texts": _groups(rows, ["text_near"], ("text", "text_equal")),
        "pairs": _groups(rows.filter(both), ["image_equal", "text_equal"], ("image", "text")),
    }
    return {
        **{name: groups[:MAX_LISTED] for name, groups in found.items()},
        "counts": {
            name: {
                kind: sum(group["kind"] == kind for group in groups)
                for kind in ("identical", "equal", "near")
                if name != "pairs" or kind != "near"
            }
            for name, groups in found.items()
        },
    }


def _groups(
    rows: pl.DataFrame, keys: list[str], finer: tuple[str, str], listed: str | None = None
) -> list[dict[str, object]]:
    """Rows of one key, where there are several, those that are least alike first.

    Args:
        rows: The rows.
        keys: Columns whose values are equal in a group.
        finer: Columns with one value in a group that is identical, and in one that is equal.
        listed: Column whose different values are listed too.
    """
    grouped = (
        rows.filter(pl.all_horizontal(pl.col(keys).is_not_null()))
        .group_by(keys, maintain_order=True)
        .agg(
            pl.len().alias("n"),
            pl.col("id").head(MAX_IDS),
            *(pl.col(name).n_unique().alias(f"of_{name}") for name in finer),
            *([pl.col(listed).unique(maintain_order=True).head(MAX_IDS)] if listed else []),
        )
        .filter(pl.col("n") > 1)
    )
    found = []
    for group in grouped.iter_rows(named=True):
        identical = [group[f"of_{name}"] == 1 for name in finer]
        if len(keys) > 1:
            kind = "identical" if all(identical) else "equal"
        else:
            kind = "identical" if identical[0] else "equal" if identical[1] else "near"
        entry = {"kind": kind, "samples": group["n"], "ids": group["id"]}
        found.append({**entry, **({"images": group[listed]} if listed else {})})
    return sorted(found, key=lambda group: _LISTED_LAST[str(group["kind"])])


def conflicts(rows: pl.DataFrame) -> list[dict[str, object]]:
    """Samples of the same image, text or pair that are graded differently in that modality.

    Returns:
        For each group ``modality``, ``grades`` (grade -> samples), and ``ids``, one of each grade
        first.
    """
    keys = {
        "image": ["image_equal"],
        "text": ["text_equal"],
        "joint": ["image_equal", "text_equal"],
    }
    found: list[dict[str, object]] = []
    for modality in MODALITIES:
        grade = f"{modality}_grade"
        known = pl.all_horizontal(pl.col([*keys[modality], grade]).is_not_null())
        counted = (
            rows.filter(known)
            .group_by([*keys[modality], grade], maintain_order=True)
            .agg(pl.len().alias("n"), pl.col("id").head(MAX_IDS))
            .with_columns(pl.len().over(keys[modality]).alias("grades"))
            .filter(pl.col("grades") > 1)
        )
        for _, group in counted.group_by(keys[modality], maintain_order=True):
            lists = group["id"].to_list()
            ids = [one for ids in lists for one in ids[:1]] + [x for ids in lists for x in ids[1:]]
            grades = dict(zip(group[grade], group["n"], strict=True))
            found.append({"modality": modality, "grades": grades, "ids": ids[:MAX_IDS]})
    return found


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
