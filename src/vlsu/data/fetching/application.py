"""Putting the images that were fetched into the rows of the dataset."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import orjson

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.updating import update_rows
from vlsu.data.fetching.journal import Journal
from vlsu.data.importing.duplicates import GroupIndex
from vlsu.data.rows import COLUMNS, Row
from vlsu.data.sample import IMAGE_FAULT, Sample

__all__ = ["use_images"]

_ID, _TEXT, _SHA256, _URL, _GROUP, _METADATA = map(
    COLUMNS.index, ("id", "text", "image_sha256", "image_url", "group", "metadata")
)


def use_images(dataset: Dataset, journal: Journal) -> Dataset:
    """Set the hash of every sample whose image is stored; samples that share one become a group.

    Raises:
        DataError: The dataset cannot be read or written.
    """
    index, changes = GroupIndex(), 0
    replaced: set[str] = set()
    for row in dataset.rows():
        sha256 = _image(row, journal)
        if sha256 != row[_SHA256]:
            changes += 1
            replaced |= {row[_SHA256] or ""}
        index.add(Sample(row[_ID] or "", text=row[_TEXT], image_sha256=sha256, image_url=row[_URL]))
    if not changes and not journal.changing:
        return dataset
    firsts = index.representatives(set())
    names = _group_names(dataset, firsts)

    def change(number: int, row: Row) -> Row:
        sha256 = _image(row, journal)
        first = int(firsts[number])
        group = row[_GROUP]
        if group is None and first >= 0:
            group = names[first]
        if (sha256, group) == (row[_SHA256], row[_GROUP]):
            return row
        new = list(row)
        if sha256 != row[_SHA256]:
            new[_METADATA] = _without_fault(row[_METADATA])
        new[_SHA256], new[_GROUP] = sha256, group
        return tuple(new)

    with journal.change():
        changed = update_rows(dataset, change)
    _remove_unused(changed, replaced)
    return changed


def _remove_unused(dataset: Dataset, images: set[str]) -> None:
    """Remove images that no sample has any more."""
    if not images - {""}:
        return
    with dataset.reading():
        column = dataset.frame().select("image_sha256").unique().collect(engine="streaming")
    for sha256 in images.difference(column["image_sha256"]):
        path = dataset.image_path(sha256)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()


def _image(row: Row, journal: Journal) -> str | None:
    """The hash of a row's image, after what was fetched."""
    sha256, url = row[_SHA256], row[_URL]
    found = None if url is None else journal.image_of(url)
    if found is None:
        return sha256
    fetched, before = found
    return fetched if sha256 is None or sha256 == before else sha256


def _group_names(dataset: Dataset, firsts: np.ndarray[Any, np.dtype[np.int64]]) -> dict[int, str]:
    """First row of a group -> its name: one that a member has, or the first member's identifier."""
    named: dict[int, str] = {}
    ids: dict[int, str] = {}
    for number, row in enumerate(dataset.rows()):
        first = int(firsts[number])
        if first >= 0:
            if first == number:
                ids[first] = row[_ID] or ""
            if row[_GROUP] is not None:
                named.setdefault(first, row[_GROUP] or "")
    return ids | named


def _without_fault(metadata: str | None) -> str:
    """Metadata without what an import noted of an image that it did not find."""
    try:
        tree = orjson.loads(metadata or "{}")
    except orjson.JSONDecodeError:
        return metadata or "{}"
    if not isinstance(tree, dict):
        return metadata or "{}"
    for key in (IMAGE_FAULT, "image_sha256"):
        tree.pop(key, None)
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS).decode()
