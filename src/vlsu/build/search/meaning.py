"""Ranking by meaning: one vector for each candidate, in a file that is mapped into memory.

Search is exact: `usearch` compares the query with every vector, a million of them in about a tenth
of a second of one core. The graph of an approximate search takes more than half a millisecond for
each vector to build, anew whenever a source changes, and has not the same neighbours each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlsu.build.search.catalogue import Catalogue, Row
from vlsu.build.search.embedders import Embedder, Vector
from vlsu.build.search.vectors import Vectors
from vlsu.build.sources.base import LocalSource
from vlsu.errors import BuildError, DataError, MissingExtraError

__all__ = ["Meaning", "require_usearch"]

_HALF = np.dtype("<f2")
#: Candidates whose images are read at a time.
_BATCH = 64
#: Vectors from which an average score is estimated, at most.
_SAMPLED = 4096


class Meaning:
    """Vectors by position, and the ranks that a sentence gives them.

    Args:
        path: The file that `Meaning.build` made.
        dimensions: Of a vector.
        count: How many vectors there are.

    Raises:
        MissingExtraError: The extra ``build`` is not installed.
        BuildError: The file is of another size.
    """

    def __init__(self, path: Path, dimensions: int, count: int) -> None:
        self._usearch = require_usearch()
        try:
            whole = path.stat().st_size == count * dimensions * _HALF.itemsize
            if not whole:
                raise BuildError(f"{path}: is damaged; remove it, it is made anew")
            self._rows: NDArray[Any] = (
                np.memmap(path, dtype=_HALF, mode="r", shape=(count, dimensions))
                if count
                else np.empty((0, dimensions), dtype=_HALF)
            )
        except OSError as error:
            raise BuildError(f"{path}: cannot be read ({error.strerror})") from None
        sample = np.asarray(self._rows[:: max(1, count // _SAMPLED)], dtype=np.float32)
        self._sample = sample[np.any(sample, axis=1)]

    @staticmethod
    def build(
        catalogue: Catalogue,
        sources: Sequence[LocalSource],
        embedder: Embedder,
        vectors: Vectors,
        path: Path,
        *,
        progress: Callable[[int, int | None], None] = lambda done, total: None,
    ) -> None:
        """Embed all candidates; the file appears when it is whole.

        A vector is that of the image and that of the caption, weighted by the embedder's
        `image_share`, at length 1; zeros where there is neither. An image at an address is not
        fetched for it, and a caption in a language that the embedder does not know is left out.
        Whatever was embedded before an interruption is not embedded again.

        Raises:
            BuildError: The file cannot be written.
        """
        if path.exists():
            return
        part = path.with_name(f"{path.name}.part")
        size, total = embedder.dimensions * _HALF.itemsize, len(catalogue)
        try:
            with part.open("ab") as stream:
                done = min(stream.tell() // size, total)
                stream.truncate(done * size)  # a row that was cut short
                stream.seek(0, 2)
                rest = catalogue.rows(done)
                while batch := tuple(islice(rest, _BATCH)):
                    rows = _embedded(batch, catalogue, sources, embedder, vectors)
                    stream.write(rows.astype(_HALF).tobytes())
                    stream.flush()
                    done += len(batch)
                    progress(done, total)
            part.rename(path)
        except OSError as error:
            raise BuildError(f"{path}: cannot be written ({error.strerror})") from None

    def rank(self, query: Vector, count: int) -> list[int]:
        """Positions of the nearest candidates, nearest first; those without a vector are left out.

        Of equally near ones the one that a source lists earlier comes first.
        """
        if not len(self._sample) or count < 1:
            return []
        found = self._usearch.search(
            self._rows,
            query.astype(np.float16),
            min(count, len(self._rows)),
            self._usearch.MetricKind.IP,
            exact=True,
            threads=1,
        )
        positions = np.sort(np.asarray(found.keys, dtype=np.int64))
        rows = np.asarray(self._rows[positions], dtype=np.float32)
        positions, rows = positions[np.any(rows, axis=1)], rows[np.any(rows, axis=1)]
        order = np.argsort(-(rows @ query), kind="stable")
        return [int(position) for position in positions[order]]

    def scores(self, query: Vector, positions: Sequence[int]) -> NDArray[np.float64]:
        """How near candidates are: 0 as the average one is, 1 as the nearest of these is.

        Candidates without a vector count as average.
        """
        if not positions or not len(self._sample):
            return np.zeros(len(positions))
        rows = np.asarray(self._rows[np.asarray(positions)], dtype=np.float32)
        average = float((self._sample @ query).mean())
        near = np.zeros(len(positions))
        seen = np.any(rows, axis=1)
        near[seen] = rows[seen] @ query - average
        best = float(near.max())
        if best > 0:
            near /= best
        return near


def _embedded(
    batch: Sequence[Row],
    catalogue: Catalogue,
    sources: Sequence[LocalSource],
    embedder: Embedder,
    vectors: Vectors,
) -> NDArray[np.float32]:
    share = embedder.image_share
    total = np.zeros((len(batch), embedder.dimensions), dtype=np.float32)
    if share > 0:
        read = list(_read(batch, catalogue, sources))
        total[[i for i, _ in read]] += share * vectors.images([data for _, data in read])
    if share < 1:
        captions = [
            candidate.caption if _understood(candidate.language, embedder.language) else ""
            for _, _, candidate in batch
        ]
        total += (1 - share) * vectors.texts(captions)
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    total /= lengths
    return total


def _understood(language: str | None, only: str | None) -> bool:
    """Whether a caption is in the language that is understood; an unknown one is taken to be."""
    if language is None or only is None:
        return True
    return language.lower().replace("_", "-").partition("-")[0] == only


def _read(
    batch: Sequence[Row], catalogue: Catalogue, sources: Sequence[LocalSource]
) -> Iterator[tuple[int, bytes]]:
    """Place in the batch and bytes of each image that is here and can be read."""
    for index, (position, source, candidate) in enumerate(batch):
        if candidate.url is not None:
            continue  # no gallery is fetched as a whole before anyone has chosen from it
        try:
            yield index, sources[source].read(candidate)
        except DataError:
            catalogue.add_unreadable(position)


def require_usearch() -> Any:
    """The library's module of indexes.

    Raises:
        MissingExtraError: The extra ``build`` is not installed.
    """
    # usearch puts the symbols of its kernels where all libraries see them: an ONNX Runtime that is
    # loaded after it crashes the process (usearch 2.26.6, onnxruntime 1.32), before it does not.
    if find_spec("onnxruntime") is not None:
        import_module("onnxruntime")
    try:
        return import_module("usearch.index")
    except ModuleNotFoundError:
        raise MissingExtraError("searching for images", "build") from None
