"""Texts and images of the dataset, at hand by a sample's identifier, in little memory.

Samples are leased in a random order, and a Parquet file gives one row only with thousands of
others. So the server copies what it shows to a file of its own, which has no name and is gone when
the server ends. In memory are 20 bytes for each sample: a hash of its identifier, and where it is.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from vlsu._machine import exhausted_resource
from vlsu.data import Dataset
from vlsu.data.images.probe import EXTENSIONS
from vlsu.errors import MachineError

__all__ = ["Content"]

_COLUMNS = ("id", "text", "language", "image_sha256")
#: Rows that are read at once.
_BATCH = 8192


class Content:
    """Texts and images of the dataset, by a sample's identifier.

    Args:
        dataset: What is graded.
        folder: Where the nameless copy is made.

    Raises:
        VlsuError: The dataset is damaged, or there is no space for the copy.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset = dataset
        self._file, hashes, self._starts = _copied(dataset, folder)
        weakref.finalize(self, os.close, self._file)
        self._order = np.argsort(hashes, kind="stable").astype(np.uint32)
        self._hashes = hashes[self._order]

    def of(self, sample_id: str, modality: str) -> dict[str, Any]:
        """What of a sample a page shows in a modality.

        Returns:
            ``text`` and ``image_sha256``, each `None` where the modality does not show it, and
            ``language``.

        Raises:
            KeyError: The dataset has no such sample.
        """
        _, text, language, image = self._row(sample_id)
        return {
            "text": None if modality == "image" else text,
            "language": language,
            "image_sha256": None if modality == "text" else image,
        }

    def image(self, sha256: str) -> tuple[bytes, str]:
        """The bytes and the media type of an image.

        Raises:
            DataError: It is missing, or cannot be read.
        """
        data, extension = self.dataset.images.read_typed(sha256)
        return data, EXTENSIONS[extension]

    def _row(self, sample_id: str) -> list[Any]:
        wanted = _hashed([sample_id])[0]
        at = int(np.searchsorted(self._hashes, wanted))
        while at < len(self._hashes) and self._hashes[at] == wanted:
            number = int(self._order[at])
            start, end = int(self._starts[number]), int(self._starts[number + 1])
            row: list[Any] = orjson.loads(os.pread(self._file, end - start, start))
            if row[0] == sample_id:
                return row
            at += 1
        raise KeyError(sample_id)


def _copied(
    dataset: Dataset, folder: Path
) -> tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The rows of a dataset in a file without a name.

    Returns:
        Its descriptor, hashes of the identifiers, and where each row begins and the last ends.

    Raises:
        VlsuError: The dataset is damaged, or there is no space.
    """
    where = folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())
    hashes, lengths = [_hashed([])], [np.zeros(1, np.int64)]
    try:
        with tempfile.TemporaryFile(dir=where) as file:
            for rows in _batches(dataset):
                parts = [orjson.dumps(row) for row in rows.iter_rows()]
                file.write(b"".join(parts))
                hashes.append(_hashed(rows["id"]))
                lengths.append(np.fromiter(map(len, parts), np.int64, len(parts)))
            file.flush()
            kept = os.dup(file.fileno())
    except OSError as error:
        why = exhausted_resource(error) or error.strerror or str(error)
        raise MachineError(f"{where}: a copy of the samples cannot be made ({why})") from None
    return kept, np.concatenate(hashes), np.cumsum(np.concatenate(lengths))


def _batches(dataset: Dataset) -> Iterator[pl.DataFrame]:
    """What is shown of the samples, in order."""
    frame = dataset.frame().select(_COLUMNS)
    start = 0
    with dataset.reading():
        while (rows := frame.slice(start, _BATCH).collect()).height:
            yield rows
            start += _BATCH


def _hashed(ids: Iterable[str]) -> np.ndarray[Any, Any]:
    """64 bits of each identifier."""
    digests = (blake2b(each.encode(), digest_size=8).digest() for each in ids)
    return np.frombuffer(b"".join(digests), np.uint64)
