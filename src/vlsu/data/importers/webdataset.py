"""The importer for WebDataset shards; see `vlsu.data.sources.shards` for their layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vlsu.data.importers.base import Importer, ImportItem, ImportOptions, SourceRows
from vlsu.data.importers.croissant import about_croissant
from vlsu.data.importers.tabular import read_source
from vlsu.data.sources import Source, SourceItem
from vlsu.data.sources.base import columns_of
from vlsu.data.sources.shards import shard_source
from vlsu.errors import DataError

__all__ = ["WEBDATASET", "read_webdataset"]

_SUFFIXES = (".tar", ".tar.gz", ".tgz")


def read_webdataset(path: Path, options: ImportOptions) -> Iterator[ImportItem | SourceRows]:
    """Read a tar archive, or every one of a folder in the order of their names.

    Raises:
        UsageError: The map names an unknown field, or one field twice.
        DataError: There is no archive, one is damaged, or no field holds a text or an image.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(_SUFFIXES))
    if not files:
        raise DataError(f"{path}: no tar archive in this folder; give the folder of the shards")
    shards = [shard_source(file) for file in files]

    def read() -> Iterator[SourceItem]:
        number = 0
        for shard in shards:
            for item in shard.read():
                number += 1
                yield replace(item, line=number)

    source = Source(path, "tar archives", columns_of(read()), read)
    return read_source(source, options)


WEBDATASET = Importer(read_webdataset, describe=about_croissant, together=True)
