"""What every image of a dataset looks like, in a few bytes an image, and which look alike."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlsu._cores import cores
from vlsu.data.checks.groups import Groups
from vlsu.data.checks.neighbours import close_pairs
from vlsu.data.checks.pdq import MIN_QUALITY, WORDS, pdq
from vlsu.data.datasets.dataset import Dataset
from vlsu.data.images.metadata import is_bare
from vlsu.data.images.pixels import Picture, decode_picture
from vlsu.data.images.place import states_place
from vlsu.data.progress import Progress
from vlsu.errors import DataError

__all__ = ["Alike", "Looks"]


class Alike(NamedTuple):
    """Which images look alike, by hash.

    Attributes:
        equal: Image -> the first image of the same pixels, if that is another.
        near: Image -> the first of the images that look like it, the same pixels included, if that
            is another.
    """

    equal: dict[str, str]
    near: dict[str, str]


class Looks:
    """Perceptual hashes, and digests of the pixels, of images by their SHA-256; 50 bytes each.

    Filled from several threads.
    """

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._words = array("Q")
        self._pixels = array("Q")
        self._quality = array("B")
        self._lock = Lock()
        self.placed: list[str] = []
        """Images that state where they were taken."""

    def __len__(self) -> int:
        return len(self._names)

    def add(self, sha256: str, data: bytes, picture: Picture) -> None:
        """Add a decoded image; one that is there already is passed over."""
        image = picture.image
        words, quality = pdq(image)
        digest = hashlib.blake2b(repr((image.mode, image.size)).encode(), digest_size=8)
        digest.update(image.tobytes())
        media_type = picture.facts.media_type
        placed = not is_bare(media_type, data, len(data)) and states_place(data, picture.facts)
        with self._lock:
            if sha256 in self._names:
                return
            self._names[sha256] = len(self._names)
            self._words.extend(words.tolist())
            self._pixels.append(int.from_bytes(digest.digest()))
            self._quality.append(quality)
            if placed:
                self.placed.append(sha256)

    def add_all(self, dataset: Dataset, progress: Progress | None = None) -> None:
        """Add every image that samples of a dataset use and that can be decoded."""
        column = dataset.frame().select("image_sha256").drop_nulls().unique(maintain_order=True)
        hashes = [name for (name,) in column.collect().iter_rows() if name not in self._names]

        def look(sha256: str) -> None:
            try:
                data = dataset.read_image(sha256)
                self.add(sha256, data, decode_picture(data))
            except (DataError, MemoryError):
                return  # the check of that dataset says so

        done = 0
        with ThreadPoolExecutor(cores()) as threads:
            for batch in _batches(hashes, 256):
                list(threads.map(look, batch))
                done += len(batch)
                if progress is not None:
                    progress(done, len(hashes))

    @property
    def plain(self) -> int:
        """Images with too few edges for their looks to be compared."""
        return sum(quality < MIN_QUALITY for quality in self._quality)

    def alike(self) -> Alike:
        """Which of them are the same pixels, and which look alike."""
        names = list(self._names)
        pixels = np.asarray(self._pixels)
        _, firsts, inverse = np.unique(pixels, return_index=True, return_inverse=True)
        equal = firsts[inverse]
        groups = Groups(len(names))
        groups.join((n, int(first)) for n, first in enumerate(equal.tolist()) if n != first)
        # Only distinct hashes of enough quality are compared; equal ones are alike in any case.
        told = np.flatnonzero(np.asarray(self._quality) >= MIN_QUALITY)
        words = np.asarray(self._words, dtype=np.uint64).reshape(-1, WORDS)[told]
        distinct, firsts, inverse = np.unique(words, axis=0, return_index=True, return_inverse=True)
        owners = told[firsts]
        groups.join(zip(told.tolist(), owners[inverse.ravel()].tolist(), strict=True))
        for one, other, _ in close_pairs(distinct):
            groups.join(zip(owners[one].tolist(), owners[other].tolist(), strict=True))
        return Alike(_moved(names, equal), _moved(names, groups.first()))


def _moved(names: Sequence[str], first: NDArray[np.int64]) -> dict[str, str]:
    """Name -> the name at its number in `first`, where that is another."""
    moved = np.flatnonzero(first != np.arange(len(first)))
    return {names[n]: names[first[n]] for n in moved.tolist()}


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    pending = iter(items)
    while batch := list(islice(pending, size)):
        yield batch
