"""The importer for a dataset folder of this package: the same samples in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vlsu.data.datasets.dataset import Dataset, load
from vlsu.data.importers.base import About, Importer, ImportItem, ImportOptions, SourceRow
from vlsu.data.importers.benchmark import refuse_options
from vlsu.data.importers.record import build_row
from vlsu.errors import DataError

__all__ = ["DATASET", "read_dataset"]


def read_dataset(path: Path, options: ImportOptions) -> Iterator[ImportItem]:
    """Read every sample, with its image.

    Raises:
        UsageError: A map or grades are given.
        DataError: It is no dataset, or a file of it is damaged.
    """
    refuse_options(options, "dataset")
    return _rows(load(path), options)


def _rows(dataset: Dataset, options: ImportOptions) -> Iterator[ImportItem]:
    known = {None, *options.policy.category_ids}
    for line, sample in enumerate(dataset.samples(), 1):
        data: bytes | None = None
        if sample.image_sha256 is not None:
            try:
                data = dataset.read_image(sample.image_sha256)
            except DataError:
                data = None  # noted as missing by its hash
        row = SourceRow(
            line,
            replace(sample, image_sha256=None),
            (sample.image_url,) if sample.image_url else (),
            sample.image_sha256,
            image_data=data,
        )
        categories = {sample.image_category, sample.text_category, sample.joint_category}
        yield row if known >= categories else _recategorised(row, options)


def _recategorised(row: SourceRow, options: ImportOptions) -> ImportItem:
    """The row under another policy, which does not have its categories."""
    sample = row.sample
    fields = {
        f"{modality}_category": sample.category(modality) or ""
        for modality in ("image", "text", "joint")
    }
    read = build_row(row.line, {"id": sample.id, **fields}, {}, options)
    if not isinstance(read, SourceRow):
        return read
    found = read.sample
    changed = replace(
        sample,
        image_category=found.image_category,
        text_category=found.text_category,
        joint_category=found.joint_category,
        metadata={**sample.metadata, **found.metadata},
    )
    return replace(row, sample=changed, notes=read.notes)


def about_dataset(path: Path) -> About:
    """What ``dataset.yaml`` says."""
    dataset = load(path)
    info = dataset.info
    return About(
        info.name,
        info.version,
        info.licence,
        info.citation,
        info.source,
        info.description,
        dataset.policy,
    )


DATASET = Importer(read_dataset, describe=about_dataset)
