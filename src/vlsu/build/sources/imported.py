"""Rows of other people's benchmarks as the importers read them, for their images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlsu.data.importers import ImportOptions, Note, Rejected, SourceRows, importers
from vlsu.data.sources import Entry, Source, SourceItem
from vlsu.data.sources.base import columns_of
from vlsu.data.tables.records import Broken
from vlsu.policy import default_policy

__all__ = ["imported"]


def imported(path: Path, format_: str) -> Source:
    """The rows that an importer reads: its metadata, ``text`` and ``image``.

    Args:
        path: The file or folder.
        format_: Name of the importer.

    Raises:
        UsageError: There is no such importer.
        DataError: The file is not of that format.
    """
    importer = importers.get(format_)
    options = ImportOptions(importer.about(path).policy or default_policy())

    def read() -> Iterator[SourceItem]:
        for item in importer.read(path, options):
            if isinstance(item, Note | SourceRows):  # rows come one by one
                continue
            if isinstance(item, Rejected):
                yield Broken(item.line, item.line, item.reason, "", item.fix)
                continue
            image: object = item.image_data
            if image is None:
                image = next(iter(item.image_names), item.image_sha256)
            sample = item.sample
            values = {**sample.metadata, "text": sample.text, "language": sample.language}
            yield Entry(item.line, {**values, "image": image})

    return Source(path, f"rows of {format_}", columns_of(read()), read)
