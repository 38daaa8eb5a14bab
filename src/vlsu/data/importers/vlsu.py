"""The importer for the released CSV of VLSU (arXiv 2510.18214)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from vlsu.data.importers.base import (
    Importer,
    ImportItem,
    ImportOptions,
    Note,
    SourceRow,
    SourceRows,
)
from vlsu.data.importers.benchmark import find_files
from vlsu.data.importers.croissant import about_croissant
from vlsu.data.importers.csv import read_mapped
from vlsu.data.tables import Table, columns_found, normalise, stripped
from vlsu.errors import DataError, UsageError
from vlsu.policy import Policy

__all__ = ["VLSU", "read_vlsu"]

_FIELDS = {
    "uuid": "id",
    "web_path": "image_url",
    "prompt": "text",
    "image_grade": "image_grade",
    "consensus_text_grade": "text_grade",
    "consensus_combined_grade": "joint_grade",
    "image_category": "image_category",
    "text_category": "text_category",
    "combined_category": "joint_category",
}

#: Columns that `vlsu data export` adds to those of the release.
_ADDED = ("language", "group", "metadata")

#: The mislabelled row of the release: (category stated, correct category).
_MISLABELLED = {"2aa9226c-201d-458d-9b2e-0aa36845c763": ("C14", "C15")}


def read_vlsu(path: Path, options: ImportOptions) -> Iterator[ImportItem | SourceRows]:
    """Read the released CSV: columns in any order and letter case, others into the metadata.

    A `web_path` that is no address is the path of an image, as `vlsu data export` writes it. Of a
    folder, ``VLSU.csv`` is read.

    Raises:
        UsageError: A map is given, which this format does not support.
        DataError: A column is missing or ambiguous, or the file cannot be read as text.
    """
    if options.map:
        raise UsageError("--map is for the importer 'csv'; the columns of 'vlsu' are known")
    (path, *_) = find_files(path, ["VLSU.csv", "*.csv"], "vlsu")
    table = Table(path, _FIELDS.keys(), encoding=options.encoding)
    names = [normalise(column) for column in table.header]
    for column in _FIELDS:
        if names.count(column) == 1:
            continue
        problem = "is there twice; remove one" if column in names else "is missing"
        raise DataError(
            f"{path}: line {table.header_line}: column {column!r} {problem}; "
            f"found: {columns_found(table.header)}; for other columns use the importer 'csv' with "
            "--map"
        )
    fields = {n: _FIELDS[name] for n, name in enumerate(names) if name in _FIELDS}
    fields |= {names.index(name): name for name in _ADDED if names.count(name) == 1}
    url = stripped(pl.col("image_url"))
    wrong = stripped(pl.col("id")).str.to_lowercase().is_in(list(_MISLABELLED))
    path_stated = (url != "") & ~url.str.contains("://", literal=True)
    return _corrected(read_mapped(table, fields, options, apart=wrong | path_stated), options)


def _corrected(
    items: Iterator[ImportItem | SourceRows], options: ImportOptions
) -> Iterator[ImportItem | SourceRows]:
    for item in items:
        if isinstance(item, SourceRows):
            others = [(place, _corrected_item(other, options)) for place, other in item.others]
            yield replace(item, others=others)
        else:
            yield _corrected_item(item, options)


def _corrected_item(item: ImportItem, options: ImportOptions) -> ImportItem:
    return _correct(_with_path(item), options.policy) if isinstance(item, SourceRow) else item


def _with_path(row: SourceRow) -> SourceRow:
    """The row, with a path that stands where an address is expected as a path."""
    url = row.sample.image_url
    if url is None or "://" in url:
        return row
    return replace(row, sample=replace(row.sample, image_url=None))


def _correct(row: SourceRow, policy: Policy) -> SourceRow:
    known = _MISLABELLED.get(row.sample.id.lower())
    if known is None:
        return row
    wrong, right = known
    sample = row.sample
    corrected = replace(
        sample,
        image_category=right if sample.image_category == wrong else sample.image_category,
        text_category=right if sample.text_category == wrong else sample.text_category,
        joint_category=right if sample.joint_category == wrong else sample.joint_category,
    )
    if corrected == sample or right not in policy.category_ids:
        return row
    kind = f"mislabelled upstream row corrected: {sample.id} {wrong} -> {right}"
    return replace(row, sample=corrected, notes=(*row.notes, Note(row.line, kind)))


_AUTHORS = (
    *("Palaskar, Shruti", "Gatys, Leon", "Abdelrahman, Mona", "Jacobo, Mar", "Lindsey, Larry"),
    *("Moharir, Rutika", "Lund, Gunnar", "Xu, Yang", "Shiee, Navid", "Bigham, Jeffrey"),
    *("Maalouf, Charles", "Cheng, Joseph Yitan"),
)
_CITATION = (
    f"@misc{{palaskar2025vlsu, author = {{{' and '.join(_AUTHORS)}}}, title = {{{{VLSU}}: Mapping "
    "the Limits of Joint Multimodal Understanding for {AI} Safety}, year = {2025}, "
    "eprint = {2510.18214}, archivePrefix = {arXiv}}"
)

VLSU = Importer(
    read_vlsu,
    describe=about_croissant,
    name="vlsu",
    source="https://github.com/apple/ml-vlsu",
    licence="CC-BY-NC-ND",
    citation=_CITATION,
    description="VLSU, imported from its released CSV. For local use: its licence forbids "
    "passing on rows or images.",
    together=True,
)
