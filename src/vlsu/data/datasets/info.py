"""Counts that describe a dataset."""

from __future__ import annotations

from dataclasses import asdict

import polars as pl

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.links import LINKS
from vlsu.errors import PolicyError
from vlsu.policy import MODALITIES, Family, Pattern, Severity, patterns_of

__all__ = ["dataset_info"]


def dataset_info(dataset: Dataset) -> dict[str, object]:
    """Counts of a dataset as plain values, ready for JSON.

    Returns:
        The content of ``dataset.yaml``, and: ``samples``; ``images`` (distinct);
        ``missing_images`` (samples without a readable image, of which ``no_file`` name one that is
        not in the folder); ``without_text``; ``without_grade`` (no grade at all);
        ``patterns`` (every listed one, 0 included, then others found), ``unlisted_patterns``,
        ``without_pattern`` (a grade is absent); ``families``; per modality ``severities`` (with
        ``none``) and ``categories`` (with ``none``); ``languages``; ``groups``
        (``count``, ``samples`` in one, ``largest``, the groups of the source); ``shared``: the same
        for samples that share an ``image``, a ``text`` or a ``group`` with another, with ``units``,
        the independent samples that all are worth if those that share it are copies (Kish 1965).

    Raises:
        DataError: A file of samples is damaged.
    """
    with dataset.reading():
        return _info(dataset)


def _info(dataset: Dataset) -> dict[str, object]:
    frame = dataset.frame()
    patterns = _patterns(dataset)
    unlisted = {name: n for name, n in patterns.items() if not Pattern.parse(name).listed}
    families = dict.fromkeys((family.value for family in Family), 0)
    for name, count in patterns.items():
        families[Pattern.parse(name).family.value] += count
    images = _counts(frame.filter(pl.col("image_sha256").is_not_null()), "image_sha256")
    store = dataset.images
    no_file = sum(n for sha256, n in images.items() if sha256 not in store)
    no_image = len(dataset) - sum(images.values())
    no_grade = pl.all_horizontal(pl.col(f"{m}_grade").is_null() for m in MODALITIES)
    totals = frame.select(
        without_text=pl.col("text").is_null().sum(), without_grade=no_grade.sum()
    ).collect()
    groups = _counts(frame.filter(pl.col("group").is_not_null()), "group")
    about = asdict(dataset.info)
    del about["counts"], about["files"]
    return {
        **about,
        "path": str(dataset.path),
        "samples": len(dataset),
        "images": len(images),
        "missing_images": no_image + no_file,
        "no_file": no_file,
        **totals.row(0, named=True),
        "patterns": patterns,
        "unlisted_patterns": unlisted,
        "without_pattern": len(dataset) - sum(patterns.values()),
        "families": families,
        "severities": {m: _severities(dataset, m) for m in MODALITIES},
        "categories": {m: _categories(dataset, m) for m in MODALITIES},
        "languages": _counts(frame, "language"),
        "groups": {
            "count": len(groups),
            "samples": sum(groups.values()),
            "largest": max(groups.values(), default=0),
        },
        "shared": _shared(dataset),
    }


def _shared(dataset: Dataset) -> dict[str, dict[str, object]]:
    """How samples share groups, images and texts; see `vlsu.data.links`."""
    links, total = dataset.links(), len(dataset)
    found: dict[str, dict[str, object]] = {}
    for what, column in zip(("group", "image", "text"), LINKS, strict=True):
        sizes = links.drop_nulls(column).group_by(column).len()["len"].to_list()
        squares = total - sum(sizes) + sum(size**2 for size in sizes)
        found[what] = {
            "count": len(sizes),
            "samples": sum(sizes),
            "largest": max(sizes, default=0),
            "units": round(total**2 / squares, 1) if total else 0.0,
        }
    return found


def _counts(frame: pl.LazyFrame, column: str) -> dict[str, int]:
    """Value -> rows, the most frequent first; ``"none"`` stands for null."""
    rows = frame.group_by(pl.col(column).fill_null("none").alias("value")).len("n")
    return dict(rows.sort("n", "value", descending=[True, False]).collect().iter_rows())


def _patterns(dataset: Dataset) -> dict[str, int]:
    """Samples by pattern: of the 17 those that the policy's severities can make, and any other."""
    columns = [f"{modality}_grade" for modality in MODALITIES]
    found: dict[str, int] = {str(p): 0 for p in patterns_of(dataset.policy.severities)}
    counts = dataset.frame().group_by(columns).len("n").sort(columns).collect()
    for *grades, count in counts.iter_rows():
        try:
            pattern = Pattern(*(Severity.parse(grade or "") for grade in grades))
        except PolicyError:
            continue  # a grade is absent: counted as without a pattern
        found[str(pattern)] = found.get(str(pattern), 0) + count
    return found


def _severities(dataset: Dataset, modality: str) -> dict[str, int]:
    found = _counts(dataset.frame(), f"{modality}_grade")
    ordered = dict.fromkeys([*(s.label for s in dataset.policy.severities), "none"], 0)
    return {**ordered, **found}


def _categories(dataset: Dataset, modality: str) -> dict[str, int]:
    found = _counts(dataset.frame(), f"{modality}_category")
    ordered = dict.fromkeys([*dataset.policy.category_ids, "none"], 0)
    return {**ordered, **found}
