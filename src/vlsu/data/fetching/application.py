"""Putting the images that were fetched into the rows of the dataset."""

from __future__ import annotations

import contextlib

import orjson

from vlsu.data.datasets.dataset import Dataset
from vlsu.data.datasets.updating import update_rows
from vlsu.data.fetching.journal import Journal
from vlsu.data.rows import COLUMNS, Row
from vlsu.data.sample import IMAGE_FAULT

__all__ = ["use_images"]

_SHA256, _URL, _METADATA = map(COLUMNS.index, ("image_sha256", "image_url", "metadata"))


def use_images(dataset: Dataset, journal: Journal) -> Dataset:
    """Set the hash of every sample whose image is stored.

    Raises:
        DataError: The dataset cannot be read or written.
    """
    changes = 0
    replaced: set[str] = set()
    for row in dataset.rows():
        if _image(row, journal) != row[_SHA256]:
            changes += 1
            replaced |= {row[_SHA256] or ""}
    if not changes and not journal.changing:
        return dataset

    def change(number: int, row: Row) -> Row:
        sha256 = _image(row, journal)
        if sha256 == row[_SHA256]:
            return row
        new = list(row)
        new[_METADATA], new[_SHA256] = _without_fault(row[_METADATA]), sha256
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
